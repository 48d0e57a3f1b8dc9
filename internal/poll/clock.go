package poll

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// clocksApart is how far our clock may be from Graph's: certificates and tokens
// are judged by it, and so are the hold and the budgets of the guard.
const clocksApart = 5 * time.Minute

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
