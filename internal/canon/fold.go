package canon

import (
	"bytes"
	"slices"
)

// folder turns a body into its canonical form, one place at a time. The body's
// own nodes are left as they are: an odd object is written from them.
type folder struct {
	// odd is the first thing that is not as the schema promises.
	odd string
}

// fold is the canonical form of n at place p, nothing where n says nothing.
func (f *folder) fold(n node, p place) node {
	switch {
	case f.odd != "", n.kind == nothing,
		n.kind == object && len(n.members) == 0,
		n.kind == array && len(n.items) == 0:
		return node{}
	case !p.admits(n.kind):
		return f.surprise(n)
	}
	switch n.kind {
	case object:
		return f.object(n, p)
	case array:
		return f.array(n, p)
	}
	return foldScalar(n, p)
}

// surprise marks the object as odd, unless n is one more way to say nothing. The
// way to n is put in front on the way up.
func (f *folder) surprise(n node) node {
	if f.fold(n, elsewhere).kind == nothing {
		return node{}
	}
	f.odd = ": " + n.kind.String() + ", which the schema does not have here"
	return node{}
}

func (f *folder) object(n node, p place) node {
	out := node{kind: object, members: make([]member, 0, len(n.members))}
	for _, m := range n.members {
		if p.dropped(m.name) {
			continue
		}
		if m.value = f.fold(m.value, p.member(m.name)); f.odd != "" {
			f.odd = "/" + string(m.name) + f.odd
			return node{}
		}
		if m.value.kind != nothing {
			out.members = append(out.members, m)
		}
	}
	if len(out.members) == 0 {
		return node{}
	}
	switch p {
	case control, unknownControl:
		return foldControl(out)
	case grantControls:
		return foldGrant(out)
	case strengthRef:
		return f.strength(out)
	case externalTenants:
		return foldTenants(out)
	case ipRange:
		return foldRange(out)
	}
	return out
}

// array folds a list into a set.
func (f *folder) array(n node, p place) node {
	out := node{kind: array, items: make([]node, 0, len(n.items))}
	for _, item := range n.items {
		if item = f.fold(item, p.item()); f.odd != "" {
			return node{}
		}
		switch {
		case item.kind == nothing:
			continue
		case p == flags:
			out.items = append(out.items, split(item.token)...)
			continue
		case item.token == nil:
			item.token = item.append(nil)
		}
		out.items = append(out.items, item)
	}
	return set(out)
}

// set sorts the members of a list and drops repeats. They are compared by their
// canonical bytes, so "1" and 1 are two.
func set(n node) node {
	if len(n.items) == 0 {
		return node{}
	}
	slices.SortFunc(n.items, func(a, b node) int { return bytes.Compare(a.token, b.token) })
	n.items = slices.CompactFunc(n.items, func(a, b node) bool { return bytes.Equal(a.token, b.token) })
	return n
}

func foldScalar(n node, p place) node {
	switch p {
	case falseAbsent:
		if isFalse(n) {
			return node{}
		}
	case identifier, strengthRef, groupMember:
		n.token = lowerGUID(n.token)
	case flags:
		return set(node{kind: array, items: split(n.token)})
	case combination:
		return join(set(node{kind: array, items: split(n.token)}))
	}
	return n
}

// split is the parts of a comma-joined enum value. The tokens of the parts are
// JSON strings again; the separators cannot be part of an escape.
func split(token []byte) []node {
	var parts []node
	for part := range bytes.SplitSeq(token[1:len(token)-1], []byte{','}) {
		if part = bytes.TrimSpace(part); len(part) > 0 {
			parts = append(parts, node{kind: str, token: slices.Concat([]byte{'"'}, part, []byte{'"'})})
		}
	}
	return parts
}

// join is a set of parts as one comma-joined string.
func join(n node) node {
	if n.kind == nothing {
		return n
	}
	out := []byte{'"'}
	for i, part := range n.items {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, part.token[1:len(part.token)-1]...)
	}
	return node{kind: str, token: append(out, '"')}
}

func isFalse(n node) bool { return n.kind == scalar && string(n.token) == "false" }

// foldControl drops a session control that is switched off: Graph writes null
// for it as often as isEnabled false, with or without its other members.
func foldControl(n node) node {
	if isFalse(n.member("isEnabled")) {
		return node{}
	}
	return n
}

// foldGrant drops a grant block that combines nothing: the portal leaves the
// operator behind when the last control goes.
func foldGrant(n node) node {
	if len(n.members) == 1 && n.member("operator").kind != nothing {
		return node{}
	}
	return n
}

// strength reduces an authentication strength, which the server expands inside
// a policy, to its id: Microsoft edits the built-in ones, and that is no change
// of the policies that require them.
func (f *folder) strength(n node) node {
	id := n.member("id")
	if id.kind != str {
		f.odd = ": an authentication strength without an id"
		return node{}
	}
	id.token = lowerGUID(id.token)
	return id
}

// foldTenants says which external tenants are meant by membershipKind alone.
// The type tag says the same and is lost with odata.metadata=none, the member
// in some exports. A tag that says something else stays beside it.
func foldTenants(n node) node {
	var says string
	switch text(n.member(typeTag)) {
	case "#microsoft.graph.conditionalAccessAllExternalTenants":
		says = "all"
	case "#microsoft.graph.conditionalAccessEnumeratedExternalTenants":
		says = "enumerated"
	default:
		return n
	}
	switch kind := n.member("membershipKind"); {
	case kind.kind == nothing:
		return n.without(typeTag).with("membershipKind", node{kind: str, token: quoted(says)})
	case text(kind) == says:
		return n.without(typeTag)
	}
	return n
}
