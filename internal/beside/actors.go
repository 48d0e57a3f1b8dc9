package beside

import (
	"cmp"
	"context"
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
	// auditKept is how long Entra keeps its log: no question reaches further.
	auditKept = 30 * 24 * time.Hour
)

// audits is what is remembered of the audit log.
type audits struct {
	records map[string]record
	// spent are records that an event was attributed by, and since when. They
	// are remembered for longer than the records: a question about another
	// object fetches them again.
	spent map[string]time.Time
	asked time.Time
	news  bool // asked since [View.News] was called
}

func newAudits() audits { return audits{records: map[string]record{}, spent: map[string]time.Time{}} }

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

// News tells whether the log was asked since News was called last, for
// whatever reason.
func (v *View) News() bool {
	news := v.audits.news
	v.audits.news = false
	return news
}

// Ask fetches audit records about the writes, as far back as their windows
// begin. What cannot be fetched is a limit, no failure. Memberships are asked
// for only when a group changed: in a large tenant they are most of the log.
func (v *View) Ask(ctx context.Context, now time.Time, about ...Write) {
	if v.o.Audit == nil {
		return
	}
	v.audits.asked, v.audits.news = now, true
	since := now.Add(-auditReach)
	parts := []graph.AuditLog{graph.AccessLog}
	for _, w := range about {
		if early := w.Window.From.Add(-w.early()); !w.Window.From.IsZero() && early.Before(since) {
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
			v.audits.records[r.ID] = record{r, writtenAt(r)}
		}
	}
	v.unlimit(drift.ReasonAudit)
	v.identify(ctx, now)
	v.forget(now, since)
}

// forget drops the records that no window reaches back to.
func (v *View) forget(now, since time.Time) {
	if recent := now.Add(-2 * auditReach); recent.Before(since) {
		since = recent
	}
	maps.DeleteFunc(v.audits.records, func(_ string, r record) bool { return r.Time.Before(since) })
	maps.DeleteFunc(v.audits.spent, func(_ string, at time.Time) bool { return now.Sub(at) > auditKept })
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

// actor is who wrote a record, as far as the settings want it known. What our
// own application wrote is ours only when the guard knows of it.
func (v *View) actor(r record, own bool) *drift.Actor {
	a := r.Initiator
	if !v.o.ActorIPs {
		a.IP = ""
	}
	if a.Kind != "app" {
		return &a
	}
	var e entry
	if v.names != nil {
		e, _ = v.names.entry(a.ID)
	}
	a.Name = cmp.Or(a.Name, e.Name)
	switch {
	case own:
		a.Kind = "cadrift"
	case slices.Contains(microsoftTenants, e.Owner):
		a.Kind = "microsoft"
	default:
		a.OwnCredential = v.ourApp(r)
	}
	return &a
}

// ourApp tells whether the initiator is our own application: by its app id,
// which the log leaves null and the directory knows.
func (v *View) ourApp(r record) bool {
	app := r.Initiator.ID
	if v.names != nil {
		e, _ := v.names.entry(app)
		app = cmp.Or(e.AppID, app)
	}
	return r.Initiator.Kind == "app" && slices.Contains(v.o.ClientIDs, app)
}

// recognised tells whether it is known whose the application of a record is,
// as far as it ever will be. Whom an event names is final.
func (v *View) recognised(r record) bool {
	if r.Initiator.Kind != "app" || v.names == nil || v.limits[drift.ReasonNames] != "" {
		return true
	}
	_, known := v.names.entry(r.Initiator.ID)
	return known
}

// Spend remembers that records have explained a change: they explain no other.
func (v *View) Spend(records []string) {
	for _, id := range records {
		v.audits.spent[id] = v.audits.asked
	}
}

// isSpent tells whether a record has explained a change.
func (a *audits) isSpent(id string) bool {
	_, spent := a.spent[id]
	return spent
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
