package judge_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/cadrift/cadrift/internal/canon"
	"github.com/cadrift/cadrift/internal/diff"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/judge"
)

// FuzzJudge judges any two bodies of one object, there and back: it always
// comes to a verdict with words, one that swaps with its sides, and nothing is
// neutral about an object to which it is the same.
func FuzzJudge(f *testing.F) {
	kinds := drift.Kinds()
	fx := loadFixture(f)
	for _, base := range fx.Bases {
		raw := encode(merge(base.Form, tree{"id": publishedID}))
		f.Add(uint8(slices.Index(kinds, base.Kind)), raw, encode(tree{"id": publishedID, "displayName": "x", "state": "enabled"}))
	}
	olds, err := filepath.Glob(filepath.Join("..", "..", "..", "shared", "corpus", "drift-pairs", "*", "old.json"))
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range olds { // none without the corpus
		a, errOld := os.ReadFile(path)
		b, errNew := os.ReadFile(filepath.Join(filepath.Dir(path), "new.json"))
		if errOld != nil || errNew != nil {
			f.Fatal(errOld, errNew)
		}
		f.Add(uint8(0), a, b)
	}
	f.Fuzz(func(t *testing.T, k uint8, a, b []byte) {
		kind := kinds[int(k)%len(kinds)]
		old, errOld := canon.Object(kind, a)
		new, errNew := canon.Object(kind, b)
		if errOld != nil || errNew != nil {
			return
		}
		new.ID = old.ID // one object
		w := fx.standing(fx.Emergency)
		there, back := fuzzed(t, w, &old, &new), fuzzed(t, w, &new, &old)
		if there.Direction.Swap() != back.Direction && !begins(w, &old, &new) {
			t.Fatalf("there and back:\n%s\n%s\n%s\n%s", old.Canonical, new.Canonical, show(there), show(back))
		}
		fuzzed(t, w, nil, &new)
		fuzzed(t, w, &old, nil)
		same := w.Judge(judge.Case{Old: &old, New: &old})
		if old.Odd == "" && (same.Direction != drift.Neutral || same.Severity != drift.Low || same.Lockout) {
			t.Fatalf("the same is %s\n%s", show(same), old.Canonical)
		}
	})
}

// begins tells of a policy whose acting begins or ends: an odd one is mixed
// either way, and so is what the swap of the two need not hold for.
func begins(w *judge.World, old, new *drift.Object) bool {
	return (old.Odd != "" || new.Odd != "") && w.Acts(old) != w.Acts(new)
}

func fuzzed(t *testing.T, w *judge.World, old, new *drift.Object) drift.Verdict {
	t.Helper()
	var before, after []byte
	if old != nil {
		before = old.Canonical
	}
	if new != nil {
		after = new.Canonical
	}
	changes, _, err := diff.Objects(before, after)
	if err != nil {
		t.Fatal(err)
	}
	v := w.Judge(judge.Case{Old: old, New: new, Changes: changes})
	if len(v.Changes) != len(changes) || v.Summary == "" || strings.ContainsAny(v.Summary, "\n\r") || !utf8.ValidString(v.Summary) {
		t.Fatalf("%d changes, %d told, summary %q", len(changes), len(v.Changes), v.Summary)
	}
	for _, c := range v.Changes {
		if c.Field == "" || !strings.HasPrefix(c.Text, c.Field+": ") || strings.ContainsAny(c.Text, "\n\r") || !utf8.ValidString(c.Text) {
			t.Fatalf("%s has no words, or too many: %q", c.Path, c.Text)
		}
	}
	if v.Lockout != (len(v.Reasons) > 0) || v.Lockout && v.Severity != drift.Critical {
		t.Fatal(show(v))
	}
	return v
}
