package config

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseDuration(t *testing.T) {
	const day = 24 * time.Hour
	for text, want := range map[string]time.Duration{
		"0": 0, "0s": 0, "30s": 30 * time.Second, "1h30m": 90 * time.Minute, "90m": 90 * time.Minute,
		"90d": 90 * day, "2w": 14 * day, "1y": 365 * day, "1y2w3d4h5m6s7ms": 382*day + 4*time.Hour + 5*time.Minute + 6*time.Second + 7*time.Millisecond,
		"15ms": 15 * time.Millisecond, "007d": 7 * day, "292y": 292 * 365 * day,
	} {
		got, err := ParseDuration(text)
		if err != nil || got != want {
			t.Errorf("ParseDuration(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "5", "-5m", "+5m", "1.5h", "5 m", " 5m", "5m ", "m", "1m1h", "1h1h", "1M", "1us", "1µs", "1ns", "infinity",
		"1h30", "300y", "292y1000w", "9999999999999999999999s", "9223372036854775807ms", "1d\n",
	} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("ParseDuration(%q) = %v, want an error", text, got)
		}
	}
}

func TestFormatDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", time.Minute: "1m", 90 * time.Minute: "1h30m", 30 * time.Hour: "1d6h", 400 * 24 * time.Hour: "400d",
		1500 * time.Millisecond: "1s500ms", 400 * time.Microsecond: "0s",
	} {
		if got := FormatDuration(d); got != want {
			t.Errorf("FormatDuration(%v) = %q, want %q", d, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(0, int64(290*365*24*time.Hour/time.Millisecond)).Draw(t, "ms")) * time.Millisecond
		got, err := ParseDuration(FormatDuration(d))
		if err != nil || got != d {
			t.Fatalf("%v becomes %s becomes %v, %v", d, FormatDuration(d), got, err)
		}
	})
}
