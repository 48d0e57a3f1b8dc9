package guard_test

import (
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
