package canon

import (
	"bytes"
	"slices"
	"strings"
)

// parser reads a body that json.Valid has accepted into nodes, so that it has
// no syntax error to report and can take commas and colons for white space. It
// exists beside encoding/json because that keeps the last of two members of one
// name without a word, reads every broken string as the same text, and puts
// numbers through a float.
type parser struct {
	raw   []byte
	pos   int
	clean bool // raw is valid UTF-8

	depth, deepest int
	// twice is the first member name that one object holds twice.
	twice string
	// broken tells of text that is no Unicode.
	broken bool
}

// document reads the one value that raw holds.
func (p *parser) document() node {
	p.next()
	return p.value()
}

// next moves to the next byte that means something and returns it.
func (p *parser) next() byte {
	for strings.IndexByte(" \t\r\n,:", p.raw[p.pos]) >= 0 {
		p.pos++
	}
	return p.raw[p.pos]
}

// value reads the value that starts at pos.
func (p *parser) value() node {
	switch p.raw[p.pos] {
	case '{':
		return p.object()
	case '[':
		return p.array()
	case '"':
		return node{kind: str, token: p.string()}
	case 'n':
		p.pos += len("null")
		return node{}
	}
	start := p.pos
	for p.pos < len(p.raw) && strings.IndexByte(" \t\r\n,]}", p.raw[p.pos]) < 0 {
		p.pos++
	}
	return node{kind: scalar, token: p.raw[start:p.pos]}
}

func (p *parser) enter() {
	p.pos++
	p.depth++
	p.deepest = max(p.deepest, p.depth)
}

func (p *parser) leave() {
	p.pos++
	p.depth--
}

// object reads an object. Its members are sorted here and not on writing, since
// equal names then stand side by side; among those the order of the body stays.
func (p *parser) object() node {
	n := node{kind: object, members: make([]member, 0, 8)}
	p.enter()
	for p.next() != '}' {
		token := p.string()
		p.next()
		n.members = append(n.members, member{name: decoded(token), token: token, value: p.value()})
	}
	p.leave()
	slices.SortStableFunc(n.members, byName)
	for i := 1; i < len(n.members) && p.twice == ""; i++ {
		if bytes.Equal(n.members[i-1].name, n.members[i].name) {
			p.twice = string(n.members[i].name)
		}
	}
	return n
}

func (p *parser) array() node {
	n := node{kind: array}
	p.enter()
	for p.next() != ']' {
		n.items = append(n.items, p.value())
	}
	p.leave()
	return n
}

// string reads a string and returns its canonical text with the quotes.
func (p *parser) string() []byte {
	start, escaped := p.pos, false
	for p.pos++; p.raw[p.pos] != '"'; p.pos++ {
		if p.raw[p.pos] == '\\' {
			escaped = true
			p.pos++
		}
	}
	p.pos++
	token := p.raw[start:p.pos:p.pos]
	if !escaped && p.clean {
		return token
	}
	token, broken := respell(token)
	p.broken = p.broken || broken
	return token
}
