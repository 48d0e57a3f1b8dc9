package poll

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cadrift/cadrift/internal/canon"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/graph"
	"github.com/cadrift/cadrift/internal/judge"
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
	Schedule         Schedule
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
	// Names resolves directory ids, nil when names are not resolved. With
	// ResolveNames the watcher keeps names of its own instead.
	Names judge.Names
	// ResolveNames asks the Directory for names.
	ResolveNames bool
	// Directory, Members, Audit and Hidden are nil where names, groups, actors
	// and hidden policies are not asked for.
	Directory Directory
	Members   Members
	Audit     Auditor
	Hidden    Hidden
	// ActorIPs keeps the addresses of actors; ClientIDs are our own
	// applications, by which our own writes are recognised.
	ActorIPs  bool
	ClientIDs []string
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
	names    *book // has a lock of its own
	audits   audits
	limits   map[drift.Reason]string // what is good to know and cannot be known
	setbacks map[drift.Reason]int    // questions that failed in a row
	warmed   struct {
		revision uint64
		at       time.Time
	}
	excluded  []string // the groups of the policies as last read
	groupTurn int
	hiddenAt  time.Time

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
	dir      dirState
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
		audits: newAudits(), limits: map[drift.Reason]string{}, setbacks: map[drift.Reason]int{},
	}
	if o.Directory != nil && o.ResolveNames {
		w.names = newBook(o.Directory)
		w.o.Names = w.names.name
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
		if obj.Digest == canon.Digest(obj.Kind, obj.Canonical) {
			continue
		}
		if again, err := canon.Object(obj.Kind, obj.Raw); err == nil {
			objects[key] = again
		}
	}
}

// Run makes a pass at once and then whenever one is due, until ctx ends. A
// pass that is due while one runs is skipped and counted. It returns an error
// only when the store's state is unknown and the process must start anew.
func (w *Watcher) Run(ctx context.Context) error {
	defer w.flush()
	due := time.Now()
	for {
		w.promise(longestTurn)
		if err := w.Pass(ctx); err != nil {
			return err
		}
		due = w.nextDue(due)
		if err := w.waitLooking(ctx, due); err != nil || ctx.Err() != nil {
			return err
		}
	}
}

// nextDue is the next due time that lies ahead; those that passed meanwhile
// are counted as skipped.
func (w *Watcher) nextDue(due time.Time) time.Time {
	now := time.Now()
	for {
		next := w.o.Schedule.Next(due)
		if next.IsZero() {
			return now.Add(24 * time.Hour) // a schedule that is over: look again tomorrow
		}
		if next.After(now) {
			return next
		}
		w.o.Metrics.skipped(w.o.Tenant)
		due = next
	}
}

// waitLooking waits for due, and asks again for absent objects on the way.
func (w *Watcher) waitLooking(ctx context.Context, due time.Time) error {
	for {
		wake := due
		w.mu.Lock()
		if at, ok := w.nextLook(); ok && at.Before(due) {
			wake = at
		}
		w.mu.Unlock()
		w.promise(time.Until(wake))
		timer := time.NewTimer(time.Until(wake))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		if !wake.Before(due) {
			return nil
		}
		w.promise(longestTurn)
		if err := w.lookAgain(ctx); err != nil {
			return err
		}
	}
}

// Pass makes one pass. Its error is that of [Watcher.Run]; failed readings are
// no error, they are told as blind spots.
func (w *Watcher) Pass(ctx context.Context) error {
	select {
	case w.turn <- struct{}{}:
		defer func() { <-w.turn }()
	case <-ctx.Done():
		return nil
	}
	start := time.Now()
	w.promise(w.budget(start))
	w.resume(start)
	w.rereadDir(start.UTC())
	pctx, cancel := context.WithTimeout(ctx, w.budget(start))
	defer cancel()
	readings := w.read(pctx)
	if ctx.Err() != nil {
		return nil // shutting down: half a pass is no pass
	}
	now := time.Now().UTC()
	ev := w.doubt(pctx, readings, now)
	w.prepare(pctx, readings, ev, now)
	if ctx.Err() != nil {
		return nil
	}
	err := w.conclude(readings, ev, now)
	w.o.Metrics.passed(w, time.Since(start))
	if err == nil {
		err = w.lookBeside(ctx)
	}
	if err == nil {
		err = w.guard(ctx)
	}
	return err
}

// budget bounds a pass, so that being blind is noticed in time even when every
// answer is slow: at one pass a second within 90 s.
func (w *Watcher) budget(now time.Time) time.Duration {
	return min(max(3*w.o.Schedule.Interval(now), 40*time.Second), 5*time.Minute)
}

// lookAgain confirms absences between two passes.
func (w *Watcher) lookAgain(ctx context.Context) error {
	select {
	case w.turn <- struct{}{}:
		defer func() { <-w.turn }()
	case <-ctx.Done():
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	now := time.Now().UTC()
	var readings []reading
	for _, kind := range w.o.Kinds {
		readings = append(readings, reading{kind: kind, same: true})
	}
	ev := w.doubt(ctx, readings, now)
	if ctx.Err() != nil {
		return nil
	}
	clear(ev.found) // the next pass compares: a look between passes only confirms absences
	w.mu.Lock()
	defer w.mu.Unlock()
	a, err := w.assess(nil, ev, now)
	if err != nil {
		return err
	}
	return w.settleLocked(a, now)
}

// conclude assesses the readings, commits, and remembers.
func (w *Watcher) conclude(readings []reading, ev evidence, now time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	a, err := w.assess(readings, ev, now)
	if err != nil {
		w.result = Failed
		w.o.Logger.Error("pass not assessed", "tenant", w.o.Tenant, "err", err)
		return nil
	}
	w.result = resultOf(readings)
	good := w.result != Failed
	w.watchBlindness(readings, &a, now)
	if good && (!a.commit.Empty() || now.Sub(w.flushed) >= flushEvery) {
		a.commit.LastGood = now
	}
	if err := w.settleLocked(a, now); err != nil || w.degraded {
		return err // degraded: the state stays, and the next pass sees the same changes again
	}
	if good {
		w.lastGood, w.everGood = now, true
	}
	w.stale = a.stale
	for i := range readings {
		if r := &readings[i]; r.good() {
			w.readAt[r.kind] = now
			if a.unsettled[r.kind] {
				delete(w.settled, r.kind)
			} else {
				w.settled[r.kind] = r.version
			}
		}
	}
	w.logPass(readings, a)
	return nil
}

// flushEvery is how often the time of the last good pass is written when
// nothing else is.
const flushEvery = 10 * time.Minute

func resultOf(readings []reading) Result {
	result := OK
	for i := range readings {
		switch r := &readings[i]; {
		case r.good():
		case r.kind == drift.Policy || r.kind == drift.NamedLocation:
			return Failed
		default:
			result = Incomplete
		}
	}
	return result
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
	return &drift.Window{From: from, To: now}
}

func (w *Watcher) seen(kind drift.Kind) bool { return slices.Contains(w.state.Seen, kind) }

// logPass warns of a collection once for every reason: at one pass a second an
// hour without a permission would be thousands of lines.
func (w *Watcher) logPass(readings []reading, a assessment) {
	for i := range readings {
		r := &readings[i]
		reason, level, text := drift.Reason(""), slog.LevelInfo, "collection read again"
		if !r.good() {
			reason, level, text = reasonOf(r.err), slog.LevelWarn, "collection not read"
		}
		if w.unread[r.kind] == reason {
			level = slog.LevelDebug
		}
		w.unread[r.kind] = reason
		if !r.good() || level > slog.LevelDebug {
			w.o.Logger.Log(context.Background(), level, text, "tenant", w.o.Tenant, "kind", string(r.kind), "reason", string(reason), "err", r.err)
		}
	}
	w.o.Logger.Debug("pass done", "tenant", w.o.Tenant, "result", string(w.result),
		"put", len(a.commit.Put), "gone", len(a.commit.Gone), "events", len(a.commit.Events),
		"seq", w.state.Head.Seq, "chain", w.state.Head.Hash.String())
}

func (w *Watcher) logEvent(e *drift.Event) {
	w.o.Logger.Info("event", "tenant", e.Tenant, "id", e.ID, "type", string(e.Type),
		"severity", e.Severity.String(), "direction", e.Dir().String(), "summary", e.Summary, "chain", e.Chain)
}
