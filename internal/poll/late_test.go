package poll_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cadrift/cadrift/internal/beside"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/graphsim"
	"github.com/cadrift/cadrift/internal/poll"
)

func actor(e drift.Event) string {
	if e.Actor == nil {
		return "nobody"
	}
	return e.Actor.Kind + " " + e.Actor.Name
}

// The record is there in time: the alert itself says who.
func TestActorAtOnce(t *testing.T) {
	inFullRig(t, nil, func(r *rig) {
		r.tenant.AddPrincipal(robotID, "dddddddd-0000-4000-8000-00000000000d", "Robot", tenantID)
		id := r.policy("CA001", everyone+","+mfa)
		r.pass()
		must(t, r.admin.PatchPolicy(id, `{"state":"disabled"}`))
		must(t, r.tenant.As(graphsim.ByApp(robotID, "Robot")).SetSecurityDefaults(true))
		_, err := r.tenant.As(graphsim.ByApp(robotID, "Robot")).CreateLocation(place)
		must(t, err)
		got := r.later()
		for _, e := range got {
			want := "app Robot"
			if e.Object.Kind == drift.Policy {
				want = "user alex@contoso.example"
			}
			if actor(e) != want || e.Actor.IP != "" {
				t.Errorf("%s: got %s (%+v), want %s", e.Object.Name, actor(e), e.Actor, want)
			}
		}
		if len(got) != 3 {
			t.Errorf("got %v", lines(got))
		}
		must(t, r.admin.DeletePolicy(id))
		if got := r.later(); len(got) != 1 || actor(got[0]) != "user alex@contoso.example" {
			t.Errorf("got %v by %s", lines(got), actor(got[0]))
		}
	})
}

const place = `{"@odata.type":"#microsoft.graph.ipNamedLocation","displayName":"HQ","isTrusted":false,"ipRanges":[{"@odata.type":"#microsoft.graph.iPv4CidrRange","cidrAddress":"192.0.2.0/26"}]}`

// Records are late, out of order and split: every event is told at once and
// gets its actor later, each its own, and those who were told hear of it. A
// restart in between forgets nothing.
func TestActorLater(t *testing.T) {
	inFullRig(t, func(o *poll.Options) {
		s := sources(o)
		s.ActorIPs = true
		o.Beside = beside.New(s)
		o.Route = func(e *drift.Event, told []string) []string {
			if e.Type == drift.EventAttributed {
				return nil
			}
			return []string{"oncall"}
		}
	}, func(r *rig) {
		r.tenant.Tune(func(b *graphsim.Behaviour) { b.AuditDelay, b.SplitAudits = 15*time.Minute, true })
		id := r.policy("CA001", everyone+","+mfa)
		time.Sleep(30 * time.Minute)
		r.pass()
		r.later()
		n := len(r.events())
		sam := r.tenant.As(graphsim.User(kimID, "sam@contoso.example", "198.51.100.7"))
		must(t, r.admin.PatchPolicy(id, `{"state":"disabled"}`))
		first := r.later()
		must(t, sam.PatchPolicy(id, `{"displayName":"CA001 (off)"}`))
		second := r.later()
		if len(first) != 1 || len(second) == 0 || first[0].Actor != nil || second[0].Actor != nil {
			t.Fatalf("got %v, %v, want two events without actor", lines(first), lines(second))
		}
		r.close()
		r.open()
		for range 18 {
			r.later()
		}
		about := map[string]drift.Event{}
		for _, e := range r.since(n) {
			if e.Type == drift.EventAttributed {
				about[e.About] = e
			}
		}
		if len(about) != 2 {
			t.Fatalf("got %v, want two attributions", lines(r.since(n)))
		}
		for id, want := range map[string]string{first[0].ID: "user alex@contoso.example", second[0].ID: "user sam@contoso.example"} {
			if e := about[id]; actor(e) != want || e.Actor.IP == "" || !strings.Contains(e.Summary, "@contoso.example") {
				t.Errorf("%s: got %s (%+v)", id, actor(e), e)
			}
		}
		queued := 0
		for _, d := range r.outbox() {
			if d.Type == drift.EventAttributed {
				queued++
			}
		}
		if queued != 2 {
			t.Errorf("%d attributions are on their way to those who were told, want 2", queued)
		}
	})
}

// In a busy minute every pass asks for its own alerts: those who wait are not
// forgotten over that.
func TestActorLaterInABusyMinute(t *testing.T) {
	inFullRig(t, func(o *poll.Options) { o.Kinds = []drift.Kind{drift.Policy, drift.NamedLocation} }, func(r *rig) {
		first, other := r.policy("CA001", everyone+","+mfa), r.policy("CA002", everyone+","+mfa)
		r.pass()
		time.Sleep(time.Hour)
		r.tenant.Tune(func(b *graphsim.Behaviour) { b.AuditLeast = 4 * time.Second })
		must(t, r.admin.PatchPolicy(first, `{"state":"disabled"}`))
		wrote := time.Now()
		for i := range 12 {
			r.pass()
			time.Sleep(500 * time.Millisecond)
			must(t, r.admin.PatchPolicy(other, fmt.Sprintf(`{"displayName":"CA002 %d"}`, i)))
		}
		if time.Since(wrote) > time.Minute {
			t.Fatalf("the minute took %s", time.Since(wrote))
		}
		for _, e := range r.events() {
			if e.Type == drift.EventAttributed && e.Object.ID == first {
				return
			}
		}
		t.Errorf("nobody is named after %s: %v", time.Since(wrote), lines(r.events()))
	})
}

// Readings are hours apart: the alert itself says who wrote soon after the one
// before. One whose record comes later is not forgotten over other alerts, and
// learns that our own credential was misused.
func TestActorOfALongWindow(t *testing.T) {
	inFullRig(t, func(o *poll.Options) { o.Kinds = []drift.Kind{drift.Policy, drift.NamedLocation} }, func(r *rig) {
		r.tenant.AddPrincipal(robotID, clientID, "cadrift", tenantID)
		first, other := r.policy("CA001", everyone+","+mfa), r.policy("CA002", everyone+","+mfa)
		r.pass()
		time.Sleep(time.Minute)
		must(t, r.admin.PatchPolicy(other, `{"displayName":"CA002 is new"}`))
		time.Sleep(3 * time.Hour)
		if got := r.later(); len(got) != 1 || actor(got[0]) != "user alex@contoso.example" {
			t.Errorf("three hours later: got %v by %s", lines(got), actor(got[0]))
		}
		time.Sleep(time.Minute)
		r.tenant.Tune(func(b *graphsim.Behaviour) { b.AuditLeast = 3*time.Hour + 30*time.Second })
		must(t, r.tenant.As(graphsim.ByApp(robotID, "cadrift")).PatchPolicy(first, `{"state":"disabled"}`))
		r.tenant.Tune(func(b *graphsim.Behaviour) { b.AuditLeast = 0 })
		n := len(r.events())
		time.Sleep(3 * time.Hour)
		for i := range 12 {
			r.pass()
			time.Sleep(4 * time.Second)
			must(t, r.admin.PatchPolicy(other, fmt.Sprintf(`{"displayName":"CA002 %d"}`, i)))
		}
		got := r.since(n)
		if got[0].Actor != nil || got[0].Object.ID != first {
			t.Fatalf("got %v by %s, want an alert whose record is late", lines(got), actor(got[0]))
		}
		if !slices.ContainsFunc(got, func(e drift.Event) bool { return e.About == got[0].ID && e.Misused() && e.Severity == drift.High }) {
			t.Errorf("the misuse of our credential is not told: %v", lines(got))
		}
	})
}

// outbox are the events that wait for the one receiver.
func (r *rig) outbox() []drift.Event {
	r.t.Helper()
	var out []drift.Event
	all, err := r.store.Pending("oncall", 1000)
	must(r.t, err)
	for _, d := range all {
		out = append(out, d.Event)
	}
	return out
}

// Microsoft is known by the tenant that owns the app, not by the name it goes
// by.
func TestMicrosoft(t *testing.T) {
	inFullRig(t, nil, func(r *rig) {
		const fake, real = "eeeeeeee-0000-4000-8000-00000000000e", "ffffffff-0000-4000-8000-00000000000f"
		r.tenant.AddPrincipal(fake, "dddddddd-0000-4000-8000-00000000000d", "Microsoft Managed Policy Manager", tenantID)
		r.tenant.AddPrincipal(real, "dddddddd-0000-4000-8000-00000000000e", "Policy service", graphsim.MicrosoftOwner)
		id := r.policy("CA001", everyone+","+mfa)
		r.pass()
		for by, want := range map[string]string{fake: "app", real: "microsoft"} {
			must(t, r.tenant.As(graphsim.ByApp(by, "Microsoft Managed Policy Manager")).PatchPolicy(id, `{"displayName":"CA001 `+want+`"}`))
			got := r.later()
			if len(got) != 1 || got[0].Actor == nil || got[0].Actor.Kind != want {
				t.Errorf("%s: got %v by %+v", want, lines(got), got[0].Actor)
			}
			if strings.Contains(got[0].Summary, "written by Microsoft") != (want == "microsoft") {
				t.Errorf("got %q by %s", got[0].Summary, want)
			}
		}
	})
}

// Changed and put back between two passes: the audit log has the form between.
func TestChangedAndPutBack(t *testing.T) {
	for _, late := range []bool{false, true} {
		inFullRig(t, nil, func(r *rig) {
			id := r.policy("CA001", everyone+","+mfa)
			r.pass()
			r.later()
			if late {
				r.sim.OnRequest(hang("/auditLogs/"))
			}
			must(t, r.admin.PatchPolicy(id, `{"state":"disabled"}`))
			time.Sleep(20 * time.Second)
			must(t, r.admin.PatchPolicy(id, `{"state":"enabled"}`))
			got := r.later()
			if len(got) != 1 || got[0].Type != drift.DriftChanged || len(got[0].Changes) != 0 {
				t.Fatalf("late %v: got %v", late, lines(got))
			}
			told := got[0]
			if late {
				expect(t, got, "updated CA001 mixed medium")
				r.sim.OnRequest(nil)
				for range 12 {
					if more := r.later(); len(more) > 0 {
						got = append(got, more...)
					}
				}
				told = got[len(got)-1]
				if told.Type != drift.EventAttributed || told.About != got[0].ID {
					t.Fatalf("got %v", lines(got))
				}
			}
			if told.Severity != drift.Critical || told.Dir() != drift.Mixed || !strings.Contains(told.Summary, "changed and put back") || actor(told) != "user alex@contoso.example" {
				t.Errorf("late %v: got %s %s %q by %s", late, told.Dir(), told.Severity, told.Summary, actor(told))
			}
		})
	}
}

// Without a recycle bin the audit log proves a deletion at once; its record of
// an earlier one proves nothing about an object that came back.
func TestAuditConfirmsDeletions(t *testing.T) {
	inFullRig(t, nil, func(r *rig) {
		r.tenant.Tune(func(b *graphsim.Behaviour) { b.DeletedItemsStatus = http.StatusNotFound })
		id := r.policy("CA001", everyone+","+mfa)
		r.policy("CA002", everyone+","+mfa)
		r.pass()
		r.later()
		must(t, r.admin.DeletePolicy(id))
		expect(t, r.later(), "deleted CA001 weaker critical")
		must(t, r.admin.RestorePolicy(id))
		expect(t, r.later(), "restored CA001 stronger medium")
		r.sim.OnRequest(func(q *http.Request) *graphsim.Fault { // a replica from before the restore
			if strings.Contains(q.URL.Path, "conditionalAccess/policies/"+id) {
				return graphsim.GraphError(404, "ResourceNotFound", "no")
			}
			return onPolicies(func(body map[string]any) {
				body["value"] = slices.DeleteFunc(body["value"].([]any), func(o any) bool { return o.(map[string]any)["id"] == id })
			})(q)
		})
		expect(t, r.later())
	})
}

// What came and went between two readings is in no listing, but in the log.
func TestCreatedAndDeletedBetweenReadings(t *testing.T) {
	inFullRig(t, nil, func(r *rig) {
		r.policy("CA001", everyone+","+mfa)
		r.pass()
		time.Sleep(10 * time.Second)
		id := r.policy("Nobody gets in", everyone+`,"grantControls":{"operator":"OR","builtInControls":["block"]}`)
		time.Sleep(20 * time.Second)
		must(t, r.admin.DeletePolicy(id))
		var got []drift.Event
		for range 20 {
			got = append(got, r.later()...)
		}
		expect(t, got, "deleted Nobody gets in mixed critical")
		if e := got[0]; !e.Locks() || actor(e) != "user alex@contoso.example" || e.Window.To.Sub(e.Window.From) != 20*time.Second {
			t.Errorf("got %+v by %s", e, actor(e))
		}
		r.close()
		r.open()
		for range 20 {
			if got := r.later(); len(got) != 0 {
				t.Errorf("told again: %v", lines(got))
			}
		}
	})
}
