package poll_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/graphsim"
)

// TestLaggingReplicas lets an hour pass in a tenant whose replicas lag by up
// to ten minutes, each request meeting another one. Whatever the order in which
// the watcher sees things:
//
//   - every change that lasts is told within two passes and the lag,
//   - no deletion is told of what is there, and nothing critical that nobody did,
//   - what was seen in the end is what is there.
//
// Everyday runs take 12 hours, CADRIFT_LONG 10,000.
func TestLaggingReplicas(t *testing.T) {
	runs, seed := 12, seedOf(t, 20261122)
	if long() {
		runs = 10_000
	}
	for n := range runs {
		if t.Failed() {
			break
		}
		hourOfLag(t, seed+uint64(n))
	}
	t.Logf("%d hours from seed %d", runs, seed)
}

// deed is one change that somebody made, and how it is recognised.
type deed struct {
	what string
	at   time.Time
	told func(drift.Event) bool
}

func hourOfLag(t *testing.T, seed uint64) {
	inRig(t, pinned, func(r *rig) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		lag := time.Duration(rnd.IntN(600)) * time.Second
		r.tenant.Tune(func(b *graphsim.Behaviour) { b.NoGzip, b.RequestsPerSecond = true, 0 })
		var ids []string
		for i := range 6 {
			ids = append(ids, r.policy(fmt.Sprintf("CA%03d", i), everyone+","+mfa))
		}
		r.start()
		time.Sleep(15 * time.Minute) // what there was before, every replica has
		r.tenant.Tune(func(b *graphsim.Behaviour) { b.Lag, b.StaleChance = lag, 0.1+0.8*rnd.Float64() })
		n := len(r.events())
		deeds := act(r, rnd, ids)
		time.Sleep(time.Until(time.Now().Truncate(time.Hour).Add(time.Hour)) + lag + 5*time.Minute)
		check(t, seed, r, deeds, r.since(n), lag)
	})
}

// act does five things in the hour, each to another policy, so that none hides
// another.
func act(r *rig, rnd *rand.Rand, ids []string) []deed {
	var deeds []deed
	for i, id := range ids[:5] {
		time.Sleep(time.Duration(60+rnd.IntN(480)) * time.Second)
		d := deed{at: time.Now()}
		on := func(e drift.Event) bool { return e.Type == drift.DriftChanged && e.Object.ID == id }
		switch rnd.IntN(6) {
		case 0:
			d.what = "switched off"
			must(r.t, r.admin.PatchPolicy(id, `{"state":"disabled"}`))
			d.told = func(e drift.Event) bool { return on(e) && e.Action == drift.Updated && e.Severity == drift.Critical }
		case 1:
			d.what = "excluded a user"
			must(r.t, r.admin.PatchPolicy(id, `{"conditions":{"users":{"excludeUsers":["`+kimID+`"]}}}`))
			d.told = func(e drift.Event) bool { return on(e) && e.Dir() == drift.Weaker && e.Severity == drift.High }
		case 2:
			d.what = "deleted"
			must(r.t, r.admin.DeletePolicy(id))
			d.told = func(e drift.Event) bool { return on(e) && e.Action == drift.Deleted }
		case 3:
			d.what = "created"
			name := fmt.Sprintf("new %d", i)
			id = r.policy(name, everyone+","+mfa)
			d.told = func(e drift.Event) bool { return on(e) && e.Action == drift.Created }
		case 4:
			d.what = "renamed"
			must(r.t, r.admin.PatchPolicy(id, fmt.Sprintf(`{"displayName":"renamed %d"}`, i)))
			d.told = func(e drift.Event) bool { return on(e) && e.Severity == drift.Low && e.Action == drift.Updated }
		case 5:
			d.what = "deleted and restored"
			must(r.t, r.admin.DeletePolicy(id))
			time.Sleep(time.Duration(10+rnd.IntN(480)) * time.Second)
			must(r.t, r.admin.RestorePolicy(id))
			d.at = time.Now()
			d.told = on // as both, or as a write that left no trace
		}
		deeds = append(deeds, d)
	}
	return deeds
}

func check(t *testing.T, seed uint64, r *rig, deeds []deed, events []drift.Event, lag time.Duration) {
	t.Helper()
	explained := make([]bool, len(events))
	for _, d := range deeds {
		told := time.Time{}
		for i, e := range events {
			if d.told(e) {
				explained[i] = true
				if told.IsZero() {
					told = e.Time
				}
			}
		}
		// Two passes and the lag; a deletion waits for its second 404.
		if limit := lag + 2*time.Minute + 45*time.Second; told.IsZero() || told.Sub(d.at) > limit {
			t.Errorf("seed %d: %s at %s, lag %v: told at %v\n%q", seed, d.what, d.at.Format(time.TimeOnly), lag, told, lines(events))
		}
	}
	for i, e := range events {
		if explained[i] || e.Type == drift.MonitorRecovered {
			continue
		}
		if e.Action == drift.Deleted || e.Severity == drift.Critical {
			t.Errorf("seed %d, lag %v: nobody did this: %s %q", seed, lag, lines(events[i:i+1]), e.Summary)
		}
	}
	seen := r.watcher.Status().Objects[drift.Policy]
	if want := len(r.tenant.IDs(drift.Policy)); seen != want {
		t.Errorf("seed %d: %d policies in the end, want %d", seed, seen, want)
	}
}
