package beside

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/graph"
	"github.com/cadrift/cadrift/internal/schedule"
)

// Auditor gives audit records: a Graph client.
type Auditor interface {
	Audits(ctx context.Context, part graph.AuditLog, since time.Time) ([]graph.AuditRecord, error)
}

// The audit log is late by minutes and out of order: every question reaches
// back, and what came before is known by its id.
const (
	auditReach = 25 * time.Minute
	auditEvery = 5 * time.Second // never more often, whatever the schedule
	// auditProbe is how often it is asked without a reason: for a lost
	// permission, and for what came and went between two readings.
	auditProbe = 15 * time.Minute
	sameWrite  = 30 * time.Second
	spreadTime = 5 * time.Minute
	// ownWindow is how far the audit record of a write of our own lies from
	// the moment at which it was noted: the guard reads back in between.
	ownWindow = 10 * time.Second
)

// Write is a write to an object, as far as readings tell of it.
type Write struct {
	Key    drift.Key
	Action drift.Action
	// At is the time that Graph gives the write, zero where it gives none.
	At time.Time
	// Members are, of a group, those who joined or left.
	Members []string
	// Window is the span between two readings in which the write was made.
	Window drift.Window
}

// audits is what is remembered of the audit log.
type audits struct {
	records map[string]graph.AuditRecord
	// spent are records that an event was attributed by.
	spent map[string]bool
	asked time.Time
	// own are the times of our own writes by object: their records explain
	// them alone, never somebody else's change soon after.
	own map[drift.Key][]time.Time
}

func newAudits() audits {
	return audits{records: map[string]graph.AuditRecord{}, spent: map[string]bool{}, own: map[drift.Key][]time.Time{}}
}

// Due tells whether the audit log may be asked again: with a reason after
// seconds, without one now and then, and when the clock was set back behind
// the last question.
func (v *View) Due(now time.Time, reason bool) bool {
	every := auditProbe
	if reason {
		every = auditEvery
	}
	return schedule.Lapsed(v.audits.asked, every, now)
}

// Ask fetches audit records about the writes, as far back as their windows
// begin. What cannot be fetched is a limit, no failure. Memberships are asked
// for only when a group changed: in a large tenant they are most of the log.
func (v *View) Ask(ctx context.Context, now time.Time, about ...Write) {
	if v.o.Audit == nil {
		return
	}
	v.audits.asked = now
	since := now.Add(-auditReach)
	parts := []graph.AuditLog{graph.AccessLog}
	for _, w := range about {
		if early := w.Window.From.Add(-sameWrite); !w.Window.From.IsZero() && early.Before(since) {
			since = early
		}
		if w.Key.Kind == drift.Group && len(parts) == 1 {
			parts = append(parts, graph.MembershipLog)
		}
	}
	for _, part := range parts {
		records, err := v.o.Audit.Audits(ctx, part, since)
		if err != nil {
			v.setback(drift.ReasonAudit, "it is not known who makes changes: ", err)
			return
		}
		for _, r := range records {
			v.audits.records[r.ID] = r
		}
	}
	v.unlimit(drift.ReasonAudit)
	v.identify(ctx, now)
	old := now.Add(-2 * auditReach)
	maps.DeleteFunc(v.audits.records, func(id string, r graph.AuditRecord) bool {
		if r.Time.Before(old) {
			delete(v.audits.spent, id)
		}
		return r.Time.Before(old)
	})
}

// identify looks up the service principals among the initiators: the log
// leaves their app ids null, and anybody can name an app as Microsoft does.
func (v *View) identify(ctx context.Context, now time.Time) {
	if v.names == nil {
		return
	}
	n := newWanted()
	for _, r := range v.audits.records {
		if r.Initiator.Kind == "app" {
			collect(n.objects, []string{r.Initiator.ID})
		}
	}
	if n = v.names.unknown(n, now); !n.empty() {
		v.lookUp(ctx, n, now)
	}
}

// Tenants that Microsoft registers its own services in.
var microsoftTenants = []string{"f8cdef31-a31e-4b4a-93e4-5f571e91255a", "72f988bf-86f1-41af-91ab-2d7cd011db47"}

// actor is who wrote a record, as far as the settings want it known.
func (v *View) actor(r graph.AuditRecord) *drift.Actor {
	a := r.Initiator
	if !v.o.ActorIPs {
		a.IP = ""
	}
	if a.Kind == "app" && v.names != nil {
		e, _ := v.names.entry(a.ID)
		switch {
		case slices.Contains(microsoftTenants, e.Owner):
			a.Kind = "microsoft"
		case e.AppID != "" && slices.Contains(v.o.ClientIDs, e.AppID):
			a.Kind = "cadrift"
		}
		a.Name = cmp.Or(a.Name, e.Name)
	}
	return &a
}

// written are the records of one write, oldest first: those about the object
// since the last reading that nothing is attributed by yet. How far a record
// may lie before that reading:
//
//	deleted        as far as is asked: the confirmation took its time
//	a group        minutes: memberships spread slowly
//	everything     as far as the time that Graph gives the write, since the
//	else           last reading may have come from a replica that lagged
func (v *View) written(w Write) []graph.AuditRecord {
	from := w.Window.From.Add(-sameWrite)
	switch {
	case w.Action == drift.Deleted:
		from = w.Window.From.Add(-auditReach)
	case w.Key.Kind == drift.Group:
		from = w.Window.From.Add(-spreadTime)
	case !w.At.IsZero() && w.At.Before(w.Window.From):
		from = w.At.Add(-sameWrite)
	}
	var out []graph.AuditRecord
	for id, r := range v.audits.records {
		deletes := strings.Contains(r.Activity, "delete")
		switch {
		case v.audits.spent[id] || !w.sameObject(r) || v.isOwn(w.Key, r):
		case deletes != (w.Action == drift.Deleted):
		case r.Time.After(w.Window.To.Add(sameWrite)), r.Time.Before(from):
		default:
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b graph.AuditRecord) int { return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.ID, b.ID)) })
	return out
}

// sameObject tells whether a record is of a write to the object. The security
// defaults are known by the activity, since nobody has seen which id the log
// gives them; a group may have changed by way of a group below it, and then the
// record names those who joined or left.
func (w Write) sameObject(r graph.AuditRecord) bool {
	switch w.Key.Kind {
	case drift.SecurityDefaults:
		return strings.Contains(r.Activity, "security defaults")
	case drift.Group:
		if slices.ContainsFunc(r.Subjects, func(id string) bool { return slices.Contains(w.Members, id) }) {
			return true
		}
	}
	return r.Target == strings.ToLower(w.Key.ID)
}

// Actor finds who made a write, nil when no record tells. Where Graph gives
// the time of the write, the record must be of that time: an earlier one
// belongs to an earlier write, whose event it explains. The reason says that
// others wrote too; records are what the answer rests on, for [View.Spend].
func (v *View) Actor(w Write) (actor *drift.Actor, reason string, records []string) {
	found := v.written(w)
	if w.Action != drift.Restored && !w.At.IsZero() {
		last := slices.IndexFunc(found, w.sameTime)
		if last < 0 {
			return nil, "", nil
		}
		for last+1 < len(found) && w.sameTime(found[last+1]) {
			last++
		}
		found = found[:last+1]
	}
	if len(found) == 0 {
		return nil, "", nil
	}
	writers := map[string]bool{}
	for _, r := range found {
		writers[r.Initiator.ID] = true
		records = append(records, r.ID)
	}
	if len(writers) > 1 {
		reason = fmt.Sprintf("%d accounts wrote between the two readings; the last of them is named", len(writers))
	}
	return v.actor(found[len(found)-1]), reason, records
}

// sameTime tells whether a record is of the very time of the write.
func (w Write) sameTime(r graph.AuditRecord) bool { return r.Time.Sub(w.At).Abs() <= sameWrite }

// Spend remembers that records have explained a change: they explain no other.
func (v *View) Spend(records []string) {
	for _, id := range records {
		v.audits.spent[id] = true
	}
}

// Deleted tells whether the log has a deletion of the object that is later
// than its last write, beyond what the log is inexact by: an object that came
// back was written by that.
func (v *View) Deleted(key drift.Key, written time.Time) bool {
	for _, r := range v.audits.records {
		if r.Target == key.ID && strings.HasPrefix(r.Activity, "delete") && r.Time.After(written.Add(5*time.Second)) {
			return true
		}
	}
	return false
}

// NoteOwn remembers a write of our own.
func (v *View) NoteOwn(key drift.Key, at time.Time) {
	recent := slices.DeleteFunc(v.audits.own[key], func(t time.Time) bool { return at.Sub(t) > 2*auditReach })
	v.audits.own[key] = append(recent, at)
}

// isOwn tells whether a record is of a write of our own: by the time, and by
// the app that wrote, unless apps cannot be told apart.
func (v *View) isOwn(key drift.Key, r graph.AuditRecord) bool {
	if r.Initiator.Kind != "app" || v.names != nil && v.actor(r).Kind != "cadrift" {
		return false
	}
	return slices.ContainsFunc(v.audits.own[key], func(t time.Time) bool { return r.Time.Sub(t).Abs() <= ownWindow })
}
