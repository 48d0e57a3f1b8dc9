package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/words"
)

// printer writes to stdout: text with or without colours, or JSON.
type printer struct {
	w        io.Writer
	color    bool
	terminal bool
	now      time.Time
	// daemon tells that what is printed is the answer of a running daemon.
	daemon bool
}

// printer decides once whether this run has colours: --color, then NO_COLOR,
// then whether stdout is a terminal.
func (e *env) printer() *printer {
	p := &printer{w: e.stdout, terminal: e.terminal, now: time.Now()}
	switch e.flags.color.value {
	case "always":
		p.color = true
	case "auto":
		p.color = e.terminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	}
	return p
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// line writes one line. [Main] ends with an error when that failed.
func (p *printer) line(format string, args ...any) { fmt.Fprintf(p.w, format+"\n", args...) }

// style is what a cell looks like.
type style int

const (
	plain style = iota
	bold
	quiet
	good
	bad
	warn
	loud // white on red: critical
)

func (p *printer) paint(s style, text string) string {
	if !p.color || s == plain || text == "" {
		return text
	}
	code := [...]string{bold: "1", quiet: "2", good: "32", bad: "31", warn: "33", loud: "1;97;41"}[s]
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func severityStyle(s drift.Severity) style {
	return [...]style{drift.Info: quiet, drift.Low: plain, drift.Medium: warn, drift.High: bad, drift.Critical: loud}[s]
}

func directionStyle(d drift.Direction) style {
	return [...]style{drift.Neutral: quiet, drift.Weaker: bad, drift.Stronger: good, drift.Mixed: warn}[d&drift.Mixed]
}

// cell is one field of a table.
type cell struct {
	text  string
	style style
}

// table writes aligned columns; the last column is as long as it is. A header
// is a row like any other.
func (p *printer) table(rows [][]cell) {
	var widths []int
	for _, row := range rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(c.text))
		}
	}
	for _, row := range rows {
		var b strings.Builder
		for i, c := range row {
			b.WriteString(p.paint(c.style, c.text))
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c.text)+2))
			}
		}
		p.line("%s", strings.TrimRight(b.String(), " "))
	}
}

func header(names ...string) []cell {
	row := make([]cell, len(names))
	for i, name := range names {
		row[i] = cell{name, quiet}
	}
	return row
}

// when is a moment in the zone of the reader, with its age.
func (p *printer) when(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return fmt.Sprintf("%s (%s)", clock(t), p.ago(t))
}

func clock(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

// ago is how far from now t is: "12 s ago", "in 2 h".
func (p *printer) ago(t time.Time) string {
	switch d := p.now.Sub(t); {
	case d <= -time.Second:
		return "in " + words.Duration(-d)
	case d < 0:
		return "now"
	default:
		return words.Duration(d) + " ago"
	}
}

// json writes one document, indented. Order of members and spelling of
// numbers stay. On a terminal, characters that could steer it or hide are
// written as JSON escapes: the document means the same.
func (p *printer) json(document []byte) error {
	var b bytes.Buffer
	if err := json.Indent(&b, bytes.TrimSpace(document), "", "  "); err != nil {
		return fmt.Errorf("print document: %w", err)
	}
	text := b.String()
	if p.terminal {
		text = escapeHidden(text)
	}
	if _, err := io.WriteString(p.w, text+"\n"); err != nil {
		return fmt.Errorf("print document: %w", err)
	}
	return nil
}

// document writes a value of this package as one JSON document.
func (p *printer) document(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode document: %w", err)
	}
	return p.json(text)
}

func escapeHidden(document string) string {
	var b strings.Builder
	for _, r := range document {
		switch {
		case r == '\n' || drift.Visible(string(r)) == string(r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

func visibleName(r drift.Ref) string {
	if r.Name == "" {
		return r.ID
	}
	return drift.Visible(r.Name)
}
