package poll

import (
	"cmp"
	"maps"
	"slices"

	"github.com/cadrift/cadrift/internal/baseline"
	"github.com/cadrift/cadrift/internal/drift"
)

// reckon updates the finding of one changed object and the event's drift
// fields. It returns who was told of the drift so far.
func (a *assessor) reckon(key drift.Key, ref drift.Ref, e *drift.Event) (told []string, err error) {
	var old *drift.Finding
	if f, ok := a.w.state.Findings[key]; ok {
		old, told = &f, f.Told
	}
	f, err := a.comparison().Finding(key, a.current(key))
	if err != nil {
		return nil, err
	}
	s := baseline.Step(old, f)
	baseline.Fill(e, s, f)
	switch s {
	case drift.DriftResolved:
		a.out.commit.Closed = append(a.out.commit.Closed, key)
	case drift.DriftOpened, drift.DriftUpdated:
		cover(old, f, e)
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

func (a *assessor) comparison() baseline.Comparison {
	return baseline.Comparison{Tenant: a.w.o.Tenant, GraphVersion: a.w.o.GraphVersion, Baseline: a.baseline, World: a.theWorld, Now: a.now}
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
	return a.w.shift(a.comparison(), key, a.current(key), &a.out.commit)
}

// shift puts into the commit what became of one finding whose object did not
// change; current is the object's form. Opening and closing are told as drift
// with cause "baseline". A new verdict alone is recorded: the event of whatever
// caused it (a location became trusted) names the affected policies.
func (w *Watcher) shift(c baseline.Comparison, key drift.Key, current *drift.Object, commit *drift.Commit) error {
	f, err := c.Finding(key, current)
	if err != nil {
		return err
	}
	var old *drift.Finding
	var told []string
	if o, ok := w.state.Findings[key]; ok {
		old, told = &o, o.Told
	}
	s := baseline.Step(old, f)
	if s == drift.DriftNone || s == drift.DriftUpdated && baseline.SameVerdict(old, f) {
		return nil
	}
	e := drift.Event{
		Time: c.Now, Type: drift.DriftChanged, Cause: "baseline",
		Tenant: w.o.Tenant, TenantID: w.o.TenantID,
		Direction: new(drift.Neutral), Severity: drift.Low,
	}
	baseline.Fill(&e, s, f)
	if s == drift.DriftResolved {
		e.Object = &old.Object
		e.Summary = drift.Visible(old.Object.Name) + ": " + c.Closing(key, current)
		commit.Closed = append(commit.Closed, key)
		commit.Events = append(commit.Events, w.route(e, told))
		return nil
	}
	e.Object = &f.Object
	e.Summary = f.Summary + " (against the baseline)"
	e.Changes = f.Changes
	ne := w.route(e, told)
	f.Told = union(told, ne.Receivers)
	commit.Findings = append(commit.Findings, *f)
	if s == drift.DriftOpened || !baseline.SamePatch(old.BaselinePatch, f.BaselinePatch) {
		commit.Events = append(commit.Events, ne)
	}
	return nil
}

// union is both lists as one sorted set.
func union[T cmp.Ordered](a, b []T) []T {
	out := slices.Concat(a, b)
	slices.Sort(out)
	return slices.Compact(out)
}
