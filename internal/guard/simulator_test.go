package guard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cadrift/cadrift/internal/canon"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/graph"
	"github.com/cadrift/cadrift/internal/graphsim"
)

const (
	simTenant = "aaaaaaaa-0000-4000-8000-000000000001"
	simClient = "aaaaaaaa-0000-4000-8000-000000000002"
	simObject = "aaaaaaaa-0000-4000-8000-000000000003"
)

// ledger is a store in memory: what Record took is there after a crash.
type ledger struct {
	entries map[string]map[string]json.RawMessage
	events  []drift.Event
	// fail makes the next Record fail, nothing written.
	fail bool
}

var errDisk = errors.New("disk full")

func (l *ledger) Record(entries []drift.Entry, events []drift.Event, _ *drift.Edit) ([]drift.Event, error) {
	if l.fail {
		l.fail = false
		return nil, errDisk
	}
	for _, e := range entries {
		if l.entries[e.Kind] == nil {
			l.entries[e.Kind] = map[string]json.RawMessage{}
		}
		if e.Value == nil {
			delete(l.entries[e.Kind], e.ID)
			continue
		}
		l.entries[e.Kind][e.ID] = e.Value
	}
	out := slices.Clone(events)
	for i := range out {
		out[i].ID = drift.EventID("contoso", uint64(len(l.events)+i+1))
	}
	l.events = append(l.events, out...)
	return out, nil
}

func (l *ledger) Entries(kind string) ([]drift.Entry, error) {
	var out []drift.Entry
	for _, id := range slices.Sorted(maps.Keys(l.entries[kind])) {
		out = append(out, drift.Entry{Kind: kind, ID: id, Value: l.entries[kind][id]})
	}
	return out, nil
}

func (l *ledger) History(string, int) ([]drift.Event, error) { return nil, nil }

// intents are those that the ledger holds, by id.
func (l *ledger) intents(t *testing.T) map[string]intent {
	out := map[string]intent{}
	for id, text := range l.entries[kindIntent] {
		var in intent
		if err := json.Unmarshal(text, &in); err != nil {
			t.Fatal(err)
		}
		out[id] = in
	}
	return out
}

var errDead = errors.New("the process is dead")

// process is one life of the daemon: after so many calls it dies, before or
// after the call took effect, and nothing it does counts any more.
type process struct {
	w     *world
	calls int // until death; negative: it lives on
	late  bool
	dead  bool
}

// step tells whether the call still takes place, and whether its answer still
// arrives.
func (p *process) step() (happens, answered bool) {
	if p.dead {
		return false, false
	}
	if p.calls--; p.calls == 0 {
		p.dead = true
		p.w.deaths++
		return p.late, false
	}
	return true, true
}

func (p *process) Record(entries []drift.Entry, events []drift.Event, edit *drift.Edit) ([]drift.Event, error) {
	happens, answered := p.step()
	if !happens {
		return nil, errDead
	}
	out, err := p.w.ledger.Record(entries, events, edit)
	if !answered {
		return nil, errDead
	}
	return out, err
}

func (p *process) Entries(kind string) ([]drift.Entry, error) { return p.w.ledger.Entries(kind) }
func (p *process) History(id string, n int) ([]drift.Event, error) {
	return p.w.ledger.History(id, n)
}

func (p *process) Get(ctx context.Context, kind drift.Kind, id string) (graph.Item, error) {
	if _, answered := p.step(); !answered {
		return graph.Item{}, errDead
	}
	item, err := p.w.client.Get(ctx, kind, id)
	if err == nil {
		p.w.read(item)
		p.w.fresh[fold(id)] = item.Raw
	}
	return item, err
}

func (p *process) Patch(ctx context.Context, id string, body []byte) error {
	happens, answered := p.step()
	if !happens {
		return errDead
	}
	err := p.w.patch(ctx, id, body)
	if !answered {
		return errDead
	}
	return err
}

func (p *process) User(context.Context, string) (graph.Account, error) {
	return graph.Account{Enabled: true}, nil
}

func (p *process) Group(context.Context, string) (graph.Account, error) {
	return graph.Account{}, graph.ErrUnavailable
}
func (p *process) MayWrite(context.Context) (bool, bool, error) { return false, false, nil }

// world is one seed: a tenant that lags and fails, people who edit it at the
// worst moments, and a daemon that dies.
type world struct {
	t      *testing.T
	rnd    *rand.Rand
	seed   uint64
	sim    *graphsim.Server
	tenant *graphsim.Tenant
	client *graph.Client
	ledger *ledger
	s      Settings
	proc   *process
	guard  *Guard

	state map[string]drift.Object // what passes have seen
	fresh map[string][]byte       // the last answer to Get, by policy
	shown map[string]drift.Object // the newest form that any reading showed

	chaos, lagging      bool
	raced               bool   // somebody edited between a Get and its PATCH
	target              string // the policy of the last write, and its exclusions before it
	users, groups       []string
	effects             map[string]int
	deaths, faults      int
	overwritten, writes int
}

func newWorld(t *testing.T, seed uint64, secret string) *world {
	rnd := rand.New(rand.NewPCG(seed, 77))
	w := &world{
		t: t, rnd: rnd, seed: seed, sim: graphsim.New(graphsim.Options{Seed: seed}),
		ledger: &ledger{entries: map[string]map[string]json.RawMessage{}},
		s:      armedSettings(), state: map[string]drift.Object{}, fresh: map[string][]byte{}, shown: map[string]drift.Object{},
		chaos: true, effects: map[string]int{},
	}
	w.s.PerHour, w.s.PerPolicyDay, w.s.Any = 1+rnd.IntN(6), 1+rnd.IntN(3), rnd.IntN(4) == 0
	w.tenant = w.sim.AddTenant(simTenant, "contoso")
	w.tenant.AddApp(graphsim.App{ClientID: simClient, ObjectID: simObject, Secret: "s", Roles: []string{graphsim.PolicyReadAll, graphsim.PolicyWrite}})
	w.lagging = rnd.IntN(2) == 0
	w.tenant.Tune(func(b *graphsim.Behaviour) {
		b.RequestsPerSecond, b.NoGzip, b.TokenLifetime = 0, true, 10_000*time.Hour
		if w.lagging {
			b.Lag, b.StaleChance = time.Duration(1+rnd.IntN(90))*time.Second, 0.1+0.6*rnd.Float64()
		}
	})
	tokens, err := graph.NewTokens(graph.Credentials{
		TenantID: simTenant, ClientID: simClient, SecretFile: secret, Transport: w.sim,
		Authority: "https://login.microsoftonline.com", GraphEndpoint: "https://graph.microsoft.com",
	})
	w.must(err)
	w.client, err = graph.New(graph.Options{Endpoint: "https://graph.microsoft.com", Tenant: "contoso", Transport: w.sim, Tokens: tokens})
	w.must(err)
	for i := range 2 + rnd.IntN(4) {
		users := `"includeUsers":["All"]`
		if rnd.IntN(3) == 0 {
			users += fmt.Sprintf(`,"excludeUsers":[%q,%q],"excludeGroups":[%q]`, kim, userA, kim)
		}
		state := []string{stateOn, stateOn, stateReportOnly, stateOff}[rnd.IntN(4)]
		_, err := w.admin().CreatePolicy(fmt.Sprintf(`{"displayName":"CA%d","state":%q,"conditions":{"users":{%s},"applications":{"includeApplications":["All"]},"clientAppTypes":["all"]},"grantControls":{"operator":"OR","builtInControls":["mfa"]}}`, i, state, users))
		w.must(err)
	}
	w.sim.OnRequest(w.fault)
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatalf("seed %d: %v", w.seed, err)
	}
}

func (w *world) admin() *graphsim.Admin {
	return w.tenant.As(graphsim.User("99999999-0000-4000-8000-000000000001", "alex@contoso.example", ""))
}

// start is a new life of the daemon over what the last one recorded.
func (w *world) start(calls int) {
	w.proc = &process{w: w, calls: calls, late: w.rnd.IntN(2) == 0}
	w.shown = maps.Clone(w.state) // what only a dead process read, nobody knows
	g, err := New(Options{Tenant: "contoso", TenantID: simTenant, Settings: w.s, Graph: w.proc, Journal: w.proc, Logger: slog.New(slog.DiscardHandler)})
	w.must(err)
	w.guard = g
}

// fault is what goes wrong with a request, and who edits right before it.
func (w *world) fault(r *http.Request) *graphsim.Fault {
	if !w.chaos || !strings.Contains(r.URL.Path, "/identity/") {
		return nil
	}
	if w.rnd.IntN(12) == 0 {
		w.edit()
		w.raced = true
		w.look() // what the editor takes away is not lost by us
	}
	if w.rnd.IntN(4) > 0 {
		return nil
	}
	w.faults++
	if r.Method != http.MethodPatch {
		return []*graphsim.Fault{{Refuse: true}, graphsim.GraphError(429, "TooManyRequests", "slow down"), graphsim.HTML(502)}[w.rnd.IntN(3)]
	}
	return []*graphsim.Fault{
		{Refuse: true},
		{Lose: true},
		{Delay: 30 * time.Second},
		{Delay: 10 * time.Second, Lose: true},
		graphsim.GraphError(400, "BadRequest", "1085: no"), graphsim.GraphError(403, "AccessDenied", "no"),
		graphsim.GraphError(409, "Conflict", "again"), graphsim.GraphError(412, "PreconditionFailed", "again"),
		graphsim.GraphError(429, "TooManyRequests", "slow down"), graphsim.GraphError(500, "InternalServerError", ""),
		graphsim.HTML(503), graphsim.GraphError(404, "ResourceNotFound", "gone"),
	}[w.rnd.IntN(12)]
}

// edit is one edit by somebody else: exclusions come and go, the guard's too.
func (w *world) edit() {
	ids := w.tenant.IDs(drift.Policy)
	id := ids[w.rnd.IntN(len(ids))]
	users, groups := exclusions(w.tenant.Body(drift.Policy, id))
	users, groups = slices.Clone(users), slices.Clone(groups)
	stranger := fmt.Sprintf("88888888-0000-4000-8000-%012d", w.rnd.IntN(1_000_000))
	var what map[string]any
	switch w.rnd.IntN(5) {
	case 0:
		what = map[string]any{"excludeUsers": append(users, stranger)}
	case 1:
		what = map[string]any{"excludeGroups": append(groups, stranger)}
	case 2: // the second automation: its list, whatever is there
		what = map[string]any{"excludeUsers": slices.DeleteFunc(users, func(id string) bool { return id == userA || id == userB })}
	case 3:
		what = map[string]any{"excludeGroups": []string{}, "excludeUsers": []string{}}
	case 4:
		w.must(w.admin().PatchPolicy(id, fmt.Sprintf(`{"displayName":"CA%d"}`, w.rnd.IntN(1000))))
		return
	}
	body, err := json.Marshal(map[string]any{"conditions": map[string]any{"users": what}})
	w.must(err)
	w.must(w.admin().PatchPolicy(id, string(body)))
}

// read notes what a reading showed.
func (w *world) read(item graph.Item) drift.Object {
	o, err := canon.Object(drift.Policy, item.Raw)
	w.must(err)
	if old, ok := w.shown[o.ID]; !ok || !o.Written().Before(old.Written()) {
		w.shown[o.ID] = o
	}
	return o
}

// patch sends a write and checks every promise about it.
func (w *world) patch(ctx context.Context, id string, body []byte) error {
	var under *intent
	for _, in := range w.ledger.intents(w.t) {
		if in.Stage == stored && fold(in.Policy.ID) == fold(id) && (under == nil || in.Time.After(under.Time)) {
			under = &in
		}
	}
	if under == nil {
		w.t.Fatalf("seed %d: a write without a stored intent: %s", w.seed, body)
	}
	if err := checkPrefix(w.fresh[fold(id)], body, w.s); err != nil {
		w.t.Fatalf("seed %d: %v: %s", w.seed, err, body)
	}
	w.target = id
	w.look()
	n := w.ourWrites()
	w.raced = false
	err := w.client.Patch(ctx, id, body)
	effect := w.ourWrites() - n
	if w.effects[under.ID] += effect; w.effects[under.ID] > 1 {
		w.t.Fatalf("seed %d: intent %s took effect %d times", w.seed, under.ID, w.effects[under.ID])
	}
	if err == nil && effect != 1 {
		w.t.Fatalf("seed %d: a write was accepted and had %d effects", w.seed, effect)
	}
	if effect == 1 {
		w.writes++
		afterUsers, afterGroups := exclusions(w.tenant.Body(drift.Policy, id))
		lost := append(without(w.users, afterUsers), without(w.groups, afterGroups)...)
		w.lost(id, lost)
	}
	return err
}

// look notes the exclusions right before a write.
func (w *world) look() {
	if w.target != "" {
		w.users, w.groups = exclusions(w.tenant.Body(drift.Policy, w.target))
	}
}

// lost judges exclusions that a write of ours overwrote. Graph has no
// conditional update, so one that no reading has shown yet, or that came
// between our reading and our write, cannot be saved. Every other one must be.
func (w *world) lost(id string, lost []string) {
	if len(lost) == 0 {
		return
	}
	users, groups := exclusions(w.shown[fold(id)].Raw)
	for _, gone := range lost {
		if holds(users, gone) || holds(groups, gone) {
			w.t.Fatalf("seed %d: the exclusion %s was read and is lost", w.seed, gone)
		}
	}
	if !w.lagging && !w.raced {
		w.t.Fatalf("seed %d: lost %v, and nobody edited in between", w.seed, lost)
	}
	w.overwritten += len(lost)
}

// checkPrefix is a third opinion on a body: what was read, then configured ids.
func checkPrefix(fresh, body []byte, s Settings) error {
	var sent struct {
		Conditions struct {
			Users map[string][]string `json:"users"`
		} `json:"conditions"`
	}
	if err := json.Unmarshal(body, &sent); err != nil {
		return err
	}
	users, groups := exclusions(fresh)
	for name, list := range sent.Conditions.Users {
		was, allowed := users, s.Users
		if name == "excludeGroups" {
			was, allowed = groups, s.Groups
		}
		if len(list) <= len(was) || !slices.Equal(list[:len(was)], was) || len(without(list[len(was):], allowed)) > 0 {
			return fmt.Errorf("%s does more than add", name)
		}
	}
	return nil
}

func (w *world) ours() []graphsim.Write {
	return slices.DeleteFunc(w.tenant.Writes(), func(x graphsim.Write) bool { return x.Actor.ID != simObject || x.Status != 204 })
}

func (w *world) ourWrites() int { return len(w.ours()) }

// pass is the watcher's part: list, hold what went back in time, tell the
// guard. It returns false when the daemon died.
func (w *world) pass() bool {
	ctx := context.Background()
	l, err := w.client.List(ctx, drift.Policy)
	if err != nil {
		return !w.proc.dead
	}
	s := Sight{Time: time.Now().UTC()}
	for _, item := range l.Items {
		o := w.read(item)
		if old, ok := w.state[o.ID]; ok && o.Written().Before(old.Written()) {
			s.Blocked = "stale"
			o = old
		}
		w.state[o.ID] = o
		s.Policies = append(s.Policies, o)
	}
	if w.chaos && w.rnd.IntN(30) == 0 {
		w.ledger.fail = true
	}
	if err := w.guard.Passed(ctx, s); err != nil && !errors.Is(err, errDead) && !errors.Is(err, errDisk) {
		w.t.Fatalf("seed %d: %v", w.seed, err)
	}
	return !w.proc.dead
}

// budgets looks at all writes that took effect, over all restarts.
func (w *world) budgets() {
	writes := w.ours()
	for i := range writes {
		hour, today := 0, 0
		for _, later := range writes[i:] {
			age := later.Time.Sub(writes[i].Time)
			if age < time.Hour {
				hour++
			}
			if age < day && later.ID == writes[i].ID {
				today++
			}
		}
		if hour > w.s.PerHour || today > w.s.PerPolicyDay {
			w.t.Fatalf("seed %d: %d writes in an hour (%d allowed), %d of one policy in a day (%d allowed)", w.seed, hour, w.s.PerHour, today, w.s.PerPolicyDay)
		}
	}
}

// run lets chaos rule for a while, then ends it and waits for order.
func (w *world) run() {
	for range 25 {
		if w.guard == nil || w.proc.dead {
			calls := -1
			if w.rnd.IntN(3) > 0 {
				calls = 1 + w.rnd.IntN(25)
			}
			w.start(calls)
		}
		if w.rnd.IntN(2) == 0 {
			w.edit()
		}
		w.pass()
		time.Sleep(time.Duration(10+w.rnd.IntN(110)) * time.Second)
	}
	w.budgets()
	w.chaos = false
	w.ledger.fail = false
	w.tenant.Tune(func(b *graphsim.Behaviour) { b.Lag = 0 })
	w.start(-1)
	for range 27 { // budgets fill up again
		time.Sleep(time.Hour)
		w.pass()
	}
	w.budgets()
	if left := w.missing(); len(left) > 0 {
		w.guard.mu.Lock()
		for id := range left {
			if _, stopped := w.guard.stops[id]; !stopped {
				w.t.Errorf("seed %d: %s is still missing a day after the last fault: %s", w.seed, id, left[id])
			}
		}
		w.guard.mu.Unlock()
		_, err := w.guard.Amnesty(time.Now())
		w.must(err)
		w.pass()
		for range 10 {
			_, done, err := w.guard.Apply(context.Background(), Order{Reason: "roll-out", By: "test"})
			w.must(err)
			if done {
				break
			}
		}
		time.Sleep(time.Hour)
		w.pass()
		if left = w.missing(); len(left) > 0 {
			w.t.Errorf("seed %d: a person's apply does not end it: %v", w.seed, left)
		}
	}
}

// missing are the policies that count as missing, as the tenant really is.
func (w *world) missing() map[string]string {
	out := map[string]string{}
	for _, id := range w.tenant.IDs(drift.Policy) {
		o, err := canon.Object(drift.Policy, w.tenant.Body(drift.Policy, id))
		w.must(err)
		if r := decide(&o, w.s, armedFacts(w.s)); r.Counts() {
			out[id] = r.Reason
		}
	}
	return out
}

// TestSimulator: random faults at every request, replicas that lag, people who
// edit between our reading and our writing, a store that fails and a daemon
// that dies at every call. Never a foreign exclusion lost that a reading had
// shown, never two effects of one intent, no write without a stored intent,
// budgets kept across restarts, and order once the faults end.
func TestSimulator(t *testing.T) {
	t.Parallel()
	n, seed := uint64(150), seedOf(t, 1)
	if long() {
		n = 10_000
	}
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("s"), 0o600); err != nil {
		t.Fatal(err)
	}
	var writes, faults, deaths, overwritten int
	for i := range n {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, seed+i, secret)
			w.run()
			writes, faults, deaths, overwritten = writes+w.writes, faults+w.faults, deaths+w.deaths, overwritten+w.overwritten
		})
		if t.Failed() {
			break
		}
	}
	t.Logf("seeds %d to %d: %d writes, %d faults, %d deaths, %d exclusions overwritten that no reading could show", seed, seed+n-1, writes, faults, deaths, overwritten)
	if writes == 0 || faults == 0 || deaths == 0 {
		t.Error("nothing happened: the simulator looks at nothing")
	}
}
