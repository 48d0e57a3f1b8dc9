package judge

import (
	"fmt"
	"math/big"
	"net/netip"
	"slices"
	"strings"
)

// span is a range of addresses of one family, both ends in it.
type span struct{ first, last netip.Addr }

// addresses is a set of IP addresses: spans in order, none touching another, so
// that two writings of one set are equal.
type addresses []span

// readSpan reads one range as a named location holds it.
func readSpan(f fields) (span, bool) {
	if cidr := f.text("cidrAddress"); cidr != "" {
		p, err := netip.ParsePrefix(cidr)
		if err != nil {
			return span{}, false
		}
		return span{p.Masked().Addr(), lastOf(p)}, true
	}
	first, err1 := netip.ParseAddr(f.text("lowerAddress"))
	last, err2 := netip.ParseAddr(f.text("upperAddress"))
	ok := err1 == nil && err2 == nil && first.BitLen() == last.BitLen() && !last.Less(first)
	return span{first, last}, ok
}

// lastOf is the last address of a prefix.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	last, _ := netip.AddrFromSlice(b)
	return last
}

// union is the set of all addresses in the spans.
func union(spans []span) addresses {
	spans = slices.Clone(spans)
	slices.SortFunc(spans, func(a, b span) int { return a.first.Compare(b.first) })
	var out addresses
	for _, s := range spans {
		if n := len(out); n > 0 && out[n-1].touches(s) {
			if out[n-1].last.Less(s.last) {
				out[n-1].last = s.last
			}
			continue
		}
		out = append(out, s)
	}
	return out
}

// touches tells whether s, which does not begin before a, overlaps a or follows
// it without a gap.
func (a span) touches(s span) bool {
	if a.first.BitLen() != s.first.BitLen() {
		return false
	}
	return s.first.Compare(a.last) <= 0 || a.last.Next() == s.first
}

// minus is what is in a and not in b.
func (a addresses) minus(b addresses) addresses {
	var out addresses
	i := 0
	for _, s := range a {
		for i < len(b) && b[i].last.Less(s.first) {
			i++
		}
		gone := false
		for j := i; j < len(b) && !s.last.Less(b[j].first); j++ {
			if s.first.Less(b[j].first) {
				out = append(out, span{s.first, b[j].first.Prev()})
			}
			if !b[j].last.Less(s.last) {
				gone = true
				break
			}
			s.first = b[j].last.Next()
		}
		if !gone {
			out = append(out, s)
		}
	}
	return out
}

// vast tells of at least 2^16 IPv4 addresses, or as many IPv6 addresses as a
// /32 has: more than an office.
func (a addresses) vast() bool {
	v4, v6 := a.sizes()
	return v4.BitLen() > 16 || v6.BitLen() > 96
}

// sizes are the numbers of IPv4 and IPv6 addresses in the set.
func (a addresses) sizes() (v4, v6 *big.Int) {
	v4, v6 = new(big.Int), new(big.Int)
	for _, s := range a {
		if s.first.Is4() {
			v4.Add(v4, s.size())
		} else {
			v6.Add(v6, s.size())
		}
	}
	return v4, v6
}

// count says how many addresses are in the set: "4,194,304 more IPv4
// addresses". IPv6 is counted in networks, since nobody can read 2^96.
func (a addresses) count(more string) string {
	var parts []string
	v4, v6 := a.sizes()
	if v4.Sign() > 0 {
		parts = append(parts, amount(v4, more, "IPv4 address", "es"))
	}
	if v6.Sign() > 0 {
		parts = append(parts, networks(v6, more))
	}
	return strings.Join(parts, " and ")
}

// networks counts IPv6 addresses in the largest of the usual networks that
// goes into them, rounded down.
func networks(n *big.Int, more string) string {
	for _, bits := range [...]int{32, 48, 64} {
		if whole := new(big.Int).Rsh(n, uint(128-bits)); whole.Sign() > 0 {
			text := amount(whole, more, fmt.Sprintf("IPv6 /%d network", bits), "s")
			if new(big.Int).Lsh(whole, uint(128-bits)).Cmp(n) < 0 {
				return "at least " + text
			}
			return text
		}
	}
	return amount(n, more, "IPv6 address", "es")
}

// amount is a number with a comma at each thousand, and what it counts.
func amount(n *big.Int, more, one, plural string) string {
	digits := n.String()
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	if digits != "1" {
		one += plural
	}
	return digits + " " + more + " " + one
}

// size is the number of addresses in the span.
func (a span) size() *big.Int {
	n := new(big.Int).SetBytes(a.last.AsSlice())
	n.Sub(n, new(big.Int).SetBytes(a.first.AsSlice()))
	return n.Add(n, big.NewInt(1))
}

// rangeText is one range as a line shows it.
func rangeText(f fields) string {
	if cidr := f.text("cidrAddress"); cidr != "" {
		return cidr
	}
	return strings.TrimSuffix(f.text("lowerAddress")+"-"+f.text("upperAddress"), "-")
}
