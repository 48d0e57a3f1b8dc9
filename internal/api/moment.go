package api

import (
	"strconv"
	"time"

	"github.com/cadrift/cadrift/internal/config"
)

// parseMoment reads an RFC 3339 time, or how long before now.
func parseMoment(text string, now time.Time) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	if d, err := config.ParseDuration(text); err == nil {
		return now.Add(-d), nil
	}
	return time.Time{}, badRequest(
		"give an RFC 3339 time such as 2026-11-21T20:00:00Z, or how long ago, such as 90m, 24h or 7d",
		"read time: %q is neither a time nor a duration", text)
}

// parseRevision reads a revision number; ok is false for anything else.
func parseRevision(text string) (rev uint64, ok bool) {
	rev, err := strconv.ParseUint(text, 10, 64)
	return rev, err == nil
}
