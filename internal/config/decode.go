package config

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// loader decodes and checks one file. It collects problems instead of
// stopping at the first.
type loader struct {
	file string // as people name it
	dir  string // absolute; relative names start here
	// outside tells whether other files and the environment may be looked at.
	outside bool

	cfg       Config
	positions map[string]Position
	bad       map[string]bool     // paths that were complained about
	seen      map[string]Position // values of lists whose members differ
	problems  []*Problem
	warnings  []*Problem
}

// at is the position of a key path, or of the nearest thing above it that the
// file has: what is missing is told where it should have been.
func (l *loader) at(path string) Position { return find(l.positions, l.file, path) }

func find(positions map[string]Position, file, path string) Position {
	for {
		if pos, ok := positions[path]; ok {
			return pos
		}
		cut := strings.LastIndexAny(path, ".[")
		if cut < 0 {
			break
		}
		path = path[:cut]
	}
	if pos, ok := positions[""]; ok {
		return pos
	}
	return Position{File: file, Line: 1, Column: 1}
}

func (l *loader) given(path string) bool {
	_, ok := l.positions[path]
	return ok
}

func (l *loader) problem(path, format string, args ...any) { l.problemHint(path, "", format, args...) }

func (l *loader) problemHint(path, hint, format string, args ...any) {
	l.bad[path] = true
	l.tell(&Problem{Position: l.at(path), Text: fmt.Sprintf(format, args...), Hint: hint})
}

func (l *loader) tell(p *Problem) { l.problems = append(l.problems, p) }

func (l *loader) warn(path, format string, args ...any) {
	l.warnings = append(l.warnings, &Problem{Position: l.at(path), Text: fmt.Sprintf(format, args...)})
}

func (l *loader) position(n *yaml.Node) Position {
	return Position{File: l.file, Line: max(n.Line, 1), Column: max(n.Column, 1)}
}

func (l *loader) resolve(name string) string {
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(l.dir, name)
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func element(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }

// lastKey is the key that a path ends in, without the index: directions[1] is
// about directions.
func lastKey(path string) string {
	path = path[strings.LastIndexByte(path, '.')+1:]
	if before, _, ok := strings.Cut(path, "["); ok {
		return before
	}
	return path
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// plain refuses what makes the text of the file differ from its meaning.
// Aliases are also how a small file becomes a huge one.
func (l *loader) plain(path string, n *yaml.Node) bool {
	switch {
	case n.Kind == yaml.AliasNode:
		l.problemHint(path, "write the value out", "YAML aliases (*name) are not supported")
	case n.Style&yaml.TaggedStyle != 0:
		l.problemHint(path, "leave it out; quote text that YAML would take for something else", "YAML tags (!name) are not supported")
	default:
		return true
	}
	return false
}

// scalar is the text of a single value. A key without a value counts as not
// written.
func (l *loader) scalar(path string, n *yaml.Node, want string) (string, bool) {
	l.mark(path, n)
	if isNull(n) {
		return "", false
	}
	if !l.plain(path, n) {
		return "", false
	}
	if n.Kind != yaml.ScalarNode {
		l.problem(path, "%s takes %s, not %s", lastKey(path), want, nature(n))
		return "", false
	}
	return n.Value, true
}

// items are the nodes of a list; not ok when there is no list.
func (l *loader) items(path string, n *yaml.Node) (list []*yaml.Node, ok bool) {
	l.mark(path, n)
	if isNull(n) || !l.plain(path, n) {
		return nil, false
	}
	if n.Kind != yaml.SequenceNode {
		l.problemHint(path, "a list is written [a, b], or each value on a line of its own after a dash",
			"%s takes a list, not %s", lastKey(path), nature(n))
		return nil, false
	}
	for i, item := range n.Content {
		at := element(path, i)
		l.mark(at, item)
		if isNull(item) {
			l.problem(at, "%s has an entry without a value", lastKey(path))
		}
	}
	return n.Content, true
}

// object reads the keys of a mapping.
func (l *loader) object(path string, n *yaml.Node, keys []field) {
	l.mark(path, n)
	if isNull(n) || !l.plain(path, n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		what := path[strings.LastIndexByte(path, '.')+1:]
		if path == "" {
			what = "the file"
		}
		l.problem(path, "%s takes keys (%s), not %s", what, strings.Join(names(keys), ", "), nature(n))
		return
	}
	first := map[string]Position{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		l.member(path, n.Content[i], n.Content[i+1], keys, first)
	}
}

func (l *loader) member(path string, key, value *yaml.Node, keys []field, first map[string]Position) {
	pos := l.position(key)
	if key.Kind != yaml.ScalarNode || key.Style&yaml.TaggedStyle != 0 || key.ShortTag() == "!!merge" {
		l.tell(&Problem{Position: pos, Text: "a key is one plain word; merge keys (<<), tags, lists and blocks are not supported as keys"})
		return
	}
	known, ok := fieldNamed(keys, key.Value)
	if !ok {
		l.unknownKey(path, pos, key.Value, keys)
		return
	}
	if before, twice := first[key.Value]; twice {
		l.tell(&Problem{Position: pos, Text: fmt.Sprintf("%s is given twice, first in line %d", key.Value, before.Line)})
		return
	}
	first[key.Value] = pos
	at := join(path, key.Value)
	// A value that is not there has no place of its own in the file.
	if isNull(value) && value.Value == "" {
		l.positions[at] = pos
	}
	known.read(l, at, value)
}

// mark remembers where a path is in the file.
func (l *loader) mark(path string, n *yaml.Node) {
	if _, ok := l.positions[path]; !ok {
		l.positions[path] = l.position(n)
	}
}

// once complains of a value that a list already has.
func (l *loader) once(at, list, name, value string) {
	id := list + "\x00" + value
	if before, twice := l.seen[id]; twice {
		l.problem(at, "%s lists %s twice, first in line %d", name, quote(value), before.Line)
		return
	}
	l.seen[id] = l.at(at)
}

// emptyList refuses a filter that lets nothing through by accident.
func (l *loader) emptyList(path, name string) {
	l.problemHint(path, "leave the key out for the default", "%s is an empty list", name)
}

func fieldNamed(keys []field, name string) (field, bool) {
	for _, key := range keys {
		if key.name == name {
			return key, true
		}
	}
	return field{}, false
}

func names(keys []field) []string {
	list := make([]string, len(keys))
	for i, key := range keys {
		list[i] = key.name
	}
	return list
}

func nature(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a block of keys"
	case yaml.SequenceNode:
		return "a list"
	}
	return "a single value"
}

var guidForm = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

const zeroGUID = "00000000-0000-0000-0000-000000000000"

func (l *loader) guid(path, what, value string) (string, bool) {
	id := strings.ToLower(value)
	switch {
	case id == zeroGUID:
		l.problem(path, "%s is the zero GUID, which is nobody's", what)
	case !guidForm.MatchString(id):
		l.problemHint(path, "an id is 32 hexadecimal digits, 8-4-4-4-12, as the Entra portal shows it; names and domains are not taken",
			"%s is not a GUID", what)
	default:
		return id, true
	}
	return "", false
}
