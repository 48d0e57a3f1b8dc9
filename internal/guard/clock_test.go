package guard_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/graphsim"
	"github.com/cadrift/cadrift/internal/guard"
)

// graphsTime is a tenant whose clock is away from ours.
type graphsTime struct {
	http.RoundTripper
	away *time.Duration
}

func (g graphsTime) RoundTrip(q *http.Request) (*http.Response, error) {
	resp, err := g.RoundTripper.RoundTrip(q)
	if err == nil {
		resp.Header.Set("Date", time.Now().Add(*g.away).UTC().Format(http.TimeFormat))
	}
	return resp, err
}

// A clock that is not Graph's pays for no budget and ends no hold: nothing is
// written until they agree.
func TestWrongClockStopsWrites(t *testing.T) {
	inRig(t, guard.Enforce, writer, func(r *rig) {
		away := -25 * time.Hour
		r.transport = graphsTime{r.sim, &away}
		r.settings.Hold = 24 * time.Hour
		r.policy("CA001", everyone)
		time.Sleep(48 * time.Hour)
		r.open()
		time.Sleep(25 * time.Hour) // the hold is over, says our clock
		r.passes(3)
		st := r.guard.Status()
		if n := len(r.patches()); n != 0 || !st.Stopped || !strings.Contains(strings.Join(st.Stops, ";"), "25h0m0s ahead of Graph's") {
			t.Errorf("%d writes, stops %q", n, st.Stops)
		}
		away = 2 * time.Second
		r.passes(3)
		if n := len(r.patches()); n != 1 {
			t.Errorf("%d writes with the right clock, want 1", n)
		}
	})
}

// The clock was two days ahead when the process died in the middle of a write,
// and is right when it starts anew: the outcome is found out, not waited for
// until the old time comes again, and the budget of the hour still counts.
func TestClockSetBackOverARestart(t *testing.T) {
	var r *rig
	dir := t.TempDir()
	var id string
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(48 * time.Hour)
		r = &rig{t: t, dir: dir, sim: graphsim.New(graphsim.Options{Seed: 1}), settings: guard.Settings{
			Mode: guard.Enforce, Users: []string{first, second}, Exempt: map[string]string{}, PerHour: 2, PerPolicyDay: 3,
		}}
		r.tenant = r.sim.AddTenant(tenantID, "contoso")
		r.tenant.Tune(func(b *graphsim.Behaviour) { b.RequestsPerSecond = 0 }) // it would count by the clock of before
		r.tenant.AddApp(graphsim.App{ClientID: clientID, ObjectID: "app", Name: "cadrift", Secret: "s", Roles: writer})
		for _, id := range []string{first, second} {
			r.tenant.PutUser(graphsim.DirectoryUser{ID: id, PrincipalName: id + "@contoso.example"})
		}
		r.admin = r.tenant.As(graphsim.ByApp("robot", "pipeline"))
		id = r.policy("CA001", everyone)
		r.open()
		fired := 0
		r.sim.OnRequest(func(q *http.Request) *graphsim.Fault {
			if q.Method != http.MethodPatch {
				return nil
			}
			fired++
			return &graphsim.Fault{Refuse: true}
		})
		r.passes(1)
		if fired != 1 {
			t.Fatalf("%d writes were cut off, want 1", fired)
		}
		r.sim.OnRequest(nil)
		r.close()
	})
	synctest.Test(t, func(t *testing.T) {
		r.t = t
		r.open()
		r.policy("CA002", everyone)
		r.policy("CA003", everyone)
		r.passes(10)
		if n := len(r.patches()); n != 1 {
			t.Errorf("%d writes in the hour of the one that was cut off, want 1", n)
		}
		r.passes(65)
		if n := len(r.patches()); n != 3 || !strings.Contains(string(r.tenant.Body(drift.Policy, id)), first) {
			t.Errorf("%d writes after another hour, want 3", n)
		}
		r.close()
	})
}
