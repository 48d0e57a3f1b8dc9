package diff_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cadrift/cadrift/internal/diff"
	"github.com/cadrift/cadrift/internal/drift"
	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/google/go-cmp/cmp"
)

// Each row is one comparison: the changes as lines, the patch as JSON.
var comparisons = []struct {
	name, old, new string
	changes        []string
	patch          string
}{
	{"nothing", `{"a":1}`, `{"a":1}`, nil, `[]`},
	{
		"a leaf", `{"state":"enabled"}`, `{"state":"disabled"}`,
		[]string{`/state "enabled" → "disabled" +[] -[]`},
		`[{"op":"replace","path":"/state","value":"disabled"}]`,
	},
	{
		"leaves appear and go", `{"a":{"b":1}}`, `{"a":{"c":null,"d":true}}`,
		[]string{`/a/b 1 →  +[] -[]`, `/a/c  → null +[] -[]`, `/a/d  → true +[] -[]`},
		`[{"op":"remove","path":"/a/b"},{"op":"add","path":"/a/c","value":null},{"op":"add","path":"/a/d","value":true}]`,
	},
	{
		"types and digits", `{"a":"1","b":1,"c":9007199254740993}`, `{"a":1,"b":1.0,"c":9007199254740992}`,
		[]string{`/a "1" → 1 +[] -[]`, `/b 1 → 1.0 +[] -[]`, `/c 9007199254740993 → 9007199254740992 +[] -[]`},
		`[{"op":"replace","path":"/a","value":1},{"op":"replace","path":"/b","value":1.0},{"op":"replace","path":"/c","value":9007199254740992}]`,
	},
	{
		"a set", `{"s":["a","b","d"]}`, `{"s":["b","c","d","e"]}`,
		[]string{`/s  →  +["c","e"] -["a"]`},
		`[{"op":"remove","path":"/s/0"},{"op":"add","path":"/s/1","value":"c"},{"op":"add","path":"/s/3","value":"e"}]`,
	},
	{
		"a set of objects", `{"r":[{"cidr":"10.0.0.0/8"},{"cidr":"11.0.0.0/8"}]}`, `{"r":[{"cidr":"11.0.0.0/8"}]}`,
		[]string{`/r  →  +[] -[{"cidr":"10.0.0.0/8"}]`},
		`[{"op":"remove","path":"/r/0"}]`,
	},
	{
		"a set changes every member", `{"s":["a","b"]}`, `{"s":["c","d"]}`,
		[]string{`/s  →  +["c","d"] -["a","b"]`},
		`[{"op":"remove","path":"/s/1"},{"op":"remove","path":"/s/0"},{"op":"add","path":"/s/0","value":"c"},{"op":"add","path":"/s/1","value":"d"}]`,
	},
	{
		"a set below names to escape", `{"~/":{"/~":["a"]}}`, `{"~/":{"/~":["b"]},"x":{"~/":1}}`,
		[]string{`/x/~0~1  → 1 +[] -[]`, `/~0~1/~1~0  →  +["b"] -["a"]`},
		`[{"op":"add","path":"/x","value":{"~/":1}},{"op":"remove","path":"/~0~1/~1~0/0"},{"op":"add","path":"/~0~1/~1~0/0","value":"b"}]`,
	},
	{
		"a repeat in a list", `{"s":["a","a","b"]}`, `{"s":["a","b","b"]}`,
		[]string{`/s  →  +["b"] -["a"]`},
		`[{"op":"remove","path":"/s/1"},{"op":"add","path":"/s/2","value":"b"}]`,
	},
	{
		"an object appears whole", `{}`, `{"c":{"s":["a"],"u":{"x":"y"}}}`,
		[]string{`/c/s  →  +["a"] -[]`, `/c/u/x  → "y" +[] -[]`},
		`[{"op":"add","path":"/c","value":{"s":["a"],"u":{"x":"y"}}}]`,
	},
	{
		"an object goes whole", `{"c":{"s":["a"],"u":{"x":"y"}}}`, `{}`,
		[]string{`/c/s  →  +[] -["a"]`, `/c/u/x "y" →  +[] -[]`},
		`[{"op":"remove","path":"/c"}]`,
	},
	{
		"an object becomes a leaf", `{"a":{"b":1}}`, `{"a":"x"}`,
		[]string{`/a  → "x" +[] -[]`, `/a/b 1 →  +[] -[]`},
		`[{"op":"replace","path":"/a","value":"x"}]`,
	},
	{
		"a set becomes a leaf", `{"a":["b"]}`, `{"a":"b"}`,
		[]string{`/a  → "b" +[] -["b"]`},
		`[{"op":"replace","path":"/a","value":"b"}]`,
	},
	{
		"names that are no identifiers", `{"a/b":{"c~d":1}}`, `{"a/b":{"c~d":2},"<&>":3}`,
		[]string{`/<&>  → 3 +[] -[]`, `/a~1b/c~0d 1 → 2 +[] -[]`},
		`[{"op":"add","path":"/<&>","value":3},{"op":"replace","path":"/a~1b/c~0d","value":2}]`,
	},
	{
		"an empty list where canon has none", `{"a":1}`, `{"a":1,"b":[]}`,
		[]string{`/b  → [] +[] -[]`},
		`[{"op":"add","path":"/b","value":[]}]`,
	},
	{
		"a list that is no set", `{"a":[2,1]}`, `{"a":[1,2,3]}`,
		[]string{`/a [2,1] →  +[1,2,3] -[]`},
		`[{"op":"replace","path":"/a","value":[1,2,3]}]`,
	},
	{
		"a list in another order", `{"a":["x","x","b"]}`, `{"a":["x","b","x"]}`,
		[]string{`/a ["x","x","b"] → ["x","b","x"] +[] -[]`},
		`[{"op":"replace","path":"/a","value":["x","b","x"]}]`,
	},
	{
		"a member twice", `{"a":1,"a":2}`, `{"a":1,"a":3}`,
		[]string{` {"a":1,"a":2} → {"a":1,"a":3} +[] -[]`},
		`[{"op":"replace","path":"","value":{"a":1,"a":3}}]`,
	},
	{
		"a member twice, inside", `{"a":1}`, `{"b":[1],"a":{"c":1,"c":1}}`,
		[]string{` {"a":1} → {"b":[1],"a":{"c":1,"c":1}} +[] -[]`},
		`[{"op":"replace","path":"","value":{"b":[1],"a":{"c":1,"c":1}}}]`,
	},
}

func TestObjects(t *testing.T) {
	for _, row := range comparisons {
		t.Run(row.name, func(t *testing.T) {
			changes, patch, err := diff.Objects([]byte(row.old), []byte(row.new))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(row.changes, lines(changes)); d != "" {
				t.Errorf("changes (-want +got):\n%s", d)
			}
			if d := cmp.Diff(row.patch, string(patchJSON(t, patch))); d != "" {
				t.Errorf("patch (-want +got):\n%s", d)
			}
			if !strings.Contains(row.name, "twice") {
				checkApplies(t, []byte(row.old), []byte(row.new), patch)
			}
		})
	}
}

// json-patch takes an empty reference token for the document itself, which RFC
// 6901 does not, so this patch is not applied.
func TestObjectsEmptyNames(t *testing.T) {
	_, patch, err := diff.Objects([]byte(`{"":{"":1}}`), []byte(`{"":{"":2}}`))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(patchJSON(t, patch)), `[{"op":"replace","path":"//","value":2}]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestObjectsCreatedAndDeleted(t *testing.T) {
	form := []byte(`{"displayName":"x","s":["a","b"],"t":{"u":1}}`)
	t.Run("created", func(t *testing.T) {
		changes, patch, err := diff.Objects(nil, form)
		if err != nil {
			t.Fatal(err)
		}
		want := []string{`/displayName  → "x" +[] -[]`, `/s  →  +["a","b"] -[]`, `/t/u  → 1 +[] -[]`}
		if d := cmp.Diff(want, lines(changes)); d != "" {
			t.Errorf("changes (-want +got):\n%s", d)
		}
		if got, want := string(patchJSON(t, patch)), `[{"op":"add","path":"","value":`+string(form)+`}]`; got != want {
			t.Errorf("patch: got %s, want %s", got, want)
		}
		checkApplies(t, []byte(`{}`), form, patch)
	})
	t.Run("deleted", func(t *testing.T) {
		changes, patch, err := diff.Objects(form, nil)
		if err != nil {
			t.Fatal(err)
		}
		want := []string{`/displayName "x" →  +[] -[]`, `/s  →  +[] -["a","b"]`, `/t/u 1 →  +[] -[]`}
		if d := cmp.Diff(want, lines(changes)); d != "" {
			t.Errorf("changes (-want +got):\n%s", d)
		}
		// Not applied: json-patch cannot make a document null, which RFC 6902 allows.
		if got, want := string(patchJSON(t, patch)), `[{"op":"replace","path":"","value":null}]`; got != want {
			t.Errorf("patch: got %s, want %s", got, want)
		}
	})
	t.Run("neither", func(t *testing.T) {
		changes, patch, err := diff.Objects(nil, nil)
		if len(changes) != 0 || len(patch) != 0 || err != nil {
			t.Errorf("got %v, %v, %v", changes, patch, err)
		}
	})
	t.Run("created twice over", func(t *testing.T) {
		changes, patch, err := diff.Objects(nil, []byte(`{"a":1,"a":1}`))
		if len(changes) != 1 || changes[0].Path != "" || changes[0].Old != nil || len(patch) != 1 || err != nil {
			t.Errorf("got %v, %v, %v", lines(changes), patch, err)
		}
	})
}

func TestObjectsRefuses(t *testing.T) {
	good := []byte(`{"a":1}`)
	for _, bad := range []string{``, `null`, `[]`, `"x"`, `{`, `{"a":1}{}`, `{"a":1,"a":`} {
		if _, _, err := diff.Objects([]byte(bad), good); err == nil || !strings.HasPrefix(err.Error(), "read old form: ") {
			t.Errorf("old %q: got %v", bad, err)
		}
		if _, _, err := diff.Objects(good, []byte(bad)); err == nil || !strings.HasPrefix(err.Error(), "read new form: ") {
			t.Errorf("new %q: got %v", bad, err)
		}
		if _, _, err := diff.Objects([]byte(`{"b":1,"b":2}`), []byte(bad)); err == nil {
			t.Errorf("new %q beside a member twice: no error", bad)
		}
	}
}

// encoding/json would read both names, and both texts, as the same U+FFFD.
func TestObjectsBrokenText(t *testing.T) {
	for _, pair := range [][2]string{{"{\"a\":\"\x80\"}", "{\"a\":\"\x81\"}"}, {"{\"\x80\":1}", "{\"\x81\":1}"}} {
		changes, patch, err := diff.Objects([]byte(pair[0]), []byte(pair[1]))
		if err != nil || len(changes) != 1 || changes[0].Path != "" || len(patch) != 1 || patch[0].Path != "" {
			t.Errorf("%q: got %v, %v, %v", pair, lines(changes), patch, err)
		}
	}
}

// The forms are shared with the store, and changes travel on: writing to a result
// must not reach them.
func TestObjectsKeepsItsArguments(t *testing.T) {
	old, new := []byte(`{"a":["x","y"],"b":{"c":1}}`), []byte(`{"a":["y","z"],"d":{"c":1}}`)
	before := [][]byte{bytes.Clone(old), bytes.Clone(new)}
	changes, patch, err := diff.Objects(old, new)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range changes {
		for _, b := range slices.Concat(c.Added, c.Removed, []json.RawMessage{c.Old, c.New}) {
			scribble(b)
		}
	}
	for _, op := range patch {
		scribble(op.Value)
	}
	if !bytes.Equal(old, before[0]) || !bytes.Equal(new, before[1]) {
		t.Error("the results share memory with the arguments")
	}
}

func scribble(b []byte) {
	for i := range b {
		b[i] = '!'
	}
}

// lines shows changes one to a line: path old → new +added -removed.
func lines(changes []drift.Change) []string {
	var out []string
	for _, c := range changes {
		out = append(out, fmt.Sprintf("%s %s → %s +%s -%s", c.Path, c.Old, c.New, joined(c.Added), joined(c.Removed)))
	}
	return out
}

// joined shows a list, and a nil one as what it would be in JSON.
func joined(list []json.RawMessage) string {
	if list == nil {
		return "null"
	}
	var parts []string
	for _, m := range list {
		parts = append(parts, string(m))
	}
	return "[" + strings.Join(parts, ",") + "]"
}

func patchJSON(t testing.TB, p drift.Patch) []byte {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(p); err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSpace(b.Bytes())
}

type fataler interface {
	Helper()
	Fatalf(string, ...any)
}

// checkApplies applies the patch with an implementation that is not ours.
func checkApplies(t fataler, old, new []byte, patch drift.Patch) {
	t.Helper()
	text, err := json.Marshal(patch)
	if err != nil {
		t.Fatalf("marshal patch: %v", err)
	}
	p, err := jsonpatch.DecodePatch(text)
	if err != nil {
		t.Fatalf("decode patch: %v\n%s", err, text)
	}
	got, err := p.Apply(old)
	if err != nil {
		t.Fatalf("apply %s\nto %s: %v", text, old, err)
	}
	if !bytes.Equal(remarshal(t, got), remarshal(t, new)) {
		t.Fatalf("apply %s\nto %s:\ngot  %s\nwant %s", text, old, got, new)
	}
}

// remarshal writes a document with sorted names, numbers untouched.
func remarshal(t fataler, doc []byte) []byte {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("decode %s: %v", doc, err)
	}
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatalf("marshal: %v", err)
	}
	return out
}
