package diff

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/wI2L/jsondiff"

	"github.com/cadrift/cadrift/internal/drift"
)

// Objects compares two canonical forms; nil stands for an absent object. The
// error says that one of them is not a JSON object.
//
// There is one change for each leaf and each set that differs, and each member
// of an object that appears or goes as a whole counts by itself, although the
// patch moves it as a whole. A created object is add "", a deleted one replace
// "" null.
func Objects(old, new []byte) ([]drift.Change, drift.Patch, error) {
	if old == nil && new == nil || old != nil && bytes.Equal(old, new) {
		return []drift.Change{}, drift.Patch{}, nil
	}
	before, err := readSide(old)
	if err != nil && !errors.Is(err, errTwice) {
		return nil, nil, fmt.Errorf("read old form: %w", err)
	}
	after, errNew := readSide(new)
	if errNew != nil && !errors.Is(errNew, errTwice) {
		return nil, nil, fmt.Errorf("read new form: %w", errNew)
	}
	if err != nil || errNew != nil {
		c := newChange("", string(old), string(new))
		return []drift.Change{c}, wholePatch(old, new), nil
	}
	var d differ
	if before == nil || after == nil {
		d.record("", before, after)
		return d.sorted(), wholePatch(old, new), nil
	}
	a, b := before.(branch), after.(branch)
	d.sets("", a, b)
	if err := d.rest(a, b); err != nil {
		return nil, nil, fmt.Errorf("compare objects: %w", err)
	}
	return d.sorted(), d.patch(), nil
}

// readSide reads one form; no form is a nil value.
func readSide(doc []byte) (value, error) {
	if doc == nil {
		return nil, nil
	}
	return read(doc)
}

// wholePatch creates, deletes or replaces the document.
func wholePatch(old, new []byte) drift.Patch {
	switch {
	case old == nil:
		return drift.Patch{{Op: "add", Value: slices.Clone(new)}}
	case new == nil:
		return drift.Patch{{Op: "replace", Value: json.RawMessage("null")}}
	}
	return drift.Patch{{Op: "replace", Value: slices.Clone(new)}}
}

// differ collects changes, and the operations by the path that they are about.
type differ struct {
	changes []drift.Change
	steps   []step
}

// step is the operations on one leaf, set or object, in their order.
type step struct {
	path string
	ops  drift.Patch
}

// sets compares the sets that both objects have and that differ, and takes them
// out of both.
func (d *differ) sets(path string, old, new branch) {
	for name, o := range old {
		n, shared := new[name]
		if !shared {
			continue
		}
		at := path + "/" + escape(name)
		switch o := o.(type) {
		case branch:
			if n, ok := n.(branch); ok {
				d.sets(at, o, n)
			}
		case string:
			if n, ok := n.(string); ok && o != n && d.set(at, o, n) {
				delete(old, name)
				delete(new, name)
			}
		}
	}
}

// set compares two leaves if both are sets, and says whether they are.
func (d *differ) set(path, old, new string) bool {
	was, ok := members(old)
	if !ok {
		return false
	}
	is, ok := members(new)
	if !ok {
		return false
	}
	added, removed, ops := merge(path, was, is)
	d.changes = append(d.changes, drift.Change{Path: path, Added: added, Removed: removed})
	d.steps = append(d.steps, step{path, ops})
	return true
}

// rest compares what is left without the shared sets.
func (d *differ) rest(old, new branch) error {
	ops, err := jsondiff.CompareWithoutMarshal(old, new)
	if err != nil {
		return err
	}
	for _, op := range ops {
		o := drift.PatchOp{Op: op.Type, Path: op.Path}
		switch op.Type {
		case jsondiff.OperationAdd, jsondiff.OperationReplace:
			o.Value = render(nil, op.Value)
		case jsondiff.OperationRemove:
		default:
			return fmt.Errorf("jsondiff gave a %q operation", op.Type)
		}
		d.record(op.Path, op.OldValue, op.Value)
		d.steps = append(d.steps, step{op.Path, drift.Patch{o}})
	}
	return nil
}

// record notes a change for each leaf below path, on either side; nil is absent.
func (d *differ) record(path string, old, new value) {
	type sides struct{ old, new string }
	at := map[string]sides{}
	leaves(path, old, func(path, leaf string) { at[path] = sides{old: leaf} })
	leaves(path, new, func(path, leaf string) { at[path] = sides{at[path].old, leaf} })
	for path, s := range at {
		d.changes = append(d.changes, newChange(path, s.old, s.new))
	}
}

// newChange is the change of one leaf; no text is absent. Sets show as members
// that were added or removed, except that an empty one has none to show.
func newChange(path, old, new string) drift.Change {
	c := drift.Change{Path: path, Added: []json.RawMessage{}, Removed: []json.RawMessage{}}
	if list, ok := members(old); ok && len(list) > 0 {
		c.Removed = list
	} else if old != "" {
		c.Old = json.RawMessage(old)
	}
	if list, ok := members(new); ok && len(list) > 0 {
		c.Added = list
	} else if new != "" {
		c.New = json.RawMessage(new)
	}
	return c
}

// sorted is the changes in the order of their paths, each of which is there once.
func (d *differ) sorted() []drift.Change {
	slices.SortFunc(d.changes, func(a, b drift.Change) int { return cmp.Compare(a.Path, b.Path) })
	if d.changes == nil {
		return []drift.Change{}
	}
	return d.changes
}

// patch is the operations in the order of the paths. No step is about a part of
// what another one moves, so their order is free; within a step it is not.
func (d *differ) patch() drift.Patch {
	slices.SortFunc(d.steps, func(a, b step) int { return cmp.Compare(a.path, b.path) })
	p := drift.Patch{}
	for _, s := range d.steps {
		p = append(p, s.ops...)
	}
	return p
}

// escape writes a member name as a reference token of RFC 6901.
func escape(name string) string {
	return strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1")
}
