package guard_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/graphsim"
	"github.com/cadrift/cadrift/internal/guard"
)

// refusals is what the rule CadriftGuardRefused looks at.
func (r *rig) refusals() float64 {
	r.t.Helper()
	families, err := r.reg.Gather()
	r.must(err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "cadrift_guard_writes_total" && m.GetLabel()[0].GetValue() == "refused" {
				return m.GetCounter().GetValue()
			}
		}
	}
	r.t.Fatal("no cadrift_guard_writes_total")
	return 0
}

// A reading that the plan and the second check understand differently: nothing
// is written, it is told once, and tried anew when the policy is another one.
func TestSecondCheckStopsThePolicy(t *testing.T) {
	inRig(t, guard.Enforce, writer, func(r *rig) {
		id := r.policy("CA001", everyone)
		r.open()
		spoiled := 0
		r.sim.OnRequest(func(q *http.Request) *graphsim.Fault {
			if q.Method != http.MethodGet || !strings.HasSuffix(q.URL.Path, "/"+id) {
				return nil
			}
			return &graphsim.Fault{Edit: func(body map[string]any) {
				spoiled++
				body["conditions"].(map[string]any)["users"].(map[string]any)["excludeUsers"] = []any{nil}
			}}
		})
		r.passes(5)
		r.expect("guard.armed", "guard.refused")
		e := r.last(drift.GuardRefused)
		if spoiled == 0 || len(r.patches()) != 0 || r.refusals() != 1 || !strings.Contains(e.Reason, "second check") || e.Policy.ID != id {
			t.Errorf("%d readings spoiled, %d writes, %v refusals, %+v", spoiled, len(r.patches()), r.refusals(), e)
		}
		r.sim.OnRequest(nil)
		r.must(r.admin.PatchPolicy(id, `{"displayName":"CA001b"}`))
		r.passes(2)
		if len(r.patches()) != 1 {
			t.Error("the changed policy was not tried anew")
		}
	})
}

// A lost account is counted for as long as it is lost, also while nothing can
// be learned of the other one.
func TestLostAccountsStayCounted(t *testing.T) {
	inRig(t, guard.Show, writer, func(r *rig) {
		r.open()
		lost := func(when string, want float64) {
			t.Helper()
			if got := testutil.ToFloat64(gauge(t, r.reg, "cadrift_emergency_accounts_unusable")); got != want {
				t.Errorf("%s: %v accounts are lost, want %v", when, got, want)
			}
		}
		lost("before the first look", 0)
		r.passes(1)
		lost("both are there", 0)
		r.tenant.PutUser(graphsim.DirectoryUser{ID: first, PrincipalName: "bg1@contoso.example", Disabled: true})
		asked := 0
		r.sim.OnRequest(func(q *http.Request) *graphsim.Fault {
			if !strings.Contains(q.URL.Path, "/users/"+second) {
				return nil
			}
			asked++
			return graphsim.GraphError(403, "Authorization_RequestDenied", "no")
		})
		r.passes(6)
		if asked == 0 {
			t.Fatal("the second account was not asked for")
		}
		lost("one disabled, one unseen", 1)
		time.Sleep(48 * time.Hour)
		r.passes(1)
		lost("two days later", 1)
		r.tenant.PutUser(graphsim.DirectoryUser{ID: first, PrincipalName: "bg1@contoso.example"})
		r.passes(6)
		lost("put right", 0)
	})
}

// apply is guard apply as package app carries it out.
func (r *rig) apply(max int) (wrote []string, lifted, left []guard.Remark) {
	r.t.Helper()
	since := time.Now().UTC()
	r.must(r.watcher.Exclusive(context.Background(), func() (err error) {
		r.guard.Preview(guard.Sight(r.watcher.Sight()))
		lifted, err = r.guard.Amnesty(since)
		return err
	}))
	for done := false; !done && len(wrote) < max; {
		ref, last, err := r.guard.Apply(context.Background(), guard.Order{Reason: "lockout", By: "root"})
		r.must(err)
		if done = last; ref != nil {
			wrote = append(wrote, ref.Name)
		}
	}
	return wrote, lifted, r.guard.Unwritten(since, len(wrote) >= max)
}

// After a fight nobody writes until the day's budget is free, a person neither:
// it is said why and until when, the stop stays, and nobody is called again.
func TestApplyAfterAFight(t *testing.T) {
	inRig(t, guard.Enforce, writer, func(r *rig) {
		id := r.policy("CA001", everybody)
		r.policy("CA002", everybody)
		r.open()
		r.passes(2)
		for range 6 {
			r.must(r.admin.PatchPolicy(id, withoutBG))
			r.passes(2)
		}
		before := r.lines()
		wrote, lifted, left := r.apply(5)
		if len(wrote)+len(lifted) != 0 || len(left) != 1 || left[0].Object.ID != id ||
			!strings.Contains(left[0].Text, "a fight") || !strings.Contains(left[0].Text, "its budget of 3 writes a day is spent until 2000-01-02 00:") {
			t.Errorf("wrote %v, lifted %v, left %v", wrote, lifted, left)
		}
		if row := r.row(id); row.Verdict != guard.Missing || row.Reason != left[0].Text {
			t.Errorf("the plan says %+v", row)
		}
		if st := r.guard.Status(); len(st.Stops) != 1 || !strings.Contains(st.Stops[0], "is spent until") {
			t.Errorf("stops: %q", st.Stops)
		}
		r.passes(10)
		r.expect(before...)

		time.Sleep(25 * time.Hour)
		r.passes(1)
		if n := len(r.patches()); n != 3 {
			t.Fatalf("%d writes before anybody ended the fight", n)
		}
		wrote, lifted, left = r.apply(5)
		if fmt.Sprint(wrote) != "[CA001]" || len(lifted) != 1 || !strings.Contains(lifted[0].Text, "a fight") || len(left) != 0 {
			t.Errorf("a day later: wrote %v, lifted %v, left %v", wrote, lifted, left)
		}
	})
}

// What an order came to nothing for is named with the reason, and what merely
// waits for another order is not.
func TestUnwritten(t *testing.T) {
	inRig(t, guard.Show, writer, func(r *rig) {
		for i := range 4 {
			r.policy(fmt.Sprintf("CA%d", i), everyone)
		}
		r.open()
		r.passes(1)
		if wrote, _, left := r.apply(1); len(wrote) != 1 || len(left) != 0 {
			t.Errorf("--max 1 of 4: wrote %v, left %v", wrote, left)
		}
		r.passes(1)
		broken := 0
		r.sim.OnRequest(func(q *http.Request) *graphsim.Fault {
			if q.Method != http.MethodPatch {
				return nil
			}
			broken++
			return graphsim.GraphError(409, "Conflict", "somebody else was faster")
		})
		wrote, _, left := r.apply(2)
		if broken == 0 || len(wrote) != 0 || len(left) != 3 || !strings.Contains(left[0].Text, "somebody else was faster") {
			t.Errorf("%d PATCHes refused: wrote %v, left %v", broken, wrote, left)
		}
	})
}

// The plan of a guard whose hour is spent says so.
func TestPlanTellsOfASpentHour(t *testing.T) {
	inRig(t, guard.Enforce, writer, func(r *rig) {
		r.settings.PerHour = 1
		r.policy("CA0", everyone)
		r.open()
		r.passes(2)
		if st := r.guard.Status(); st.Stopped {
			t.Errorf("nothing waits, and it is stopped: %q", st.Stops)
		}
		r.policy("CA1", everyone)
		r.passes(2)
		if st := r.guard.Status(); len(st.Stops) != 1 || st.Stops[0] != "the hour's budget of 1 write is spent" {
			t.Errorf("stops: %q", st.Stops)
		}
	})
}
