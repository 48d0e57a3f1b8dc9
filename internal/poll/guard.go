package poll

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/cadrift/cadrift/internal/diff"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/judge"
	"github.com/cadrift/cadrift/internal/store"
)

// Guard is told of good passes, and may write to the tenant in return.
type Guard interface {
	// Expect gives the form that old has after the guard's own writes, as far
	// as new shows them; nil when none of them is open. What else differs is
	// told as anybody's change.
	Expect(old, new drift.Object) *drift.Object
	// Writes are the guard's own writes to a policy, each as the span in which
	// it was made: a single moment where that of Graph is known.
	Writes(policyID string) []drift.Window
	// Passed is called after a good pass was committed, while nothing else
	// reads the tenant. Its error is that of Record.
	Passed(ctx context.Context, s Sight) error
}

// Sight is what a good pass saw, for the guard.
type Sight struct {
	Time     time.Time
	Policies []drift.Object
	// Blocked says why nothing may be written on this sight; empty: it may.
	Blocked string
}

// guardTime bounds what the guard does after one pass.
const guardTime = 2 * time.Minute

// guard tells the guard of a pass. The caller holds the turn.
func (w *Watcher) guard(ctx context.Context) error {
	if w.o.Guard == nil {
		return nil
	}
	s := w.Sight()
	if w.lastResult() == Failed || s.Time.IsZero() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, guardTime)
	defer cancel()
	err := w.o.Guard.Passed(ctx, s)
	if errors.Is(err, store.ErrOutcomeUnknown) {
		return err
	}
	if err != nil {
		w.o.Logger.Error("guard stopped short", "tenant", w.o.Tenant, "err", err)
	}
	return nil
}

func (w *Watcher) lastResult() Result {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.result
}

// Sight is the newest good snapshot of the policies, and what speaks against
// writing on it.
func (w *Watcher) Sight() Sight {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := Sight{Time: w.lastGood}
	for _, key := range slices.SortedFunc(maps.Keys(w.state.Objects), drift.Key.Compare) {
		_, absent := w.state.Absences[key]
		if key.Kind == drift.Policy && !absent {
			s.Policies = append(s.Policies, w.state.Objects[key])
		}
	}
	s.Blocked = w.blockedLocked()
	return s
}

// blockedLocked says why the snapshot is not to be acted on: the store takes
// no writes, or part of the policies is quarantined, held as stale or not read.
// Blindness towards other kinds and towards names is no reason.
func (w *Watcher) blockedLocked() string {
	if w.degraded {
		return "the store takes no writes"
	}
	if apart := w.apart(); apart != "" {
		return apart
	}
	for _, a := range w.state.Absences {
		if a.Quarantined {
			return "objects are quarantined: too many are missing from the listing at once"
		}
	}
	for key := range w.stale {
		if key.Kind == drift.Policy {
			return "Graph returns an older form of a policy than before"
		}
	}
	for _, reason := range drift.Reasons() {
		c, open := w.blind[reason]
		switch reason {
		case drift.ReasonUnknownEnum, drift.ReasonBaseline, drift.ReasonHidden, drift.ReasonAudit, drift.ReasonNames, drift.ReasonGroups:
			continue // such a policy is refused by itself, the rest is sound
		}
		if open && (len(c.Kinds) == 0 || slices.Contains(c.Kinds, drift.Policy)) {
			return "the policies cannot be seen well: " + string(reason)
		}
	}
	return ""
}

// Exclusive runs fn while nothing else reads the tenant: no pass, no look, no
// check.
func (w *Watcher) Exclusive(ctx context.Context, fn func() error) error {
	select {
	case w.turn <- struct{}{}:
		defer func() { <-w.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	return fn()
}

// Record commits entries and events of the guard: chained, and in the outbox
// of every receiver that wants them. Edit is what the last event's write did to
// its policy; the event then tells whether that may lock people out, and what
// becomes of the drift. The errors are those of the store.
func (w *Watcher) Record(entries []drift.Entry, events []drift.Event, edit *drift.Edit) ([]drift.Event, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now().UTC()
	commit := drift.Commit{TenantID: w.o.TenantID, Time: now, Entries: entries}
	for i := range events {
		var told []string
		if edit != nil && i == len(events)-1 {
			var err error
			if told, err = w.reckonWrite(&events[i], *edit, &commit); err != nil {
				return nil, err
			}
		}
		commit.Events = append(commit.Events, w.route(events[i], told))
	}
	done, err := w.commitLocked(commit)
	if err != nil {
		if !errors.Is(err, store.ErrOutcomeUnknown) {
			w.degrade(err, now)
		}
		return nil, err
	}
	return done.Events, nil
}

// reckonWrite works out what a write of the guard makes of its policy and of
// the drift. The pass that sees the write says nothing any more.
func (w *Watcher) reckonWrite(e *drift.Event, edit drift.Edit, commit *drift.Commit) (told []string, err error) {
	after := edit.After
	next := maps.Clone(w.state.Objects)
	next[after.Key()] = after
	a := &assessor{w: w, now: e.Time, next: next, baseline: w.state.Baseline}
	changes, _, err := diff.Objects(edit.Before.Form(), after.Form())
	if err != nil {
		return nil, err
	}
	v := a.theWorld().Judge(judge.Case{Old: &edit.Before, New: &after, Changes: changes})
	if v.Lockout {
		e.Severity, e.LockoutRisk, e.LockoutReasons = v.Severity, new(true), v.Reasons
	}
	reckoned := *e
	if told, err = a.reckon(after.Key(), after.Ref, &reckoned); err != nil {
		return nil, err
	}
	// Drift that goes on was told before, with a severity that is not this
	// write's, unless this is what makes it grave.
	if reckoned.Drift == drift.DriftOpened || reckoned.Drift == drift.DriftResolved || e.Locks() {
		*e = reckoned
	}
	commit.Closed, commit.Findings = a.out.commit.Closed, a.out.commit.Findings
	return told, nil
}

// ours takes the guard's own open writes out of a change: the form to compare
// with has them already. Own tells that nothing else changed.
func (a *assessor) ours(c change) (from *drift.Object, own bool) {
	if a.w.o.Guard == nil || c.action != drift.Updated {
		return c.old, false
	}
	expected := a.w.o.Guard.Expect(*c.old, *c.new)
	if expected == nil {
		return c.old, false
	}
	return expected, expected.Digest == c.new.Digest
}
