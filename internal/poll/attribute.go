package poll

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/graph"
	"github.com/cadrift/cadrift/internal/store"
)

// Auditor gives audit records: a Graph client.
type Auditor interface {
	Audits(ctx context.Context, part graph.AuditLog, since time.Time) ([]graph.AuditRecord, error)
}

// The audit log is late by minutes and out of order: every question reaches
// back, and what came before is known by its id.
const (
	attributeFor = 20 * time.Minute // how long an event may wait for its record
	auditReach   = 25 * time.Minute
	auditEvery   = 5 * time.Second // never more often, whatever the schedule
	// auditProbe is how often it is asked without a reason: for a lost
	// permission, and for what came and went between two readings.
	auditProbe = 15 * time.Minute
	sameWrite  = 30 * time.Second
	spreadTime = 5 * time.Minute
)

// audits is what is remembered of the audit log.
type audits struct {
	records map[string]graph.AuditRecord
	// spent are records that an event was attributed by.
	spent map[string]bool
	asked time.Time
	// guarded are the times of the guard's writes by object: their records
	// explain a guard.written, never somebody else's change soon after.
	guarded map[drift.Key][]time.Time
}

func newAudits() audits {
	return audits{records: map[string]graph.AuditRecord{}, spent: map[string]bool{}, guarded: map[drift.Key][]time.Time{}}
}

// awaiting is an event whose actor is not known yet.
type awaiting struct {
	event  string
	change change
	window drift.Window
	told   []string
	until  time.Time
}

// askAudits fetches records; what cannot be fetched is a limit, no failure.
// Memberships are asked for only when a group changed: in a large tenant they
// are most of the log.
func (w *Watcher) askAudits(ctx context.Context, now time.Time, memberships bool, since time.Time) {
	if w.o.Audit == nil {
		return
	}
	w.audits.asked = now
	parts := []graph.AuditLog{graph.AccessLog}
	if memberships {
		parts = append(parts, graph.MembershipLog)
	}
	for _, part := range parts {
		records, err := w.o.Audit.Audits(ctx, part, since)
		if err != nil {
			w.setback(drift.ReasonAudit, "it is not known who makes changes: ", err)
			return
		}
		for _, r := range records {
			w.audits.records[r.ID] = r
		}
	}
	w.unlimit(drift.ReasonAudit)
	w.identify(ctx, now)
	old := now.Add(-2 * auditReach)
	maps.DeleteFunc(w.audits.records, func(id string, r graph.AuditRecord) bool {
		if r.Time.Before(old) {
			delete(w.audits.spent, id)
		}
		return r.Time.Before(old)
	})
}

// identify looks up the service principals among the initiators: the log
// leaves their app ids null, and anybody can name an app as Microsoft does.
func (w *Watcher) identify(ctx context.Context, now time.Time) {
	if w.names == nil {
		return
	}
	n := newWanted()
	for _, r := range w.audits.records {
		if r.Initiator.Kind == "app" {
			collect(n.objects, []string{r.Initiator.ID})
		}
	}
	if n = w.names.unknown(n, now); len(n.objects) > 0 {
		w.fillNames(ctx, n, now)
	}
}

// Tenants that Microsoft registers its own services in.
var microsoftTenants = []string{"f8cdef31-a31e-4b4a-93e4-5f571e91255a", "72f988bf-86f1-41af-91ab-2d7cd011db47"}

// actor is who wrote a record, as far as the settings want it known.
func (w *Watcher) actor(r graph.AuditRecord) *drift.Actor {
	a := r.Initiator
	if !w.o.ActorIPs {
		a.IP = ""
	}
	if a.Kind == "app" && w.names != nil {
		e, _ := w.names.entry(a.ID)
		switch {
		case slices.Contains(microsoftTenants, e.Owner):
			a.Kind = "microsoft"
		case e.AppID != "" && slices.Contains(w.o.ClientIDs, e.AppID):
			a.Kind = "cadrift"
		}
		a.Name = cmp.Or(a.Name, e.Name)
	}
	return &a
}

// written are the records of one change, oldest first: the writes to the
// object since the last reading that nothing is attributed by yet. How far a
// record may lie before that reading:
//
//	deleted        as far as is asked: the confirmation took its time
//	a group        minutes: memberships spread slowly
//	everything     as far as the time that Graph gives the write, since the
//	else           last reading may have come from a replica that lagged
func (w *Watcher) written(c change, window drift.Window) []graph.AuditRecord {
	from := window.From.Add(-sameWrite)
	switch {
	case c.action == drift.Deleted:
		from = window.From.Add(-auditReach)
	case c.key.Kind == drift.Group:
		from = window.From.Add(-spreadTime)
	case c.new != nil && !c.new.Written().IsZero() && c.new.Written().Before(window.From):
		from = c.new.Written().Add(-sameWrite)
	}
	var out []graph.AuditRecord
	for id, r := range w.audits.records {
		deletes := strings.Contains(r.Activity, "delete")
		switch {
		case w.audits.spent[id] || !c.isAbout(r) || w.isGuards(c.key, r):
		case deletes != (c.action == drift.Deleted):
		case r.Time.After(window.To.Add(sameWrite)), r.Time.Before(from):
		default:
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b graph.AuditRecord) int { return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.ID, b.ID)) })
	return out
}

// isAbout tells whether a record is of a write to the changed object. The
// security defaults are known by the activity, since nobody has seen which id
// the log gives them; a group may have changed by way of a group below it, and
// then the record names those who joined or left.
func (c change) isAbout(r graph.AuditRecord) bool {
	switch c.key.Kind {
	case drift.SecurityDefaults:
		return strings.Contains(r.Activity, "security defaults")
	case drift.Group:
		if slices.ContainsFunc(r.Subjects, func(id string) bool { return slices.Contains(c.members, id) }) {
			return true
		}
	}
	return r.Target == strings.ToLower(c.key.ID)
}

// movedMembers are the ids of those who joined or left a group.
func movedMembers(kind drift.Kind, changes []drift.Change) []string {
	var out []string
	for _, ch := range changes {
		if kind != drift.Group || ch.Path != "/members" {
			continue
		}
		for _, list := range [][]json.RawMessage{ch.Added, ch.Removed} {
			for _, raw := range list {
				var id string
				if json.Unmarshal(raw, &id) == nil {
					out = append(out, id)
				}
			}
		}
	}
	return out
}

// attribute finds the record of a change. Where Graph gives the time of the
// write, the record must be of that time: an earlier one belongs to an earlier
// write, whose event it explains. The reason says that others wrote too.
func (w *Watcher) attribute(c change, window drift.Window) (actor *drift.Actor, reason string, spent []string) {
	records := w.written(c, window)
	if c.new != nil && c.action != drift.Restored && !c.new.Written().IsZero() {
		at := c.new.Written()
		last := slices.IndexFunc(records, func(r graph.AuditRecord) bool { return r.Time.Sub(at).Abs() <= sameWrite })
		if last < 0 {
			return nil, "", nil
		}
		for last+1 < len(records) && records[last+1].Time.Sub(at).Abs() <= sameWrite {
			last++
		}
		records = records[:last+1]
	}
	if len(records) == 0 {
		return nil, "", nil
	}
	writers := map[string]bool{}
	for _, r := range records {
		writers[r.Initiator.ID] = true
		spent = append(spent, r.ID)
	}
	if len(writers) > 1 {
		reason = fmt.Sprintf("%d accounts wrote between the two readings; the last of them is named", len(writers))
	}
	return w.actor(records[len(records)-1]), reason, spent
}

// awaits tells of an event whose actor is still to be found.
func awaits(e *drift.Event) bool {
	return e.Type == drift.DriftChanged && e.Cause == "" && e.Actor == nil && e.Object != nil && e.Window != nil
}

// await remembers the events of a commit that have no actor, and who was told
// of them. The caller holds mu.
func (w *Watcher) await(given []drift.NewEvent, done []drift.Event) {
	if w.o.Audit == nil {
		return
	}
	for i := range done {
		e := &done[i]
		if !awaits(e) {
			continue
		}
		form := w.current(e.Object.Key())
		w.waiting = append(w.waiting, awaiting{
			event: e.ID, change: changeOf(e, form), window: *e.Window, told: given[i].Receivers, until: e.Time.Add(attributeFor),
		})
	}
}

func (w *Watcher) current(key drift.Key) *drift.Object {
	if obj, ok := w.state.Objects[key]; ok {
		return &obj
	}
	return nil
}

// changeOf is what attribution needs to know of an event's change: form is the
// object as it was then, nil when it was gone.
func changeOf(e *drift.Event, form *drift.Object) change {
	c := change{key: e.Object.Key(), action: e.Action, new: form, members: movedMembers(e.Object.Kind, e.Changes)}
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
	if w.resumed || w.o.Audit == nil || w.o.Store == nil {
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
		known[events[i].About] = true
	}
	for i := range events {
		if e := &events[i]; !known[e.ID] && awaits(e) {
			w.waiting = append(w.waiting, awaiting{
				event: e.ID, change: changeOf(e, w.formAt(e.Object.Key(), e.Revision)), window: *e.Window,
				told: w.o.Route(e, nil), until: e.Time.Add(attributeFor),
			})
		}
	}
}

// attributeLate tries the waiting events again and tells what it finds to
// those who were told of the change.
func (w *Watcher) attributeLate(ctx context.Context) error {
	now := time.Now().UTC()
	w.mu.Lock()
	waiting := slices.Clone(w.waiting)
	w.mu.Unlock()
	since := now.Add(-auditReach)
	groups := false
	for _, a := range waiting {
		groups = groups || a.change.key.Kind == drift.Group
		if early := a.window.From.Add(-sameWrite); !a.window.From.IsZero() && early.Before(since) {
			since = early
		}
	}
	every := auditEvery
	if len(waiting) == 0 {
		every = auditProbe
	}
	if !lapsed(w.audits.asked, every, now) {
		return nil
	}
	w.askAudits(ctx, now, groups, since)
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
		case now.Before(a.until):
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
	for _, id := range spent {
		w.audits.spent[id] = true
	}
	return nil
}

// attributed is the event that names the actor of an earlier one.
func (w *Watcher) attributed(a awaiting, now time.Time) (*drift.NewEvent, []string) {
	actor, reason, spent := w.attribute(a.change, a.window)
	if actor == nil {
		return nil, nil
	}
	ref := a.change.ref()
	e := drift.Event{
		Time: now, Type: drift.EventAttributed, Tenant: w.o.Tenant, TenantID: w.o.TenantID,
		Object: &ref, Action: a.change.action, Severity: drift.Low, Actor: actor, About: a.event, Reason: reason,
		Summary: fmt.Sprintf("%s: %s by %s", drift.Visible(ref.Name), a.change.action, actorWords(actor)),
	}
	if v, ok := w.undone(a.change, a.window); ok {
		e.Severity, e.Direction = v.Severity, new(v.Direction)
		e.Summary = v.Summary + ", by " + actorWords(actor)
		ne := w.route(e, a.told)
		ne.Receivers = union(ne.Receivers, a.told)
		return &ne, spent
	}
	return &drift.NewEvent{Event: e, Receivers: a.told}, spent
}

func actorWords(a *drift.Actor) string {
	name := drift.Visible(cmp.Or(a.Name, a.ID))
	switch a.Kind {
	case "microsoft":
		return "Microsoft (" + name + ")"
	case "cadrift":
		return "cadrift itself"
	case "app":
		return "the app " + name
	}
	return name
}
