package config

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// units are the units of a duration, in the only order in which they may
// stand. A year is 365 days and a week 7, as Prometheus has it.
func units() []unit {
	const day = 24 * time.Hour
	return []unit{
		{"y", 365 * day},
		{"w", 7 * day},
		{"d", day},
		{"h", time.Hour},
		{"m", time.Minute},
		{"s", time.Second},
		{"ms", time.Millisecond},
	}
}

type unit struct {
	name string
	size time.Duration
}

// ParseDuration reads a duration as Prometheus writes it: whole numbers with
// the units y, w, d, h, m, s, ms, largest first, such as 90d, 1h30m or 30s; 0
// needs no unit. Go's own notation differs: no fractions, no signs, and days.
func ParseDuration(text string) (time.Duration, error) {
	if text == "0" {
		return 0, nil
	}
	if text == "" {
		return 0, errors.New("read duration: it is empty")
	}
	bad := fmt.Errorf("read duration: %q is not whole numbers with units, largest first", text)
	var sum time.Duration
	next := 0 // the first unit that may still come
	for rest := text; rest != ""; {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		letters := len(rest) - digits - len(strings.TrimLeft(rest[digits:], "abcdefghijklmnopqrstuvwxyz"))
		if digits == 0 || letters == 0 {
			return 0, bad
		}
		size, at := unitNamed(rest[digits:digits+letters], next)
		if size == 0 {
			return 0, bad
		}
		var n int64
		for _, digit := range rest[:digits] {
			n = n*10 + int64(digit-'0')
			if n > int64((math.MaxInt64-sum)/size) {
				return 0, fmt.Errorf("read duration: %q is longer than 292 years", text)
			}
		}
		sum += time.Duration(n) * size
		next = at + 1
		rest = rest[digits+letters:]
	}
	return sum, nil
}

func unitNamed(name string, from int) (size time.Duration, at int) {
	for i, u := range units() {
		if i >= from && u.name == name {
			return u.size, i
		}
	}
	return 0, 0
}

// FormatDuration writes what [ParseDuration] reads, in days and smaller units:
// 400d, 1d6h, 1h30m, 0s. What is below a millisecond is dropped.
func FormatDuration(d time.Duration) string {
	var b strings.Builder
	for _, u := range units()[2:] {
		if n := d / u.size; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, u.name)
			d -= n * u.size
		}
	}
	if b.Len() == 0 {
		return "0s"
	}
	return b.String()
}
