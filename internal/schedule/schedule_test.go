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
