package guard_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/graph"
	"github.com/cadrift/cadrift/internal/graphsim"
	"github.com/cadrift/cadrift/internal/guard"
	"github.com/cadrift/cadrift/internal/judge"
	"github.com/cadrift/cadrift/internal/poll"
	"github.com/cadrift/cadrift/internal/schedule"
	"github.com/cadrift/cadrift/internal/store"
)

const (
	tenantID = "11111111-1111-4111-8111-111111111111"
	clientID = "22222222-2222-4222-8222-222222222222"
	first    = "33333333-0000-4000-8000-00000000000a"
	second   = "33333333-0000-4000-8000-00000000000b"
	kim      = "55555555-0000-4000-8000-000000000001"
)

// rig is the guard as it really runs: watcher, store, simulated cloud, virtual
// time.
type rig struct {
	t        *testing.T
	dir      string
	sim      *graphsim.Server
	tenant   *graphsim.Tenant
	admin    *graphsim.Admin
	reg      *prometheus.Registry
	store    *store.Store
	watcher  *poll.Watcher
	guard    *guard.Guard
	settings guard.Settings
	// cloud and transport are for a simulated cloud behind a real socket.
	cloud     string
	transport http.RoundTripper
}

// hook and journal are what package app makes of the two.
type hook struct{ *guard.Guard }

func (h hook) Passed(ctx context.Context, s poll.Sight) error {
	return h.Guard.Passed(ctx, guard.Sight(s))
}

type journal struct{ r *rig }

func (j journal) Record(entries []drift.Entry, events []drift.Event, edit *drift.Edit) ([]drift.Event, error) {
	return j.r.watcher.Record(entries, events, edit)
}

func (j journal) Entries(kind string) ([]drift.Entry, error) {
	return j.r.store.Entries(tenantID, kind)
}

func (j journal) History(id string, n int) ([]drift.Event, error) {
	events, _, err := j.r.store.Events(store.EventQuery{TenantID: tenantID, ObjectID: id, Limit: n})
	return events, err
}

func inRig(t *testing.T, mode guard.Mode, roles []string, test func(r *rig)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, dir: dir, sim: graphsim.New(graphsim.Options{Seed: 1}), settings: guard.Settings{
			Mode: mode, Users: []string{first, second}, Exempt: map[string]string{}, PerHour: 10, PerPolicyDay: 3,
		}}
		r.tenant = r.sim.AddTenant(tenantID, "contoso")
		r.tenant.AddApp(graphsim.App{ClientID: clientID, ObjectID: "app", Name: "cadrift", Secret: "s", Roles: roles})
		r.tenant.PutUser(graphsim.DirectoryUser{ID: first, PrincipalName: "bg1@contoso.example"})
		r.tenant.PutUser(graphsim.DirectoryUser{ID: second, PrincipalName: "bg2@contoso.example"})
		r.admin = r.tenant.As(graphsim.ByApp("robot", "pipeline"))
		test(r)
		r.close()
	})
}

var writer = []string{graphsim.PolicyReadAll, graphsim.PolicyWrite, graphsim.UserRead}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// open starts the daemon: watcher and guard over the store.
func (r *rig) open() {
	r.t.Helper()
	secret := filepath.Join(r.dir, "secret")
	r.must(os.WriteFile(secret, []byte("s"), 0o600))
	var err error
	r.reg = prometheus.NewRegistry()
	r.store, err = store.Open(filepath.Join(r.dir, "cadrift.db"), store.Options{Create: true, Metrics: store.NewMetrics(r.reg)})
	r.must(err)
	r.must(r.store.Bind("contoso", tenantID))
	login, endpoint, pace := "https://login.microsoftonline.com", "https://graph.microsoft.com", 1.0
	if r.transport == nil {
		r.transport = r.sim
	}
	if r.cloud != "" {
		login, endpoint, pace = r.cloud, r.cloud, 200
	}
	tokens, err := graph.NewTokens(graph.Credentials{
		TenantID: tenantID, ClientID: clientID, SecretFile: secret, Transport: r.transport,
		Authority: login, GraphEndpoint: endpoint, CustomCloud: r.cloud != "",
	})
	r.must(err)
	client, err := graph.New(graph.Options{Endpoint: endpoint, Tenant: "contoso", Transport: r.transport, Tokens: tokens, RequestsPerSecond: pace})
	r.must(err)
	every, err := schedule.Parse("@every 1m", time.Now())
	r.must(err)
	r.guard, err = guard.New(guard.Options{
		Tenant: "contoso", TenantID: tenantID, Settings: r.settings, Graph: client, Journal: journal{r},
		StopFile: filepath.Join(r.dir, "GUARD_STOP"), Metrics: guard.NewMetrics(r.reg), Logger: slog.New(slog.DiscardHandler),
	})
	r.must(err)
	r.watcher, err = poll.New(poll.Options{
		Tenant: "contoso", TenantID: tenantID, Schedule: every, GraphVersion: "v1.0", AutoPin: true,
		Kinds:  []drift.Kind{drift.Policy, drift.NamedLocation},
		Source: client, Store: r.store, Guard: hook{r.guard},
		Emergency: judge.Emergency{Users: r.settings.Users, Groups: r.settings.Groups},
		Route:     func(*drift.Event, []string) []string { return []string{"oncall"} },
		Wake:      func() {}, Alarm: func(drift.Event) {}, Metrics: poll.NewMetrics(r.reg), Logger: slog.New(slog.DiscardHandler),
	})
	r.must(err)
	r.must(r.guard.Arm(time.Now().UTC()))
}

func (r *rig) close() {
	r.t.Helper()
	reports, err := r.store.Verify(context.Background(), nil)
	r.must(err)
	for _, rep := range reports {
		if rep.Error != nil {
			r.t.Errorf("verify: %v", *rep.Error)
		}
	}
	r.must(r.store.Close())
}

// passes makes n passes, a minute apart.
func (r *rig) passes(n int) {
	r.t.Helper()
	for range n {
		time.Sleep(time.Minute)
		r.must(r.watcher.Pass(context.Background()))
	}
}

func (r *rig) policy(name, users string) string {
	r.t.Helper()
	id, err := r.admin.CreatePolicy(fmt.Sprintf(`{"displayName":%q,"state":"enabled","conditions":{"users":{%s},"applications":{"includeApplications":["All"]},"clientAppTypes":["all"]},"grantControls":{"operator":"OR","builtInControls":["block"]}}`, name, users))
	r.must(err)
	return id
}

// robbed opens the rig with one policy, whose exclusions somebody took away
// after the first passes.
func (r *rig) robbed() string {
	r.t.Helper()
	id := r.policy("CA001", everybody)
	r.open()
	r.passes(2)
	r.must(r.admin.PatchPolicy(id, withoutBG))
	return id
}

func (r *rig) events() []drift.Event {
	r.t.Helper()
	after := uint64(0)
	events, _, err := r.store.Events(store.EventQuery{TenantID: tenantID, After: &after})
	r.must(err)
	return events
}

// lines are the events in short, baseline pins left out.
func (r *rig) lines() []string {
	r.t.Helper()
	var out []string
	for _, e := range r.events() {
		line := string(e.Type)
		switch e.Type {
		case drift.BaselinePinned:
			continue
		case drift.DriftChanged:
			line = fmt.Sprintf("%s %s %s", e.Action, e.Dir(), e.Severity)
			if e.Locks() {
				line += " lockout"
			}
		}
		if e.Drift != "" && e.Drift != drift.DriftNone {
			line += " drift " + string(e.Drift)
		}
		out = append(out, line)
	}
	return out
}

func (r *rig) expect(want ...string) {
	r.t.Helper()
	if got := r.lines(); !slices.Equal(got, want) {
		r.t.Errorf("events\n got %q\nwant %q", got, want)
	}
}

// patches are the writes of the guard that took effect.
func (r *rig) patches() []graphsim.Write {
	return slices.DeleteFunc(r.tenant.Writes(), func(w graphsim.Write) bool { return w.Actor.ID != "app" || w.Status != 204 })
}

func (r *rig) row(id string) guard.Row {
	r.t.Helper()
	for _, row := range r.guard.Status().Rows {
		if row.Object.ID == id {
			return row
		}
	}
	r.t.Fatalf("no row of %s", id)
	return guard.Row{}
}

func (r *rig) last(t drift.EventType) drift.Event {
	r.t.Helper()
	events := r.events()
	for _, e := range slices.Backward(events) {
		if e.Type == t {
			return e
		}
	}
	r.t.Fatalf("no %s", t)
	return drift.Event{}
}

const (
	everyone  = `"includeUsers":["All"]`
	everybody = everyone + `,"excludeUsers":["` + first + `","` + second + `","` + kim + `"]`
	withoutBG = `{"conditions":{"users":{"excludeUsers":["` + kim + `"]}}}`
)

// Policy.Read.All is enough for the plan; what cannot be seen is said.
func TestPlanNeedsOnlyToRead(t *testing.T) {
	inRig(t, guard.Show, []string{graphsim.PolicyReadAll}, func(r *rig) {
		bare := r.policy("bare", everyone)
		r.open()
		r.passes(3)
		r.expect("guard.armed")
		if row := r.row(bare); row.Verdict != guard.Missing || len(row.Add.Users) != 2 {
			t.Errorf("got %+v", row)
		}
		st := r.guard.Status()
		if st.Missing != 1 || st.Stopped || len(st.Accounts) != 2 || !st.Accounts[0].Unseen || !strings.Contains(st.Accounts[0].Note, "permission") {
			t.Errorf("got %+v", st)
		}
		if len(r.patches()) != 0 {
			t.Error("plan mode wrote")
		}
		if n, err := testutil.GatherAndCount(r.reg, "cadrift_emergency_accounts_usable"); err != nil || n != 0 {
			t.Errorf("accounts that nobody may look at are counted: %d, %v", n, err)
		}
	})
}

func TestMissingPermissionIsNamedAtStart(t *testing.T) {
	inRig(t, guard.Enforce, []string{graphsim.PolicyReadAll}, func(r *rig) {
		r.policy("bare", everyone)
		r.open()
		r.passes(3)
		r.expect("guard.armed", "guard.failed")
		if e := r.last(drift.GuardFailed); !strings.Contains(e.Summary, graph.WritePermission) || e.Severity != drift.High {
			t.Errorf("got %+v", e)
		}
		tried := slices.ContainsFunc(r.sim.Requests(), func(q graphsim.Request) bool { return q.Method == http.MethodPatch })
		if tried || !r.guard.Status().Stopped {
			t.Errorf("tried to write: %t, status %+v", tried, r.guard.Status())
		}
	})
}

// The whole story: the exclusion goes, the guard puts it back, one event each,
// and the guard's own write is nobody's drift.
func TestRemovedExclusionIsPutBack(t *testing.T) {
	inRig(t, guard.Enforce, writer, func(r *rig) {
		id := r.robbed()
		r.passes(4)
		r.expect("guard.armed", "updated stronger critical lockout drift opened", "guard.written drift resolved")
		e := r.last(drift.GuardWritten)
		for _, want := range []string{"bg1@contoso.example", "bg2@contoso.example"} {
			if !strings.Contains(e.Summary, want) {
				t.Errorf("summary %q lacks %q", e.Summary, want)
			}
		}
		removal := r.events()[slices.IndexFunc(r.events(), func(e drift.Event) bool { return e.Type == drift.DriftChanged })]
		if e.About != removal.ID || !strings.Contains(e.Summary, "put back") || !strings.Contains(e.Reason, "before: 1 user and 0 groups") || e.Policy.ID != id || len(e.Added) != 2 || len(e.Changes) != 1 {
			t.Errorf("got %+v", e)
		}
		if row := r.row(id); row.Verdict != guard.Covered || r.guard.Status().Missing != 0 {
			t.Errorf("got %+v", row)
		}
		body := string(r.tenant.Body(drift.Policy, id))
		if !strings.Contains(body, kim) {
			t.Error("somebody else's exclusion is lost")
		}
		if n := len(r.watcher.Status().Findings); n != 0 {
			t.Errorf("%d drifts are open", n)
		}
		var want strings.Builder
		want.WriteString("# TYPE cadrift_guard_writes_total counter\n")
		for _, result := range []string{"failed", "refused", "unknown", "unverified", "verified"} {
			n := 0
			if result == "verified" {
				n = 1
			}
			want.WriteString(fmt.Sprintf("cadrift_guard_writes_total{result=%q,tenant=\"contoso\"} %d\n", result, n))
		}
		help := "# HELP cadrift_guard_writes_total Writes of the emergency-access guard by result.\n"
		if err := testutil.GatherAndCompare(r.reg, strings.NewReader(help+want.String()), "cadrift_guard_writes_total"); err != nil {
			t.Error(err)
		}
	})
}

// Somebody edits the policy at the moment of the write: the guard's part is
// silent, theirs is told.
func TestForeignChangeBesideOurWriteIsTold(t *testing.T) {
	inRig(t, guard.Enforce, writer, func(r *rig) {
		id := r.robbed()
		edited := false
		r.sim.OnRequest(func(q *http.Request) *graphsim.Fault {
			if q.Method == http.MethodPatch && !edited {
				edited = true
				r.must(r.admin.PatchPolicy(id, `{"state":"disabled"}`))
			}
			return nil
		})
		r.passes(4)
		if !edited {
			t.Fatal("the edit did not happen")
		}
		r.expect("guard.armed", "updated stronger critical lockout drift opened", "guard.written", "updated weaker critical drift updated")
		e := r.last(drift.DriftChanged)
		if len(e.Changes) != 1 || e.Changes[0].Path != "/state" || len(e.Patch) < 2 {
			t.Errorf("changes %+v, patch %+v: want the state alone, and a patch from the recorded form", e.Changes, e.Patch)
		}
	})
}

// A lost answer is looked after, not sent again.
func TestLostAnswerIsReadFirst(t *testing.T) {
	for name, fault := range map[string]graphsim.Fault{"applied": {Lose: true}, "not applied": {Refuse: true}, "late": {Delay: 30 * time.Second}} {
		t.Run(name, func(t *testing.T) {
			inRig(t, guard.Enforce, writer, func(r *rig) {
				id := r.policy("CA001", everybody)
				r.open()
				r.passes(2)
				r.must(r.admin.PatchPolicy(id, withoutBG))
				fired := 0
				r.sim.OnRequest(func(q *http.Request) *graphsim.Fault {
					if q.Method == http.MethodPatch && fired == 0 {
						fired++
						return &fault
					}
					return nil
				})
				r.passes(8)
				if n := len(r.patches()); n != 1 || fired != 1 {
					t.Errorf("%d writes took effect, %d faults", n, fired)
				}
				r.expect("guard.armed", "updated stronger critical lockout drift opened", "guard.written drift resolved")
			})
		})
	}
}

// A process that ends between a write and the pass that sees it has told the
// write already.
func TestAWriteIsToldOnceAcrossARestart(t *testing.T) {
	inRig(t, guard.Enforce, writer, func(r *rig) {
		r.policy("CA001", everyone)
		r.open()
		r.passes(1)
		r.expect("guard.armed", "guard.written")
		r.close()
		r.open()
		r.passes(3)
		if n := len(r.patches()); n != 1 {
			t.Errorf("%d writes, want 1", n)
		}
		r.expect("guard.armed", "guard.written")
	})
}

// A second automation takes the exclusion away each time: three writes, then
// the breaker, which names it as far as the history does; a restart does not
// refill the budget, guard apply does.
func TestFight(t *testing.T) {
	inRig(t, guard.Enforce, writer, func(r *rig) {
		id := r.policy("CA001", everybody)
		r.open()
		r.passes(2)
		for range 6 {
			r.must(r.admin.PatchPolicy(id, withoutBG))
			r.passes(2)
		}
		if n := len(r.patches()); n != 3 {
			t.Errorf("%d writes, want 3", n)
		}
		if e := r.last(drift.GuardFailed); !strings.Contains(e.Reason, "a fight") || e.Policy.ID != id || e.Result != "refused" {
			t.Errorf("got %+v", e)
		}
		if n := r.refusals(); n != 1 {
			t.Errorf("guard_writes_total{result=refused} is %v after a fight, want 1: the rule CadriftGuardRefused asks for it", n)
		}
		r.close()
		r.open()
		r.passes(3)
		if n := len(r.patches()); n != 3 || !strings.Contains(r.row(id).Reason, "a fight") {
			t.Errorf("%d writes after a restart, %+v", n, r.row(id))
		}
	})
}

func TestBrakes(t *testing.T) {
	inRig(t, guard.Enforce, writer, func(r *rig) {
		for i := range 5 {
			r.policy(fmt.Sprintf("CA%d", i), everyone)
		}
		r.settings.PerHour = 2
		flag := filepath.Join(r.dir, "GUARD_STOP")
		r.must(os.WriteFile(flag, nil, 0o600))
		r.open()
		r.passes(3)
		if st := r.guard.Status(); len(r.patches()) != 0 || !st.Stopped || st.Missing != 5 {
			t.Errorf("GUARD_STOP: %d writes, %+v", len(r.patches()), st)
		}
		r.must(os.Remove(flag))
		r.passes(20)
		if n := len(r.patches()); n != 2 {
			t.Errorf("the hour's budget: %d writes, want 2", n)
		}
		r.expect("guard.armed", "guard.written", "guard.written", "guard.refused")
		if n := r.refusals(); n != 1 {
			t.Errorf("guard_writes_total{result=refused} is %v with a spent hour, want 1", n)
		}
		// A person grants more; the budget per policy stays, and so does the hour's.
		for range 2 {
			r.must(r.watcher.Exclusive(context.Background(), func() error {
				_, _, err := r.guard.Apply(context.Background(), guard.Order{Reason: "roll-out", By: "root"})
				return err
			}))
		}
		if e := r.last(drift.GuardWritten); len(r.patches()) != 4 || e.By != "root" || !strings.Contains(e.Reason, "roll-out") {
			t.Errorf("apply: %d writes, %+v", len(r.patches()), e)
		}
	})
}

// A refusal stops one policy, says so, and is tried anew when the policy is
// another one.
func TestRefusalStopsThePolicy(t *testing.T) {
	inRig(t, guard.Enforce, writer, func(r *rig) {
		id := r.policy("CA001", everyone)
		r.open()
		sent := 0
		r.sim.OnRequest(func(q *http.Request) *graphsim.Fault {
			if q.Method == http.MethodPatch && sent == 0 {
				sent++
				return graphsim.GraphError(400, "BadRequest", "1085: the policy is invalid")
			}
			return nil
		})
		r.passes(5)
		r.expect("guard.armed", "guard.failed")
		if n := r.refusals(); n != 1 {
			t.Errorf("guard_writes_total{result=refused} is %v after a refusal of Graph, want 1", n)
		}
		if e := r.last(drift.GuardFailed); sent != 1 || !strings.Contains(e.Reason, "1085") || len(r.patches()) != 0 {
			t.Errorf("%d sent, %+v", sent, e)
		}
		r.must(r.admin.PatchPolicy(id, `{"displayName":"CA001b"}`))
		r.passes(2)
		if len(r.patches()) != 1 {
			t.Error("the changed policy was not tried anew")
		}
	})
}

// A disabled account and one that is not there are never written, and that is
// told once.
func TestUnusableAccountsAreNeverWritten(t *testing.T) {
	inRig(t, guard.Enforce, writer, func(r *rig) {
		r.tenant.PutUser(graphsim.DirectoryUser{ID: first, PrincipalName: "bg1@contoso.example", Disabled: true})
		r.settings.Users[1] = "33333333-0000-4000-8000-0000000000ff"
		id := r.policy("CA001", everyone)
		r.open()
		r.passes(3)
		r.expect("guard.armed", "guard.refused")
		if row := r.row(id); row.Verdict != guard.Refused || !strings.Contains(row.Reason, "unknown_account") || len(r.patches()) != 0 {
			t.Errorf("got %+v", row)
		}
		if got := testutil.ToFloat64(gauge(t, r.reg, "cadrift_emergency_accounts_usable")); got != 0 {
			t.Errorf("%v accounts are usable", got)
		}
		if got := testutil.ToFloat64(gauge(t, r.reg, "cadrift_emergency_accounts_unusable")); got != 2 {
			t.Errorf("%v accounts are unusable, want 2: both were lost before the first look", got)
		}
	})
}

// gauge finds a gauge of one series.
func gauge(t *testing.T, reg *prometheus.Registry, name string) prometheus.Collector {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name && len(f.Metric) == 1 {
			g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name})
			g.Set(f.Metric[0].GetGauge().GetValue())
			return g
		}
	}
	t.Fatalf("no single series %s", name)
	return nil
}

// An id that is new in the list is told at start and waits for the hold.
func TestNewIDsAreToldAndHeld(t *testing.T) {
	inRig(t, guard.Enforce, writer, func(r *rig) {
		r.settings.Users = []string{first}
		id := r.policy("CA001", everyone)
		r.open()
		r.passes(2)
		r.close()
		r.settings.Users, r.settings.Hold = []string{first, second}, time.Hour
		r.open()
		r.passes(5)
		r.expect("guard.armed", "guard.written", "guard.armed")
		if e := r.last(drift.GuardArmed); len(e.Added) != 1 || e.Added[0] != second {
			t.Errorf("got %+v", e)
		}
		if row := r.row(id); !strings.Contains(row.Reason, "on hold") || len(r.patches()) != 1 {
			t.Errorf("%d writes, %+v", len(r.patches()), row)
		}
		r.passes(60)
		if len(r.patches()) != 2 || r.row(id).Verdict != guard.Covered {
			t.Errorf("%d writes, %+v", len(r.patches()), r.row(id))
		}
		r.close()
		r.open() // the same list is not armed again
		r.expect("guard.armed", "guard.written", "guard.armed", "guard.written")
	})
}

func TestUndo(t *testing.T) {
	inRig(t, guard.Enforce, writer, func(r *rig) {
		id := r.policy("CA001", `"includeUsers":["All"],"excludeUsers":["`+kim+`"]`)
		r.open()
		r.passes(3)
		written := r.last(drift.GuardWritten)
		undo := func() error {
			return r.watcher.Exclusive(context.Background(), func() error {
				plan, err := r.guard.PlanUndo(written)
				if err != nil {
					return err
				}
				return r.guard.Undo(context.Background(), plan, guard.Order{Reason: "drill", By: "root"})
			})
		}
		r.must(undo())
		r.passes(4)
		r.expect("guard.armed", "guard.written", "guard.written")
		body := string(r.tenant.Body(drift.Policy, id))
		if strings.Contains(body, first) || !strings.Contains(body, kim) || len(r.patches()) != 2 {
			t.Errorf("%d writes, %s", len(r.patches()), body)
		}
		if row := r.row(id); row.Verdict != guard.Exempt || !strings.Contains(row.Reason, "undone by root") {
			t.Errorf("got %+v", row)
		}
		if err := undo(); !errors.Is(err, guard.ErrNot) {
			t.Errorf("a second undo: %v", err)
		}
		r.close()
		r.open()
		r.passes(2)
		if len(r.patches()) != 2 {
			t.Error("a restart forgot the undo")
		}
		r.must(r.watcher.Exclusive(context.Background(), func() error {
			lifted, err := r.guard.Amnesty(time.Now())
			if len(lifted) != 1 || lifted[0].Object.Name != "CA001" || !strings.Contains(lifted[0].Text, "undone by") {
				t.Errorf("lifted %+v", lifted)
			}
			return err
		}))
		r.passes(1)
		if len(r.patches()) != 3 {
			t.Error("guard apply does not end the exemption")
		}
	})
}

// Half a listing: the guard stands still.
func TestQuarantineStopsTheGuard(t *testing.T) {
	inRig(t, guard.Enforce, writer, func(r *rig) {
		for i := range 8 {
			r.policy(fmt.Sprintf("CA%d", i), everybody)
		}
		r.open()
		r.passes(2)
		ids := r.tenant.IDs(drift.Policy)
		r.must(r.admin.PatchPolicy(ids[0], withoutBG))
		r.sim.OnRequest(func(q *http.Request) *graphsim.Fault {
			if strings.HasSuffix(q.URL.Path, "/conditionalAccess/policies") {
				return graphsim.Edits(graphsim.DropLast(6))
			}
			return nil
		})
		r.passes(3)
		if st := r.guard.Status(); len(r.patches()) != 0 || !st.Stopped {
			t.Errorf("%d writes on half a listing, %+v", len(r.patches()), st.Stops)
		}
		r.sim.OnRequest(nil)
		r.passes(3)
		if len(r.patches()) != 1 {
			t.Error("the guard did not go on")
		}
	})
}
