package poll_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/graphsim"
	"github.com/cadrift/cadrift/internal/poll"
)

// scribe is a guard that wrote what it is told it wrote.
type scribe struct{ wrote []drift.Window }

func (*scribe) Expect(_, _ drift.Object) *drift.Object   { return nil }
func (*scribe) Passed(context.Context, poll.Sight) error { return nil }
func (s *scribe) Writes(policyID string) []drift.Window  { return s.wrote }
func ourselves(r *rig) *graphsim.Admin {
	r.tenant.AddPrincipal(robotID, clientID, "cadrift", tenantID)
	return r.tenant.As(graphsim.ByApp(robotID, "cadrift"))
}

// A write with our own credential that the guard knows nothing of means that
// somebody else has it: that is loud, at once or later, announced or not, and
// for whoever was told of the change.
func TestOwnCredentialMisused(t *testing.T) {
	for _, late := range []bool{false, true} {
		guard := &scribe{}
		inFullRig(t, func(o *poll.Options) {
			o.Guard = guard
			o.Route = func(e *drift.Event, told []string) []string {
				if e.Severity >= drift.High {
					return []string{"oncall"}
				}
				return []string{"archive"}
			}
		}, func(r *rig) {
			thief := ourselves(r)
			id := r.policy("CA001", everyone+","+mfa)
			r.pass()
			_, err := r.watcher.Expect("CA*", time.Now().Add(time.Hour), "renaming", "uid 1000")
			must(t, err)
			if late {
				r.tenant.Tune(func(b *graphsim.Behaviour) { b.AuditDelay = 15 * time.Minute })
				time.Sleep(30 * time.Minute)
			}
			must(t, thief.PatchPolicy(id, `{"displayName":"CA001 renamed"}`))
			got := r.later()
			told := got[0]
			if late {
				if told.Severity != drift.Low || told.Actor != nil {
					t.Fatalf("got %v by %s before the log has it", lines(got), actor(told))
				}
				for range 16 {
					got = append(got, r.later()...)
				}
				if told = got[len(got)-1]; told.Type != drift.EventAttributed || told.About != got[0].ID {
					t.Fatalf("got %v", lines(got))
				}
			}
			if told.Severity != drift.High || told.DeliveredSeverity != nil || told.Actor.Kind != "app" || !told.Actor.OwnCredential ||
				!strings.Contains(told.Summary, "with cadrift's own credential, but not") || !strings.Contains(told.Reason, "exchange the credential") {
				t.Errorf("late %v: got %s %q (%s) by %+v", late, told.Severity, told.Summary, told.Reason, told.Actor)
			}
			for _, receiver := range []string{"oncall", "archive"} {
				queued, err := r.store.Pending(receiver, 100)
				must(t, err)
				has := slices.ContainsFunc(queued, func(d drift.Delivery) bool { return d.Event.ID == told.ID })
				if has != (late || receiver == "oncall") {
					t.Errorf("late %v: is %s told? %v", late, receiver, has)
				}
			}
		})
	}
}

// What the guard's journal knows is cadrift's own; a change right after it,
// with the guard's record late, is not put down to the guard.
func TestGuardsRecordExplainsNothingElse(t *testing.T) {
	guard := &scribe{}
	inFullRig(t, func(o *poll.Options) { o.Guard = guard }, func(r *rig) {
		us := ourselves(r)
		id := r.policy("CA001", everyone+","+mfa)
		r.pass()
		time.Sleep(20 * time.Minute)
		must(t, us.PatchPolicy(id, `{"conditions":{"users":{"excludeUsers":["`+kimID+`"]}}}`))
		guard.wrote = []drift.Window{{From: time.Now().Add(-5 * time.Second), To: time.Now().Add(time.Second)}}
		if got := r.later(); len(got) != 1 || actor(got[0]) != "cadrift cadrift" || got[0].Actor.OwnCredential {
			t.Errorf("got %v by %s, want the guard", lines(got), actor(got[0]))
		}
		must(t, us.PatchPolicy(id, `{"conditions":{"users":{"excludeUsers":[]}}}`))
		guard.wrote = []drift.Window{{From: time.Now().Add(-5 * time.Second), To: time.Now().Add(time.Second)}}
		time.Sleep(6 * time.Second)
		r.tenant.Tune(func(b *graphsim.Behaviour) { b.AuditDelay = 15 * time.Minute })
		must(t, r.tenant.As(graphsim.User(kimID, "sam@contoso.example", "198.51.100.7")).PatchPolicy(id, `{"state":"disabled"}`))
		if got := r.later(); len(got) != 1 || got[0].Action != drift.Updated || got[0].Actor != nil {
			t.Errorf("got %v by %s, want the one change by nobody yet", lines(got), actor(got[0]))
		}
	})
}
