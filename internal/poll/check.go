package poll

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// Report is what a check found: open drift and changes since the last stored
// snapshot, with nothing sent and nothing recorded.
type Report struct {
	Tenant string
	Result Result
	// Problems say, in words, what could not be read.
	Problems []string
	Drifts   []drift.Finding
	// Changed are the changes as events that were never numbered.
	Changed []drift.Event
	// Unconfirmed are objects that the listing lacks and nothing has
	// confirmed as deleted; they do not count.
	Unconfirmed []drift.Ref
	// Compared tells that there was a baseline or a snapshot to compare with.
	Compared bool
}

// Check makes one full pass and reports what a recorded one would say.
func (w *Watcher) Check(ctx context.Context) (Report, error) {
	select {
	case w.turn <- struct{}{}:
		defer func() { <-w.turn }()
	case <-ctx.Done():
		return Report{}, ctx.Err()
	}
	readings := w.read(ctx)
	now := time.Now().UTC()
	ev := w.doubt(ctx, readings, now)
	w.prepare(ctx, readings, ev, now)
	if err := ctx.Err(); err != nil {
		return Report{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	a, err := w.assess(readings, ev, now)
	if err != nil {
		return Report{}, err
	}
	return w.report(readings, ev, a), nil
}

func (w *Watcher) report(readings []reading, ev evidence, a assessment) Report {
	r := Report{
		Tenant: w.o.Tenant, Result: resultOf(readings),
		Compared: w.state.Baseline != nil || w.state.Revision > 0,
	}
	for i := range readings {
		if err := readings[i].err; err != nil && !slices.Contains(r.Problems, err.Error()) {
			r.Problems = append(r.Problems, err.Error())
		}
	}
	open := maps.Clone(w.state.Findings)
	for _, f := range a.commit.Findings {
		open[f.Key()] = f
	}
	for _, key := range a.commit.Closed {
		delete(open, key)
	}
	r.Drifts = SortedFindings(maps.Values(open))
	for _, e := range a.commit.Events {
		if e.Type == drift.DriftChanged && e.Cause == "" {
			r.Changed = append(r.Changed, e.Event)
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(ev.absences), drift.Key.Compare) {
		r.Unconfirmed = append(r.Unconfirmed, w.state.Objects[key].Ref)
	}
	return r
}
