package app

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

	"github.com/cadrift/cadrift/internal/api"
	"github.com/cadrift/cadrift/internal/canon"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/judge"
	"github.com/cadrift/cadrift/internal/poll"
	"github.com/cadrift/cadrift/internal/store"
)

// App is the api's Keeper.
var _ api.Keeper = (*App)(nil)

func (a *App) tenantNames() []api.TenantName {
	var out []api.TenantName
	s := a.setup.Load()
	for _, t := range s.config.Tenants {
		out = append(out, api.TenantName{Name: t.Name, ID: t.TenantID, Emergency: emergency(t), Names: s.names(t.Name)})
	}
	return out
}

// names are the names that a tenant's watcher knows, nil while it has none.
func (s *setup) names(tenant string) judge.Names {
	for _, u := range s.tenants {
		if u.Name == tenant {
			return u.watcher.Name
		}
	}
	return nil
}

func (a *App) receiverNames() []string {
	var out []string
	for _, r := range a.setup.Load().config.Receivers {
		out = append(out, r.Name)
	}
	return out
}

// ready tells whether the store takes writes and every tenant has been seen
// once; the reason names what is missing.
func (a *App) ready() (bool, string) {
	var waiting []string
	s := a.setup.Load()
	for _, c := range s.config.Tenants {
		st, ok := s.status(c.Name)
		switch {
		case !ok:
			waiting = append(waiting, c.Name+": starting")
		case st.Degraded:
			waiting = append(waiting, c.Name+": the store takes no writes")
		case !st.EverGood && st.LastResult == "":
			waiting = append(waiting, c.Name+": first pass under way")
		case !st.EverGood:
			waiting = append(waiting, c.Name+": no good pass yet"+because(st))
		}
	}
	return len(waiting) == 0, strings.Join(waiting, "; ")
}

func because(st poll.Status) string {
	if len(st.Blind) == 0 {
		return ""
	}
	return " (" + string(st.Blind[0].Reason) + ": " + st.Blind[0].Text + ")"
}

func (s *setup) status(tenant string) (poll.Status, bool) {
	for _, u := range s.tenants {
		if u.Name == tenant {
			return u.watcher.Status(), true
		}
	}
	return poll.Status{}, false
}

// Status is the contract's status document.
func (a *App) Status(context.Context) (api.Status, error) {
	s, now := a.setup.Load(), time.Now()
	doc := api.Status{Version: a.o.Version, Started: a.started}
	if ok, reason := a.ready(); ok {
		doc.Ready = true
	} else {
		doc.NotReady = strings.Split(reason, "; ")
	}
	for _, u := range s.tenants {
		doc.Tenants = append(doc.Tenants, tenantStatus(u, now))
	}
	receivers, err := a.receivers(s)
	if err != nil {
		return api.Status{}, err
	}
	doc.Receivers = receivers
	load := a.load.Load()
	doc.Config = api.ConfigStatus{Loaded: load.at, OK: load.err == nil, PendingRestart: load.pendingRestart}
	if load.err != nil {
		doc.Config.Error = load.err.Error()
	}
	return doc, nil
}

func tenantStatus(u *tenantUnit, now time.Time) api.TenantStatus {
	st := u.watcher.Status()
	out := api.TenantStatus{
		Name: st.Tenant, TenantID: st.TenantID, LastResult: string(st.LastResult),
		Objects: st.Objects, DriftOpen: map[drift.Severity]int{}, Blind: st.Blind,
		Chain: st.Head, Revision: st.Revision, BaselineProblem: st.BaselineProblem,
		Expectations: u.watcher.Expectations(),
	}
	if !st.LastGood.IsZero() {
		out.LastGood = &st.LastGood
		out.AgeSeconds = new(now.Sub(st.LastGood).Seconds())
	}
	if b := st.Baseline; b != nil {
		out.Baseline = &api.BaselineStatus{Revision: b.Revision, Pinned: b.Pinned, By: b.By, Digest: b.Digest, Kinds: b.Kinds, NotCompared: st.Uncompared}
	}
	for _, f := range st.Findings {
		out.DriftOpen[f.Severity]++
	}
	g := u.guard.Status()
	out.Guard = api.GuardStatus{Mode: string(g.Mode), Missing: g.Missing, Stopped: g.Stopped}
	return out
}

func (a *App) receivers(s *setup) ([]api.ReceiverStatus, error) {
	if a.store == nil {
		return nil, nil
	}
	last, err := a.store.LastDelivered()
	if err != nil {
		return nil, err
	}
	queues := a.store.Queues()
	var out []api.ReceiverStatus
	add := func(name string, q store.Queue, unconfigured bool) {
		r := api.ReceiverStatus{Name: name, Queued: q.Queued, Parked: q.Parked, Folded: q.Folded, Unconfigured: unconfigured}
		if at, ok := last[name]; ok {
			r.LastSuccess = &at
		}
		out = append(out, r)
	}
	for _, c := range s.config.Receivers {
		add(c.Name, queues[c.Name], false)
	}
	strays := a.strays()
	for _, name := range slices.Sorted(maps.Keys(strays)) {
		add(name, strays[name], true)
	}
	return out, nil
}

// Check makes one pass per tenant, records nothing and sends nothing.
func (a *App) Check(ctx context.Context, tenant string) (api.CheckResult, error) {
	units, err := a.units(tenant)
	if err != nil {
		return api.CheckResult{}, err
	}
	var out api.CheckResult
	for _, u := range units {
		if u.unreachable != nil {
			return api.CheckResult{}, fmt.Errorf("check %s: %w", u.Name, u.unreachable)
		}
		r, err := u.watcher.Check(ctx)
		if err != nil {
			return api.CheckResult{}, fmt.Errorf("check %s: %w", u.Name, err)
		}
		out.Tenants = append(out.Tenants, checked(r, u.watcher.Status()))
	}
	return out, nil
}

func checked(r poll.Report, st poll.Status) api.TenantCheck {
	out := api.TenantCheck{
		Name: r.Tenant, Result: string(r.Result), Good: r.Result != poll.Failed,
		Error: strings.Join(r.Problems, "; "), Baseline: st.Baseline != nil, Snapshot: st.Revision > 0,
		Drifts: r.Drifts, Unconfirmed: r.Unconfirmed,
	}
	for i := range r.Changed {
		e := &r.Changed[i]
		out.Changed = append(out.Changed, api.ObjectChange{
			Object: *e.Object, Action: e.Action, Changes: e.Changes, Patch: e.Patch,
			Direction: e.Dir(), Severity: e.Severity, Lockout: e.Locks(), Summary: e.Summary,
		})
	}
	return out
}

// units are the tenant of that name, or all of them.
func (a *App) units(tenant string) ([]*tenantUnit, error) {
	var out []*tenantUnit
	for _, u := range a.setup.Load().tenants {
		if tenant == "" || u.Name == tenant {
			out = append(out, u)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("tenant %q: %w", tenant, drift.ErrNotFound)
	}
	return out, nil
}

// ChangeBaseline pins, accepts or imports in the tenant's own loop.
func (a *App) ChangeBaseline(_ context.Context, tenant string, c api.BaselineChange) ([]drift.Event, error) {
	units, err := a.units(tenant)
	if err != nil {
		return nil, err
	}
	if len(units) > 1 {
		return nil, api.Refuse("several tenants are configured", "name one with --tenant")
	}
	w, m := units[0].watcher, poll.Move{Reason: c.Reason, By: c.By}
	var events []drift.Event
	switch c.Verb {
	case api.Pin:
		events, err = a.pin(units[0], c.Revision, m)
	case api.Accept:
		events, err = w.Accept(c.Object, m)
	case api.Import:
		var objects []drift.Object
		if objects, err = understand(c.Objects); err == nil {
			events, err = w.Import(objects, c.Kinds, m)
		}
	default:
		return nil, fmt.Errorf("unknown baseline verb %q", c.Verb)
	}
	if errors.Is(err, poll.ErrRefused) {
		return nil, api.Refuse(err.Error(), "")
	}
	return events, err
}

// pin makes an earlier snapshot the baseline, or the newest one (0).
func (a *App) pin(u *tenantUnit, revision uint64, m poll.Move) ([]drift.Event, error) {
	if revision == 0 || revision == u.watcher.Status().Revision {
		return u.watcher.Pin(0, nil, m)
	}
	objects, _, err := a.store.Snapshot(u.TenantID, revision)
	if err != nil {
		return nil, err
	}
	return u.watcher.Pin(revision, objects, m)
}

// understand canonicalises imported bodies; every one that is refused is
// named.
func understand(raw []api.RawObject) ([]drift.Object, error) {
	var out []drift.Object
	var errs []error
	for i, r := range raw {
		obj, err := canon.Object(r.Kind, json.RawMessage(r.Body))
		if err != nil {
			errs = append(errs, fmt.Errorf("object %d (%s): %w", i+1, r.Kind, err))
			continue
		}
		out = append(out, obj)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, api.Refuse(err.Error(), "every file needs the id that Graph gave the object")
	}
	return out, nil
}

// findings are the open drifts of the units, most severe first.
func findings(units []*tenantUnit) []drift.Finding {
	all := map[string][]drift.Finding{}
	for _, u := range units {
		all[u.Name] = u.watcher.Status().Findings
	}
	return poll.SortedFindings(func(yield func(drift.Finding) bool) {
		for _, name := range slices.SortedFunc(maps.Keys(all), cmp.Compare) {
			for _, f := range all[name] {
				if !yield(f) {
					return
				}
			}
		}
	})
}
