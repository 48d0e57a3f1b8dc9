package words

import (
	"testing"
	"time"
)

func TestLasting(t *testing.T) {
	const day = 24 * time.Hour
	for _, c := range []struct {
		d           time.Duration
		long, short string
	}{
		{0, "less than a minute", "0 s"},
		{-time.Hour, "less than a minute", "0 s"},
		{400 * time.Millisecond, "less than a minute", "0 s"},
		{12 * time.Second, "less than a minute", "12 s"},
		{time.Minute - time.Millisecond, "1 minute", "1 min"},
		{75 * time.Second, "1 minute", "1 min 15 s"},
		{10*time.Minute + 29*time.Second, "10 minutes", "10 min"},
		{time.Hour - time.Millisecond, "1 hour", "1 h"},
		{90 * time.Minute, "1 hour 30 minutes", "1 h 30 min"},
		{8*time.Hour - 2*time.Second, "8 hours", "8 h"},
		{10*time.Hour - time.Second, "10 hours", "10 h"},
		{23*time.Hour + 40*time.Minute, "1 day", "1 d"},
		{47 * time.Hour, "1 day 23 hours", "1 d 23 h"},
		{5*day + 5*time.Minute, "5 days", "5 d"},
		{14*day - time.Second, "14 days", "14 d"},
		{400*day + 13*time.Hour, "401 days", "401 d"},
	} {
		if got := Lasting(c.d); got != c.long {
			t.Errorf("%v: got %q, want %q", c.d, got, c.long)
		}
		if got := Duration(c.d); got != c.short {
			t.Errorf("%v: got %q, want %q", c.d, got, c.short)
		}
	}
}
