package schedule

import "time"

// Due is the next due time that lies ahead, when the pass that was due last
// took that long and is over now; skipped counts those that passed meanwhile.
// After a clock that was set, or a sleep of the machine, due times count from
// now on.
func (s Schedule) Due(last, now time.Time, took time.Duration) (next time.Time, skipped int) {
	now = Wall(now)
	if last.After(now.Add(time.Second)) || now.Sub(last) > took+time.Minute {
		last = now
	}
	for {
		next = s.Next(last)
		if next.IsZero() {
			return now.Add(24 * time.Hour), skipped // a schedule that is over: look again tomorrow
		}
		if next.After(now) {
			return next, skipped
		}
		skipped++
		last = next
	}
}

// Wall is a time without its monotonic reading.
func Wall(t time.Time) time.Time { return t.Round(0) }

// Wait is a wait for a moment of the wall clock, which never lasts longer than
// it was meant to when it began.
type Wait struct {
	due, begin time.Time
	length     time.Duration
}

// NewWait begins a wait.
func NewWait(due, now time.Time) Wait {
	return Wait{due: Wall(due), begin: now, length: due.Sub(Wall(now))}
}

// Left is how long the wait goes on.
func (w Wait) Left(now time.Time) time.Duration {
	return min(w.due.Sub(Wall(now)), w.length-now.Sub(w.begin))
}

// Lapsed tells whether a time is long enough ago. One that lies ahead was noted
// before the clock was set back: nobody knows how long ago that was.
func Lapsed(at time.Time, long time.Duration, now time.Time) bool {
	return now.Sub(at) >= long || at.After(now)
}
