package poll

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/cadrift/cadrift/internal/canon"
	"github.com/cadrift/cadrift/internal/drift"
)

// How long an absence waits for its second 404 (detection law §1.2, §1.3), and
// how many quarantined objects one look asks for: at one request a second a
// mass absence must not hold up the next pass.
const (
	confirmAfter           = 30 * time.Second
	confirmQuarantineAfter = 5 * time.Minute
	quarantineLooks        = 20
)

// settling is how long after its birth or return an object may be unknown to a
// replica that lags. Where the recycle bin answers and does not hold it, 404s
// prove nothing until then: two of them, half a minute apart, have been enough
// to announce the deletion of a policy that was nine minutes old and there.
const settling = 15 * time.Minute

// evidence is what a pass found out about objects that a listing lacked or
// showed in an older form.
type evidence struct {
	// absences is the new set of unconfirmed ones (all kinds), deleted the
	// confirmed deletions to announce now.
	absences map[drift.Key]drift.Absence
	deleted  []drift.Key
	// found are objects that the listing lacked and GET by id returned, or
	// that were read again because the listing's form was stale.
	found map[drift.Key]drift.Object
	// ghosts are listed objects that GET by id says are gone: a replica that
	// has not heard of the deletion.
	ghosts map[drift.Key]bool
}

// doubt looks again at everything in the readings that may be an echo of
// eventual consistency.
//
//	listed  known   written      then
//	no      yes     –            absent: deletedItems, then 404 twice
//	yes     yes     went back    GET by id decides, or it is held (assess)
//	yes     no, but it was once  GET by id: 404 means a replica lags
func (w *Watcher) doubt(ctx context.Context, readings []reading, now time.Time) evidence {
	ev := evidence{
		absences: maps.Clone(w.state.Absences),
		found:    map[drift.Key]drift.Object{},
		ghosts:   map[drift.Key]bool{},
	}
	if ev.absences == nil {
		ev.absences = map[drift.Key]drift.Absence{}
	}
	maps.DeleteFunc(w.looked, func(key drift.Key, _ time.Time) bool {
		_, open := ev.absences[key]
		return !open
	})
	w.waitAnew(&ev, now)
	for i := range readings {
		r := &readings[i]
		if !r.good() {
			continue
		}
		if !r.same {
			w.noteMissing(r, &ev, now)
			w.readAgain(ctx, r, &ev)
		}
		w.confirm(ctx, r.kind, &ev, now)
	}
	return ev
}

// waitAnew lets what was noted ahead of now, before the clock was set back, be
// of now: a deletion must not wait until the old time comes again.
func (w *Watcher) waitAnew(ev *evidence, now time.Time) {
	for _, times := range []map[drift.Key]time.Time{w.looked, w.fresh} {
		for key, at := range times {
			if at.After(now) {
				times[key] = now
			}
		}
	}
	for key, a := range ev.absences {
		if a.NotFound.After(now) {
			a.NotFound = now
		}
		if a.Since.After(now) && a.Confirmed.IsZero() {
			a.Since = now
		}
		ev.absences[key] = a
	}
}

// noteMissing records what the listing lacks, and opens a quarantine when too
// much vanished at once.
func (w *Watcher) noteMissing(r *reading, ev *evidence, now time.Time) {
	var known int
	var vanished, missing []drift.Key
	for key := range w.state.Objects {
		if key.Kind != r.kind {
			continue
		}
		if r.asked != nil && !r.asked[key.ID] {
			delete(ev.absences, key)
			continue
		}
		known++
		if obj, listed := r.objects[key.ID]; listed && obj.Deleted.IsZero() {
			delete(ev.absences, key)
			continue
		}
		missing = append(missing, key)
		if _, was := ev.absences[key]; !was {
			vanished = append(vanished, key)
		}
	}
	if len(r.objects) == 0 && known > 0 {
		vanished = missing // an empty list doubts every absence, older ones included
	}
	mass := len(r.objects) == 0 && known > 0 || len(vanished) > max(3, known/5)
	mass = mass && r.asked == nil // groups are asked for by id: there is no listing to be cut short
	for _, key := range vanished {
		a, was := ev.absences[key]
		if !was {
			a = drift.Absence{Since: now}
		}
		a.Quarantined = a.Quarantined || mass
		if obj, listed := r.objects[key.ID]; listed && !obj.Deleted.IsZero() {
			a.Confirmed = now // Graph lists it as deleted
		}
		ev.absences[key] = a
	}
}

// readAgain asks by id for listed objects whose form may come from a replica
// that lags.
func (w *Watcher) readAgain(ctx context.Context, r *reading, ev *evidence) {
	for id, obj := range r.objects {
		key := drift.Key{Kind: r.kind, ID: id}
		old, known := w.state.Objects[key]
		switch {
		case known && obj.Written().Before(old.Written()):
		case !known && w.seen(r.kind) && w.existed(key):
		default:
			continue
		}
		again, err := w.get(ctx, key)
		switch {
		case errors.Is(err, drift.ErrNotFound) && !known:
			ev.ghosts[key] = true
		case err == nil:
			ev.found[key] = again
		}
	}
}

// existed tells whether history has an object under the key.
func (w *Watcher) existed(key drift.Key) bool {
	if w.o.Store == nil {
		return false
	}
	versions, err := w.o.Store.Versions(w.o.TenantID, key, 1)
	return err == nil && len(versions) > 0
}

// confirm gathers proof for the absences of one kind and decides which are
// deletions.
func (w *Watcher) confirm(ctx context.Context, kind drift.Kind, ev *evidence, now time.Time) {
	open := keysOf(ev.absences, kind)
	if len(open) == 0 {
		return
	}
	bin, err := w.o.Source.Deleted(ctx, kind)
	if err != nil {
		bin = nil // unavailable in many tenants and clouds: 404s decide
	}
	w.binned[kind] = err == nil
	w.askAboutDeletions(ctx, open, bin, ev, now)
	looks := 0
	for _, key := range open {
		a := ev.absences[key]
		if at, in := bin[key.ID]; in && a.Confirmed.IsZero() && w.deletedSince(key, at) {
			a.Confirmed = now
		}
		if old := w.state.Objects[key]; a.Confirmed.IsZero() && w.o.Beside.Deleted(key, old.Written()) {
			a.Confirmed = now
		}
		if a.Confirmed.IsZero() && !w.dueAt(key, a).After(now) && (!a.Quarantined || looks < quarantineLooks) {
			looks++
			w.looked[key] = now
			a = w.look(ctx, key, a, ev, now)
		}
		ev.absences[key] = a
	}
	ev.settle(kind, open)
}

// dueAt is when an absence wants its next GET by id. One that answered 200, or
// not at all, waits as long as one that answered 404.
func (w *Watcher) dueAt(key drift.Key, a drift.Absence) time.Time {
	wait := confirmAfter
	if a.Quarantined {
		wait = confirmQuarantineAfter
	}
	switch looked, ok := w.looked[key]; {
	case !a.NotFound.IsZero():
		if settled := w.settledAt(key); w.binned[key.Kind] && settled.After(a.NotFound.Add(wait)) {
			return settled
		}
		return a.NotFound.Add(wait)
	case ok:
		return looked.Add(wait)
	}
	return a.Since
}

// askAboutDeletions asks the audit log when the recycle bin cannot tell.
func (w *Watcher) askAboutDeletions(ctx context.Context, open []drift.Key, bin map[string]time.Time, ev *evidence, now time.Time) {
	doubtful := slices.ContainsFunc(open, func(key drift.Key) bool {
		_, in := bin[key.ID]
		return !in && ev.absences[key].Confirmed.IsZero() && key.Kind != drift.Group
	})
	if doubtful && w.o.Beside.Due(now, true) {
		ctx, cancel := context.WithTimeout(ctx, alertWaits)
		defer cancel()
		w.o.Beside.Ask(ctx, now)
	}
}

// settledAt is when every replica has heard that the object is there.
func (w *Watcher) settledAt(key drift.Key) time.Time {
	obj := w.state.Objects[key]
	at := obj.Created
	if back := w.fresh[key]; back.After(at) {
		at = back
	}
	return at.Add(settling)
}

// deletedSince tells whether an entry of the recycle bin is about the object
// as it is known. A replica that lags still has the entry of an object that
// came back. Bins keep whole seconds.
func (w *Watcher) deletedSince(key drift.Key, at time.Time) bool {
	obj := w.state.Objects[key]
	return at.Add(time.Second).After(obj.Written())
}

// look asks for an absent object by id.
func (w *Watcher) look(ctx context.Context, key drift.Key, a drift.Absence, ev *evidence, now time.Time) drift.Absence {
	obj, err := w.get(ctx, key)
	switch {
	case err == nil && !obj.Deleted.IsZero():
		a.Confirmed = now
	case err == nil:
		a.NotFound = time.Time{} // it is there: the listing lacks it
		ev.found[key] = obj
	case !errors.Is(err, drift.ErrNotFound):
	case a.NotFound.IsZero():
		a.NotFound = now
	default:
		a.Confirmed = now
	}
	return a
}

func (w *Watcher) get(ctx context.Context, key drift.Key) (drift.Object, error) {
	if key.Kind == drift.Group {
		return w.o.Beside.Group(ctx, key.ID, w.state.Objects[key])
	}
	item, err := w.o.Source.Get(ctx, key.Kind, key.ID)
	if err != nil {
		return drift.Object{}, err
	}
	return canon.Object(key.Kind, item.Raw)
}

// settle moves confirmed absences to the deletions. Quarantined ones wait for
// each other: they are announced in one pass. Those that a recycle bin
// confirmed at once were never in doubt.
func (ev *evidence) settle(kind drift.Kind, open []drift.Key) {
	waiting := false
	for _, key := range open {
		a := ev.absences[key]
		waiting = waiting || a.Quarantined && a.Confirmed.IsZero()
	}
	for _, key := range open {
		a := ev.absences[key]
		if a.Confirmed.IsZero() || a.Quarantined && waiting && !a.Confirmed.Equal(a.Since) {
			continue
		}
		delete(ev.absences, key)
		ev.deleted = append(ev.deleted, key)
	}
}

// keysOf are the absent keys of one kind, in stable order.
func keysOf(absences map[drift.Key]drift.Absence, kind drift.Kind) []drift.Key {
	var keys []drift.Key
	for key := range absences {
		if key.Kind == kind {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, drift.Key.Compare)
	return keys
}

// nextLook is when the earliest open absence wants a GET between two passes:
// its second 404, or its first when a mass absence was more than one look.
func (w *Watcher) nextLook() (at time.Time, ok bool) {
	for key, a := range w.state.Absences {
		_, looked := w.looked[key]
		if !a.Confirmed.IsZero() || a.NotFound.IsZero() && looked {
			continue // nothing to find out, or it is there and the next pass asks
		}
		if d := w.dueAt(key, a); !ok || d.Before(at) {
			at, ok = d, true
		}
	}
	return at, ok
}
