package guard_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/graphsim"
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
		r.robbed()
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
		id := r.robbed()
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
		if e := r.last(drift.GuardWritten); e.About != "" || strings.Contains(e.Summary, "taken away by") {
			t.Errorf("an undo is blamed on somebody: %q, %q", e.Summary, e.About)
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

// unread makes every read-back fail until the next pass; it returns how many
// did.
func (r *rig) unread() (failed *int) {
	failed = new(int)
	patched := false
	r.sim.OnRequest(func(q *http.Request) *graphsim.Fault {
		switch one := strings.Contains(q.URL.Path, "/conditionalAccess/policies/"); {
		case q.Method == http.MethodPatch:
			patched = true
		case one && patched:
			*failed++
			return graphsim.GraphError(404, "NotFound", "a replica that is behind")
		case !one:
			patched = false
		}
		return nil
	})
	return failed
}

// A write that nobody has seen yet, not even its read-back, is not taken back
// and not put back blindly: the order says that it has not been seen, and is no
// success. The next pass clears it.
func TestOrdersAfterAnUnseenWrite(t *testing.T) {
	inRig(t, guard.Enforce, writer, func(r *rig) {
		id := r.robbed()
		failed := r.unread()
		r.passes(1)
		written := r.last(drift.GuardWritten)
		unseen := func(when string) {
			if row := r.row(id); *failed == 0 || row.Verdict != guard.Missing || !strings.Contains(row.Reason, "not seen by a pass yet") || r.guard.Status().Missing != 1 {
				t.Errorf("%s, %d read-backs failed: %+v", when, *failed, row)
			}
		}
		unseen("after the write")
		if err := r.undo(written); !errors.Is(err, guard.ErrNot) || !strings.Contains(err.Error(), "not seen by a pass yet") {
			t.Errorf("undo: %v", err)
		}
		unseen("a refused undo exempts nothing")
		r.passes(1)
		if row := r.row(id); row.Verdict != guard.Covered {
			t.Fatalf("a pass later: %+v", row)
		}

		*failed = 0
		r.must(r.undo(written))
		if row := r.row(id); *failed == 0 || row.Verdict != guard.Exempt {
			t.Errorf("after the undo, %d read-backs failed: %+v", *failed, row)
		}
		wrote, lifted, left := r.apply(5)
		if len(wrote) != 0 || len(lifted) != 1 || len(left) != 1 || !strings.Contains(left[0].Text, "taken away at") {
			t.Errorf("apply after the undo: wrote %v, lifted %v, left %+v", wrote, lifted, left)
		}
		unseen("after the undo")
		r.passes(2)
		if row := r.row(id); row.Verdict != guard.Covered {
			t.Errorf("the pass does not put back what apply could not: %+v", row)
		}
	})
}

// Replicas that are behind by minutes make nothing of the guard's own writes
// look like somebody's change, however fast they follow each other.
func TestOrdersOnReplicasThatAreBehind(t *testing.T) {
	inRig(t, guard.Enforce, writer, func(r *rig) {
		id := r.robbed()
		r.passes(1)
		refused := 0
		for range 12 {
			r.tenant.Tune(func(b *graphsim.Behaviour) { b.Lag, b.StaleChance = 100*time.Second, 0.5 })
			if err := r.undo(r.last(drift.GuardWritten)); errors.Is(err, guard.ErrNot) {
				refused++
			} else {
				r.must(err)
				r.apply(1)
			}
			r.passes(1)
		}
		r.tenant.Tune(func(b *graphsim.Behaviour) { b.Lag = 0 })
		r.passes(4)
		if n := len(r.patches()); n < 4 || refused == 0 {
			t.Fatalf("%d writes, %d orders refused: the test shows nothing", n, refused)
		}
		theirs := slices.DeleteFunc(r.events(), func(e drift.Event) bool { return e.Type != drift.DriftChanged || e.Cause != "" })
		if len(theirs) != 1 {
			t.Errorf("%d changes were told, one was made: %q", len(theirs), r.lines())
		}
		if wrong := strings.Contains(string(r.tenant.Body(drift.Policy, id)), first) != (r.row(id).Verdict == guard.Covered); wrong {
			t.Errorf("the plan says %+v, and the policy is %s", r.row(id), r.tenant.Body(drift.Policy, id))
		}
	})
}

// A reading from before an undo does not prove it.
func TestUndoIsNotProvenByAnOldReading(t *testing.T) {
	inRig(t, guard.Enforce, writer, func(r *rig) {
		replicas := func(stale float64) func(*graphsim.Behaviour) {
			return func(b *graphsim.Behaviour) { b.Lag, b.StaleChance = 90*time.Second, stale }
		}
		r.tenant.Tune(replicas(1e-12))
		id := r.robbed()
		r.passes(1)
		r.must(r.undo(r.last(drift.GuardWritten)))
		told := len(r.events())
		r.tenant.Tune(replicas(1))
		for _, reading := range []string{"old", "new"} {
			r.passes(1)
			if row := r.row(id); row.Verdict != guard.Exempt {
				t.Errorf("the %s reading: %+v", reading, row)
			}
			r.tenant.Tune(replicas(1e-12))
		}
		if n := len(r.events()); n != told {
			t.Errorf("told besides: %q", r.lines()[told-1:])
		}
	})
}
