package poll

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// clockTolerance is how far our clock may be from Graph's: certificates and
// tokens are judged by it, and so are the hold and the budgets of the guard.
const clockTolerance = 5 * time.Minute

// compareClocks notes how far our clock is from Graph's, by the reading that
// puts them closest together: the time on an answer may be that of a cache.
// Readings that have no time say nothing, and without any the clock is what it
// was.
func (w *Watcher) compareClocks(readings []reading) {
	dated := slices.DeleteFunc(slices.Clone(readings), func(r reading) bool { return !r.dated })
	if len(dated) == 0 {
		return
	}
	before := w.apart()
	w.ahead = slices.MinFunc(dated, func(a, b reading) int { return cmp.Compare(a.ahead.Abs(), b.ahead.Abs()) }).ahead
	switch apart := w.apart(); {
	case apart != "" && before == "":
		w.o.Logger.Warn("set the clock", "tenant", w.o.Tenant, "reason", apart)
	case apart == "" && before != "":
		w.o.Logger.Info("the clock agrees with Graph's again", "tenant", w.o.Tenant)
	}
}

// apart says that our clock and Graph's differ too much, as far as Graph ever
// said its time; empty: they do not.
func (w *Watcher) apart() string {
	way := "ahead of"
	if w.ahead < 0 {
		way = "behind"
	}
	if w.ahead.Abs() <= clockTolerance {
		return ""
	}
	return fmt.Sprintf("the clock of this machine is %s %s Graph's", w.ahead.Abs().Round(time.Second), way)
}
