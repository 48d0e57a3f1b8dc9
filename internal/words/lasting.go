package words

import (
	"fmt"
	"time"
)

// unit is a unit of time with its spellings.
type unit struct {
	size             time.Duration
	short, one, many string
}

func units() []unit {
	return []unit{
		{24 * time.Hour, "d", "day", "days"},
		{time.Hour, "h", "hour", "hours"},
		{time.Minute, "min", "minute", "minutes"},
		{time.Second, "s", "second", "seconds"},
	}
}

// Lasting is how long something lasts in words: "8 hours", "1 hour 30 minutes".
func Lasting(d time.Duration) string {
	all := units()
	text := lasting(d, all[:3], func(n int, u unit) string {
		if n == 1 {
			return "1 " + u.one
		}
		return fmt.Sprintf("%d %s", n, u.many)
	})
	if text == "" {
		return "less than a minute"
	}
	return text
}

// Duration is the same for narrow places: "8 h", "1 h 30 min", "12 s".
func Duration(d time.Duration) string {
	text := lasting(d, units(), func(n int, u unit) string { return fmt.Sprintf("%d %s", n, u.short) })
	if text == "" {
		return "0 s"
	}
	return text
}

// lasting rounds: eight hours of which a moment has passed are eight hours. Up
// to nine of a unit the next one is told too, since cutting or rounding it off
// would be wrong by up to a half.
func lasting(d time.Duration, units []unit, say func(int, unit) string) string {
	for i, u := range units {
		last := i == len(units)-1
		if last || d >= 10*u.size {
			if n := int(d.Round(u.size) / u.size); n > 0 {
				return say(n, u)
			}
			continue
		}
		next := units[i+1]
		rounded := d.Round(next.size)
		n, rest := int(rounded/u.size), int(rounded%u.size/next.size)
		switch {
		case n > 0 && rest > 0:
			return say(n, u) + " " + say(rest, next)
		case n > 0:
			return say(n, u)
		}
	}
	return ""
}
