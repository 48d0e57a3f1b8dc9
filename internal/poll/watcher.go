package poll

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cadrift/cadrift/internal/beside"
	"github.com/cadrift/cadrift/internal/canon"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/graph"
	"github.com/cadrift/cadrift/internal/judge"
	"github.com/cadrift/cadrift/internal/schedule"
	"github.com/cadrift/cadrift/internal/store"
)

// Source is where readings come from: a Graph client.
type Source interface {
	// List reads a whole collection or fails; the error is a *graph.Error.
	List(ctx context.Context, kind drift.Kind) (graph.Listing, error)
	// Get reads one object; drift.ErrNotFound when Graph answers 404.
	Get(ctx context.Context, kind drift.Kind, id string) (graph.Item, error)
	// Deleted lists the recycle bin; graph.ErrUnavailable where there is none.
	Deleted(ctx context.Context, kind drift.Kind) (map[string]time.Time, error)
}

// Store is where passes become durable.
type Store interface {
	// Load returns all that is durable of the tenant.
	Load(tenantID string) (drift.State, error)
	// Commit writes all of c or nothing: store.ErrNotCommitted says that
	// nothing was written, store.ErrOutcomeUnknown that the process must start
	// anew and look.
	Commit(c drift.Commit) (drift.Committed, error)
	// Versions returns the newest versions of an object first.
	Versions(tenantID string, key drift.Key, limit int) ([]store.Version, error)
	// Entries returns the tenant's records of one kind.
	Entries(tenantID, kind string) ([]drift.Entry, error)
	// Events returns events of the history, newest first.
	Events(q store.EventQuery) ([]drift.Event, *uint64, error)
}

// Options are a watcher's settings and neighbours.
type Options struct {
	Tenant, TenantID string
	Schedule         schedule.Schedule
	Kinds            []drift.Kind
	GraphVersion     string
	Emergency        judge.Emergency
	AutoPin          bool
	BaselineDir      string

	Source Source
	// Store may be nil: then nothing is known before the first reading and
	// only Check works.
	Store Store
	// Guard is told of good passes; nil: there is none.
	Guard Guard
	// Beside gives the names, members and actors; nil: nobody is asked.
	Beside *beside.View
	// Route names the receivers of an event; told are those who were told of
	// the drift's opening.
	Route func(e *drift.Event, told []string) []string
	// Wake is called after a commit that has events.
	Wake func()
	// Alarm carries the one event that cannot be made durable: that the store
	// takes no writes.
	Alarm   func(e drift.Event)
	Metrics *Metrics
	Logger  *slog.Logger
}

// Watcher watches one tenant.
type Watcher struct {
	o Options

	// turn is held by whoever reads Graph: passes, looks between passes and
	// checks never overlap. A channel, because it is held across waits.
	turn chan struct{}

	// Owned by the holder of turn.
	settled map[drift.Kind]uint64       // the listing's version that left nothing open
	unread  map[drift.Kind]drift.Reason // the failed readings as logged last
	stale   map[drift.Key]int
	looked  map[drift.Key]time.Time // absent objects: the last GET by id
	fresh   map[drift.Key]time.Time // objects that appeared or came back of late
	binned  map[drift.Kind]bool     // kinds whose recycle bin answers

	// promised is when the loop will have shown that it lives, see promise.
	promised atomic.Pointer[time.Time]
	excluded []string // the groups of the policies as last read

	// mu guards what follows; it is never held across a request.
	mu       sync.Mutex
	state    drift.State
	blind    map[drift.Reason]*condition
	readAt   map[drift.Kind]time.Time
	lastGood time.Time
	flushed  time.Time
	result   Result
	everGood bool
	degraded bool
	// ahead is how far our clock was ahead of Graph's when Graph last said its
	// time.
	ahead time.Duration
	dir   dirState
	// expectations are the announced changes, over or not.
	expectations []drift.Expectation
	waiting      []awaiting // events without their actor
	resumed      bool
}

// Result is how a pass ended.
type Result string

// The results, as the label of cadrift_polls_total has them. A pass is good
// when policies and named locations are complete; incomplete means that only
// another kind failed.
const (
	OK         Result = "ok"
	Incomplete Result = "incomplete"
	Failed     Result = "failed"
	Skipped    Result = "skipped"
)

// New loads the tenant's state. Bodies stored by an earlier canonicaliser are
// canonicalised again, without a word: it is not the tenant that changed.
func New(o Options) (*Watcher, error) {
	w := &Watcher{
		o: o, turn: make(chan struct{}, 1),
		settled: map[drift.Kind]uint64{}, unread: map[drift.Kind]drift.Reason{}, stale: map[drift.Key]int{}, looked: map[drift.Key]time.Time{}, fresh: map[drift.Key]time.Time{}, binned: map[drift.Kind]bool{},
		blind: map[drift.Reason]*condition{}, readAt: map[drift.Kind]time.Time{},
	}
	if o.Beside == nil {
		w.o.Beside = beside.New(beside.Options{Tenant: o.Tenant, Logger: o.Logger})
	}
	w.state = drift.State{Tenant: o.Tenant, TenantID: o.TenantID}
	if o.Store != nil {
		state, err := o.Store.Load(o.TenantID)
		if err != nil {
			return nil, fmt.Errorf("load tenant %s: %w", o.Tenant, err)
		}
		w.state = state
	}
	if w.state.Objects == nil {
		w.state.Objects = map[drift.Key]drift.Object{}
	}
	if w.state.Findings == nil {
		w.state.Findings = map[drift.Key]drift.Finding{}
	}
	recanonicalise(w.state.Objects)
	if w.state.Baseline != nil {
		recanonicalise(w.state.Baseline.Objects)
	}
	w.lastGood = w.state.LastGood
	w.flushed = w.state.LastGood
	for _, b := range w.state.Blind {
		w.blind[b.Reason] = &condition{Blind: b, told: true}
	}
	if err := w.loadExpectations(); err != nil {
		return nil, err
	}
	if err := w.readDirAtStart(); err != nil {
		return nil, err
	}
	w.o.Metrics.describe(w)
	return w, nil
}

func recanonicalise(objects map[drift.Key]drift.Object) {
	for key, obj := range objects {
		objects[key] = canon.Current(obj)
	}
}

// route completes an event with its receivers.
func (w *Watcher) route(e drift.Event, told []string) drift.NewEvent {
	return drift.NewEvent{Event: e, Receivers: w.o.Route(&e, told)}
}

// window is the span in which a change of the kind seen now happened.
func (w *Watcher) window(kind drift.Kind, now time.Time) *drift.Window {
	from, ok := w.readAt[kind]
	if !ok {
		from = w.state.LastGood
	}
	if from.After(now) { // the clock was set back since
		from = now
	}
	return &drift.Window{From: from, To: now}
}

func (w *Watcher) seen(kind drift.Kind) bool { return slices.Contains(w.state.Seen, kind) }
