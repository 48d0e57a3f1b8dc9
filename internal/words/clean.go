package words

import (
	"strings"
	"unicode/utf8"

	"github.com/cadrift/cadrift/internal/drift"
)

// Clean is [drift.Visible] for texts that may be longer than a name: one
// line, hostile characters visible, at most limit runes with "…" as the last
// when it was cut. Cleaning twice changes nothing.
func Clean(text string, limit int) string {
	var b strings.Builder
	n := 0
	for len(text) > 0 && n <= limit {
		piece := text[:pieceEnd(text)]
		text = text[len(piece):]
		seen := drift.Visible(piece)
		n += utf8.RuneCountInString(seen)
		b.WriteString(seen)
	}
	return Cut(b.String(), limit)
}

// pieceEnd is where the next piece of at most [drift.NameRunes] runes ends, so
// that drift.Visible never cuts it.
func pieceEnd(text string) int {
	n := 0
	for i := range text {
		if n == drift.NameRunes {
			return i
		}
		n++
	}
	return len(text)
}

// Cut shortens text to limit runes, the last of them "…" when it was longer.
func Cut(text string, limit int) string {
	if utf8.RuneCountInString(text) <= limit {
		return text
	}
	n := 0
	for i := range text {
		if n == limit-1 {
			return text[:i] + "…"
		}
		n++
	}
	return text
}
