package schedule

import (
	"testing"
	"time"
)

var tick = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// A clock that was set, or a machine that slept, neither makes a burst of
// passes nor a pause.
func TestDue(t *testing.T) {
	for _, tt := range []struct {
		name, schedule string
		now            time.Time // when the pass that was due at tick is over
		took           time.Duration
		want           time.Time
		skipped        int
	}{
		{"in time", "@every 10s", tick.Add(2 * time.Second), 2 * time.Second, tick.Add(10 * time.Second), 0},
		{"a slow pass", "@every 10s", tick.Add(25 * time.Second), 25 * time.Second, tick.Add(30 * time.Second), 2},
		{"slewed", "@every 10s", tick.Add(-time.Millisecond), 0, tick.Add(10 * time.Second), 0},
		{"set back an hour", "@every 10s", tick.Add(-time.Hour), time.Second, tick.Add(10*time.Second - time.Hour), 0},
		{"set back a year, cron", "*/5 * * * *", tick.AddDate(-1, 0, 0), time.Second, tick.AddDate(-1, 0, 0).Add(5 * time.Minute), 0},
		{"set forward a day", "@every 10s", tick.Add(24 * time.Hour), time.Second, tick.Add(24*time.Hour + 10*time.Second), 0},
		{"slept eight hours, cron", "0 7 * * *", tick.Add(8 * time.Hour), time.Second, tick.Add(19 * time.Hour), 0},
		{"a pass over a sleep", "*/5 * * * *", tick.Add(8*time.Hour + time.Minute), 2 * time.Minute, tick.Add(8*time.Hour + 5*time.Minute), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := Parse(tt.schedule, tick)
			if err != nil {
				t.Fatal(err)
			}
			if got, skipped := s.Due(tick, tt.now, tt.took); !got.Equal(tt.want) || skipped != tt.skipped {
				t.Errorf("next due %s, %d skipped, want %s, %d", got, skipped, tt.want, tt.skipped)
			}
		})
	}
}

// A wait ends when the wall clock says so, and never later than it was meant
// to: timers stand still while a machine sleeps, and clocks are set back.
func TestWait(t *testing.T) {
	begin := time.Now() // with its monotonic reading
	w := NewWait(begin.Add(time.Hour), begin)
	for _, tt := range []struct {
		name      string
		wall, run time.Duration // what the two clocks did since
		want      time.Duration
	}{
		{"both went on", 20 * time.Minute, 20 * time.Minute, 40 * time.Minute},
		{"slept", 8 * time.Hour, time.Minute, -7 * time.Hour},
		{"set back", -time.Hour, 20 * time.Minute, 40 * time.Minute},
	} {
		// The wall clock is what begin plus run would be without its jump.
		moved := w
		moved.due = w.due.Add(tt.run - tt.wall)
		if got := moved.Left(begin.Add(tt.run)); got != tt.want {
			t.Errorf("%s: %s left, want %s", tt.name, got, tt.want)
		}
	}
}
