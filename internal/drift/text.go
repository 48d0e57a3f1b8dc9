package drift

import (
	"fmt"
	"strings"
	"unicode"
)

// NameRunes is the most runes of a name that any sink shows.
const NameRunes = 256

// Visible makes text that an attacker may have chosen (a policy's, user's or
// location's name) safe to put into a line: controls, line breaks, bidirectional
// and invisible characters and broken UTF-8 appear as escapes such as
// \u{202e}, and more than [NameRunes] runes are cut with "…". It does not
// encode for a sink (Slack, Teams, HTML): each sink does that itself.
func Visible(text string) string {
	var b strings.Builder
	n := 0
	for i, r := range text {
		if n == NameRunes {
			b.WriteString("…")
			break
		}
		n++
		switch {
		case r == unicode.ReplacementChar && !strings.HasPrefix(text[i:], string(unicode.ReplacementChar)):
			fmt.Fprintf(&b, `\x{%02x}`, text[i])
		case r == ' ' || unicode.IsGraphic(r) && !hidden(r):
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, `\u{%x}`, r)
		}
	}
	return b.String()
}

// hidden tells of graphic characters that draw nothing, or look like a plain
// space or a line break to one sink and not to another.
func hidden(r rune) bool {
	switch {
	case unicode.IsSpace(r), // U+00A0, U+2028, U+3000 …; the plain space was let through above
		r == 0x2800,              // braille blank
		r == 0x115f, r == 0x1160, // Hangul fillers
		r == 0x3164, r == 0xffa0, //
		r >= 0xfe00 && r <= 0xfe0e, // variation selectors, except the emoji one
		r >= 0xe0100 && r <= 0xe01ef:
		return true
	}
	return false
}
