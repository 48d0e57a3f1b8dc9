package canon

import (
	"bytes"
	"slices"
)

// kind is the JSON type of a node. The zero kind is nothing: what null, absent
// and everything empty become.
type kind uint8

const (
	nothing kind = iota
	str
	scalar // number, true, false
	array
	object
)

// String is the type in the words of the reasons for oddness.
func (k kind) String() string {
	return [...]string{"null", "a string", "a number or boolean", "a list", "an object"}[k]
}

// node is one JSON value. Its bytes are those of the body, not a copy, where
// they already are what the canonical form wants.
type node struct {
	kind kind
	// token is a scalar's or string's canonical text. A folded member of an
	// array has one whatever its kind, since members are ordered by it.
	token   []byte
	members []member // of an object, sorted by name
	items   []node   // of an array
}

// member is one member of an object: its name as text, and as a JSON string.
type member struct {
	name, token []byte
	value       node
}

// member is the value of the last member of that name, as encoding/json would
// have it, and nothing where there is none.
func (n node) member(name string) node {
	for i := len(n.members) - 1; i >= 0; i-- {
		if string(n.members[i].name) == name {
			return n.members[i].value
		}
	}
	return node{}
}

// with returns the object with one more member, at its place by name.
func (n node) with(name string, value node) node {
	m := member{name: []byte(name), token: quoted(name), value: value}
	i, _ := slices.BinarySearchFunc(n.members, m, byName)
	n.members = slices.Insert(n.members, i, m)
	return n
}

// without returns the object without the member of that name.
func (n node) without(name string) node {
	n.members = slices.DeleteFunc(n.members, func(m member) bool { return string(m.name) == name })
	return n
}

func byName(a, b member) int { return bytes.Compare(a.name, b.name) }

// append writes the node as JSON without white space.
func (n node) append(dst []byte) []byte {
	if n.token != nil {
		return append(dst, n.token...)
	}
	switch n.kind {
	case object:
		dst = append(dst, '{')
		for i, m := range n.members {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, m.token...)
			dst = append(dst, ':')
			dst = m.value.append(dst)
		}
		return append(dst, '}')
	case array:
		dst = append(dst, '[')
		for i, item := range n.items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = item.append(dst)
		}
		return append(dst, ']')
	}
	return append(dst, "null"...)
}
