package guard_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/guard"
	"github.com/cadrift/cadrift/internal/notify"
)

// undo takes a write back as a person's order does, right now.
func (r *rig) undo(written drift.Event) error {
	r.t.Helper()
	return r.watcher.Exclusive(context.Background(), func() error {
		r.guard.Preview(guard.Sight(r.watcher.Sight()))
		plan, err := r.guard.PlanUndo(written)
		if err != nil {
			return err
		}
		return r.guard.Undo(context.Background(), plan, guard.Order{Reason: "drill", By: "uid 0 (root)"})
	})
}

// An undo that takes an emergency exclusion from an acting policy is the edit
// that the law calls a lockout risk, whoever makes it; from one that does not
// act it is not.
func TestUndoIsALockoutRisk(t *testing.T) {
	for state, want := range map[string]struct {
		severity drift.Severity
		lockout  bool
	}{"enabled": {drift.Critical, true}, "enabledForReportingButNotEnforced": {drift.Medium, false}} {
		t.Run(state, func(t *testing.T) {
			inRig(t, guard.Enforce, writer, func(r *rig) {
				id := r.policy("CA001", everybody)
				r.must(r.admin.PatchPolicy(id, `{"state":"`+state+`"}`))
				r.open()
				r.passes(2)
				r.must(r.admin.PatchPolicy(id, withoutBG))
				r.passes(2)
				written := r.last(drift.GuardWritten)
				r.must(r.undo(written))
				e := r.last(drift.GuardWritten)
				if e.ID == written.ID || e.Severity != want.severity || e.Locks() != want.lockout || len(e.LockoutReasons) > 0 != want.lockout {
					t.Fatalf("got %s, lockout %v %q", e.Severity, e.Locks(), e.LockoutReasons)
				}
				if !e.Undoes() || written.Undoes() || e.About != written.ID || len(e.Added) != 0 || e.By != "uid 0 (root)" {
					t.Errorf("undo %v of %q, added %v, by %q", e.Undoes(), e.About, e.Added, e.By)
				}
				if written.Severity != drift.Medium || written.Locks() {
					t.Errorf("the write itself is %s, lockout %v", written.Severity, written.Locks())
				}
				deaf := []notify.Rule{{Receiver: "deaf", MinSeverity: drift.Critical, Directions: []drift.Direction{drift.Weaker}, Kinds: []drift.Kind{drift.NamedLocation}}}
				if got := len(notify.Route(deaf, &e, nil)) == 1; got != want.lockout {
					t.Errorf("passes every filter: %v, want %v", got, want.lockout)
				}
			})
		})
	}
}

// The drift that an undo opened says who ordered it.
func TestDriftOfAnUndoSaysByWhom(t *testing.T) {
	inRig(t, guard.Enforce, writer, func(r *rig) {
		id := r.policy("CA001", everybody)
		r.open()
		r.passes(2)
		r.must(r.admin.PatchPolicy(id, withoutBG))
		r.passes(2)
		r.must(r.undo(r.last(drift.GuardWritten)))
		for _, when := range []string{"at once", "after a pass"} {
			open := slices.Clone(r.watcher.Status().Findings)
			r.must(r.store.Attribute(open))
			undo := r.last(drift.GuardWritten).ID
			if len(open) != 1 || open[0].LastEvent != undo || open[0].AttributedBy != undo {
				t.Fatalf("%s: got %+v, want the drift of %s", when, open, undo)
			}
			if by := open[0].Actor.Words(); !strings.Contains(by, "uid 0 (root)") || !strings.Contains(by, "cadrift") {
				t.Errorf("%s: by %q", when, by)
			}
			r.passes(1)
		}
		state, err := r.store.Load(tenantID)
		r.must(err)
		for _, f := range state.Findings {
			if f.LastEvent != r.last(drift.GuardWritten).ID {
				t.Errorf("the store has %q", f.LastEvent)
			}
		}
	})
}

// Between a write and the next pass every order knows of the write: it can be
// taken back, put back and taken back again, and none of it is anybody's
// change when the pass sees it.
func TestOrdersKnowTheGuardsOwnWrites(t *testing.T) {
	inRig(t, guard.Enforce, writer, func(r *rig) {
		id := r.policy("CA001", everybody)
		r.open()
		r.passes(2)
		r.must(r.admin.PatchPolicy(id, withoutBG))
		r.passes(1) // sees the removal and writes
		if row := r.row(id); row.Verdict != guard.Covered || r.guard.Status().Missing != 0 {
			t.Errorf("right after the write: %+v", row)
		}
		r.must(r.undo(r.last(drift.GuardWritten)))
		if row := r.row(id); row.Verdict != guard.Exempt || strings.Contains(string(r.tenant.Body(drift.Policy, id)), first) {
			t.Errorf("right after the undo: %+v", row)
		}
		if wrote, _, left := r.apply(5); len(wrote) != 1 || len(left) != 0 || !strings.Contains(string(r.tenant.Body(drift.Policy, id)), first) {
			t.Errorf("right after the undo, apply wrote %v, left %+v", wrote, left)
		}
		r.must(r.undo(r.last(drift.GuardWritten)))
		before := len(r.events())
		r.passes(3)
		if n := len(r.events()); n != before || len(r.patches()) != 4 {
			t.Errorf("%d writes; the passes told %q", len(r.patches()), r.lines()[before-1:])
		}
		if open := r.watcher.Status().Findings; len(open) != 1 || !open[0].Lockout {
			t.Errorf("open drift: %+v", open)
		}
	})
}
