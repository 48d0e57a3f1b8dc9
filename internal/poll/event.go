package poll

import (
	"maps"
	"slices"

	"github.com/cadrift/cadrift/internal/beside"
	"github.com/cadrift/cadrift/internal/canon"
	"github.com/cadrift/cadrift/internal/diff"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/judge"
)

// pair links a creation to the absent object of the same name, and a deletion
// to the object that took its name: "deleted and made anew".
func (a *assessor) pair() {
	for i := range a.pending {
		c := &a.pending[i]
		switch c.action {
		case drift.Created:
			for key, obj := range a.w.state.Objects {
				_, absent := a.ev.absences[key]
				gone := slices.Contains(a.ev.deleted, key)
				if key.Kind == c.key.Kind && obj.Name == c.new.Name && (absent || gone) {
					c.related = key.ID
				}
			}
		case drift.Deleted:
			for key, obj := range a.next {
				if key.Kind == c.key.Kind && obj.Name == c.old.Name && obj.Created.After(c.old.Created) {
					c.related = key.ID
				}
			}
		}
	}
}

// event judges one change and words it. From is the old form with the guard's
// own writes in it; the patch leads from the form that was recorded.
func (a *assessor) event(c change, from *drift.Object) (drift.NewEvent, error) {
	changes, patch, err := diff.Objects(from.Form(), c.new.Form())
	if err == nil && from != c.old {
		_, patch, err = diff.Objects(c.old.Form(), c.new.Form())
	}
	if err != nil {
		return drift.NewEvent{}, err
	}
	world := a.theWorld()
	v := world.Judge(judge.Case{
		Old: from, New: c.new, Changes: changes,
		LastActing: a.lastActing(c), Baseline: a.w.baselineForm(c.key),
	})
	window := a.w.window(c.key.Kind, a.now)
	c.members = beside.Movers(c.key.Kind, changes)
	write := a.w.write(c, *window)
	others := a.w.waitingWrites(c.key)
	if c.action == drift.Updated && len(changes) == 0 {
		v = unseen(c.new, world.Acts(c.new))
		if undone, ok := a.w.undone(c, write, others); ok {
			v = undone
		}
	}
	actor, reason, spent := a.w.o.Beside.Actor(write, others)
	a.out.spent = append(a.out.spent, spent...)
	if actor != nil && actor.Kind == "microsoft" {
		v = judge.ByMicrosoft(v)
	}
	if c.action == drift.Restored {
		v.Summary = restoredSummary(c.new, v.Summary)
	}
	ref := c.ref()
	e := drift.Event{
		Time: a.now, Type: drift.DriftChanged, Window: window,
		Tenant: a.w.o.Tenant, TenantID: a.w.o.TenantID,
		Object: &ref, Action: c.action,
		Direction: new(v.Direction), Severity: v.Severity,
		LockoutRisk: new(v.Lockout), LockoutReasons: nonNil(v.Reasons),
		Summary: v.Summary, Changes: nonNil(v.Changes), Patch: patch,
		Affects: v.Affects, Related: c.related, Actor: actor, Reason: reason,
	}
	accuse(&e)
	a.w.expected(&e, c)
	told, err := a.reckon(c.key, ref, &e)
	if err != nil {
		return drift.NewEvent{}, err
	}
	return a.w.route(e, told), nil
}

// nonNil makes an absent list an empty one: the contract shows [] where
// nothing is to tell.
func nonNil[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// unseen is the verdict on a write that left no visible trace (detection law
// §1.5): put back, or a setting that Graph does not show in this version.
func unseen(obj *drift.Object, acts bool) drift.Verdict {
	v := drift.Verdict{
		Severity: drift.Low,
		Summary:  drift.Visible(obj.Name) + ": written, no visible change: put back, or a setting that Graph does not show",
	}
	if acts {
		v.Severity, v.Direction = drift.Medium, drift.Mixed
	}
	return v
}

func restoredSummary(obj *drift.Object, summary string) string {
	return summary + " (restored: back under its earlier id)"
}

// world is a snapshot as the judge sees it.
func (w *Watcher) world(objects map[drift.Key]drift.Object) *judge.World {
	return judge.NewWorld(maps.Values(objects), w.o.Emergency, w.o.Beside.Name)
}

// theWorld is the new snapshot as the judge sees it.
func (a *assessor) theWorld() *judge.World {
	if a.world == nil {
		a.world = a.w.world(a.next)
	}
	return a.world
}

// lastActing finds the form in which an object that begins to act acted last,
// so that a policy weakened while it was off is told as weaker.
func (a *assessor) lastActing(c change) *drift.Object {
	world := a.theWorld()
	if c.new == nil || a.w.o.Store == nil || world.Acts(c.old) || !world.Acts(c.new) {
		return nil
	}
	versions, err := a.w.o.Store.Versions(a.w.o.TenantID, c.key, historyLooks)
	if err != nil {
		a.w.o.Logger.Warn("last acting form unknown", "object", c.key.String(), "err", err)
		return nil
	}
	for _, v := range versions {
		if v.Object == nil {
			continue
		}
		if o := canon.Current(*v.Object); world.Acts(&o) {
			return &o
		}
	}
	return nil
}

// historyLooks bounds the search for the last acting form.
const historyLooks = 200
