package baseline

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/cadrift/cadrift/internal/canon"
	"github.com/cadrift/cadrift/internal/drift"
)

// TakeOver is a baseline's object with the values that form has at the paths,
// and nothing else of it. An object that cannot take them stays: it drifts
// visibly.
func TakeOver(base, form drift.Object, paths []string) drift.Object {
	into, ok := decodeTree(base.Raw)
	from, okToo := decodeTree(form.Raw)
	if !ok || !okToo {
		return base
	}
	for _, path := range paths {
		graft(into, from, strings.Split(strings.TrimPrefix(path, "/"), "/"))
	}
	raw, err := json.Marshal(into)
	if err != nil {
		return base
	}
	obj, err := canon.Object(base.Kind, raw)
	if err != nil {
		return base
	}
	return obj
}

func decodeTree(raw []byte) (map[string]any, bool) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var tree map[string]any
	return tree, d.Decode(&tree) == nil && tree != nil
}

// graft makes one member of into what it is in from.
func graft(into, from map[string]any, path []string) {
	name := strings.NewReplacer("~1", "/", "~0", "~").Replace(path[0])
	value, there := from[name]
	switch {
	case len(path) == 1 && there:
		into[name] = value
	case len(path) == 1:
		delete(into, name)
	default:
		below, _ := value.(map[string]any)
		at, ok := into[name].(map[string]any)
		if !ok && into[name] != nil {
			return // a list or a scalar on the way: not the same shape
		}
		if !ok {
			at = map[string]any{}
			into[name] = at
		}
		graft(at, below, path[1:])
	}
}

// shared cuts two forms, read through different versions of Graph, down to
// what both versions know (detection law §1.9). Version 1.0 names every
// property it has, with null where nothing is set; what it does not name, only
// beta knows.
func shared(baseVersion string, base, current *drift.Object) (*drift.Object, *drift.Object) {
	narrow, wide := base, current
	if baseVersion != "v1.0" {
		narrow, wide = current, base
	}
	known, ok := decodeTree(narrow.Raw)
	all, okToo := decodeTree(wide.Raw)
	if !ok || !okToo {
		return base, current
	}
	prune(all, known)
	raw, err := json.Marshal(all)
	if err != nil {
		return base, current
	}
	cut, err := canon.Object(wide.Kind, raw)
	if err != nil {
		return base, current
	}
	if narrow == base {
		return base, &cut
	}
	return &cut, current
}

func prune(all, known map[string]any) {
	for name, value := range all {
		says, there := known[name]
		if !there {
			delete(all, name)
			continue
		}
		below, ok := value.(map[string]any)
		if inner, is := says.(map[string]any); ok && is {
			prune(below, inner)
		}
	}
}
