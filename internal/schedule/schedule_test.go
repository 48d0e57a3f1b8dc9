package schedule

import (
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	now := time.Date(2026, 11, 21, 20, 0, 0, 0, time.UTC)
	for _, spec := range []string{"", "TZ=UTC", "CRON_TZ=", "CRON_TZ=Mars/Phobos * * * * *", "0 0 30 2 *", "@every 500ms", "@every -5m", "@every 0s", "@reboot", "61 * * * *", "* * *"} {
		if s, err := Parse(spec, now); err == nil {
			t.Errorf("Parse(%q) took it, next %v", spec, s.Next(now))
		}
	}
	for spec, want := range map[string]time.Duration{
		"@every 1m": time.Minute, "*/5 * * * *": 5 * time.Minute, "*/10 * * * * *": 10 * time.Second,
		"CRON_TZ=Europe/Berlin 0 6 * * *": 24 * time.Hour,
	} {
		s, err := Parse(spec, now)
		if err != nil {
			t.Errorf("Parse(%q): %v", spec, err)
			continue
		}
		if got := s.Interval(now); got != want {
			t.Errorf("interval of %q: got %v, want %v", spec, got, want)
		}
	}
}

// When the last good pass is too old: a schedule that pauses is not late while
// it does.
func TestOverdue(t *testing.T) {
	evening := time.Date(2026, 11, 20, 17, 55, 4, 0, time.Local) // a Friday
	for spec, want := range map[string]time.Time{
		"@every 1s":             evening.Add(2 * time.Minute), // a slow pass is no silence
		"@every 1m":             evening.Add(3 * time.Minute),
		"*/5 8-17 * * 1-5":      time.Date(2026, 11, 23, 8, 10, 0, 0, time.Local),
		"0 7 * * *":             time.Date(2026, 11, 23, 7, 0, 0, 0, time.Local),
		"CRON_TZ=UTC 0 * * * *": evening.UTC().Truncate(time.Hour).Add(3 * time.Hour),
	} {
		s, err := Parse(spec, evening)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Overdue(evening.UTC()); !got.Equal(want) {
			t.Errorf("%s: got %s, want %s", spec, got, want)
		}
	}
}
