package words

import (
	"fmt"
	"strings"

	"github.com/cadrift/cadrift/internal/drift"
)

// labelWidth is the column of the labels in plain text.
const labelWidth = len(LabelAnnounced)

// Plain is the whole alert as plain text, as the terminal and the fallback
// show it: the first line, then one indented line each. It ends in a line
// feed.
func Plain(e *drift.Event) string {
	var b strings.Builder
	b.WriteString(Headline(e))
	b.WriteByte('\n')
	last := ""
	for _, l := range Lines(e) {
		label := l.Label
		if label == last {
			label = ""
		}
		last = l.Label
		fmt.Fprintf(&b, "  %-*s  %s\n", labelWidth, label, l.Text)
	}
	return b.String()
}
