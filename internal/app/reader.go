package app

import (
	"context"
	"slices"
	"strings"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/guard"
	"github.com/cadrift/cadrift/internal/store"
	"github.com/cadrift/cadrift/internal/web"
)

// reader is what the pages see of the app: they can only ask.
type reader struct{ app *App }

var (
	_ web.Reader = reader{}
	_ web.Watch  = reader{}
)

// Drifts are the open drifts, most severe first. They are shown without names
// rather than not at all.
func (r reader) Drifts(_ context.Context, tenant string) ([]drift.Finding, error) {
	units, err := r.app.units(tenant)
	if err != nil {
		return nil, err
	}
	open := findings(units)
	if err := r.app.store.Attribute(open); err != nil {
		r.app.log.Warn("actors of open drifts not read", "err", err)
	}
	return open, nil
}

// Events are the newest events first.
func (r reader) Events(_ context.Context, tenant, objectID string, limit int) ([]drift.Event, error) {
	id, err := r.tenantID(tenant)
	if err != nil {
		return nil, err
	}
	events, _, err := r.app.store.Events(store.EventQuery{TenantID: id, ObjectID: objectID, Limit: limit})
	return events, err
}

// tenantID is empty for all tenants.
func (r reader) tenantID(tenant string) (string, error) {
	if tenant == "" {
		return "", nil
	}
	units, err := r.app.units(tenant)
	if err != nil {
		return "", err
	}
	return units[0].TenantID, nil
}

// Author is who made the change that an event tells of, and the event that
// says so.
func (r reader) Author(_ context.Context, id string) (*drift.Actor, string, error) {
	return r.app.store.Author(id)
}

// Event is one event.
func (r reader) Event(_ context.Context, id string) (drift.Event, error) {
	return r.app.store.Event(id)
}

// Ref names an object in its newest form; one that was never there has the name
// that the baseline has for it.
func (r reader) Ref(_ context.Context, tenant string, key drift.Key) (drift.Ref, bool, error) {
	units, err := r.app.units(tenant)
	if err != nil {
		return drift.Ref{}, false, err
	}
	versions, err := r.app.store.Versions(units[0].TenantID, key, 2)
	if err != nil {
		return drift.Ref{}, false, err
	}
	for i, v := range versions {
		if v.Object != nil {
			return v.Object.Ref, i == 0, nil
		}
	}
	for _, f := range findings(units) {
		if f.Key() == key {
			return f.Object, false, nil
		}
	}
	return drift.Ref{}, false, drift.ErrNotFound
}

// guardOf is what the front page says of a guard; nothing of one that is off. A
// policy that the guard was stopped for is named once.
func guardOf(st guard.Status) web.Guard {
	if st.Mode == guard.Off {
		return web.Guard{}
	}
	g := web.Guard{Mode: string(st.Mode), Missing: st.Missing, Stopped: st.Stopped, Stops: st.Stops}
	for i := range st.Rows {
		row := &st.Rows[i]
		told := slices.ContainsFunc(st.Stops, func(why string) bool {
			return strings.HasPrefix(why, drift.Visible(row.Object.Name)+": ")
		})
		if row.Counts() && !told {
			g.Gaps = append(g.Gaps, web.Gap{Policy: row.Object, Reason: row.Reason})
		}
	}
	return g
}

// Overview is the front page's top half.
func (r reader) Overview(ctx context.Context) (web.Overview, error) {
	doc, err := r.app.Status(ctx)
	if err != nil {
		return web.Overview{}, err
	}
	o := web.Overview{Started: doc.Started, ConfigError: doc.Config.Error}
	for _, t := range doc.Tenants {
		tenant := web.Tenant{
			Name: t.Name, TenantID: t.TenantID, LastResult: t.LastResult,
			Objects: t.Objects, Blind: t.Blind, Head: t.Chain, Announced: t.Expectations,
		}
		if t.LastGood != nil {
			tenant.LastGood = *t.LastGood
		}
		if t.Baseline != nil {
			tenant.Pinned, tenant.PinnedBy, tenant.BaselineRevision = t.Baseline.Pinned, t.Baseline.By, t.Baseline.Revision
		}
		if units, err := r.app.units(t.Name); err == nil { // else a reload took it away meanwhile
			tenant.Guard = guardOf(units[0].guard.Status())
		}
		o.Tenants = append(o.Tenants, tenant)
	}
	for _, c := range doc.Receivers {
		rec := web.Receiver{Name: c.Name, Queued: c.Queued, Parked: c.Parked, Folded: c.Folded, Unconfigured: c.Unconfigured}
		if c.LastSuccess != nil {
			rec.LastSuccess = *c.LastSuccess
		}
		o.Receivers = append(o.Receivers, rec)
	}
	return o, nil
}
