package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/cadrift/cadrift/internal/api"
	"github.com/cadrift/cadrift/internal/config"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/graph"
	"github.com/cadrift/cadrift/internal/guard"
	"github.com/cadrift/cadrift/internal/poll"
	"github.com/cadrift/cadrift/internal/store"
)

// stopFile halts the guards' writes while it lies in the state directory.
const stopFile = "GUARD_STOP"

// App is the api's way to the guards.
var _ api.Guards = (*App)(nil)

// unit makes a tenant's watcher and guard, which know each other.
func (a *App) unit(t *Tenant, m *Metrics) (*tenantUnit, error) {
	j := &journal{store: a.store, tenantID: t.TenantID}
	o := guard.Options{
		Tenant: t.Name, TenantID: t.TenantID, Settings: t.guardSettings(),
		StopFile: filepath.Join(a.setup.Load().config.StateDir, stopFile), Metrics: m.Guard, Logger: a.log,
	}
	if t.Client != nil {
		o.Graph = t.Client
	}
	if a.store != nil {
		o.Journal = j
	}
	g, err := guard.New(o)
	if err != nil {
		return nil, err
	}
	w, err := t.watcher(a.pollStore(), a.hooks(), guardHook{g}, m.Poll, a.log)
	if err != nil {
		return nil, err
	}
	j.watcher = w
	return &tenantUnit{Tenant: t, watcher: w, guard: g}, nil
}

// guardSettings are the guard's part of the configuration.
func (t *Tenant) guardSettings() guard.Settings {
	e := t.EmergencyAccess
	if e == nil {
		return guard.Settings{Mode: guard.Off}
	}
	s := guard.Settings{
		Mode: guard.Mode(e.Mode), Users: e.Users, Groups: e.Groups, Any: e.Require == config.RequireAny,
		Exempt: map[string]string{}, PerHour: e.MaxWritesPerHour, PerPolicyDay: e.MaxWritesPerPolicyPerDay, Hold: e.Hold,
	}
	for _, x := range e.ExemptPolicies {
		s.Exempt[strings.ToLower(x.ID)] = x.Reason
	}
	return s
}

// writer makes the token source of writes; nil where the tenant's own serves.
func (m *builder) writer(cfg *config.Config, i int, transport http.RoundTripper) (graph.TokenSource, error) {
	t := cfg.Tenants[i]
	if t.EmergencyAccess == nil || t.EmergencyAccess.Credentials == nil {
		return nil, nil
	}
	root, authority := endpoints(t)
	c := t.EmergencyAccess.Credentials
	tokens, err := graph.NewTokens(graph.Credentials{
		TenantID: t.TenantID, ClientID: c.ClientID,
		Authority: authority, GraphEndpoint: root, CustomCloud: t.Cloud == config.Custom,
		SecretFile: c.ClientSecretFile, SecretEnv: c.ClientSecretEnv, CertificateFile: c.CertificateFile,
		FederatedTokenFile: c.FederatedTokenFile, ManagedIdentity: c.ManagedIdentity,
		Transport: transport, Logger: m.log.With("tenant", t.Name),
	})
	if err != nil {
		return nil, cfg.Problem(fmt.Sprintf("tenants[%d].emergency_access.credentials", i), "%v", err)
	}
	return tokens, nil
}

// journal records the guard's part through the watcher, so that the state in
// memory follows.
type journal struct {
	store    *store.Store
	watcher  *poll.Watcher
	tenantID string
}

func (j *journal) Record(entries []drift.Entry, events []drift.Event, edit *drift.Edit) ([]drift.Event, error) {
	return j.watcher.Record(entries, events, edit)
}

func (j *journal) Entries(kind string) ([]drift.Entry, error) {
	return j.store.Entries(j.tenantID, kind)
}

func (j *journal) History(policyID string, limit int) ([]drift.Event, error) {
	events, _, err := j.store.Events(store.EventQuery{TenantID: j.tenantID, ObjectID: policyID, Limit: limit})
	return events, err
}

// guardHook is the guard as the watcher knows it.
type guardHook struct{ *guard.Guard }

func (h guardHook) Passed(ctx context.Context, s poll.Sight) error {
	return h.Guard.Passed(ctx, guard.Sight(s))
}

// GuardPlan is the plan as of the newest pass and the guard's own writes since.
func (a *App) GuardPlan(_ context.Context, tenant string) (api.GuardPlan, error) {
	u, err := a.guarded(tenant)
	if err != nil {
		return api.GuardPlan{}, err
	}
	st := u.guard.Status()
	plan := api.GuardPlan{Tenant: u.Name, Mode: string(st.Mode), Missing: st.Missing, Stopped: st.Stopped, Stops: st.Stops}
	for _, r := range st.Rows {
		plan.Policies = append(plan.Policies, api.GuardRow{
			Object: r.Object, State: r.State, Verdict: string(r.Verdict), Reason: r.Reason, Add: api.GuardIDs(r.Add),
		})
	}
	for _, acc := range st.Accounts {
		plan.Accounts = append(plan.Accounts, api.GuardAccount(acc))
	}
	return plan, nil
}

// guarded is the one unit of that name.
func (a *App) guarded(tenant string) (*tenantUnit, error) {
	units, err := a.units(tenant)
	if err != nil {
		return nil, err
	}
	if len(units) > 1 {
		return nil, api.Refuse("several tenants are configured", "name one with --tenant")
	}
	return units[0], nil
}

// applyTime bounds one guard apply: a write takes three seconds.
const applyTime = 10 * time.Minute

// GuardApply writes what the plan asks for on a budget of its own. Passes get
// their turn between two writes.
func (a *App) GuardApply(ctx context.Context, tenant string, o api.GuardApply) (api.GuardApplied, error) {
	done := api.GuardApplied{Policies: []drift.Ref{}}
	u, err := a.guarded(tenant)
	if err == nil && u.Client == nil {
		err = u.unreachable
	}
	if err != nil {
		return done, err
	}
	// A client that goes away does not take the order back.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), applyTime)
	defer cancel()
	since := time.Now().UTC()
	err = u.watcher.Exclusive(ctx, func() error {
		u.guard.Preview(guard.Sight(u.watcher.Sight()))
		lifted, err := u.guard.Amnesty(since)
		done.Lifted = remarks(lifted)
		return err
	})
	for last := false; err == nil && !last && len(done.Policies) < o.Max; {
		err = u.watcher.Exclusive(ctx, func() (err error) {
			var wrote *drift.Ref
			wrote, last, err = u.guard.Apply(ctx, guard.Order{Reason: o.Reason, By: o.By})
			if wrote != nil {
				done.Policies = append(done.Policies, *wrote)
			}
			return err
		})
	}
	done.Missing = u.guard.Status().Missing
	done.NotWritten = remarks(u.guard.Unwritten(since, len(done.Policies) >= o.Max))
	return done, refusedOrder(err)
}

func remarks(all []guard.Remark) []api.GuardRemark {
	var out []api.GuardRemark
	for _, r := range all {
		out = append(out, api.GuardRemark{Object: r.Object, Reason: r.Text})
	}
	return out
}

// GuardUndo plans the reverse of a write, and carries it out unless it is only
// asked for the plan.
func (a *App) GuardUndo(ctx context.Context, tenant string, o api.GuardUndo) (api.GuardReversal, error) {
	u, err := a.guarded(tenant)
	if err == nil && u.Client == nil {
		err = u.unreachable
	}
	if err != nil {
		return api.GuardReversal{}, err
	}
	if a.store == nil {
		return api.GuardReversal{}, fmt.Errorf("event %q: %w", o.Event, drift.ErrNotFound)
	}
	e, err := a.store.Event(o.Event)
	if err != nil {
		return api.GuardReversal{}, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), applyTime)
	defer cancel()
	var r guard.Reversal
	err = u.watcher.Exclusive(ctx, func() error {
		u.guard.Preview(guard.Sight(u.watcher.Sight()))
		if r, err = u.guard.PlanUndo(e); err != nil || o.DryRun {
			return err
		}
		return u.guard.Undo(ctx, r, guard.Order{Reason: o.Reason, By: o.By})
	})
	return api.GuardReversal{
		Event: o.Event, Policy: r.Policy, Remove: api.GuardIDs(r.Remove), Gone: api.GuardIDs(r.Gone), Done: err == nil && !o.DryRun,
	}, refusedOrder(err)
}

func refusedOrder(err error) error {
	if errors.Is(err, guard.ErrNot) {
		return api.Refuse(err.Error(), "cadrift guard plan shows where the guard stands")
	}
	return err
}
