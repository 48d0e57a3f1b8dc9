package poll

import (
	"strings"
	"time"

	"github.com/cadrift/cadrift/internal/beside"
	"github.com/cadrift/cadrift/internal/diff"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/judge"
	"github.com/cadrift/cadrift/internal/store"
)

// undone judges a write that left no trace by the form that the audit log
// holds of it: changed and put back between two readings (detection law §1.5).
func (w *Watcher) undone(c change, write beside.Write, others []beside.Write) (drift.Verdict, bool) {
	if c.old == nil || c.new == nil || c.old.Digest != c.new.Digest {
		return drift.Verdict{}, false
	}
	var world *judge.World
	var base *drift.Object
	var worst drift.Verdict
	for _, step := range w.o.Beside.Steps(write, others) {
		if base == nil {
			base = step.Old
		}
		if base == nil || step.New == nil || base.Digest == step.New.Digest {
			continue
		}
		changes, _, err := diff.Objects(base.Canonical, step.New.Canonical)
		if err != nil {
			continue
		}
		if world == nil {
			world = w.world(w.state.Objects)
		}
		if v := world.Judge(judge.Case{Old: base, New: step.New, Changes: changes}); v.Severity > worst.Severity {
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
	for _, p := range w.o.Beside.Passages() {
		if w.knows(p.Key) {
			continue
		}
		changes, _, err := diff.Objects(nil, p.Form.Canonical)
		if err != nil {
			continue
		}
		v := w.world(w.state.Objects).Judge(judge.Case{New: p.Form, Changes: changes})
		spent = append(spent, p.Records...)
		e := drift.Event{
			Time: now, Type: drift.DriftChanged, Window: &p.Window,
			Tenant: w.o.Tenant, TenantID: w.o.TenantID, Object: &p.Form.Ref, Action: drift.Deleted,
			Direction: new(drift.Mixed), Severity: v.Severity, LockoutRisk: new(v.Lockout), LockoutReasons: nonNil(v.Reasons),
			Summary: "created and deleted between two readings: " + v.Summary, Changes: []drift.Change{},
			Drift: drift.DriftNone, Actor: p.Actor,
		}
		accuse(&e)
		events = append(events, w.route(e, nil))
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
