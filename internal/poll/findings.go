package poll

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/cadrift/cadrift/internal/diff"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/judge"
)

// reckoner compares objects with a baseline: what is open, what opens, moves
// and closes. It is pure.
type reckoner struct {
	tenant   string
	version  string // of Graph, that objects are read through now
	baseline *drift.Baseline
	world    func() *judge.World
	now      time.Time
}

// finding is the drift of one object from the baseline, nil when there is
// none. An object of a kind that the baseline holds and that it lacks is
// drift, and so is one that is missing.
func (r reckoner) finding(key drift.Key, current *drift.Object) (*drift.Finding, error) {
	if !r.baseline.Holds(key.Kind) {
		return nil, nil
	}
	var base *drift.Object
	if obj, ok := r.baseline.Objects[key]; ok {
		base = &obj
	}
	if key.Kind == drift.Group && (base == nil || current == nil) {
		return nil, nil // which groups are watched follows from the policies, and is their drift
	}
	if base == nil && current == nil || base != nil && current != nil && base.Digest == current.Digest {
		return nil, nil
	}
	if base != nil && current != nil && r.baseline.GraphVersion != "" && r.baseline.GraphVersion != r.version {
		if base, current = shared(r.baseline.GraphVersion, base, current); base.Digest == current.Digest {
			return nil, nil
		}
	}
	changes, patch, err := diff.Objects(canonical(base), canonical(current))
	if err != nil {
		return nil, err
	}
	if key.Kind == drift.Policy && base != nil && current != nil && r.world().OnlyExcuses(changes) {
		return nil, nil // as the guard writes: no drift, and never opened
	}
	v := r.world().Judge(judge.Case{Old: base, New: current, Changes: changes})
	ref := drift.Ref{Kind: key.Kind, ID: key.ID}
	if current != nil {
		ref.Name = current.Name
	} else {
		ref.Name = base.Name
	}
	return &drift.Finding{
		Tenant: r.tenant, Object: ref, Since: r.now,
		Direction: v.Direction, Severity: v.Severity, Lockout: v.Lockout,
		Summary: v.Summary, Changes: nonNil(v.Changes), BaselinePatch: patch,
	}, nil
}

// step says what became of a finding. Opened keeps now as its beginning;
// updated keeps the beginning and who was told, and ends an acknowledgement,
// which is for exactly one form.
func step(old, new *drift.Finding) drift.DriftStep {
	switch {
	case old == nil && new == nil:
		return drift.DriftNone
	case old == nil:
		return drift.DriftOpened
	case new == nil:
		return drift.DriftResolved
	}
	new.Since, new.Told = old.Since, old.Told
	if samePatch(old.BaselinePatch, new.BaselinePatch) {
		new.Ack, new.LastEvent = old.Ack, old.LastEvent
	}
	return drift.DriftUpdated
}

func samePatch(a, b drift.Patch) bool {
	return slices.EqualFunc(a, b, func(x, y drift.PatchOp) bool {
		return x.Op == y.Op && x.Path == y.Path && bytes.Equal(x.Value, y.Value)
	})
}

// fill writes the drift fields of an event.
func fill(e *drift.Event, s drift.DriftStep, f *drift.Finding) {
	e.Drift = s
	switch s {
	case drift.DriftNone:
	case drift.DriftResolved:
		e.DriftDirection, e.DriftSeverity = new(drift.Neutral), new(drift.Low)
	default:
		e.DriftDirection, e.DriftSeverity = new(f.Direction), new(f.Severity)
		e.BaselinePatch = f.BaselinePatch
	}
}

// reckon updates the finding of one changed object and the event's drift
// fields. It returns who was told of the drift so far.
func (a *assessor) reckon(key drift.Key, ref drift.Ref, e *drift.Event) (told []string, err error) {
	var old *drift.Finding
	if f, ok := a.w.state.Findings[key]; ok {
		old, told = &f, f.Told
	}
	f, err := a.reckoner().finding(key, a.current(key))
	if err != nil {
		return nil, err
	}
	s := step(old, f)
	fill(e, s, f)
	switch s {
	case drift.DriftResolved:
		a.out.commit.Closed = append(a.out.commit.Closed, key)
	case drift.DriftOpened, drift.DriftUpdated:
		ne := a.w.route(*e, told)
		f.Told = union(told, ne.Receivers)
		a.out.commit.Findings = append(a.out.commit.Findings, *f)
	}
	return told, nil
}

func (a *assessor) current(key drift.Key) *drift.Object {
	if obj, ok := a.next[key]; ok {
		return &obj
	}
	return nil
}

func (a *assessor) reckoner() reckoner {
	return reckoner{tenant: a.w.o.Tenant, version: a.w.o.GraphVersion, baseline: a.baseline, world: a.theWorld, now: a.now}
}

// reckonSilently brings findings up to date that no event of this pass speaks
// of: those of objects recorded without events, and, when something changed
// on which other verdicts rest (a location became trusted), the verdicts of
// all open ones.
func (a *assessor) reckonSilently(bears bool) error {
	done := map[drift.Key]bool{}
	for _, c := range a.pending {
		done[c.key] = true
	}
	var keys []drift.Key
	for _, obj := range a.out.commit.Put {
		keys = append(keys, obj.Key())
	}
	keys = append(keys, a.out.commit.Gone...)
	keys = append(keys, a.awaited()...)
	if bears {
		keys = slices.AppendSeq(keys, maps.Keys(a.w.state.Findings))
	}
	slices.SortFunc(keys, drift.Key.Compare)
	for _, key := range slices.Compact(keys) {
		if done[key] {
			continue
		}
		if err := a.reckonOne(key); err != nil {
			return err
		}
	}
	return nil
}

// awaited are the baseline's objects of kinds that were read for the first
// time: until then nothing could be said to be missing.
func (a *assessor) awaited() []drift.Key {
	b := a.w.state.Baseline
	if b == nil {
		return nil
	}
	var keys []drift.Key
	for key := range b.Objects {
		if a.silent[key.Kind] {
			keys = append(keys, key)
		}
	}
	return keys
}

func (a *assessor) reckonOne(key drift.Key) error {
	f, err := a.reckoner().finding(key, a.current(key))
	if err != nil {
		return err
	}
	a.w.shift(key, f, a.now, &a.out.commit)
	return nil
}

// shift puts into the commit what became of one finding without its object
// changing. Opening and closing are told as drift with cause "baseline"; a new
// verdict alone is recorded: the event of whatever caused it (a location
// became trusted) names the affected policies.
func (w *Watcher) shift(key drift.Key, f *drift.Finding, now time.Time, commit *drift.Commit) {
	var old *drift.Finding
	var told []string
	if o, ok := w.state.Findings[key]; ok {
		old, told = &o, o.Told
	}
	s := step(old, f)
	if s == drift.DriftNone || s == drift.DriftUpdated && sameVerdict(old, f) {
		return
	}
	e := drift.Event{
		Time: now, Type: drift.DriftChanged, Cause: "baseline",
		Tenant: w.o.Tenant, TenantID: w.o.TenantID,
		Direction: new(drift.Neutral), Severity: drift.Low,
	}
	fill(&e, s, f)
	if s == drift.DriftResolved {
		e.Object = &old.Object
		e.Summary = drift.Visible(old.Object.Name) + ": matches the baseline"
		commit.Closed = append(commit.Closed, key)
		commit.Events = append(commit.Events, w.route(e, told))
		return
	}
	e.Object = &f.Object
	e.Summary = f.Summary + " (against the baseline)"
	e.Changes = f.Changes
	ne := w.route(e, told)
	f.Told = union(told, ne.Receivers)
	commit.Findings = append(commit.Findings, *f)
	if s == drift.DriftOpened || !samePatch(old.BaselinePatch, f.BaselinePatch) {
		commit.Events = append(commit.Events, ne)
	}
}

func sameVerdict(a, b *drift.Finding) bool {
	return a.Direction == b.Direction && a.Severity == b.Severity && a.Lockout == b.Lockout &&
		a.Summary == b.Summary && samePatch(a.BaselinePatch, b.BaselinePatch)
}

// union is both lists as one sorted set.
func union[T cmp.Ordered](a, b []T) []T {
	out := slices.Concat(a, b)
	slices.Sort(out)
	return slices.Compact(out)
}
