package poll

import (
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/store"
)

// settleLocked commits an assessment and, when that worked, remembers what
// stays in memory.
func (w *Watcher) settleLocked(a assessment, now time.Time) error {
	if _, err := w.commitLocked(a.commit); err != nil {
		if errors.Is(err, store.ErrOutcomeUnknown) {
			return err
		}
		w.degrade(err, now)
		return nil
	}
	w.degraded = w.degraded && a.commit.Empty()
	for i := range a.commit.Events {
		if e := &a.commit.Events[i]; e.Action == drift.Created || e.Action == drift.Restored {
			w.fresh[e.Object.Key()] = now
		}
	}
	maps.DeleteFunc(w.fresh, func(_ drift.Key, at time.Time) bool { return now.Sub(at) > settling })
	w.o.Beside.Spend(a.spent)
	w.settleBlindness(a)
	for _, obj := range a.renewed {
		w.state.Objects[obj.Key()] = obj
	}
	return nil
}

// commitLocked makes a commit durable and part of the state.
func (w *Watcher) commitLocked(c drift.Commit) (drift.Committed, error) {
	if c.Empty() {
		return drift.Committed{Revision: w.state.Revision, Head: w.state.Head}, nil
	}
	if w.o.Store == nil {
		return drift.Committed{}, errors.New("commit: no store is open")
	}
	sortEvents(c.Events)
	done, err := w.o.Store.Commit(c)
	if err != nil {
		return done, fmt.Errorf("commit pass of %s: %w", w.o.Tenant, err)
	}
	before := w.lastWrites(c)
	apply(&w.state, c, done)
	if !c.LastGood.IsZero() {
		w.flushed = c.LastGood
	}
	w.o.Metrics.committed(w, done)
	for i := range done.Events {
		w.logEvent(&done.Events[i])
	}
	w.await(c.Events, done.Events, before)
	if len(done.Events) > 0 {
		w.o.Wake()
	}
	return done, nil
}

// apply makes a committed commit part of the state in memory: what Load would
// return now.
func apply(s *drift.State, c drift.Commit, done drift.Committed) {
	s.Revision, s.Head = done.Revision, done.Head
	for _, obj := range c.Put {
		s.Objects[obj.Key()] = obj
	}
	for _, key := range c.Gone {
		delete(s.Objects, key)
	}
	for _, f := range c.Findings {
		f.LastEvent = lastEventOf(done.Events, f)
		s.Findings[f.Key()] = f
	}
	for _, key := range c.Closed {
		delete(s.Findings, key)
	}
	if c.Baseline != nil {
		s.Baseline = c.Baseline
	}
	if c.Absences != nil {
		s.Absences = maps.Clone(c.Absences)
	}
	if c.Blind != nil {
		s.Blind = *c.Blind
	}
	if c.Seen != nil {
		s.Seen = c.Seen
	}
	if c.GraphVersion != "" {
		s.GraphVersion = c.GraphVersion
	}
	if !c.LastGood.IsZero() {
		s.LastGood = c.LastGood
	}
}

// lastEventOf is the newest event about a change of a finding's object.
func lastEventOf(events []drift.Event, f drift.Finding) string {
	for i := len(events) - 1; i >= 0; i-- {
		if about := events[i].Moves(); about != nil && about.Key() == f.Key() {
			return events[i].ID
		}
	}
	return f.LastEvent
}

// flush writes the time of the last good pass at shutdown.
func (w *Watcher) flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.o.Store == nil || w.degraded || w.lastGood.IsZero() || w.lastGood.Equal(w.flushed) {
		return
	}
	if _, err := w.commitLocked(drift.Commit{TenantID: w.o.TenantID, Time: w.lastGood, LastGood: w.lastGood}); err != nil {
		w.o.Logger.Warn("time of the last good pass not written", "tenant", w.o.Tenant, "err", err)
	}
}
