package app

import (
	"context"
	"io"
	"log/slog"
	"os"

	systemd "github.com/coreos/go-systemd/v22/journal"
)

// toJournal tells whether what is written to w ends in systemd's journal.
func toJournal(w io.Writer) bool {
	if w != os.Stderr {
		return false
	}
	yes, err := systemd.StderrIsJournalStream()
	return err == nil && yes
}

// byPriority writes JSON with each record's priority in front, as sd-daemon(3)
// has it: the journal takes it off again and can be asked for errors only.
type byPriority struct {
	failed, warned, told, traced slog.Handler
}

func newByPriority(w io.Writer, o *slog.HandlerOptions) *byPriority {
	at := func(prefix string) slog.Handler { return slog.NewJSONHandler(prefixed{w, prefix}, o) }
	return &byPriority{failed: at("<3>"), warned: at("<4>"), told: at("<6>"), traced: at("<7>")}
}

// of is the handler for a level.
func (p *byPriority) of(level slog.Level) slog.Handler {
	switch {
	case level >= slog.LevelError:
		return p.failed
	case level >= slog.LevelWarn:
		return p.warned
	case level >= slog.LevelInfo:
		return p.told
	}
	return p.traced
}

func (p *byPriority) Enabled(ctx context.Context, level slog.Level) bool {
	return p.told.Enabled(ctx, level)
}

func (p *byPriority) Handle(ctx context.Context, r slog.Record) error {
	return p.of(r.Level).Handle(ctx, r)
}

func (p *byPriority) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &byPriority{p.failed.WithAttrs(attrs), p.warned.WithAttrs(attrs), p.told.WithAttrs(attrs), p.traced.WithAttrs(attrs)}
}

func (p *byPriority) WithGroup(name string) slog.Handler {
	return &byPriority{p.failed.WithGroup(name), p.warned.WithGroup(name), p.told.WithGroup(name), p.traced.WithGroup(name)}
}

// prefixed writes a line in one piece, so that no other comes between.
type prefixed struct {
	w      io.Writer
	prefix string
}

func (p prefixed) Write(line []byte) (int, error) {
	if _, err := io.WriteString(p.w, p.prefix+string(line)); err != nil {
		return 0, err
	}
	return len(line), nil
}
