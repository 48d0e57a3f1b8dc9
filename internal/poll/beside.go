package poll

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/graph"
)

// Hidden lists the policies that the beta version has: a Graph client. The
// error is graph.ErrUnavailable where Graph refuses.
type Hidden interface {
	HiddenIDs(ctx context.Context) ([]string, error)
}

// What an alert may wait for the names and the actor of a change, and how
// often the rest is looked at.
const (
	alertWaits  = 2 * time.Second
	besideTime  = 10 * time.Second
	hiddenEvery = time.Hour
)

// limit notes that something good to know cannot be known. It is told by
// gauge, in status and with one line of log, never with an event (contract §3).
func (w *Watcher) limit(reason drift.Reason, text string) {
	if _, was := w.limits[reason]; !was {
		w.o.Logger.Warn("limited view", "tenant", w.o.Tenant, "reason", string(reason), "text", text)
	}
	w.limits[reason] = text
}

// setback notes a failed question. A refusal is a limit at once; a timeout or
// a busy service only when it goes on.
func (w *Watcher) setback(reason drift.Reason, text string, err error) {
	w.setbacks[reason]++
	if graph.ReasonOf(err) == drift.ReasonPermission || w.setbacks[reason] >= 3 {
		w.limit(reason, text+graph.Plain(err))
	}
}

func (w *Watcher) unlimit(reason drift.Reason) {
	delete(w.setbacks, reason)
	if _, was := w.limits[reason]; was {
		w.o.Logger.Info("view no longer limited", "tenant", w.o.Tenant, "reason", string(reason))
	}
	delete(w.limits, reason)
}

// prepare asks, before a pass is judged, who is named in what changed and who
// wrote it. An alert waits for it no longer than alertWaits.
func (w *Watcher) prepare(ctx context.Context, readings []reading, ev evidence, now time.Time) {
	moved := w.moved(readings, ev)
	if len(moved) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, alertWaits)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.askAudits(ctx, now, slices.ContainsFunc(moved, func(c change) bool { return c.key.Kind == drift.Group }), now.Add(-auditReach))
	}()
	n := newWanted()
	w.mu.Lock() // people may be moving the baseline
	for _, c := range moved {
		n.of(c.old)
		n.of(c.new)
		n.of(w.baselineForm(c.key))
	}
	w.mu.Unlock()
	w.emergencyNames(n)
	<-done // fillNames and askAudits both note limits: one after the other
	w.fillNames(ctx, n, now)
}

// moved are the objects that the readings show to have changed, as far as can
// be told before they are judged. Kinds that are read for the first time make
// no events and are left out.
func (w *Watcher) moved(readings []reading, ev evidence) []change {
	var out []change
	for i := range readings {
		r := &readings[i]
		if !r.good() || r.same || !w.seen(r.kind) {
			continue
		}
		for _, obj := range r.objects {
			old, known := w.state.Objects[obj.Key()]
			switch {
			case !known && r.kind == drift.Group: // recorded without an event
			case !known:
				out = append(out, change{key: obj.Key(), new: &obj})
			case obj.Digest != old.Digest || obj.Written().After(old.Written()):
				out = append(out, change{key: obj.Key(), old: &old, new: &obj})
			}
		}
	}
	for _, key := range ev.deleted {
		if old, known := w.state.Objects[key]; known {
			out = append(out, change{key: key, old: &old})
		}
	}
	return out
}

// lookBeside does, after a pass, what no alert waits for: late audit records,
// names for the next alert, and policies that this Graph version hides.
func (w *Watcher) lookBeside(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, besideTime)
	defer cancel()
	err := w.attributeLate(ctx)
	w.warmNames(ctx, time.Now())
	w.lookForHidden(ctx, time.Now())
	return err
}

// lookForHidden compares, once an hour, the ids that beta lists with what was
// read (detection law §1.11). An id that was made a moment ago is no hidden
// one: it answers to a GET.
func (w *Watcher) lookForHidden(ctx context.Context, now time.Time) {
	if w.o.Hidden == nil || w.o.GraphVersion == "beta" || !w.seen(drift.Policy) || now.Sub(w.hiddenAt) < hiddenEvery {
		return
	}
	w.hiddenAt = now
	ids, err := w.o.Hidden.HiddenIDs(ctx)
	if err != nil {
		w.o.Logger.Debug("beta listing not available", "tenant", w.o.Tenant, "err", err)
		return
	}
	var hidden []string
	for _, id := range ids {
		key := drift.Key{Kind: drift.Policy, ID: strings.ToLower(id)}
		if _, known := w.state.Objects[key]; known {
			continue
		}
		if _, err := w.get(ctx, key); err == nil {
			continue
		}
		if hidden = append(hidden, id); len(hidden) == 10 {
			break
		}
	}
	if len(hidden) == 0 {
		w.unlimit(drift.ReasonHidden)
		return
	}
	w.limit(drift.ReasonHidden, "Graph "+w.o.GraphVersion+" does not show these policies, which are not watched: "+strings.Join(hidden, ", "))
}

var (
	_ Directory = (*graph.Client)(nil)
	_ Auditor   = (*graph.Client)(nil)
	_ Members   = (*graph.Client)(nil)
	_ Hidden    = (*graph.Client)(nil)
)
