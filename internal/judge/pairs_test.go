package judge_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cadrift/cadrift/internal/canon"
	"github.com/cadrift/cadrift/internal/diff"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/judge"
)

// TestReviewedPairs holds the verdicts on real edits to what a reader of the law
// found: testdata/pairs.tsv, see testdata/README.md.
func TestReviewedPairs(t *testing.T) {
	dir := corpus(t, "drift-pairs")
	raw, err := os.ReadFile(filepath.Join("testdata", "pairs.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	fx := loadFixture(t)
	reviewed := 0
	for line := range strings.Lines(string(raw)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 7 || f[6] == "" {
			t.Fatalf("pairs.tsv: %q", line)
		}
		reviewed++
		old := pairSide(t, filepath.Join(dir, f[0], "old.json"), f[1])
		new := pairSide(t, filepath.Join(dir, f[0], "new.json"), f[2])
		expectPair(t, f[0], f[3], f[6], judgePair(t, fx, judge.Emergency{}, old, new))
		if f[4] == "-" {
			continue
		}
		on := func(o *drift.Object) *drift.Object {
			form := decode(t, o.Canonical)
			form["state"] = "enabled"
			o2 := recast(t, form)
			return &o2
		}
		old, new = on(old), on(new)
		v := judgePair(t, fx, judge.Emergency{}, old, new)
		expectPair(t, f[0]+" switched on", f[4], f[6], v)
		if f[5] == "-" {
			continue
		}
		expectPair(t, f[0]+" with emergency groups", f[5], f[6], judgePair(t, fx, judge.Emergency{Groups: leftExclusions(t, v)}, old, new))
	}
	if reviewed < 60 {
		t.Errorf("only %d reviewed pairs, want at least 60", reviewed)
	}
	t.Logf("%d reviewed pairs", reviewed)
}

// leftExclusions are the groups that a change took from the exclusions.
func leftExclusions(t *testing.T, v drift.Verdict) []string {
	t.Helper()
	var ids []string
	for _, c := range v.Changes {
		for _, raw := range c.Removed {
			var id string
			if err := json.Unmarshal(raw, &id); err == nil && c.Path == "/conditions/users/excludeGroups" {
				ids = append(ids, id)
			}
		}
	}
	if len(ids) == 0 {
		t.Fatalf("no group left the exclusions: %s", show(v))
	}
	return ids
}

// pairSide reads one version of a pair, which must be the one that was reviewed.
func pairSide(t *testing.T, path, digest string) *drift.Object {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(raw)
	if got := hex.EncodeToString(sum[:8]); got != digest {
		t.Fatalf("%s is not what was reviewed: digest %s, want %s", path, got, digest)
	}
	body, kind := decode(t, raw), drift.Policy
	if body["conditions"] == nil {
		kind = drift.NamedLocation
	}
	body["id"] = publishedID // some pairs are one policy under two ids, or none
	o, err := canon.Object(kind, encode(body))
	if err != nil {
		t.Fatal(err)
	}
	return &o
}

func judgePair(t *testing.T, fx *fixture, em judge.Emergency, old, new *drift.Object) drift.Verdict {
	t.Helper()
	changes, _, err := diff.Objects(old.Canonical, new.Canonical)
	if err != nil {
		t.Fatal(err)
	}
	return fx.standing(em, new).Judge(judge.Case{Old: old, New: new, Changes: changes})
}

func expectPair(t *testing.T, name, want, why string, v drift.Verdict) {
	t.Helper()
	got := v.Direction.String() + " " + v.Severity.String()
	if v.Lockout {
		got += " lockout"
	}
	if got != want {
		t.Errorf("pair %s: got %s\nwant %s\nbecause %s", name, show(v), want, why)
	}
}
