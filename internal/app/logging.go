package app

import (
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/lmittmann/tint"
	"golang.org/x/term"
)

// NewLogger makes the process's logger. Format auto is coloured text on a
// terminal and JSON elsewhere; color is auto, always or never (auto honours
// NO_COLOR).
func NewLogger(w io.Writer, level slog.Leveler, format, color string) *slog.Logger {
	tty := IsTerminal(w)
	if format == "json" || format != "text" && !tty {
		return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level}))
	}
	return slog.New(tint.NewTextHandler(w, &tint.Options{
		Level:      level,
		TimeFormat: time.DateTime,
		NoColor:    !Colored(w, color),
	}))
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
