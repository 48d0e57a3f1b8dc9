package diff_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cadrift/cadrift/internal/canon"
	"github.com/cadrift/cadrift/internal/diff"
	"github.com/cadrift/cadrift/internal/drift"
)

// misfiled are the pairs that the corpus's own script files the other way round
// than the detection law does, with the reason. Its categories are a first guess:
// one pair filed as a change is none, and none filed as noise is a change.
var misfiled = map[string]string{
	"103": "Microsoft edited the built-in strength that the server expands inside the policy; " +
		"the policy still requires the same one, and the strength is watched as an object of its own",
}

// Consecutive versions of real objects: noise gives no change, anything else at
// least one, and the patch carries the old version over into the new one.
func TestDriftPairs(t *testing.T) {
	const dir = "../../../shared/corpus/drift-pairs"
	index, err := os.ReadFile(filepath.Join(dir, "INDEX.tsv"))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("the corpus is not beside the repository")
	}
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for i, line := range strings.Split(strings.TrimSpace(string(index)), "\n") {
		f := strings.Split(line, "\t")
		if i == 0 {
			continue
		}
		n, category := f[0], f[3]
		kind := drift.Policy
		if f[2] == "loc" {
			kind = drift.NamedLocation
		}
		old, new := pairForm(t, kind, filepath.Join(dir, n, "old.json")), pairForm(t, kind, filepath.Join(dir, n, "new.json"))
		checkObjects(t, old, new)
		changes, _, err := diff.Objects(old, new)
		if err != nil {
			t.Fatal(err)
		}
		got := "changed"
		if len(changes) == 0 {
			got = "unchanged"
		}
		counts[category+", "+got]++
		reason, flip := misfiled[n]
		want := "unchanged"
		if (category == "substantive") != flip {
			want = "changed"
		}
		if got != want {
			t.Errorf("pair %s (%s, %s): %s, want %s %s\n%s", n, category, f[8], got, want, reason, strings.Join(lines(changes), "\n"))
		}
	}
	t.Logf("pairs: %v", counts)
	if total := sum(counts); total < 140 {
		t.Errorf("only %d pairs: the index was not read", total)
	}
}

func sum(counts map[string]int) int {
	total := 0
	for _, n := range counts {
		total += n
	}
	return total
}

// pairForm is the canonical form of one version. Many have no id, and some pairs
// two: the pair is one object to us.
func pairForm(t *testing.T, kind drift.Kind, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var body map[string]json.RawMessage
	if err := json.Unmarshal(raw, &body); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	body["id"] = json.RawMessage(`"a0000000-0000-4000-8000-000000000001"`)
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(body); err != nil {
		t.Fatal(err)
	}
	o, err := canon.Object(kind, b.Bytes())
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return slices.Clone(o.Canonical)
}
