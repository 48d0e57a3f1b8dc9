package notify

import (
	"math"
	"net/http"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 21, 20, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"":                              0,
		"30":                            30 * time.Second,
		" 1.5 ":                         1500 * time.Millisecond,
		"0":                             0,
		"-5":                            0,
		"NaN":                           0,
		"Inf":                           time.Hour,
		"1e300":                         time.Hour,
		"86400":                         time.Hour,
		"soon":                          0,
		"Sat, 21 Nov 2026 20:02:00 GMT": 2 * time.Minute,
		"Sat, 21 Nov 2026 19:00:00 GMT": 0,
		"Sun, 22 Nov 2026 20:00:00 GMT": time.Hour,
	} {
		h := http.Header{}
		h.Set("Retry-After", text)
		if got := retryAfter(h, now); got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
}

func TestCeiling(t *testing.T) {
	for n, want := range map[int]time.Duration{
		0: time.Second, 1: time.Second, 2: 2 * time.Second, 5: 16 * time.Second,
		10: 512 * time.Second, 11: 15 * time.Minute, 1 << 20: 15 * time.Minute, math.MaxInt: 15 * time.Minute,
	} {
		if got := ceiling(n); got != want {
			t.Errorf("after %d failures: got %v, want %v", n, got, want)
		}
	}
}

func TestPaceHoldsInAnyMinute(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := pace{limits: Limits{Events: 2, PerMinute: 5, Spacing: time.Second}}
		now := time.Date(2026, 11, 21, 20, 0, 0, 0, time.UTC)
		var sent []time.Time
		for range rapid.IntRange(1, 60).Draw(t, "messages") {
			now = now.Add(time.Duration(rapid.IntRange(0, 30).Draw(t, "gap")) * time.Second)
			now = now.Add(p.wait(now, rapid.Bool().Draw(t, "critical")))
			p.count(now)
			sent = append(sent, now)
		}
		for i := range sent {
			if i >= 5 && sent[i].Sub(sent[i-5]) < time.Minute {
				t.Fatalf("six messages within %v", sent[i].Sub(sent[i-5]))
			}
			if i >= 1 && sent[i].Sub(sent[i-1]) < time.Second {
				t.Fatalf("two messages within %v", sent[i].Sub(sent[i-1]))
			}
		}
	})
}

func TestPaceWithoutARate(t *testing.T) {
	p := pace{limits: Limits{Events: 1}}
	now := time.Now()
	for range 1000 {
		if d := p.wait(now, false); d != 0 {
			t.Fatalf("got a wait of %v, want none", d)
		}
		p.count(now)
	}
	if len(p.sent) != 0 {
		t.Errorf("got %d times kept, want none", len(p.sent))
	}
}

// Times of an earlier process count, unless the clock was set back since.
func TestPaceKnowsEarlierTries(t *testing.T) {
	now := time.Date(2026, 11, 21, 20, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name   string
		newest time.Time
		want   time.Duration
	}{
		{"just now", now, 54 * time.Second},
		{"long ago", now.Add(-time.Hour), 0},
		{"before the clock was set back", now.Add(time.Hour), 0},
	} {
		p := pace{limits: Limits{Events: 2, PerMinute: 5, Spacing: time.Second}}
		for i := range 8 {
			p.count(c.newest.Add(time.Duration(i-7) * 2 * time.Second))
		}
		if got := p.wait(now, false); got != c.want {
			t.Errorf("%s: got a wait of %v, want %v", c.name, got, c.want)
		}
	}
}
