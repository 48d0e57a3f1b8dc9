package canon

import "net/netip"

// foldRange writes the addresses of an ip range in their one spelling. Graph
// stores them as typed: host bits set ("12.34.221.11/22"), IPv6 in any of its
// spellings. What does not parse stays as it is. The type tag, which tells IPv4
// from IPv6 and prefixes from bounds, is put back where it was lost.
func foldRange(n node) node {
	var tag string
	for i := range n.members {
		m := &n.members[i]
		var spelled, found string
		switch string(m.name) {
		case "cidrAddress":
			spelled, found = prefix(text(m.value))
		case "lowerAddress", "upperAddress":
			spelled, found = address(text(m.value))
		}
		if spelled != "" {
			m.value.token = quoted(spelled)
			tag = found
		}
	}
	if tag != "" && n.member(typeTag).kind == nothing {
		n = n.with(typeTag, node{kind: str, token: quoted(tag)})
	}
	return n
}

// prefix is a prefix with its host bits cleared, and the type tag of a range
// that is given by one. Both are empty when s is no prefix.
func prefix(s string) (spelled, tag string) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return "", ""
	}
	if p.Addr().Is4() {
		return p.Masked().String(), "#microsoft.graph.iPv4CidrRange"
	}
	return p.Masked().String(), "#microsoft.graph.iPv6CidrRange"
}

// address is one bound of a range, and the type tag of a range given by bounds.
func address(s string) (spelled, tag string) {
	a, err := netip.ParseAddr(s)
	switch {
	case err != nil:
		return "", ""
	case a.Is4():
		return a.String(), "#microsoft.graph.iPv4Range"
	}
	return a.String(), "#microsoft.graph.iPv6Range"
}
