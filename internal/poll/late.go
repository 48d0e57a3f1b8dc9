package poll

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cadrift/cadrift/internal/beside"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/schedule"
	"github.com/cadrift/cadrift/internal/store"
)

// attributeFor is how long an event may wait for its audit record.
const attributeFor = 20 * time.Minute

// awaiting is an event whose actor is not known yet.
type awaiting struct {
	event  string
	change change
	// after is the last write to the object that was known before.
	after  time.Time
	window drift.Window
	told   []string
	since  time.Time
}

// awaits tells of an event whose actor is still to be found.
func awaits(e *drift.Event) bool {
	return e.Type == drift.DriftChanged && e.Cause == "" && e.Actor == nil && e.Object != nil && e.Window != nil
}

// await remembers the events of a commit that have no actor, and who was told
// of them; before are the last writes to their objects. The caller holds mu.
func (w *Watcher) await(given []drift.NewEvent, done []drift.Event, before map[drift.Key]time.Time) {
	if !w.o.Beside.Attributes() {
		return
	}
	for i := range done {
		e := &done[i]
		if !awaits(e) {
			continue
		}
		key := e.Object.Key()
		w.waiting = append(w.waiting, awaiting{
			event: e.ID, change: changeOf(e, w.current(key)), after: before[key], window: *e.Window, told: given[i].Receivers, since: e.Time,
		})
	}
}

// lastWrites are the last known writes to the objects that a commit changes.
func (w *Watcher) lastWrites(c drift.Commit) map[drift.Key]time.Time {
	out := map[drift.Key]time.Time{}
	note := func(key drift.Key) {
		if old, known := w.state.Objects[key]; known {
			out[key] = old.Written()
		}
	}
	for _, obj := range c.Put {
		note(obj.Key())
	}
	for _, key := range c.Gone {
		note(key)
	}
	return out
}

func (w *Watcher) current(key drift.Key) *drift.Object {
	if obj, ok := w.state.Objects[key]; ok {
		return &obj
	}
	return nil
}

// write is what the audit log is asked about a change.
func (w *Watcher) write(c change, window drift.Window) beside.Write {
	out := beside.Write{Key: c.key, Action: c.action, Members: c.members, Window: window}
	if c.old != nil {
		out.After = c.old.Written()
	}
	if c.new != nil {
		out.At = c.new.Written()
	}
	if w.o.Guard != nil && c.key.Kind == drift.Policy {
		out.Own = w.o.Guard.Writes(c.key.ID)
	}
	return out
}

// waitingWrite is write for an event that waits.
func (w *Watcher) waitingWrite(a awaiting) beside.Write {
	out := w.write(a.change, a.window)
	out.After = a.after
	return out
}

// waitingWrites are the writes to an object whose actors are not known yet.
// The caller holds mu.
func (w *Watcher) waitingWrites(key drift.Key) []beside.Write {
	var out []beside.Write
	for _, a := range w.waiting {
		if a.change.key == key {
			out = append(out, w.waitingWrite(a))
		}
	}
	return out
}

// changeOf is what attribution needs to know of an event's change: form is the
// object as it was then, nil when it was gone.
func changeOf(e *drift.Event, form *drift.Object) change {
	c := change{key: e.Object.Key(), action: e.Action, new: form, members: beside.Movers(e.Object.Kind, e.Changes)}
	switch {
	case form == nil:
		c.old = &drift.Object{Ref: *e.Object}
	case e.Action == drift.Updated && len(e.Changes) == 0:
		c.old = form // written without a trace: before and after are one
	}
	return c
}

// formAt is an object as an event of that revision spoke of it.
func (w *Watcher) formAt(key drift.Key, revision uint64) *drift.Object {
	versions, err := w.o.Store.Versions(w.o.TenantID, key, historyLooks)
	if err != nil {
		return w.current(key) // the newest will do for all but a second change
	}
	for _, v := range versions {
		if v.Revision <= revision {
			return v.Object
		}
	}
	return nil
}

// resume takes up, once, the events that were waiting when the process ended.
func (w *Watcher) resume(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.resumed || !w.o.Beside.Attributes() || w.o.Store == nil {
		return
	}
	w.resumed = true
	events, _, err := w.o.Store.Events(store.EventQuery{TenantID: w.o.TenantID, Since: now.Add(-attributeFor), Limit: 1000})
	if err != nil {
		w.o.Logger.Warn("events that wait for their actor not read", "tenant", w.o.Tenant, "err", err)
		return
	}
	known := map[string]bool{}
	for i := range events {
		if events[i].Type == drift.EventAttributed { // the guard's events are about others too
			known[events[i].About] = true
		}
	}
	for i := range events {
		if e := &events[i]; !known[e.ID] && awaits(e) {
			key := e.Object.Key()
			a := awaiting{event: e.ID, change: changeOf(e, w.formAt(key, e.Revision)), window: *e.Window, told: w.o.Route(e, nil), since: e.Time}
			if before := w.formAt(key, e.Revision-1); before != nil {
				a.after = before.Written()
			}
			w.waiting = append(w.waiting, a)
		}
	}
}

// attributeLate tries the waiting events again and tells what it finds to
// those who were told of the change.
func (w *Watcher) attributeLate(ctx context.Context) error {
	now := time.Now().UTC()
	w.mu.Lock()
	writes := make([]beside.Write, len(w.waiting))
	for i := range w.waiting {
		if w.waiting[i].since.After(now) { // the clock was set back: it waits no longer than it would have
			w.waiting[i].since = now
		}
		writes[i] = w.waitingWrite(w.waiting[i])
	}
	w.mu.Unlock()
	if w.o.Beside.Due(now, len(writes) > 0) {
		w.o.Beside.Ask(ctx, now, writes...)
	}
	if !w.o.Beside.News() { // an alert may have asked a moment ago
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	commit := drift.Commit{TenantID: w.o.TenantID, Time: now}
	var spent []string
	var left []awaiting
	for _, a := range w.waiting {
		e, used := w.attributed(a, now)
		switch {
		case e != nil:
			commit.Events = append(commit.Events, *e)
			spent = append(spent, used...)
		case !schedule.Lapsed(a.since, attributeFor, now):
			left = append(left, a)
		}
	}
	passed, used := w.passing(now)
	commit.Events, spent = append(commit.Events, passed...), append(spent, used...)
	if _, err := w.commitLocked(commit); err != nil {
		w.o.Logger.Warn("attribution not written", "tenant", w.o.Tenant, "err", err)
		if errors.Is(err, store.ErrOutcomeUnknown) {
			return err
		}
		return nil // degraded: they wait on
	}
	w.waiting = left
	w.o.Beside.Spend(spent)
	return nil
}

// attributed is the event that names the actor of an earlier one.
func (w *Watcher) attributed(a awaiting, now time.Time) (*drift.NewEvent, []string) {
	write, others := w.waitingWrite(a), w.waitingWrites(a.change.key)
	actor, reason, spent := w.o.Beside.Actor(write, others)
	if actor == nil {
		return nil, nil
	}
	ref := a.change.ref()
	e := drift.Event{
		Time: now, Type: drift.EventAttributed, Tenant: w.o.Tenant, TenantID: w.o.TenantID,
		Object: &ref, Action: a.change.action, Severity: drift.Low, Actor: actor, About: a.event, Reason: reason,
		Summary: fmt.Sprintf("%s: %s by %s", drift.Visible(ref.Name), a.change.action, actor.Words()),
	}
	v, undone := w.undone(a.change, write, others)
	if undone {
		e.Severity, e.Direction = v.Severity, new(v.Direction)
		e.Summary = v.Summary + ", by " + actor.Words()
	}
	accuse(&e)
	if !undone && !e.Misused() {
		return &drift.NewEvent{Event: e, Receivers: a.told}, spent
	}
	ne := w.route(e, a.told)
	ne.Receivers = union(ne.Receivers, a.told)
	return &ne, spent
}

// accuse makes an event as loud as the loss of our credential, whatever was
// written with it.
func accuse(e *drift.Event) {
	if !e.Misused() {
		return
	}
	e.Severity = max(e.Severity, drift.High)
	if e.Type == drift.DriftChanged {
		e.Summary += "; written with cadrift's own credential, but not by cadrift"
	}
	const advice = "exchange the credential of this application: somebody else writes with it"
	if e.Reason != "" {
		e.Reason += "; "
	}
	e.Reason += advice
}
