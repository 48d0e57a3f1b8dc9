package judge_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/judge"
)

// tree is a decoded JSON object. The tests build canonical forms by themselves,
// so that a fault of package canon or diff cannot hide one of judge.
type tree = map[string]any

// object makes an object of a canonical form written loosely: lists in any
// order, nulls and empty members allowed.
func object(kind drift.Kind, id string, form tree) *drift.Object {
	folded, _ := prune(form).(tree)
	name, _ := folded["displayName"].(string)
	canonical := encode(folded)
	return &drift.Object{
		Ref:       drift.Ref{Kind: kind, ID: id, Name: name},
		Canonical: canonical, Digest: sha256.Sum256(append([]byte(kind), canonical...)),
	}
}

func encode(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err)
	}
	return bytes.TrimSpace(b.Bytes())
}

// prune drops what the canonical form does not have and sorts sets.
func prune(v any) any {
	switch v := v.(type) {
	case tree:
		out := tree{}
		for name, value := range v {
			if value = prune(value); value != nil {
				out[name] = value
			}
		}
		if len(out) == 0 {
			return nil
		}
		return out
	case []any:
		var out []any
		for _, item := range v {
			if item = prune(item); item != nil {
				out = append(out, item)
			}
		}
		if len(out) == 0 {
			return nil
		}
		slices.SortFunc(out, func(a, b any) int { return bytes.Compare(encode(a), encode(b)) })
		return slices.CompactFunc(out, func(a, b any) bool { return bytes.Equal(encode(a), encode(b)) })
	}
	return v
}

// merge applies a JSON merge patch (RFC 7396).
func merge(base, patch tree) tree {
	out := tree{}
	maps.Copy(out, base)
	for name, value := range patch {
		sub, isObject := value.(tree)
		switch {
		case value == nil:
			delete(out, name)
		case isObject:
			inner, _ := out[name].(tree)
			out[name] = merge(inner, sub)
		default:
			out[name] = value
		}
	}
	return out
}

func decode(t testing.TB, raw []byte) tree {
	t.Helper()
	var v tree
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	return v
}

// changes lists the changed leaves and sets between two objects, as package
// diff does.
func changes(old, new *drift.Object) []drift.Change {
	var out []drift.Change
	compare("", form(old), form(new), &out)
	slices.SortFunc(out, func(a, b drift.Change) int { return strings.Compare(a.Path, b.Path) })
	return out
}

func form(o *drift.Object) any {
	if o == nil {
		return nil
	}
	var v any
	if err := json.Unmarshal(o.Canonical, &v); err != nil {
		panic(err)
	}
	return v
}

func compare(path string, old, new any, out *[]drift.Change) {
	a, aObject := old.(tree)
	b, bObject := new.(tree)
	if (aObject || old == nil) && (bObject || new == nil) && (aObject || bObject) {
		names := slices.Collect(maps.Keys(a))
		names = slices.AppendSeq(names, maps.Keys(b))
		slices.Sort(names)
		for _, name := range slices.Compact(names) {
			compare(path+"/"+pointer.Replace(name), a[name], b[name], out)
		}
		return
	}
	if string(encode(old)) == string(encode(new)) {
		return
	}
	c := drift.Change{Path: path, Added: []json.RawMessage{}, Removed: []json.RawMessage{}}
	if old != nil {
		c.Old = encode(old)
	}
	if new != nil {
		c.New = encode(new)
	}
	was, is := setOf(old), setOf(new)
	if was != nil || is != nil {
		c.Added, c.Removed = without(is, was), without(was, is)
	}
	*out = append(*out, c)
}

// pointer escapes a member name for a JSON pointer (RFC 6901).
var pointer = strings.NewReplacer("~", "~0", "/", "~1")

func setOf(v any) []string {
	list, ok := v.([]any)
	if !ok {
		return nil
	}
	out := []string{}
	for _, item := range list {
		out = append(out, string(encode(item)))
	}
	return out
}

func without(a, b []string) []json.RawMessage {
	out := []json.RawMessage{}
	for _, item := range a {
		if !slices.Contains(b, item) {
			out = append(out, json.RawMessage(item))
		}
	}
	return out
}

// world makes a World of objects.
func world(em judge.Emergency, names judge.Names, objects ...*drift.Object) *judge.World {
	seq := func(yield func(drift.Object) bool) {
		for _, o := range objects {
			if o != nil && !yield(*o) {
				return
			}
		}
	}
	return judge.NewWorld(seq, em, names)
}

// verdict judges old → new in a world that holds the rest of the snapshot.
func verdict(w *judge.World, old, new *drift.Object) drift.Verdict {
	return w.Judge(judge.Case{Old: old, New: new, Changes: changes(old, new)})
}

func show(v drift.Verdict) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", v.Direction, v.Severity)
	if v.Lockout {
		b.WriteString(" lockout")
	}
	fmt.Fprintf(&b, "\n  %s", v.Summary)
	for _, c := range v.Changes {
		fmt.Fprintf(&b, "\n    %-9s %s", c.Direction, c.Text)
	}
	return b.String()
}
