package poll_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cadrift/cadrift/internal/graphsim"
)

// lives runs a watcher twice over one store and one tenant. Every bubble's clock
// begins at the same moment, so the second life begins where the first one did:
// a year before it ended.
func lives(t *testing.T, first, second func(r *rig)) {
	t.Helper()
	dir := t.TempDir()
	var kept *rig
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(365 * 24 * time.Hour)
		kept = &rig{t: t, dir: dir, sim: graphsim.New(graphsim.Options{Seed: 1})}
		kept.tenant = kept.sim.AddTenant(tenantID, "contoso")
		kept.tenant.Tune(func(b *graphsim.Behaviour) { b.RequestsPerSecond = 0 }) // it would count by the clock of before
		kept.tenant.AddApp(graphsim.App{ClientID: clientID, Secret: "sesame", Roles: []string{graphsim.PolicyReadAll}})
		kept.admin = kept.tenant.As(graphsim.User("99999999-9999-9999-9999-999999999999", "alex@contoso.example", "203.0.113.9"))
		kept.open()
		first(kept)
		kept.close()
	})
	synctest.Test(t, func(t *testing.T) {
		kept.t = t
		kept.open()
		second(kept)
		kept.close()
	})
}

// The clock was a year ahead and is right after a restart: what happened in
// between has a window that can be.
func TestWindowAcrossAClockSetBack(t *testing.T) {
	lives(t, func(r *rig) {
		r.policy("CA001", everyone+","+mfa)
		r.pass()
	}, func(r *rig) {
		n := len(r.events())
		r.policy("CA002", everyone+","+mfa)
		time.Sleep(time.Minute)
		r.pass()
		got := r.since(n)
		expect(r.t, got, "created CA002 stronger medium")
		for _, e := range got {
			if e.Window.From.After(e.Window.To) || e.Window.To.After(time.Now()) {
				r.t.Errorf("window %+v", e.Window)
			}
		}
	})
}

// The time of the last good pass is written anew, news or not.
func TestLastGoodAcrossAClockSetBack(t *testing.T) {
	lives(t, func(r *rig) {
		r.start()
		time.Sleep(90 * time.Second)
	}, func(r *rig) {
		if got := r.watcher.Status().LastGood; time.Until(got) < 300*24*time.Hour {
			r.t.Fatalf("the store says %s, want the time of before", got)
		}
		r.start()
		time.Sleep(time.Minute)
		state, err := r.store.Load(tenantID)
		must(r.t, err)
		if age := time.Since(state.LastGood); age < 0 || age > 2*time.Minute {
			r.t.Errorf("the store says that the last good pass was %s ago", age)
		}
	})
}

// A deletion that waits for its second proof does not wait for the old time to
// come again.
func TestDeletionAcrossAClockSetBack(t *testing.T) {
	lives(t, func(r *rig) {
		r.tenant.Tune(func(b *graphsim.Behaviour) { b.DeletedItemsStatus = http.StatusNotFound })
		id := r.policy("CA001", everyone+","+mfa)
		r.policy("CA002", everyone+","+mfa)
		r.pass()
		must(r.t, r.admin.DeletePolicy(id))
		time.Sleep(time.Minute)
		r.pass()
		if absent := r.watcher.Status().Absent; len(absent) != 1 {
			r.t.Fatalf("absent: %v, want one that is not confirmed", absent)
		}
	}, func(r *rig) {
		n := len(r.events())
		r.start()
		time.Sleep(2 * time.Minute)
		expect(r.t, r.since(n), "deleted CA001 weaker critical")
	})
}
