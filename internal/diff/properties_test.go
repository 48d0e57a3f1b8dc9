package diff_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cadrift/cadrift/internal/canon"
	"github.com/cadrift/cadrift/internal/diff"
	"github.com/cadrift/cadrift/internal/drift"
	"pgregory.net/rapid"
)

// drawValue draws any JSON from few enough names and leaves for two documents to
// have much in common.
func drawValue(t *rapid.T, depth int) any {
	switch rapid.IntRange(0, 3+2*min(depth, 1)).Draw(t, "value") {
	case 0:
		return rapid.SampledFrom([]json.Number{"1", "1.0", "9007199254740993", "9007199254740992"}).Draw(t, "number")
	case 1:
		return rapid.Bool().Draw(t, "bool")
	case 2, 3:
		return rapid.SampledFrom([]string{"1", "true", "a", "b", "ü 😀", `"\`, "<&>\u2028", "null"}).Draw(t, "text")
	case 4:
		out := []any{}
		for range rapid.IntRange(0, 6).Draw(t, "items") {
			out = append(out, drawValue(t, depth-1))
		}
		return out
	}
	out := map[string]any{}
	for range rapid.IntRange(0, 5).Draw(t, "members") {
		out[rapid.SampledFrom([]string{"a", "b", "c", "conditions", "users", "includeUsers", "a/b", "~", `"`, "<", "0"}).Draw(t, "name")] = drawValue(t, depth-1)
	}
	return out
}

// drawForm draws a canonical form, odd ones included.
func drawForm(t *rapid.T) []byte {
	body := map[string]any{"id": "x"}
	for range rapid.IntRange(0, 4).Draw(t, "members") {
		body[rapid.SampledFrom([]string{"a", "b", "conditions", "state"}).Draw(t, "name")] = drawValue(t, 4)
	}
	raw, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	o, err := canon.Object(drift.Policy, raw)
	if err != nil {
		t.Fatal(err)
	}
	return o.Canonical
}

func TestObjectsProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { checkObjects(t, drawForm(t), drawForm(t)) })
}

// checkObjects holds every promise of the package against one pair of forms.
func checkObjects(t fataler, old, new []byte) {
	t.Helper()
	changes, patch, err := diff.Objects(old, new)
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, old, new)
	}
	if same := bytes.Equal(old, new); same != (len(changes) == 0) || same != (len(patch) == 0) {
		t.Fatalf("equal: %t, changes %v, patch %v\n%s\n%s", same, lines(changes), patch, old, new)
	}
	checkApplies(t, old, new, patch)
	for i, c := range changes {
		if c.Added == nil || c.Removed == nil {
			t.Fatalf("nil list in %+v", c)
		}
		if i > 0 && changes[i-1].Path >= c.Path {
			t.Fatalf("paths are not in order: %v", lines(changes))
		}
		if c.Old == nil && c.New == nil && len(c.Added)+len(c.Removed) == 0 || c.Old != nil && bytes.Equal(c.Old, c.New) {
			t.Fatalf("a change that says nothing: %v", lines(changes))
		}
	}
	for _, op := range patch {
		if !slices.Contains([]string{"add", "remove", "replace"}, op.Op) || (op.Op == "remove") != (op.Value == nil) {
			t.Fatalf("operation %+v", op)
		}
	}
	again, patchAgain, err := diff.Objects(old, new)
	if err != nil || strings.Join(lines(again), "\n") != strings.Join(lines(changes), "\n") || fmt.Sprint(patchAgain) != fmt.Sprint(patch) {
		t.Fatalf("a second time: %v, %v, %v", err, lines(again), patchAgain)
	}
	back, _, err := diff.Objects(new, old)
	if err != nil || strings.Join(lines(swapped(back)), "\n") != strings.Join(lines(changes), "\n") {
		t.Fatalf("backwards: %v\n%v\n%v", err, lines(back), lines(changes))
	}
}

// swapped is the changes seen from the other side.
func swapped(changes []drift.Change) []drift.Change {
	out := slices.Clone(changes)
	for i := range out {
		c := &out[i]
		c.Old, c.New, c.Added, c.Removed = c.New, c.Old, c.Removed, c.Added
	}
	return out
}

// A created object says every leaf once, and a deleted one the same backwards.
func TestCreatedAndDeletedProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		form := drawForm(t)
		created, patch, err := diff.Objects(nil, form)
		if err != nil {
			t.Fatal(err)
		}
		checkApplies(t, []byte(`{}`), form, patch)
		deleted, _, err := diff.Objects(form, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := strings.Join(lines(swapped(deleted)), "\n"), strings.Join(lines(created), "\n"); got != want {
			t.Fatalf("deleted:\n%s\ncreated:\n%s", got, want)
		}
		fromEmpty, _, err := diff.Objects([]byte(`{}`), form)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := strings.Join(lines(created), "\n"), strings.Join(lines(fromEmpty), "\n"); got != want {
			t.Fatalf("created:\n%s\nfrom the empty object:\n%s", got, want)
		}
	})
}

// Two bodies, canonicalised, compared, and patched by another implementation.
func FuzzObjects(f *testing.F) {
	f.Add([]byte(`{"id":"x","conditions":{"users":{"includeUsers":["All"]}},"a":{"b":1}}`),
		[]byte(`{"id":"x","conditions":{"users":{"includeUsers":["b","a"],"excludeUsers":["c"]}},"a":{"b":1.0,"c":[{}]}}`))
	f.Add([]byte(`{"id":"x","a":[[1,2],{"b":[3]}]}`), []byte(`{"id":"x","a":[[2],{"b":[3,4]}],"a/b~":"\u2028"}`))
	f.Add([]byte(`{"id":"x","a":1,"a":2}`), []byte(`{"id":"x","conditions":"\ud800"}`))
	olds, err := filepath.Glob("../../../shared/corpus/drift-pairs/*/old.json") // none without the corpus
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range olds {
		a, errOld := os.ReadFile(path)
		b, errNew := os.ReadFile(filepath.Join(filepath.Dir(path), "new.json"))
		if errOld != nil || errNew != nil {
			f.Fatal(errOld, errNew)
		}
		f.Add(a, b)
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		old, err := canon.Object(drift.Policy, a)
		if err != nil {
			return
		}
		new, err := canon.Object(drift.Policy, b)
		if err != nil {
			return
		}
		if bytes.Contains(slices.Concat(old.Canonical, new.Canonical), []byte(`"":`)) {
			return // see TestObjectsEmptyNames
		}
		if strings.Contains(old.Odd+new.Odd, "appears twice") {
			if _, patch, err := diff.Objects(old.Canonical, new.Canonical); err != nil || len(patch) > 1 {
				t.Fatalf("got %v, %v", patch, err)
			}
			return // no patch library keeps a member that is there twice
		}
		checkObjects(t, old.Canonical, new.Canonical)
	})
}
