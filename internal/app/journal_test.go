package app

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"
)

// Every record is one line with the priority of its level, whatever was added
// to the logger on the way.
func TestJournalPriorities(t *testing.T) {
	var b bytes.Buffer
	log := slog.New(newByPriority(&b, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: tame})).With("tenant", "a").WithGroup("g")
	log.Error("m", "err", errors.New("two\nlines"))
	log.Warn("m")
	log.Info("m")
	log.Debug("m")
	got := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	want := []string{"<3>{", "<4>{", "<6>{", "<7>{"}
	if len(got) != len(want) {
		t.Fatalf("%d lines, want %d:\n%s", len(got), len(want), b.String())
	}
	for i, line := range got {
		if !strings.HasPrefix(line, want[i]) || !strings.Contains(line, `"tenant":"a"`) {
			t.Errorf("record %d: %s, want it to begin with %s", i, line, want[i])
		}
	}
	if log.Enabled(t.Context(), slog.LevelDebug-1) {
		t.Error("the level does not count")
	}
}

// What does not end in the journal has no priorities in front.
func TestNoJournal(t *testing.T) {
	t.Setenv("JOURNAL_STREAM", "1:2")
	if toJournal(os.Stderr) || toJournal(&bytes.Buffer{}) {
		t.Error("taken for the journal")
	}
}
