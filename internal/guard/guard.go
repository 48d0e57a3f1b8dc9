package guard

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/graph"
)

// Mode is what the guard may do.
type Mode string

// The modes of the configuration.
const (
	Off     Mode = "off"
	Show    Mode = "plan"
	Enforce Mode = "enforce"
)

// Settings are the armed list and its limits; they do not change while the
// process runs.
type Settings struct {
	Mode Mode
	// Users and Groups are the emergency ids, lower case.
	Users, Groups []string
	// Any asks for one excluded id per policy instead of all of them.
	Any bool
	// Exempt are policies to leave alone, and why, by lower-case id.
	Exempt map[string]string
	// PerHour and PerPolicyDay are the budgets, Hold the time before a new id
	// is written.
	PerHour, PerPolicyDay int
	Hold                  time.Duration
}

// Graph is the tenant.
type Graph interface {
	// Get reads one policy; drift.ErrNotFound when Graph answers 404.
	Get(ctx context.Context, kind drift.Kind, id string) (graph.Item, error)
	// Patch changes one policy. Its error is a *graph.Error; Unknown says that
	// the write may have taken place.
	Patch(ctx context.Context, id string, body []byte) error
	// User and Group read an account: drift.ErrNotFound when there is none,
	// graph.ErrUnavailable when the permission lacks.
	User(ctx context.Context, id string) (graph.Account, error)
	Group(ctx context.Context, id string) (graph.Account, error)
	// MayWrite tells whether the token carries the permission to write, where
	// the token shows it.
	MayWrite(ctx context.Context) (may, known bool, err error)
}

// Journal is where intents, results and events become durable.
type Journal interface {
	// Record commits entries and events in one transaction, the events to the
	// outbox of every receiver that wants them. Edit is what an event's write
	// did to its policy, so that the event can tell whether that may lock
	// people out, and what becomes of the drift; nil: nothing changed. An error
	// means that nothing counts as recorded.
	Record(entries []drift.Entry, events []drift.Event, edit *drift.Edit) ([]drift.Event, error)
	// Entries are the recorded entries of a kind.
	Entries(kind string) ([]drift.Entry, error)
	// History are the newest events about a policy, newest first.
	History(policyID string, limit int) ([]drift.Event, error)
}

// Options are a guard's settings and neighbours.
type Options struct {
	Tenant, TenantID string
	Settings         Settings
	Graph            Graph
	// Journal may be nil: then nothing was ever recorded and nothing is
	// written.
	Journal Journal
	// StopFile halts all writes while it exists.
	StopFile string
	Metrics  *Metrics
	Logger   *slog.Logger
}

// Sight is what a good pass saw.
type Sight struct {
	Time     time.Time
	Policies []drift.Object
	// Blocked says why nothing may be written on this sight: a collection is
	// quarantined, blind or stale, or the store is degraded. Empty: it may.
	Blocked string
}

// Guard guards one tenant.
type Guard struct {
	o Options
	s Settings

	// Owned by the holder of the tenant's turn.
	permissionTold bool

	// mu guards what follows; it is never held across a request or a commit.
	mu       sync.Mutex
	armed    armedRecord
	isArmed  bool
	intents  map[string]*intent
	undone   map[string]undoneRecord
	stops    map[string]stopRecord
	told     map[string]string // policy → the refusal last told
	hourTold time.Time
	accounts map[string]account
	looked   time.Time
	denied   string // why no write is permitted at all; empty: it is
	sight    Sight
	rows     []Row
}

// New loads what was recorded. It writes nothing and asks Graph nothing.
func New(o Options) (*Guard, error) {
	g := &Guard{
		o: o, s: o.Settings,
		intents: map[string]*intent{}, undone: map[string]undoneRecord{}, stops: map[string]stopRecord{},
		told: map[string]string{}, accounts: map[string]account{},
	}
	if g.s.Mode == "" {
		g.s.Mode = Off
	}
	if o.Journal != nil {
		if err := g.load(); err != nil {
			return nil, fmt.Errorf("load guard of %s: %w", o.Tenant, err)
		}
	}
	o.Metrics.describe(g)
	return g, nil
}

// Status is what people are told of the guard.
type Status struct {
	Mode Mode
	// Missing counts the policies that lack an exclusion and are not off.
	Missing int
	// Stopped tells that something keeps the guard from writing what it would
	// write; Stops says what.
	Stopped bool
	Stops   []string
	Rows    []Row
	// Accounts are the emergency accounts as the directory shows them.
	Accounts []AccountStatus
}

// Status returns a copy that stays valid.
func (g *Guard) Status() Status {
	stopFile := g.stopFile()
	g.mu.Lock()
	defer g.mu.Unlock()
	st := Status{Mode: g.s.Mode, Rows: slices.Clone(g.rows), Accounts: g.accountsLocked()}
	for i := range g.rows {
		if g.rows[i].Counts() {
			st.Missing++
		}
	}
	if g.s.Mode == Off {
		return st
	}
	for _, why := range []string{stopFile, g.sight.Blocked, g.denied} {
		if why != "" {
			st.Stops = append(st.Stops, why)
		}
	}
	if !g.isArmed {
		st.Stops = append(st.Stops, "the list is not armed")
	}
	stopped := g.facts(g.sight.Time).Stopped
	for _, id := range slices.Sorted(maps.Keys(stopped)) {
		st.Stops = append(st.Stops, drift.Visible(g.stops[id].Policy.Name)+": "+stopped[id])
	}
	spent := g.spentLocked(g.sight.Time)
	if g.s.Mode == Enforce && len(Choose(g.rows, spent, g.s.PerHour-spent.Hour, g.s).Waiting) > 0 {
		st.Stops = append(st.Stops, g.s.hourSpent())
	}
	st.Stopped = len(st.Stops) > 0
	return st
}

// Preview plans on a sight without acting, for a process that makes no passes.
func (g *Guard) Preview(s Sight) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sight = s
	g.replan(s.Time)
}

// stopFile says that the stop file is there, or that nobody can tell.
func (g *Guard) stopFile() string {
	if g.o.StopFile == "" {
		return ""
	}
	_, err := os.Lstat(g.o.StopFile)
	switch {
	case err == nil:
		return "GUARD_STOP is there"
	case !os.IsNotExist(err):
		return "GUARD_STOP cannot be looked for"
	}
	return ""
}

// view are the policies of the sight with the guard's own writes since, for a
// plan that does not answer from before them; mu is held.
func (g *Guard) view() []drift.Object {
	policies := slices.Clone(g.sight.Policies)
	for _, id := range slices.Sorted(maps.Keys(g.intents)) { // of one policy in their order
		in := g.intents[id]
		if !in.holds() {
			continue
		}
		for i := range policies {
			o := &policies[i]
			if fold(o.ID) != fold(in.Policy.ID) || in.effect(o.Raw) {
				continue
			}
			if after := in.apply(*o); after != nil {
				*o = *after
			}
		}
	}
	return policies
}

// replan makes the plan from the view; mu is held.
func (g *Guard) replan(now time.Time) {
	if g.s.Mode == Off {
		g.rows = nil
		return
	}
	g.rows = Plan(g.view(), g.s, g.facts(now))
	g.o.Metrics.planned(g)
}

// facts are what verdicts depend on now; mu is held.
func (g *Guard) facts(now time.Time) Facts {
	f := Facts{
		Now: now, Bad: map[string]string{}, Since: map[string]time.Time{},
		Undone: map[string]string{}, Stopped: map[string]string{}, Pending: map[string]string{}, Spent: g.exhausted(now),
	}
	// Neither ends before the budget is free, see Amnesty.
	with := func(why, id string) string {
		if spent := f.Spent[id]; spent != "" {
			why += "; " + spent
		}
		return why
	}
	if g.isArmed {
		maps.Copy(f.Since, g.armed.Since)
	}
	for id, a := range g.accounts {
		if a.never != "" {
			f.Bad[id] = a.never
		}
	}
	for id, u := range g.undone {
		f.Undone[id] = with(u.text(), id)
	}
	for id, s := range g.stops {
		if s.Digest.IsZero() || s.Digest == g.digestOf(id) {
			f.Stopped[id] = with(s.Why, id)
		}
	}
	for _, in := range g.intents {
		if in.unseen() {
			f.Pending[fold(in.Policy.ID)] = in.waiting()
		}
	}
	return f
}

// digestOf is the digest of the policy in the sight; mu is held.
func (g *Guard) digestOf(id string) drift.Digest {
	for i := range g.sight.Policies {
		if fold(g.sight.Policies[i].ID) == id {
			return g.sight.Policies[i].Digest
		}
	}
	return drift.Digest{}
}

// blocked says why nothing may be written now; empty if it may.
func (g *Guard) blocked() string {
	if why := g.stopFile(); why != "" {
		return why
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.s.Mode == Off:
		return "the guard is off"
	case !g.isArmed:
		return "the list is not armed: the daemon arms it at start"
	case g.sight.Time.IsZero():
		return "no pass was good yet"
	}
	return g.sight.Blocked
}

// entry makes a journal entry; a nil value removes it.
func entry(kind, id string, value any) (drift.Entry, error) {
	e := drift.Entry{Kind: kind, ID: id}
	if value == nil {
		return e, nil
	}
	text, err := json.Marshal(value)
	if err != nil {
		return e, fmt.Errorf("encode %s: %w", kind, err)
	}
	e.Value = text
	return e, nil
}

// event is the beginning of every event of the guard.
func (g *Guard) event(t drift.EventType, severity drift.Severity, now time.Time) drift.Event {
	return drift.Event{Time: now, Type: t, Tenant: g.o.Tenant, TenantID: g.o.TenantID, Severity: severity}
}
