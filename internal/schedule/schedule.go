package schedule

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// Schedule says when passes are due.
type Schedule struct {
	spec string
	next cron.Schedule
}

// parser takes five or six fields (the first of six being seconds) and
// descriptors such as @every 1m and @hourly.
var parser = cron.NewParser(cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)

// Parse reads a robfig/cron spec, optionally with CRON_TZ= in front.
// It refuses what the library takes in silence: a zone without a spec (its
// parser panics), a date that never comes, and @every below one second (which
// the library rounds up).
func Parse(spec string, now time.Time) (Schedule, error) {
	s, err := parse(spec)
	if err == nil && s.Next(now).IsZero() {
		err = errors.New("never fires")
	}
	if err != nil {
		return Schedule{}, &Error{spec, err}
	}
	return Schedule{spec: spec, next: s}, nil
}

// Error is why a schedule cannot be meant.
type Error struct {
	Spec string
	Err  error
}

func (e *Error) Error() string { return fmt.Sprintf("schedule %q: %v", e.Spec, e.Err) }

func (e *Error) Unwrap() error { return e.Err }

// Hint is what a schedule looks like.
func (e *Error) Hint() string {
	return `"@every 1m", "*/5 * * * *" (minute hour day month weekday), or "CRON_TZ=Europe/Vienna 0 7 * * *"; at most once a second`
}

func parse(spec string) (s cron.Schedule, err error) {
	// robfig/cron v3.0.1 slices out of range on "TZ=UTC" and "CRON_TZ=".
	defer func() {
		if recover() != nil {
			s, err = nil, errors.New("not a cron spec: a time zone needs a schedule after it, as in \"CRON_TZ=UTC 0 * * * *\"")
		}
	}()
	trimmed := strings.TrimSpace(spec)
	if rest, ok := strings.CutPrefix(trimmed, "@every "); ok {
		if d, err := time.ParseDuration(strings.TrimSpace(rest)); err == nil && d < time.Second {
			return nil, errors.New("more often than once a second")
		}
	}
	return parser.Parse(trimmed)
}

// String is the spec as written.
func (s Schedule) String() string { return s.spec }

// Next is the first due time after t.
func (s Schedule) Next(t time.Time) time.Time { return s.next.Next(t) }

// Overdue is when a good pass at t is too old: three more were due since, and
// two minutes went by. A schedule that pauses at night is not overdue until the
// morning; one that is over counts by the day, as the loop does.
func (s Schedule) Overdue(t time.Time) time.Time {
	at := t.Local() // the zone in which the loop reads a spec without one
	for range 3 {
		next := s.Next(at)
		if next.IsZero() {
			next = at.Add(24 * time.Hour)
		}
		at = next
	}
	if soonest := t.Add(2 * time.Minute); at.Before(soonest) {
		return soonest
	}
	return at
}

// Interval is the shortest gap among the next due times, the measure of
// "three missed intervals".
func (s Schedule) Interval(now time.Time) time.Duration {
	best := time.Duration(0)
	at := s.Next(now)
	for range 8 {
		then := s.Next(at)
		if then.IsZero() {
			break
		}
		if d := then.Sub(at); best == 0 || d < best {
			best = d
		}
		at = then
	}
	if best == 0 {
		return 24 * time.Hour // a single date: there is no second one to measure by
	}
	return best
}
