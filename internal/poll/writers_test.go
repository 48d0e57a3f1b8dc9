package poll_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/graphsim"
)

// Two or three people write the same policy within seconds, and the log is
// late and out of order: an event may stay without an actor, and never has the
// wrong one. Twenty policies make twenty such crowds a round.
func TestNeverTheWrongActor(t *testing.T) {
	for seed := range uint64(4) {
		inFullRig(t, nil, func(r *rig) {
			random := rand.New(rand.NewPCG(seed, 0))
			r.tenant.Tune(func(b *graphsim.Behaviour) { b.AuditDelay, b.SplitAudits = 10*time.Minute, seed%2 == 1 })
			var ids []string
			for i := range 20 {
				ids = append(ids, r.policy(fmt.Sprintf("CA%03d", i), everyone+","+mfa))
			}
			r.pass()
			n := len(r.events())
			last := map[string]string{}  // who wrote a policy last
			truth := map[string]string{} // whose work an event shows
			for pass := range 8 {
				for i, id := range ids {
					for range random.IntN(3) {
						k := random.IntN(3)
						who := fmt.Sprintf("writer%d@contoso.example", k)
						time.Sleep(time.Duration(random.IntN(300)) * time.Millisecond)
						must(t, r.tenant.As(graphsim.User(fmt.Sprintf("77777777-0000-4000-8000-%012d", k), who, "")).
							PatchPolicy(id, fmt.Sprintf(`{"displayName":"CA%03d by %s %d"}`, i, who, random.IntN(2))))
						last[id] = "user " + who
					}
				}
				before := len(r.events())
				if r.pass(); pass == 0 {
					continue
				}
				for _, e := range r.since(before) {
					if e.Type == drift.DriftChanged {
						truth[e.ID] = last[e.Object.ID]
					}
				}
			}
			for range 25 {
				r.later()
			}
			named := 0
			for _, e := range r.since(n) {
				about := e.ID
				if e.Type == drift.EventAttributed {
					about = e.About
				}
				if want, ok := truth[about]; ok && e.Actor != nil {
					named++
					if actor(e) != want {
						t.Errorf("seed %d: %s %q is put down to %s, it was %s", seed, about, e.Summary, actor(e), want)
					}
				}
			}
			if len(truth) < 60 || named < len(truth)*9/10 {
				t.Errorf("seed %d: %d of %d events have an actor", seed, named, len(truth))
			}
		})
	}
}

// The demo's fight: the guard puts an exclusion back and another automation
// takes it away, seconds after each other, with a log that is late. Each event
// gets the record of its own writer, and the guard accuses nobody else.
func TestEachWriterItsOwnRecord(t *testing.T) {
	inFullRig(t, nil, func(r *rig) {
		r.tenant.AddPrincipal(robotID, "dddddddd-0000-4000-8000-00000000000d", "Policy copier", tenantID)
		id := r.policy("CA001", everyone+","+mfa)
		r.pass()
		time.Sleep(20 * time.Minute)
		r.tenant.Tune(func(b *graphsim.Behaviour) { b.AuditDelay = 10 * time.Second })
		n := len(r.events())
		sam := r.tenant.As(graphsim.User(kimID, "sam@contoso.example", "198.51.100.7"))
		must(t, sam.PatchPolicy(id, `{"state":"disabled"}`))
		r.pass()
		time.Sleep(3 * time.Second)
		must(t, r.tenant.As(graphsim.ByApp(robotID, "Policy copier")).PatchPolicy(id, `{"displayName":"CA001 (copy)"}`))
		r.pass()
		for range 8 {
			r.later()
		}
		got := map[string]string{}
		var changes []drift.Event
		for _, e := range r.since(n) {
			about := e.About
			if e.Type == drift.DriftChanged {
				changes, about = append(changes, e), e.ID
			}
			if e.Actor != nil {
				got[about] = actor(e)
			}
		}
		if len(changes) != 2 || got[changes[0].ID] != "user sam@contoso.example" || got[changes[1].ID] != "app Policy copier" {
			t.Errorf("got %v for %v", got, lines(changes))
		}
	})
}
