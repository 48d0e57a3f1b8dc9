package diff

import (
	"bytes"
	"encoding/json"
	"strconv"

	"github.com/cadrift/cadrift/internal/drift"
)

// members is the members of a set, given as JSON text. It is not ok for anything
// but an array whose members are sorted by their bytes: only such arrays can be
// merged, and those of odd objects are seldom such. Repeats do no harm.
func members(leaf string) (list []json.RawMessage, ok bool) {
	if leaf == "" || leaf[0] != '[' {
		return nil, false
	}
	if json.Unmarshal([]byte(leaf), &list) != nil {
		return nil, false
	}
	for i := 1; i < len(list); i++ {
		if bytes.Compare(list[i-1], list[i]) > 0 {
			return nil, false
		}
	}
	return list, true
}

// merge walks two sorted sets once. The operations first remove, from the end so
// that the indices before stay true, then add in ascending order, where every
// index is the one the member has in the new set.
func merge(path string, old, new []json.RawMessage) (added, removed []json.RawMessage, ops drift.Patch) {
	added, removed = []json.RawMessage{}, []json.RawMessage{}
	var adds, removes drift.Patch
	for i, j := 0, 0; i < len(old) || j < len(new); {
		switch order := compareEnds(old[i:], new[j:]); {
		case order < 0:
			removed = append(removed, old[i])
			removes = append(removes, drift.PatchOp{Op: "remove", Path: index(path, i)})
			i++
		case order > 0:
			added = append(added, new[j])
			adds = append(adds, drift.PatchOp{Op: "add", Path: index(path, j), Value: new[j]})
			j++
		default:
			i++
			j++
		}
	}
	ops = make(drift.Patch, 0, len(removes)+len(adds))
	for i := len(removes) - 1; i >= 0; i-- {
		ops = append(ops, removes[i])
	}
	return added, removed, append(ops, adds...)
}

// compareEnds compares the first members of two lists that are not both empty;
// an empty list comes last.
func compareEnds(old, new []json.RawMessage) int {
	switch {
	case len(old) == 0:
		return 1
	case len(new) == 0:
		return -1
	}
	return bytes.Compare(old[0], new[0])
}

func index(path string, i int) string { return path + "/" + strconv.Itoa(i) }
