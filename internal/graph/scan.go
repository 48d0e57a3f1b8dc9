package graph

import (
	"bytes"
	"encoding/json"
	"iter"
)

// The scanner walks JSON that json.Valid has already accepted, so it needs no
// errors, and it copies nothing: a page's items are cut out of the body. It is
// here because encoding/json matches names without regard to case and lets the
// last of two equal names win, and either would let "VALUE": [] empty a
// listing without a sound.

// members walks the members of an object, in order, repeats included. The name
// is unescaped, the value is cut out of object.
func members(object []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func([]byte, []byte) bool) {
		for name, at := range spans(object) {
			if !yield(name, object[at.start:at.end:at.end]) { // nobody appends into the rest
				return
			}
		}
	}
}

// span is where a value lies in the bytes around it.
type span struct{ start, end int }

// spans is members by position.
func spans(object []byte) iter.Seq2[[]byte, span] {
	return func(yield func([]byte, span) bool) {
		i := skipSpace(object, 0)
		if i >= len(object) || object[i] != '{' {
			return
		}
		for i = skipSpace(object, i+1); i < len(object) && object[i] == '"'; {
			end := stringEnd(object, i)
			name := unquote(object[i:end])
			start := skipSpace(object, skipSpace(object, end)+1) // past the colon
			after := valueEnd(object, start)
			if !yield(name, span{start, after}) {
				return
			}
			i = skipSpace(object, skipSpace(object, after)+1) // past the comma or the brace
		}
	}
}

// elements walks the elements of an array.
func elements(array []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		i := skipSpace(array, 0)
		if i >= len(array) || array[i] != '[' {
			return
		}
		for i = skipSpace(array, i+1); i < len(array) && array[i] != ']'; {
			after := valueEnd(array, i)
			value := array[i:after:after]
			if !yield(value) {
				return
			}
			if i = skipSpace(array, after); i < len(array) && array[i] == ',' {
				i = skipSpace(array, i+1)
			}
		}
	}
}

// member gives the member of that exact name, and how often it occurs.
func member(object []byte, name string) (value []byte, times int) {
	for n, v := range members(object) {
		if string(n) == name {
			value = v
			times++
		}
	}
	return value, times
}

// text is the string that a JSON value is, if it is one.
func text(value []byte) (string, bool) {
	if len(value) == 0 || value[0] != '"' {
		return "", false
	}
	return string(unquote(value)), true
}

// unquote copies only where there are escapes.
func unquote(quoted []byte) []byte {
	inner := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return inner
	}
	var s string
	if json.Unmarshal(quoted, &s) != nil {
		return inner
	}
	return []byte(s)
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// stringEnd is the index behind the string that begins at b[i].
func stringEnd(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(b)
}

// valueEnd is the index behind the value that begins at b[i].
func valueEnd(b []byte, i int) int {
	for depth := 0; i < len(b); {
		switch b[i] {
		case '"':
			i = stringEnd(b, i)
		case '{', '[':
			depth++
			i++
			continue
		case '}', ']':
			depth--
			i++
		case ',', ':', ' ', '\n', '\r', '\t':
			i++
			continue
		default: // a number or a word
			for i < len(b) && bytes.IndexByte([]byte(",]} \n\r\t"), b[i]) < 0 {
				i++
			}
		}
		if depth <= 0 {
			return i
		}
	}
	return len(b)
}

// deeperThan tells whether objects and arrays nest more than limit levels. It
// is asked before anything else looks at a body, so that a body made of
// brackets costs one walk.
func deeperThan(limit int, b []byte) bool {
	depth := 0
	for i := 0; i < len(b); {
		switch b[i] {
		case '"':
			i = stringEnd(b, i)
			continue
		case '{', '[':
			if depth++; depth > limit {
				return true
			}
		case '}', ']':
			depth--
		}
		i++
	}
	return false
}
