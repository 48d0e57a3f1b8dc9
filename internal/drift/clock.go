package drift

import "time"

// Lapsed tells whether a time is long enough ago. One that lies ahead was noted
// before the clock was set back: nobody knows how long ago that was.
func Lapsed(at time.Time, long time.Duration, now time.Time) bool {
	return now.Sub(at) >= long || at.After(now)
}
