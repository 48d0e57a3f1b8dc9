package poll

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cadrift/cadrift/internal/baseline"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/judge"
)

// ErrRefused reports a baseline command that cannot be carried out as things
// stand: the baseline is kept in files, or there is nothing to pin.
var ErrRefused = errors.New("refused")

// refusal reads as its text and is ErrRefused.
type refusal string

func (r refusal) Error() string        { return string(r) }
func (r refusal) Is(target error) bool { return target == ErrRefused }

func refuse(format string, args ...any) error { return refusal(fmt.Sprintf(format, args...)) }

// Move is who moves the baseline, and why.
type Move struct {
	Reason, By string
}

// Pin makes a whole snapshot the baseline: the given objects at their
// revision, or the newest when objects is nil.
func (w *Watcher) Pin(revision uint64, objects map[drift.Key]drift.Object, m Move) ([]drift.Event, error) {
	return w.move(func(now time.Time) (*drift.Baseline, error) {
		if objects == nil {
			objects, revision = w.state.Objects, w.state.Revision
		}
		if len(objects) == 0 {
			return nil, refuse("no snapshot yet: wait for the first good pass")
		}
		return w.newBaseline(now, revision, maps.Clone(objects), m), nil
	})
}

// Accept moves the baseline of one object to its current form; an object that
// is gone leaves the baseline.
func (w *Watcher) Accept(key drift.Key, m Move) ([]drift.Event, error) {
	return w.move(func(now time.Time) (*drift.Baseline, error) {
		if w.state.Baseline == nil {
			return nil, refuse("no baseline to accept into: pin one first")
		}
		objects := maps.Clone(w.state.Baseline.Objects)
		current, there := w.state.Objects[key]
		_, based := objects[key]
		switch {
		case there:
			objects[key] = current
		case based:
			delete(objects, key)
		default:
			return nil, fmt.Errorf("accept %s: %w", key, drift.ErrNotFound)
		}
		b := w.newBaseline(now, w.state.Revision, objects, m)
		b.Kinds = union(w.state.Baseline.Kinds, []drift.Kind{key.Kind})
		b.GraphVersion = w.state.Baseline.GraphVersion // of all the others
		return b, nil
	})
}

// Import makes the given objects the baseline, of the kinds they are of and of
// the given ones; other kinds leave it.
func (w *Watcher) Import(objects []drift.Object, kinds []drift.Kind, m Move) ([]drift.Event, error) {
	return w.move(func(now time.Time) (*drift.Baseline, error) {
		b, err := w.importBaseline(now, objects, m)
		if err == nil {
			b.Kinds = union(b.Kinds, kinds)
		}
		return b, err
	})
}

func (w *Watcher) importBaseline(now time.Time, objects []drift.Object, m Move) (*drift.Baseline, error) {
	byKey := make(map[drift.Key]drift.Object, len(objects))
	for _, obj := range objects {
		if _, twice := byKey[obj.Key()]; twice {
			return nil, refuse("%s comes twice", obj.Key())
		}
		byKey[obj.Key()] = obj
	}
	if len(byKey) == 0 {
		return nil, refuse("no objects to import")
	}
	return w.newBaseline(now, w.state.Revision, byKey, m), nil
}

// newBaseline makes a baseline of objects; it lists the kinds they are of.
func (w *Watcher) newBaseline(now time.Time, revision uint64, objects map[drift.Key]drift.Object, m Move) *drift.Baseline {
	b := &drift.Baseline{
		Revision: revision, Pinned: now, By: m.By, Reason: m.Reason,
		GraphVersion: w.o.GraphVersion, Objects: objects, Digest: baseline.Digest(objects),
	}
	for key := range objects {
		b.Kinds = union(b.Kinds, []drift.Kind{key.Kind})
	}
	// A kind that was read and is empty is part of a pinned snapshot too: the
	// first named location anybody adds is then drift.
	if revision == w.state.Revision {
		b.Kinds = union(b.Kinds, w.seenKinds(objects))
	}
	return b
}

// seenKinds are the kinds that a snapshot of the present covers.
func (w *Watcher) seenKinds(objects map[drift.Key]drift.Object) []drift.Kind {
	if len(objects) != len(w.state.Objects) {
		return nil
	}
	return w.state.Seen
}

// move replaces the baseline and tells what that did to the open drift.
func (w *Watcher) move(make func(now time.Time) (*drift.Baseline, error)) ([]drift.Event, error) {
	if w.o.BaselineDir != "" {
		return nil, refuse("the baseline of %s is the files in %s: change them instead", w.o.Tenant, w.o.BaselineDir)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now().UTC()
	b, err := make(now)
	if err != nil {
		return nil, err
	}
	commit, err := w.rebase(b, now)
	if err != nil {
		return nil, err
	}
	done, err := w.commitLocked(commit)
	if err != nil {
		return nil, err
	}
	return done.Events, nil
}

// rebase is the commit that makes b the baseline: every finding is worked out
// anew, and what moved is told as drift with cause "baseline".
func (w *Watcher) rebase(b *drift.Baseline, now time.Time) (drift.Commit, error) {
	commit := drift.Commit{TenantID: w.o.TenantID, Time: now, Baseline: b}
	var world *judge.World
	c := baseline.Comparison{Tenant: w.o.Tenant, GraphVersion: w.o.GraphVersion, Baseline: b, Now: now, World: func() *judge.World {
		if world == nil {
			world = w.world(w.state.Objects)
		}
		return world
	}}
	commit.Events = append(commit.Events, w.route(w.pinned(b, now), nil))
	for _, key := range w.keysWith(b) {
		if err := w.rebaseOne(c, key, &commit); err != nil {
			return drift.Commit{}, fmt.Errorf("compare %s with the baseline: %w", key, err)
		}
	}
	return commit, nil
}

// keysWith are the keys that the state, its findings or a baseline know.
func (w *Watcher) keysWith(b *drift.Baseline) []drift.Key {
	keys := slices.Collect(maps.Keys(w.state.Objects))
	keys = slices.AppendSeq(keys, maps.Keys(w.state.Findings))
	keys = slices.AppendSeq(keys, maps.Keys(b.Objects))
	slices.SortFunc(keys, drift.Key.Compare)
	return slices.Compact(keys)
}

func (w *Watcher) rebaseOne(c baseline.Comparison, key drift.Key, commit *drift.Commit) error {
	var current *drift.Object
	if obj, ok := w.state.Objects[key]; ok {
		current = &obj
	}
	if current == nil && !slices.Contains(w.state.Seen, key.Kind) {
		return nil // never read: nothing is known to be missing
	}
	return w.shift(c, key, current, commit)
}

// pinned is the baseline.pinned event of a new baseline. It names the kinds
// that the last one held and this one does not: their drift closes with it.
func (w *Watcher) pinned(b *drift.Baseline, now time.Time) drift.Event {
	e := drift.Event{
		Time: now, Type: drift.BaselinePinned, Tenant: w.o.Tenant, TenantID: w.o.TenantID,
		Severity: drift.Medium, Reason: b.Reason, By: b.By, Digest: b.Digest.String(),
		Summary: fmt.Sprintf("%d objects are the baseline now, by %s: %s", len(b.Objects), drift.Visible(b.By), drift.Visible(b.Reason)),
	}
	var dropped []string
	for _, kind := range w.o.Kinds {
		if w.state.Baseline.Holds(kind) && !b.Holds(kind) {
			dropped = append(dropped, kind.Plural())
		}
	}
	if len(dropped) > 0 {
		e.Summary += "; no longer compared: " + strings.Join(dropped, ", ")
	}
	return e
}

// autoPin makes the first complete snapshot the baseline, when asked to.
func (a *assessor) autoPin() error {
	w := a.w
	if !w.o.AutoPin || w.o.BaselineDir != "" || w.state.Baseline != nil || !a.complete() {
		return nil
	}
	b := &drift.Baseline{
		Revision: w.state.Revision + 1, Pinned: a.now, By: "cadrift", Reason: "first complete snapshot, baseline.auto_pin",
		GraphVersion: w.o.GraphVersion, Objects: maps.Clone(a.next), Digest: baseline.Digest(a.next), Kinds: slices.Clone(w.o.Kinds),
	}
	a.out.commit.Baseline = b
	a.out.commit.Events = append(a.out.commit.Events, w.route(w.pinned(b, a.now), nil))
	return nil
}

// complete tells whether every watched kind has been read by now.
func (a *assessor) complete() bool {
	seen := a.w.state.Seen
	if a.out.commit.Seen != nil {
		seen = a.out.commit.Seen
	}
	return !slices.ContainsFunc(a.w.o.Kinds, func(k drift.Kind) bool {
		// Groups may be unreadable for good, and the baseline must not wait for them.
		return !slices.Contains(seen, k) && k != drift.Group
	})
}

// baselineForm is the baseline's form of one object, nil when it has none.
func (w *Watcher) baselineForm(key drift.Key) *drift.Object {
	if w.state.Baseline == nil {
		return nil
	}
	if obj, ok := w.state.Baseline.Objects[key]; ok {
		return &obj
	}
	return nil
}
