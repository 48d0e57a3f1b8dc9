package poll

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/judge"
)

// stalePasses is how many passes an object may be held whose modifiedDateTime
// went back, before Graph's answer is taken (detection law §1.4).
const stalePasses = 2

// assessment is what a pass makes of its readings: the commit, and what stays
// in memory only. Building one changes nothing.
type assessment struct {
	commit drift.Commit
	// stale counts, per object, the passes for which it was held; renewed are
	// objects whose bytes moved without a change, remembered for gate 1.
	stale   map[drift.Key]int
	renewed []drift.Object
	// unsettled are kinds that must be looked at again even if the next
	// listing has the same bytes.
	unsettled map[drift.Kind]bool
	// inconsistent names objects whose older form was taken in the end.
	inconsistent []drift.Ref
	// tell and recovered are blind spots that the commit announces.
	tell      []*condition
	recovered []drift.Reason
	// spent are the audit records that events of this commit name actors by.
	spent []string
}

// assessor builds an assessment.
type assessor struct {
	w   *Watcher
	now time.Time
	// next is the state's objects as they will be; world is made from it on
	// first use, since most passes judge nothing.
	next   map[drift.Key]drift.Object
	world  *judge.World
	ev     evidence
	silent map[drift.Kind]bool
	// pending are changes to judge once next is complete: a verdict must see
	// the whole new snapshot, not the part of it read so far.
	pending []change
	// baseline is the one to compare with: the state's, or what a roll-out
	// made of it.
	baseline *drift.Baseline
	out      assessment
}

// change is one object's move from old to new; nil is absent.
type change struct {
	key      drift.Key
	action   drift.Action
	old, new *drift.Object
	related  string
	// members are, of a group, those who joined or left.
	members []string
}

// ref names the object by its newest form.
func (c change) ref() drift.Ref {
	if c.new != nil {
		return c.new.Ref
	}
	return c.old.Ref
}

// assess turns readings and evidence into an assessment.
func (w *Watcher) assess(readings []reading, ev evidence, now time.Time) (assessment, error) {
	a := &assessor{
		w: w, now: now, ev: ev,
		next: w.state.Objects, baseline: w.state.Baseline,
		silent: map[drift.Kind]bool{},
		out: assessment{
			commit:    drift.Commit{TenantID: w.o.TenantID, Time: now},
			stale:     map[drift.Key]int{},
			unsettled: map[drift.Kind]bool{},
		},
	}
	a.firstSights(readings)
	for i := range readings {
		if readings[i].good() && !readings[i].same {
			a.listed(&readings[i])
			a.dropped(&readings[i])
		}
	}
	a.unlisted(readings)
	a.build()
	if err := a.judge(); err != nil {
		return assessment{}, err
	}
	if !maps.Equal(ev.absences, w.state.Absences) {
		a.out.commit.Absences = ev.absences
	}
	return a.out, nil
}

// firstSights finds the kinds that are recorded without events: those never
// read before, and all of them after the Graph version was changed. A kind that
// cannot be read keeps the others waiting for nothing: each of them is silent
// in its own first reading.
func (a *assessor) firstSights(readings []reading) {
	w := a.w
	first := w.state.GraphVersion == ""
	moved := !first && w.state.GraphVersion != w.o.GraphVersion
	some := false
	seen := slices.Clone(w.state.Seen)
	for i := range readings {
		r := &readings[i]
		if !r.good() {
			continue
		}
		some = true
		if !slices.Contains(seen, r.kind) {
			seen = append(seen, r.kind)
			a.silent[r.kind] = true
		}
		if moved && w.readAt[r.kind].IsZero() {
			a.silent[r.kind] = true
		}
	}
	if len(seen) != len(w.state.Seen) {
		a.out.commit.Seen = seen
	}
	if first && some || moved && allGood(readings) {
		a.out.commit.GraphVersion = w.o.GraphVersion
	}
}

func allGood(readings []reading) bool {
	return !slices.ContainsFunc(readings, func(r reading) bool { return !r.good() })
}

// listed compares the objects of one complete listing with the state.
func (a *assessor) listed(r *reading) {
	for _, id := range slices.Sorted(maps.Keys(r.objects)) {
		obj := r.objects[id]
		key := obj.Key()
		if !obj.Deleted.IsZero() || a.ev.ghosts[key] {
			a.out.unsettled[r.kind] = a.out.unsettled[r.kind] || a.ev.ghosts[key]
			continue
		}
		if again, ok := a.ev.found[key]; ok {
			obj = again
		}
		a.compare(obj)
	}
}

// dropped forgets the groups that no enforced policy excludes any more: they
// did not change, and nobody was exempted by them.
func (a *assessor) dropped(r *reading) {
	if r.asked == nil {
		return
	}
	for _, key := range slices.SortedFunc(maps.Keys(a.w.state.Objects), drift.Key.Compare) {
		if key.Kind == r.kind && !r.asked[key.ID] {
			a.out.commit.Gone = append(a.out.commit.Gone, key)
		}
	}
}

// unlisted handles objects that only GET by id returned, and the confirmed
// deletions.
func (a *assessor) unlisted(readings []reading) {
	for _, key := range slices.SortedFunc(maps.Keys(a.ev.found), drift.Key.Compare) {
		if _, absent := a.ev.absences[key]; absent {
			a.compare(a.ev.found[key])
		}
	}
	for _, key := range a.ev.deleted {
		old, ok := a.w.state.Objects[key]
		if !ok || slices.Contains(a.out.commit.Gone, key) {
			continue
		}
		a.out.commit.Gone = append(a.out.commit.Gone, key)
		if !a.silent[key.Kind] {
			a.pending = append(a.pending, change{key: key, action: drift.Deleted, old: &old})
		}
	}
}

// compare is gate 2 and what lies behind it, for one object that is there.
//
//	known  written     canonical  then
//	no     –           –          created, or restored when history knows the id
//	yes    went back   –          held for two passes, then taken
//	yes    the same    equal      nothing (bytes are remembered for gate 1)
//	yes    moved on    equal      written, no visible change
//	yes    any         differs    updated
func (a *assessor) compare(obj drift.Object) {
	key := obj.Key()
	old, known := a.w.state.Objects[key]
	if !known && key.Kind == drift.Group {
		// A policy began to exclude it, and that policy's event says so.
		a.out.commit.Put = append(a.out.commit.Put, obj)
		return
	}
	if !known {
		a.put(obj, change{key: key, action: a.createdOrRestored(key), new: &obj})
		return
	}
	if obj.Written().Before(old.Written()) {
		held := a.w.stale[key] + 1
		a.out.unsettled[key.Kind] = true
		if held <= stalePasses {
			a.out.stale[key] = held
			return
		}
		a.out.inconsistent = append(a.out.inconsistent, obj.Ref)
	}
	switch {
	case obj.Digest != old.Digest, !obj.Written().Equal(old.Written()):
		a.put(obj, change{key: key, action: drift.Updated, old: &old, new: &obj})
	default:
		a.out.renewed = append(a.out.renewed, obj)
	}
}

func (a *assessor) createdOrRestored(key drift.Key) drift.Action {
	if !a.silent[key.Kind] && a.w.existed(key) {
		return drift.Restored
	}
	return drift.Created
}

func (a *assessor) put(obj drift.Object, c change) {
	a.out.commit.Put = append(a.out.commit.Put, obj)
	if !a.silent[c.key.Kind] {
		a.pending = append(a.pending, c)
	}
}

// build makes the new snapshot, once something moved.
func (a *assessor) build() {
	if len(a.out.commit.Put) == 0 && len(a.out.commit.Gone) == 0 {
		return
	}
	a.next = maps.Clone(a.w.state.Objects)
	if a.next == nil {
		a.next = map[drift.Key]drift.Object{}
	}
	for _, obj := range a.out.commit.Put {
		a.next[obj.Key()] = obj
	}
	for _, key := range a.out.commit.Gone {
		delete(a.next, key)
	}
}

// judge turns the pending changes into events and findings.
func (a *assessor) judge() error {
	if len(a.out.commit.Put) == 0 && len(a.out.commit.Gone) == 0 {
		return nil
	}
	if err := a.rollOuts(); err != nil {
		return err
	}
	a.pair()
	bears := false
	for _, c := range a.pending {
		bears = bears || judge.Bears(c.key.Kind)
		from, own := a.ours(c)
		if own {
			continue // told by guard.written, when it was written
		}
		ev, err := a.event(c, from)
		if err != nil {
			return fmt.Errorf("assess %s: %w", c.key, err)
		}
		a.out.commit.Events = append(a.out.commit.Events, ev)
	}
	if err := a.reckonSilently(bears); err != nil {
		return err
	}
	if err := a.autoPin(); err != nil {
		return err
	}
	return nil
}

// sortEvents puts the most severe first: chat messages and the chain keep that
// order.
func sortEvents(events []drift.NewEvent) {
	slices.SortStableFunc(events, func(x, y drift.NewEvent) int {
		return cmp.Or(
			-cmp.Compare(x.Loudest(), y.Loudest()),
			compareObjects(x.Object, y.Object),
		)
	})
}

// compareObjects orders by name, as people look for it; events about no object
// come last.
func compareObjects(x, y *drift.Ref) int {
	switch {
	case x == nil && y == nil:
		return 0
	case x == nil:
		return 1
	case y == nil:
		return -1
	}
	return cmp.Or(cmp.Compare(x.Name, y.Name), x.Key().Compare(y.Key()))
}
