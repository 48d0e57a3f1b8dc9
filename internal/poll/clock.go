package poll

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// The wall clock of a machine may be set while the process runs, and the
// monotonic clock, by which timers run, stands still while the machine sleeps.
// Due times are therefore of the wall clock, and waits are bounded by both.

// longestNap is how soon a clock that was set forward, or a machine that woke
// up, is noticed.
const longestNap = 30 * time.Second

// clocksApart is how far our clock may be from Graph's: certificates and tokens
// are judged by it, and so are the hold and the budgets of the guard.
const clocksApart = 5 * time.Minute

// wall is a time without its monotonic reading.
func wall(t time.Time) time.Time { return t.Round(0) }

// wait is a wait for a moment of the wall clock, which never lasts longer than
// it was meant to when it began.
type wait struct {
	due, begin time.Time
	length     time.Duration
}

func newWait(due, now time.Time) wait {
	return wait{due: wall(due), begin: now, length: due.Sub(wall(now))}
}

// left is how long the wait goes on.
func (w wait) left(now time.Time) time.Duration {
	return min(w.due.Sub(wall(now)), w.length-now.Sub(w.begin))
}

// compareClocks notes how far our clock is from Graph's, by the reading that
// puts them closest together: the time on an answer may be that of a cache.
func (w *Watcher) compareClocks(readings []reading) {
	before := w.ahead
	w.ahead = 0
	if len(readings) > 0 {
		closest := slices.MinFunc(readings, func(a, b reading) int { return cmp.Compare(a.ahead.Abs(), b.ahead.Abs()) })
		w.ahead = closest.ahead
	}
	switch apart := w.apart(); {
	case apart != "" && before.Abs() <= clocksApart:
		w.o.Logger.Warn("set the clock", "tenant", w.o.Tenant, "reason", apart)
	case apart == "" && before.Abs() > clocksApart:
		w.o.Logger.Info("the clock agrees with Graph's again", "tenant", w.o.Tenant)
	}
}

// apart says that our clock and Graph's differ too much; empty: they do
// not, or Graph does not say.
func (w *Watcher) apart() string {
	way := "ahead of"
	if w.ahead < 0 {
		way = "behind"
	}
	if w.ahead.Abs() <= clocksApart {
		return ""
	}
	return fmt.Sprintf("the clock of this machine is %s %s Graph's", w.ahead.Abs().Round(time.Second), way)
}
