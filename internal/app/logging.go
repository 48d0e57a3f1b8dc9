package app

import (
	"io"
	"log/slog"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/lmittmann/tint"
	"golang.org/x/term"

	"github.com/cadrift/cadrift/internal/drift"
)

// NewLogger makes the process's logger. Format auto is coloured text on a
// terminal and JSON elsewhere, with priorities in systemd's journal; color is
// auto, always or never (auto honours NO_COLOR).
func NewLogger(w io.Writer, level slog.Leveler, format, color string) *slog.Logger {
	tty := IsTerminal(w)
	if format == "json" || format != "text" && !tty {
		o := &slog.HandlerOptions{Level: level, ReplaceAttr: tame}
		if toJournal(w) {
			return slog.New(newByPriority(w, o))
		}
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(tint.NewTextHandler(w, &tint.Options{
		Level:       level,
		TimeFormat:  time.DateTime,
		NoColor:     !Colored(w, color),
		ReplaceAttr: tame,
	}))
}

// tame makes the strings and errors of a record safe to read on a terminal:
// the JSON handler lets U+009B and DEL through, which some terminals obey, and
// the text handler silently drops what looks like a colour code.
func tame(_ []string, a slog.Attr) slog.Attr {
	switch v := a.Value; v.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(tamed(v.String()))
	case slog.KindAny:
		if err, ok := v.Any().(error); ok {
			a.Value = slog.StringValue(tamed(err.Error()))
		}
	}
	return a
}

// tamed shows every character that is not to be seen; line feeds and tabs stay,
// both handlers escape them.
func tamed(text string) string {
	plain := func(r rune) bool { return r == '\n' || r == '\t' || r == ' ' || r > ' ' && r < 0x7f }
	if !strings.ContainsFunc(text, func(r rune) bool { return !plain(r) }) {
		return text
	}
	var b strings.Builder
	for text != "" {
		r, n := utf8.DecodeRuneInString(text)
		switch {
		case plain(r):
			b.WriteRune(r)
		case r == utf8.RuneError && n > 1: // the text handler drops this one too
			b.WriteString(`\u{fffd}`)
		default:
			b.WriteString(drift.Visible(text[:n]))
		}
		text = text[n:]
	}
	return b.String()
}

// Colored tells whether text for w is coloured.
func Colored(w io.Writer, color string) bool {
	switch color {
	case "always":
		return true
	case "never":
		return false
	}
	return os.Getenv("NO_COLOR") == "" && IsTerminal(w)
}

// IsTerminal tells whether w is a terminal.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
