package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// maxSize is the most bytes of a configuration file. A thousand tenants fit;
// a database that was named by mistake does not.
const maxSize = 1 << 20

var (
	utf8BOM  = []byte("\xef\xbb\xbf")
	utf16BOM = [][]byte{[]byte("\xff\xfe"), []byte("\xfe\xff")}
)

// source turns bytes into the one document that they must hold; nil when
// there is none, or a problem was told.
func (l *loader) source(data []byte) *yaml.Node {
	if len(data) > maxSize {
		l.tellAt(1, 1, "is this the right file?", "the file is larger than %d KiB", maxSize>>10)
		return nil
	}
	for _, bom := range utf16BOM {
		if bytes.HasPrefix(data, bom) {
			l.tellAt(1, 1, "save it as UTF-8", "the file is UTF-16")
			return nil
		}
	}
	if bytes.HasPrefix(data, utf8BOM) {
		data = data[len(utf8BOM):]
		l.warnings = append(l.warnings, &Problem{
			Position: Position{l.file, 1, 1},
			Text:     "the file starts with a byte order mark, which is ignored",
		})
	}
	if !l.readable(data) {
		return nil
	}
	return l.document(data)
}

func (l *loader) tellAt(line, column int, hint, format string, args ...any) {
	l.tell(&Problem{Position: Position{l.file, line, column}, Text: fmt.Sprintf(format, args...), Hint: hint})
}

// readable finds the first byte that is no text. The YAML library refuses it
// too, without saying where.
func (l *loader) readable(data []byte) bool {
	line, column := 1, 1
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			l.tellAt(line, column, "save it as UTF-8", "byte 0x%02x is not UTF-8", data[i])
			return false
		case r == 0:
			l.tellAt(line, column, "", "a NUL byte: this is not a text file")
			return false
		case !printable(r):
			l.tellAt(line, column, "remove it; inside double quotes it can be written as an escape",
				"the invisible character U+%04X", r)
			return false
		}
		column++
		if r == '\n' || r == '\r' && !bytes.HasPrefix(data[i+1:], []byte("\n")) {
			line, column = line+1, 1
		}
		i += size
	}
	return true
}

// printable is YAML's own rule, less the characters that break a line for
// YAML and for no editor: they would make every later line number wrong.
func printable(r rune) bool {
	switch {
	case r == '\t', r == '\n', r == '\r', r >= 0x20 && r <= 0x7e:
		return true
	case r == 0x2028, r == 0x2029, r == 0xfeff:
		return false
	}
	return r >= 0xa0 && r <= 0xfffd || r >= 0x10000
}

// document parses the bytes; a second document is refused, because half of a
// configuration would be ignored.
func (l *loader) document(data []byte) *yaml.Node {
	docs, err := documents(data)
	if err != nil {
		l.syntax(data, err)
		return nil
	}
	if len(docs) > 1 {
		pos := l.position(docs[1])
		l.tellAt(pos.Line, pos.Column, "remove the line ---, or what follows it",
			"a second YAML document: a configuration is one document")
		return nil
	}
	if len(docs) == 0 || len(docs[0].Content) == 0 || isNull(docs[0].Content[0]) {
		return nil
	}
	return docs[0].Content[0]
}

func documents(data []byte) ([]*yaml.Node, error) {
	var docs []*yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for len(docs) < 2 {
		doc := new(yaml.Node)
		err := decoder.Decode(doc)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		docs = append(docs, doc)
	}
	return docs, nil
}

// syntax tells a syntax error. The library names the line where the block
// around the error began, or none at all, so the line is looked for: it is the
// first one that the lines above it cannot go on with.
func (l *loader) syntax(data []byte, err error) {
	lines := bytes.SplitAfter(data, []byte("\n"))
	bad := min(firstBad(data, lines, err), len(lines)-1)
	line := strings.TrimRight(string(lines[bad]), "\r\n")
	blank := len(line) - len(strings.TrimLeft(line, " "))
	column, text, hint := blank+1, "not valid YAML: "+libraryText(err), ""
	switch {
	case strings.HasPrefix(line[blank:], "\t"):
		text, hint = "a tab where YAML wants spaces", "indent with spaces"
	case unquoted.MatchString(line):
		column = utf8.RuneCountInString(line[:unquoted.FindStringSubmatchIndex(line)[2]]) + 1
		text = "not valid YAML: text that starts with " + unquoted.FindStringSubmatch(line)[1] + " must be quoted"
		hint = `put it into double quotes, for example schedule: "@every 1m"`
	case strings.Contains(text, "mapping values are not allowed"):
		hint = `check the indentation; text that holds ": " must be quoted`
	case strings.Contains(text, "end of stream"), strings.Contains(text, "expected ',' or"):
		hint = "a quote or a bracket that opens here is not closed"
	case strings.Contains(text, "did not find expected key"), strings.Contains(text, "expected '-' indicator"):
		hint = "check the indentation: keys of one block start in the same column"
	}
	l.tellAt(bad+1, column, hint, "%s", text)
}

// unquoted finds a value that starts with a character that YAML reserves.
var unquoted = regexp.MustCompile("^[^#'\"]*(?::|-) +([@`%])")

// searchBudget bounds the bytes parsed in search of a line.
const searchBudget = 8 << 20

// firstBad is the index of the line after the longest run of lines that is
// valid by itself.
func firstBad(data []byte, lines [][]byte, err error) int {
	end, budget := len(data), searchBudget
	for i := len(lines) - 1; i >= 0; i-- {
		end -= len(lines[i])
		if budget -= end; budget < 0 {
			return libraryLine(err)
		}
		if _, err := documents(data[:end]); err == nil {
			return i
		}
	}
	return 0
}

var libraryForm = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// libraryLine is the line of the library's message, counted from zero.
func libraryLine(err error) int {
	var line int
	if m := libraryForm.FindStringSubmatch(err.Error()); m != nil && m[1] != "" {
		_, _ = fmt.Sscan(m[1], &line)
	}
	return max(line-1, 0)
}

// libraryText is the library's message without its line.
func libraryText(err error) string {
	m := libraryForm.FindStringSubmatch(err.Error())
	switch {
	case m == nil:
		return "it cannot be read"
	case strings.HasPrefix(m[2], "unknown anchor"):
		// The name may be the start of an unquoted secret.
		return "a value that starts with * must be quoted"
	}
	return m[2]
}
