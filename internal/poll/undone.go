package poll

import (
	"maps"
	"strings"
	"time"

	"github.com/cadrift/cadrift/internal/diff"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/judge"
	"github.com/cadrift/cadrift/internal/store"
)

// undone judges a write that left no trace by the form that the audit log
// holds of it: changed and put back between two readings (detection law §1.5).
// Bodies of the log are compared with each other only, since the log writes
// them in a manner of its own.
func (w *Watcher) undone(c change, window drift.Window) (drift.Verdict, bool) {
	if c.old == nil || c.new == nil || c.old.Digest != c.new.Digest {
		return drift.Verdict{}, false
	}
	var world *judge.World
	var base *drift.Object
	var worst drift.Verdict
	for _, r := range w.written(c, window) {
		old, new := loggedForm(c.key, r.Old), loggedForm(c.key, r.New)
		if base == nil {
			base = old
		}
		if base == nil || new == nil || base.Digest == new.Digest {
			continue
		}
		changes, _, err := diff.Objects(base.Canonical, new.Canonical)
		if err != nil {
			continue
		}
		if world == nil {
			world = judge.NewWorld(maps.Values(w.state.Objects), w.o.Emergency, w.o.Names)
		}
		if v := world.Judge(judge.Case{Old: base, New: new, Changes: changes}); v.Severity > worst.Severity {
			worst = v
		}
	}
	if worst.Severity == drift.Info {
		return drift.Verdict{}, false
	}
	name := drift.Visible(c.new.Name) + ": "
	return drift.Verdict{
		Direction: drift.Mixed, Severity: worst.Severity, Lockout: worst.Lockout, Reasons: worst.Reasons,
		Summary: name + "changed and put back between two readings: " + strings.TrimPrefix(worst.Summary, name),
	}, true
}

// passing finds objects that came and went between two readings, so that no
// listing ever showed them: a policy that lets nobody in, on for a minute. The
// history keeps one from being told again after a restart.
func (w *Watcher) passing(now time.Time) (events []drift.NewEvent, spent []string) {
	for id, add := range w.audits.records {
		kind, ok := kindOf(add.Activity)
		key := drift.Key{Kind: kind, ID: add.Target}
		form := loggedForm(key, add.New)
		if !ok || form == nil || w.audits.spent[id] || !strings.HasPrefix(add.Activity, "add ") || w.knows(key) {
			continue
		}
		gone := w.deletion(add)
		if gone == nil {
			continue
		}
		world := judge.NewWorld(maps.Values(w.state.Objects), w.o.Emergency, w.o.Names)
		changes, _, err := diff.Objects(nil, form.Canonical)
		if err != nil {
			continue
		}
		v := world.Judge(judge.Case{New: form, Changes: changes})
		spent = append(spent, id, gone.ID)
		events = append(events, w.route(drift.Event{
			Time: now, Type: drift.DriftChanged, Window: &drift.Window{From: add.Time, To: gone.Time},
			Tenant: w.o.Tenant, TenantID: w.o.TenantID, Object: &form.Ref, Action: drift.Deleted,
			Direction: new(drift.Mixed), Severity: v.Severity, LockoutRisk: new(v.Lockout), LockoutReasons: nonNil(v.Reasons),
			Summary: "created and deleted between two readings: " + v.Summary, Changes: []drift.Change{},
			Drift: drift.DriftNone, Actor: w.actor(add),
		}, nil))
	}
	return events, spent
}

// knows tells whether an object was ever seen, or told of.
func (w *Watcher) knows(key drift.Key) bool {
	if _, there := w.state.Objects[key]; there || w.o.Store == nil || w.existed(key) {
		return true
	}
	events, _, err := w.o.Store.Events(store.EventQuery{TenantID: w.o.TenantID, ObjectID: key.ID, Limit: 1})
	return err != nil || len(events) > 0
}
