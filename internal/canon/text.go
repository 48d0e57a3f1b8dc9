package canon

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// respell writes a JSON string in its one canonical spelling: an escape only
// for the quote, the backslash and controls. What is no Unicode, half a
// surrogate pair or a stray byte, becomes U+FFFD followed by its number in
// braces, so that different broken texts stay different and every reader of the
// result agrees on what it says; broken tells that there was some.
func respell(token []byte) (spelled []byte, broken bool) {
	s := token[1 : len(token)-1]
	out := append(make([]byte, 0, len(token)), '"')
	for len(s) > 0 {
		r, size := rune(s[0]), 1
		switch {
		case r == '\\' && s[1] == 'u':
			r, size = unescape(s)
		case r == '\\':
			r, size = escaped(s[1]), 2
		case r >= utf8.RuneSelf:
			r, size = utf8.DecodeRune(s)
		}
		switch {
		case r == utf8.RuneError && size == 1:
			broken = true
			out = fmt.Appendf(out, "\uFFFD{%02x}", s[0])
		case utf16.IsSurrogate(r):
			broken = true
			out = fmt.Appendf(out, "\uFFFD{%04x}", r)
		default:
			out = appendRune(out, r)
		}
		s = s[size:]
	}
	return append(out, '"'), broken
}

// unescape reads the \u escape, or the pair of them, that s starts with.
func unescape(s []byte) (rune, int) {
	const single, pair = len(`\u0000`), len(`\u0000\u0000`)
	r := hex4(s[2:single])
	if utf16.IsSurrogate(r) && len(s) >= pair && s[single] == '\\' && s[single+1] == 'u' {
		if both := utf16.DecodeRune(r, hex4(s[single+2:pair])); both != utf8.RuneError {
			return both, pair
		}
	}
	return r, single
}

// hex4 reads four hexadecimal digits, which json.Valid has seen to be such.
func hex4(s []byte) rune {
	n, _ := strconv.ParseUint(string(s), 16, 16)
	return rune(n)
}

// escaped is the character that a backslash and c stand for.
func escaped(c byte) rune {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return rune(c) // quote, backslash, slash
}

// appendRune appends one character of a JSON string as RFC 8785 spells it.
func appendRune(dst []byte, r rune) []byte {
	switch r {
	case '"', '\\':
		return append(dst, '\\', byte(r))
	case '\b':
		return append(dst, `\b`...)
	case '\f':
		return append(dst, `\f`...)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	}
	if r < ' ' {
		return fmt.Appendf(dst, `\u%04x`, r)
	}
	return utf8.AppendRune(dst, r)
}

// decoded is the text of a canonical JSON string, without a copy where the
// text is what stands between the quotes.
func decoded(token []byte) []byte {
	s := token[1 : len(token)-1]
	if bytes.IndexByte(s, '\\') < 0 {
		return s
	}
	out := make([]byte, 0, len(s))
	for len(s) > 0 {
		switch {
		case s[0] == '\\' && s[1] == 'u':
			r, size := unescape(s)
			out, s = utf8.AppendRune(out, r), s[size:]
		case s[0] == '\\':
			out, s = append(out, byte(escaped(s[1]))), s[2:]
		default:
			out, s = append(out, s[0]), s[1:]
		}
	}
	return out
}

// quoted is text as a canonical JSON string.
func quoted(text string) []byte {
	out := append(make([]byte, 0, len(text)+2), '"')
	for _, r := range text {
		out = appendRune(out, r)
	}
	return append(out, '"')
}

// lowerGUID lower-cases a GUID, given as a JSON string, and returns any other
// string as it is.
func lowerGUID(token []byte) []byte {
	if isGUID(token[1:len(token)-1]) && bytes.ContainsAny(token, "ABCDEF") {
		return bytes.ToLower(token)
	}
	return token
}

// isGUID tells whether s is shaped 8-4-4-4-12.
func isGUID(s []byte) bool {
	if len(s) != 36 {
		return false
	}
	for i, c := range s {
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if !('0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F') {
				return false
			}
		}
	}
	return true
}
