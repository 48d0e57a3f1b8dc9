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
	"github.com/cadrift/cadrift/internal/graph"
	"github.com/cadrift/cadrift/internal/graphsim"
	"github.com/cadrift/cadrift/internal/poll"
)

const (
	alexID   = "99999999-9999-9999-9999-999999999999"
	kimID    = "77777777-7777-4777-8777-777777777777"
	deadID   = "88888888-8888-4888-8888-888888888888"
	exempt   = "aaaaaaaa-0000-4000-8000-00000000000a"
	nested   = "aaaaaaaa-0000-4000-8000-00000000000b"
	robotID  = "bbbbbbbb-0000-4000-8000-00000000000b"
	exempted = `"conditions":{"users":{"includeUsers":["All"],"excludeGroups":["` + exempt + `"]},"applications":{"includeApplications":["All"]},"clientAppTypes":["all"]}`
)

// asksAll makes a watcher that asks for names, groups, actors and hidden
// policies.
func asksAll(o *poll.Options) {
	o.Beside = beside.New(sources(o))
	o.Kinds = append(o.Kinds, drift.Group)
}

func sources(o *poll.Options) beside.Options {
	c := o.Source.(*graph.Client)
	return beside.Options{
		Tenant: o.Tenant, GraphVersion: o.GraphVersion, Directory: c, Members: c, Audit: c, Hidden: c,
		ResolveNames: true, ClientIDs: []string{clientID}, Logger: o.Logger,
	}
}

// inFullRig has a directory, and an app that may read it and the audit log.
func inFullRig(t *testing.T, opts func(*poll.Options), test func(r *rig)) {
	inRig(t, func(o *poll.Options) {
		asksAll(o)
		if opts != nil {
			opts(o)
		}
	}, func(r *rig) {
		r.grant(graphsim.DirectoryRead, graphsim.AuditRead)
		r.tenant.AddUser(alexID, "alex@contoso.example", "Alex")
		r.tenant.AddUser(kimID, "kim@contoso.example", "Kim")
		test(r)
	})
}

func (r *rig) grant(roles ...string) {
	r.tenant.AddApp(graphsim.App{ClientID: clientID, Secret: "sesame", Name: "cadrift", Roles: append(roles, graphsim.PolicyReadAll)})
	r.sim.RevokeTokens(r.tenant)
}

// later lets an hour-less minute go by and makes a pass.
func (r *rig) later() []drift.Event {
	r.t.Helper()
	n := len(r.events())
	time.Sleep(time.Minute)
	r.pass()
	return r.since(n)
}

func (r *rig) blind() map[drift.Reason]string {
	out := map[drift.Reason]string{}
	for _, b := range r.watcher.Status().Blind {
		out[b.Reason] = b.Text
	}
	return out
}

// Nothing changed in the policy, but twelve people became exempt: one alert,
// which names the policies.
func TestMembersOfAnExcludedGroup(t *testing.T) {
	inFullRig(t, nil, func(r *rig) {
		var crowd []string
		for i := range 12 {
			id := fmt.Sprintf("cccccccc-0000-4000-8000-0000000000%02d", i)
			r.tenant.AddUser(id, fmt.Sprintf("user%d@contoso.example", i), "User")
			crowd = append(crowd, id)
		}
		r.tenant.AddGroup(nested, "Travellers")
		r.tenant.AddGroup(exempt, "Exempt", kimID, nested)
		r.policy("CA001", exempted+","+mfa)
		r.policy("CA002", exempted+","+mfa)
		r.pass()
		if got := r.watcher.Status().Objects[drift.Group]; got != 1 {
			t.Fatalf("got %d groups, want the excluded one", got)
		}
		if got := r.later(); len(got) != 0 {
			t.Fatalf("got %v, want nothing", lines(got))
		}
		must(t, r.admin.JoinGroup(nested, crowd...)) // a group below it
		got := r.later()
		expect(t, got, "updated Exempt weaker high")
		e := got[0]
		if len(e.Affects) != 2 || len(e.Changes) != 1 || len(e.Changes[0].Added) != 12 || actor(e) != "user alex@contoso.example" {
			t.Errorf("got %d policies, changes %+v, by %s", len(e.Affects), e.Changes, actor(e))
		}
		if !strings.Contains(e.Changes[0].Text, "user3@contoso.example") {
			t.Errorf("nobody is named: %q", e.Changes[0].Text)
		}
		must(t, r.admin.LeaveGroup(exempt, nested))
		expect(t, r.later(), "updated Exempt stronger medium")
	})
}

// Which groups are watched follows from the policies: one that no enforced
// policy excludes is dropped, and taken up again, without a word of its own.
func TestGroupsFollowThePolicies(t *testing.T) {
	inFullRig(t, func(o *poll.Options) { o.AutoPin = true }, func(r *rig) {
		r.tenant.AddGroup(exempt, "Exempt", kimID)
		id := r.policy("CA001", exempted+","+mfa)
		r.pass()
		must(t, r.admin.PatchPolicy(id, `{"state":"disabled"}`))
		if got := r.later(); len(got) != 1 || got[0].Object.Kind != drift.Policy {
			t.Errorf("got %v, want the policy alone", lines(got))
		}
		if got := r.watcher.Status().Objects[drift.Group]; got != 0 {
			t.Errorf("got %d groups, want none", got)
		}
		must(t, r.admin.JoinGroup(exempt, alexID)) // nobody watches
		must(t, r.admin.PatchPolicy(id, `{"state":"enabled"}`))
		for _, e := range r.later() {
			if e.Action == drift.Created || e.Action == drift.Deleted || e.Type != drift.DriftChanged {
				t.Errorf("got %v", lines([]drift.Event{e}))
			}
		}
		if got := r.watcher.Status().Objects[drift.Group]; got != 1 {
			t.Errorf("got %d groups, want one", got)
		}
	})
}

// A group that is deleted, and an id that never was one.
func TestDeletedGroup(t *testing.T) {
	inFullRig(t, nil, func(r *rig) {
		r.tenant.AddGroup(exempt, "Exempt", kimID)
		r.policy("CA001", exempted+","+mfa)
		r.policy("CA002", strings.Replace(exempted, exempt, deadID, 1)+","+mfa)
		r.pass()
		r.later()
		if got := r.blind()[drift.ReasonGroups]; !strings.Contains(got, deadID) || strings.Contains(got, exempt) {
			t.Errorf("got blind spot %q, want the dead id named", got)
		}
		r.tenant.RemoveEntry(exempt)
		r.start()
		n := len(r.events())
		time.Sleep(3 * time.Minute)
		expect(t, r.since(n), "deleted Exempt stronger medium")
		if got := r.blind()[drift.ReasonGroups]; !strings.Contains(got, exempt) {
			t.Errorf("got blind spot %q, want the deleted group named", got)
		}
	})
}

// Without the permission nothing fails: ids stand for names, and status says
// what is not seen. There is no event about it, and each is logged once.
func TestWithoutDirectoryAndAuditPermission(t *testing.T) {
	inFullRig(t, func(o *poll.Options) { o.AutoPin = true }, func(r *rig) {
		r.grant()
		id := r.policy("CA001", exempted+","+mfa)
		r.pass()
		must(t, r.admin.PatchPolicy(id, `{"conditions":{"users":{"excludeUsers":["`+kimID+`"]}}}`))
		got := r.later()
		expect(t, got, "updated CA001 weaker high drift opened")
		if text := got[0].Changes[0].Text; !strings.Contains(text, kimID[:8]) || strings.Contains(text, "unknown") {
			t.Errorf("got %q, want the id and no claim about it", text)
		}
		r.later()
		blind := r.blind()
		for _, reason := range []drift.Reason{drift.ReasonNames, drift.ReasonAudit, drift.ReasonGroups} {
			if !strings.Contains(blind[reason], "Read") {
				t.Errorf("%s: got %q, want the permission named", reason, blind[reason])
			}
		}
		if s := r.watcher.Status(); s.LastResult != poll.OK || s.Baseline == nil {
			t.Errorf("got result %s, baseline %v", s.LastResult, s.Baseline)
		}
		r.grant(graphsim.DirectoryRead, graphsim.AuditRead)
		time.Sleep(2 * time.Hour)
		for range 3 {
			if got := r.later(); len(got) != 0 && got[0].Type != drift.EventAttributed {
				t.Errorf("got %v, want no event about it", lines(got))
			}
		}
		if blind := r.blind(); blind[drift.ReasonAudit] != "" || blind[drift.ReasonNames] != "" {
			t.Errorf("got %v after the permission was given", blind)
		}
	})
}

// Names: known ones, dead ones, and those that may not be read.
func TestNames(t *testing.T) {
	inFullRig(t, nil, func(r *rig) {
		id := r.policy("CA001", everyone+","+mfa)
		r.pass()
		must(t, r.admin.PatchPolicy(id, `{"conditions":{"users":{"excludeUsers":["`+kimID+`","`+deadID+`"]}}}`))
		text := r.later()[0].Changes[0].Text
		if !strings.Contains(text, "kim@contoso.example") || !strings.Contains(text, "deleted or unknown (88888888…)") {
			t.Errorf("got %q", text)
		}
		// A name is believed for a day: then the account may be gone.
		r.tenant.RemoveEntry(kimID)
		time.Sleep(25 * time.Hour)
		r.pass()
		if name, alive := r.watcher.Name(kimID); alive || name != "" {
			t.Errorf("got %q, %v for an account that is gone", name, alive)
		}
		r.tenant.Tune(func(b *graphsim.Behaviour) { b.BareTypes = []string{"user"} })
		must(t, r.admin.PatchPolicy(id, `{"conditions":{"users":{"excludeUsers":["`+alexID+`"]}}}`))
		if text := r.later()[0].Changes[0].Text; !strings.Contains(text, "99999999…") || strings.Contains(text, "unknown (9999") {
			t.Errorf("got %q, want the id of an account that lives", text)
		}
		r.later()
		if r.blind()[drift.ReasonNames] == "" {
			t.Error("names are withheld and nobody says so")
		}
	})
}

// Who wrote is never waited for: an audit log that does not answer holds an
// alert up by two seconds at most, and fails nothing.
func TestAlertsDoNotWait(t *testing.T) {
	inFullRig(t, nil, func(r *rig) {
		id := r.policy("CA001", everyone+","+mfa)
		r.pass()
		r.later()
		r.sim.OnRequest(hang("/auditLogs/", "/directoryObjects/"))
		must(t, r.admin.PatchPolicy(id, `{"state":"disabled"}`))
		time.Sleep(time.Minute)
		began := time.Now()
		r.pass()
		got := r.events()
		e := got[len(got)-1]
		if e.Type != drift.DriftChanged || e.Time.Sub(began) > 8*time.Second { // three paced listings take the rest
			t.Errorf("got %s after %v", e.Type, e.Time.Sub(began))
		}
		if s := r.watcher.Status(); s.LastResult != poll.OK {
			t.Errorf("got result %s", s.LastResult)
		}
	})
}

// Policies that v1.0 leaves out are named, one that was just made is not.
func TestHiddenPolicies(t *testing.T) {
	inFullRig(t, nil, func(r *rig) {
		id := r.policy("CA001", everyone+","+mfa)
		r.policy("CA002", everyone+","+mfa)
		r.tenant.HideFromV1(id)
		r.pass()
		r.later()
		if got := r.blind()[drift.ReasonHidden]; !strings.Contains(got, id) {
			t.Errorf("got %q, want the hidden id", got)
		}
		if n := len(slices.DeleteFunc(r.events(), func(e drift.Event) bool { return e.Type != drift.MonitorBlind })); n != 0 {
			t.Errorf("got %d events about it, want a gauge and a line in status", n)
		}
	})
}

// hang lets requests to some paths wait until their caller gives up.
func hang(parts ...string) func(*http.Request) *graphsim.Fault {
	return func(q *http.Request) *graphsim.Fault {
		for _, part := range parts {
			if strings.Contains(q.URL.Path, part) {
				return &graphsim.Fault{Delay: time.Hour}
			}
		}
		return nil
	}
}

// A service that is merely busy is no limit to be told of; one that goes on
// failing is.
func TestBusyIsNoLimit(t *testing.T) {
	inFullRig(t, nil, func(r *rig) {
		id := r.policy("CA001", everyone+","+mfa)
		r.pass()
		r.later()
		r.sim.OnRequest(hang("/auditLogs/"))
		must(t, r.admin.PatchPolicy(id, `{"state":"disabled"}`))
		r.later()
		if got := r.blind(); len(got) != 0 {
			t.Errorf("after one failure: %v", got)
		}
		for range 4 {
			r.later()
		}
		if got := r.blind(); got[drift.ReasonAudit] == "" {
			t.Error("the audit log has not answered for minutes and nobody says so")
		}
	})
}
