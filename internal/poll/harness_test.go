package poll_test

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/graph"
	"github.com/cadrift/cadrift/internal/graphsim"
	"github.com/cadrift/cadrift/internal/judge"
	"github.com/cadrift/cadrift/internal/poll"
	"github.com/cadrift/cadrift/internal/schedule"
	"github.com/cadrift/cadrift/internal/store"
)

const (
	tenantID = "11111111-1111-1111-1111-111111111111"
	clientID = "22222222-2222-2222-2222-222222222222"
	everyone = `"conditions":{"users":{"includeUsers":["All"]},"applications":{"includeApplications":["All"]},"clientAppTypes":["all"]}`
	mfa      = `"grantControls":{"operator":"OR","builtInControls":["mfa"]}`
)

// rig is a watcher over the simulated cloud, a real store and virtual time.
// Everything runs inside one synctest bubble.
type rig struct {
	t      *testing.T
	sim    *graphsim.Server
	tenant *graphsim.Tenant
	admin  *graphsim.Admin
	dir    string
	store  *store.Store
	reg    *prometheus.Registry
	opts   func(*poll.Options)
	// version of Graph to read through, v1.0 when empty.
	version string

	watcher *poll.Watcher
	stop    func()

	mu     sync.Mutex
	alarms []drift.Event
}

// inRig runs a test inside a bubble, with a watcher that passes every minute.
func inRig(t *testing.T, opts func(*poll.Options), test func(r *rig)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, dir: dir, opts: opts, sim: graphsim.New(graphsim.Options{Seed: 1})}
		r.tenant = r.sim.AddTenant(tenantID, "contoso")
		r.tenant.AddApp(graphsim.App{ClientID: clientID, Secret: "sesame", Roles: []string{graphsim.PolicyReadAll}})
		r.admin = r.tenant.As(graphsim.User("99999999-9999-9999-9999-999999999999", "alex@contoso.example", "203.0.113.9"))
		r.open()
		test(r)
		r.close()
	})
}

// open makes store and watcher; it may be called again after close, as a
// restart.
func (r *rig) open() {
	r.t.Helper()
	secret := filepath.Join(r.dir, "secret")
	must(r.t, os.WriteFile(secret, []byte("sesame"), 0o600))
	var err error
	r.reg = prometheus.NewRegistry()
	r.store, err = store.Open(filepath.Join(r.dir, "cadrift.db"), store.Options{Create: true, Metrics: store.NewMetrics(r.reg)})
	must(r.t, err)
	must(r.t, r.store.Bind("contoso", tenantID))
	tokens, err := graph.NewTokens(graph.Credentials{
		TenantID: tenantID, ClientID: clientID, SecretFile: secret, Transport: r.sim,
		Authority: "https://login.microsoftonline.com", GraphEndpoint: "https://graph.microsoft.com",
	})
	must(r.t, err)
	client, err := graph.New(graph.Options{
		Endpoint: "https://graph.microsoft.com", Version: r.version, Tenant: "contoso", Transport: r.sim, Tokens: tokens,
		RequestsPerSecond: 1, Metrics: graph.NewMetrics(r.reg),
	})
	must(r.t, err)
	every, err := schedule.Parse("@every 1m", time.Now())
	must(r.t, err)
	o := poll.Options{
		Tenant: "contoso", TenantID: tenantID, Schedule: every, GraphVersion: cmp.Or(r.version, "v1.0"),
		Kinds:  []drift.Kind{drift.Policy, drift.NamedLocation, drift.AuthenticationStrength, drift.AuthenticationContext, drift.SecurityDefaults},
		Source: client, Store: r.store, Emergency: judge.Emergency{},
		Route:   func(*drift.Event, []string) []string { return []string{"oncall"} },
		Wake:    func() {},
		Alarm:   func(e drift.Event) { r.mu.Lock(); defer r.mu.Unlock(); r.alarms = append(r.alarms, e) },
		Metrics: poll.NewMetrics(r.reg), Logger: slog.New(slog.DiscardHandler),
	}
	if r.opts != nil {
		r.opts(&o)
	}
	r.watcher, err = poll.New(o)
	must(r.t, err)
}

// start lets the watcher run until close.
func (r *rig) start() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.watcher.Run(ctx) }()
	r.stop = func() {
		cancel()
		if err := <-done; err != nil {
			r.t.Errorf("Run: %v", err)
		}
	}
}

// close stops the watcher and proves that the history is whole.
func (r *rig) close() {
	r.t.Helper()
	if r.stop != nil {
		r.stop()
		r.stop = nil
	}
	if r.store == nil {
		return
	}
	reports, err := r.store.Verify(context.Background(), nil)
	must(r.t, err)
	for _, rep := range reports {
		if rep.Error != nil {
			r.t.Errorf("verify %s: %v", rep.Name, *rep.Error)
		}
	}
	must(r.t, r.store.Close())
	r.store = nil
}

// pass makes one pass by hand.
func (r *rig) pass() {
	r.t.Helper()
	must(r.t, r.watcher.Pass(context.Background()))
}

// events are all events in their order, without those about the baseline.
func (r *rig) events() []drift.Event {
	r.t.Helper()
	after := uint64(0)
	events, _, err := r.store.Events(store.EventQuery{TenantID: tenantID, After: &after, Limit: 10000})
	must(r.t, err)
	return events
}

// since are the events that came after the first n.
func (r *rig) since(n int) []drift.Event { return r.events()[n:] }

func (r *rig) policy(name, rest string) string {
	r.t.Helper()
	id, err := r.admin.CreatePolicy(fmt.Sprintf(`{"displayName":%q,"state":"enabled",%s}`, name, rest))
	must(r.t, err)
	return id
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// lines are the events in short: type, action, direction, severity, drift.
func lines(events []drift.Event) []string {
	var out []string
	for i := range events {
		e := &events[i]
		line := string(e.Type)
		switch e.Type {
		case drift.DriftChanged:
			line = fmt.Sprintf("%s %s %s %s", e.Action, e.Object.Name, e.Dir(), e.Severity)
			if e.Cause != "" {
				line = fmt.Sprintf("%s: %s", e.Cause, e.Object.Name)
			}
			if e.Drift != drift.DriftNone {
				line += " drift " + string(e.Drift)
			}
		case drift.MonitorBlind, drift.MonitorRecovered:
			line += " " + e.Reason
		}
		out = append(out, line)
	}
	return out
}

func expect(t *testing.T, got []drift.Event, want ...string) {
	t.Helper()
	if !slices.Equal(lines(got), want) {
		t.Errorf("events\n got %q\nwant %q", lines(got), want)
	}
}
