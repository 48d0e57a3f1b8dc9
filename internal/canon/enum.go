package canon

import (
	"bytes"
	"slices"
	"strings"
)

// unknownFutureValue is what Graph writes for an enum value that is newer than
// the API version. It stands for any of them: two different values look alike.
const unknownFutureValue = "unknownFutureValue"

// unknownEnums lists the JSON pointers of the values that hold it, sorted. A
// member of a set is found at the path of the set.
func unknownEnums(n node) []string {
	var w enumWalk
	w.walk(n, "")
	slices.Sort(w.found)
	return slices.Compact(w.found)
}

type enumWalk struct{ found []string }

func (w *enumWalk) walk(n node, path string) {
	switch n.kind {
	case str:
		if isUnknown(n.token) {
			w.found = append(w.found, path)
		}
	case array:
		for _, item := range n.items {
			var inside enumWalk
			if inside.walk(item, ""); len(inside.found) > 0 {
				w.found = append(w.found, path)
			}
		}
	case object:
		for _, m := range n.members {
			// People write these: the words of an administrator are no enum value.
			switch string(m.name) {
			case "displayName", "description", "rule":
				continue
			}
			w.walk(m.value, path+"/"+escapePointer(string(m.name)))
		}
	}
}

// isUnknown tells whether a string is the literal or a combination with it.
func isUnknown(token []byte) bool {
	for part := range bytes.SplitSeq(token[1:len(token)-1], []byte{','}) {
		if string(bytes.TrimSpace(part)) == unknownFutureValue {
			return true
		}
	}
	return false
}

// escapePointer writes a member name as a reference token of RFC 6901.
func escapePointer(name string) string {
	return strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1")
}
