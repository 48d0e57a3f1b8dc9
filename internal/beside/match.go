package beside

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/graph"
)

// How far times may lie apart that are of one write.
const (
	// logLag is by how much the log dates a write later than the object does;
	// logEarly by how much it may date it earlier.
	logLag   = 10 * time.Second
	logEarly = time.Second
	// clocksApart is for times of ours against times of the log.
	clocksApart = 30 * time.Second
	spreadTime  = 5 * time.Minute // memberships spread slowly
	// settles is how long a record that does not say which write it is of must
	// be old to be believed: the log brings neighbours out of order.
	settles = 5 * time.Minute
)

// Write is a write to an object, as far as readings tell of it.
type Write struct {
	Key    drift.Key
	Action drift.Action
	// At is the time that Graph gives the write, zero where it gives none;
	// After that of the last write before it that was known.
	At, After time.Time
	// Members are, of a group, those who joined or left.
	Members []string
	// Window is the span between two readings in which the write was made.
	Window drift.Window
	// Own are our own writes to the object, each as the span in which it was
	// made: a single moment where that of Graph is known.
	Own []drift.Window
}

// record is an audit record and the time that the object was written, by its
// body in the log; zero where there is no such body.
type record struct {
	graph.AuditRecord
	stamp time.Time
}

// moment is the best that is known of when the write was made.
func (r record) moment() time.Time { return cmp.Or(r.stamp, r.Time) }

// writtenAt reads the time of the write from the body after it. A time that
// the write did not move, or that is far from the record's, says nothing.
func writtenAt(r graph.AuditRecord) time.Time {
	type times struct{ CreatedDateTime, ModifiedDateTime time.Time }
	var before, after times
	if json.Unmarshal(r.New, &after) != nil {
		return time.Time{}
	}
	stamp := cmp.Or(after.ModifiedDateTime, after.CreatedDateTime).UTC()
	if json.Unmarshal(r.Old, &before) == nil && sameTime(cmp.Or(before.ModifiedDateTime, before.CreatedDateTime), stamp) {
		return time.Time{}
	}
	if late := r.Time.Sub(stamp); late < -logEarly || late > clocksApart {
		return time.Time{}
	}
	return stamp
}

// sameTime compares two times of Graph, of which one may be written less
// exactly.
func sameTime(a, b time.Time) bool {
	for _, exact := range []time.Duration{time.Second, time.Millisecond} {
		if short, long := a.Truncate(exact), b.Truncate(exact); short.Equal(a) || long.Equal(b) {
			return short.Equal(long)
		}
	}
	return a.Equal(b)
}

// Actor finds who made a write, nil while no record tells for certain. Others
// are the writes whose actors are not known either: what is a record of theirs
// explains none but theirs. The reason says that more than one account wrote;
// records are what the answer rests on, for [View.Spend].
func (v *View) Actor(w Write, others []Write) (actor *drift.Actor, reason string, records []string) {
	found := v.span(w, others)
	last := v.last(w, found)
	if last < 0 || !v.recognised(found[last]) {
		return nil, "", nil
	}
	writers := map[string]bool{}
	for _, r := range found[:last+1] {
		writers[r.Initiator.ID] = true
		records = append(records, r.ID)
	}
	if len(writers) > 1 {
		reason = fmt.Sprintf("%d accounts wrote between the two readings; the last of them is named", len(writers))
	}
	return v.actor(found[last], v.isOwn(w, found[last])), reason, records
}

// last is the index of the record of the very write that the reading shows, -1
// when there is none that is certain:
//
//	Graph gives no time           the last record
//	a body has the time           that record
//	no body, the log may be late  none yet
//	no body, one account          the last of its records
//	no body, several accounts     none: they cannot be told apart
func (v *View) last(w Write, found []record) int {
	if w.At.IsZero() {
		return len(found) - 1
	}
	certain := slices.IndexFunc(found, func(r record) bool {
		_, of := v.fits(w, r)
		return of && (!r.stamp.IsZero() || !w.dated(r))
	})
	if certain >= 0 {
		return certain
	}
	last := -1
	for i, r := range found {
		if _, of := v.fits(w, r); of {
			last = i
		}
	}
	if last < 0 || v.audits.asked.Sub(found[last].Time) < settles || v.contested(w, found[last]) {
		return -1
	}
	return last
}

// contested tells whether a record of another account fits as well, whatever
// it explains.
func (v *View) contested(w Write, by record) bool {
	for _, r := range v.audits.records {
		if _, of := v.fits(w, r); of && r.Initiator.ID != by.Initiator.ID {
			return true
		}
	}
	return false
}

// span are the records of a write and of those since the last known one, as
// far as nothing is attributed by them and none of the others claims them;
// oldest first.
func (v *View) span(w Write, others []Write) []record {
	var out []record
	for id, r := range v.audits.records {
		if v.audits.isSpent(id) || !w.concerns(r) {
			continue
		}
		off, of := v.fits(w, r)
		if (of || v.leadsTo(w, r)) && !v.claimed(r, off, of, w, others) {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b record) int { return cmp.Or(a.moment().Compare(b.moment()), cmp.Compare(a.ID, b.ID)) })
	return out
}

// concerns tells whether a record is of such a write to the object. The
// security defaults are known by the activity, since nobody has seen which id
// the log gives them.
func (w Write) concerns(r record) bool {
	if strings.Contains(r.Activity, "delete") != (w.Action == drift.Deleted) {
		return false
	}
	if w.Key.Kind == drift.SecurityDefaults {
		return strings.Contains(r.Activity, "security defaults")
	}
	return r.Target == strings.ToLower(w.Key.ID) || w.moves(r)
}

// moves tells whether a record names somebody who joined or left: a group may
// have changed by way of a group below it, and then that is the target.
func (w Write) moves(r record) bool {
	return w.Key.Kind == drift.Group && slices.ContainsFunc(r.Subjects, func(id string) bool { return slices.Contains(w.Members, id) })
}

// dated tells whether a record can be known by the time that Graph gives the
// write. A deleted object has none, and it is not known whether a restore
// moves it, nor how the log calls one.
func (w Write) dated(r record) bool {
	ordinary := strings.HasPrefix(r.Activity, "update ") || strings.HasPrefix(r.Activity, "add ")
	return !w.At.IsZero() && (w.Action != drift.Restored || ordinary || !r.stamp.IsZero())
}

// fits tells whether a record may be of the write, and how far off it is:
//
//	the body has a time     it is the time that Graph gives the write, and later
//	                        than the write before
//	it has none             the log dates it as the write, or soon after, and the
//	                        write before is not closer
//	Graph gives no time     it lies between the readings, as far as clocks agree
func (v *View) fits(w Write, r record) (off time.Duration, ok bool) {
	switch {
	case !w.concerns(r):
		return 0, false
	case !w.dated(r):
		return w.fitsWindow(r, v.isOwn(w, r))
	case !r.stamp.IsZero():
		return 0, sameTime(r.stamp, w.At) && r.stamp.After(w.After)
	}
	late := r.Time.Sub(w.At)
	ok = late >= -logEarly && late <= logLag && r.Time.Sub(w.After).Abs() > late.Abs() && !v.isOwn(w, r)
	return late.Abs(), ok
}

// early is by how much a record may be older than the window. A deletion is
// told when it is confirmed, long after it was made, and a group when its
// members have spread.
func (w Write) early() time.Duration {
	switch {
	case w.Action == drift.Deleted:
		return auditReach
	case w.Key.Kind == drift.Group:
		return spreadTime
	}
	return clocksApart
}

// fitsWindow is fits where Graph gives no time. A record that names none of
// those who moved may be of a group below.
func (w Write) fitsWindow(r record, own bool) (off time.Duration, ok bool) {
	off = max(w.Window.From.Sub(r.Time), r.Time.Sub(w.Window.To), 0)
	if len(w.Members) > 0 && !w.moves(r) {
		off += spreadTime
	}
	ok = !own && r.Time.After(w.After) && !r.Time.Before(w.Window.From.Add(-w.early())) && !r.Time.After(w.Window.To.Add(clocksApart))
	return off, ok
}

// leadsTo tells whether a record is of a write that the reading no longer
// shows: after the last known one and before the one that Graph dates.
func (v *View) leadsTo(w Write, r record) bool {
	if !w.dated(r) || v.isOwn(w, r) {
		return false
	}
	from := w.Window.From
	if w.At.Before(from) { // the reading before met a replica that lagged
		from = w.At
	}
	from = from.Add(-clocksApart)
	after := w.After
	if r.stamp.IsZero() {
		after = after.Add(logLag) // nearer than that it may be the record of that write
	}
	return r.moment().After(after) && r.moment().After(from) && r.moment().Before(w.At) && !sameTime(r.moment(), w.After)
}

// claimed tells whether a record is rather that of another write, whose event
// waits for it: of one that it is closer to, and of the older one when both
// are as close.
func (v *View) claimed(r record, off time.Duration, of bool, w Write, others []Write) bool {
	return slices.ContainsFunc(others, func(o Write) bool {
		if o.Key != w.Key || o.Window == w.Window {
			return false
		}
		theirs, fits := v.fits(o, r)
		return fits && (!of || theirs < off || theirs == off && o.Window.To.Before(w.Window.To))
	})
}

// isOwn tells whether a record is of a write of our own: by the app that
// wrote, unless apps cannot be told apart, and by the time.
func (v *View) isOwn(w Write, r record) bool {
	if r.Initiator.Kind != "app" || v.names != nil && !v.ourApp(r) {
		return false
	}
	return slices.ContainsFunc(w.Own, func(own drift.Window) bool {
		if !r.stamp.IsZero() && own.From.Equal(own.To) {
			return sameTime(r.stamp, own.From)
		}
		return r.Time.After(own.From.Add(-logLag)) && r.Time.Before(own.To.Add(logLag))
	})
}
