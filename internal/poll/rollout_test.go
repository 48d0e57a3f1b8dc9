package poll_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/graphsim"
	"github.com/cadrift/cadrift/internal/judge"
	"github.com/cadrift/cadrift/internal/poll"
)

// onPolicies edits every answer that lists policies.
func onPolicies(edits ...func(map[string]any)) func(*http.Request) *graphsim.Fault {
	return func(q *http.Request) *graphsim.Fault {
		if strings.HasSuffix(q.URL.Path, "/conditionalAccess/policies") {
			return graphsim.Edits(edits...)
		}
		return nil
	}
}

// only lets an edit see the first n objects of a list.
func only(n int, edit func(map[string]any)) func(map[string]any) {
	return func(body map[string]any) {
		list, _ := body["value"].([]any)
		edit(map[string]any{"value": list[:min(n, len(list))]})
	}
}

// A property that Microsoft rolls out is one event, not one per policy, and
// the baseline takes it over. From then on it is compared.
func TestRollOut(t *testing.T) {
	inRig(t, pinned, func(r *rig) {
		var id string
		for i := range 10 {
			id = r.policy(fmt.Sprintf("CA%03d", i), everyone+","+mfa)
		}
		r.pass()
		// A policy that drifts already takes the new value over, and goes on drifting.
		must(t, r.admin.PatchPolicy(id, `{"displayName":"CA009 renamed"}`))
		expect(t, r.later(), "updated CA009 renamed neutral low drift opened")
		r.sim.OnRequest(onPolicies(graphsim.Set("conditions.weather", "sunny")))
		got := r.later()
		expect(t, got, "schema.changed")
		if e := got[0]; e.Severity != drift.Low || e.Dir() != drift.Neutral || !strings.Contains(e.Summary, "/conditions/weather") || e.Digest == "" {
			t.Errorf("got %+v", e)
		}
		s := r.watcher.Status()
		if len(s.Findings) != 1 || len(s.Findings[0].Changes) != 1 || s.Findings[0].Changes[0].Path != "/displayName" {
			t.Errorf("got drift %+v, want the name alone", s.Findings)
		}
		if got := r.later(); len(got) != 0 {
			t.Errorf("got %v, want nothing", lines(got))
		}
		r.close()
		r.open() // it was recorded
		if s := r.watcher.Status(); len(s.Findings) != 1 || len(s.Findings[0].Changes) != 1 {
			t.Errorf("after a restart: got drift %+v", s.Findings)
		}
		r.sim.OnRequest(onPolicies(graphsim.Set("conditions.weather", "sunny"), only(1, graphsim.Set("conditions.weather", "rainy"))))
		expect(t, r.later(), "updated CA000 mixed medium drift opened")
	})
}

// What one administrator sets on a few policies, or on many by writing them, is
// no roll-out.
func TestNoRollOut(t *testing.T) {
	inRig(t, pinned, func(r *rig) {
		var ids []string
		for i := range 20 {
			ids = append(ids, r.policy(fmt.Sprintf("CA%03d", i), everyone+","+mfa))
		}
		r.pass()
		r.sim.OnRequest(onPolicies(only(3, graphsim.Set("conditions.weather", "sunny")))) // 15 %
		if got := r.later(); len(got) != 3 {
			t.Errorf("got %v, want three events", lines(got))
		}
		must(t, r.admin.PatchPolicy(ids[4], `{"displayName":"CA004 too"}`))
		r.sim.OnRequest(onPolicies(graphsim.Set("conditions.weather", "sunny"))) // one of them was written
		if got := r.later(); len(got) != 17 {
			t.Errorf("got %v, want 17 events", lines(got))
		}
	})
}

// After a change of the Graph version the first pass is recorded without
// events, and a baseline of the other version is compared on what both know.
func TestGraphVersion(t *testing.T) {
	for _, versions := range [][2]string{{"v1.0", "beta"}, {"beta", "v1.0"}} {
		inRig(t, pinned, func(r *rig) {
			id := r.policy("CA001", everyone+","+mfa+`,"sessionControls":{"continuousAccessEvaluation":{"mode":"strictLocation"}}`)
			other := r.policy("CA002", everyone+","+mfa)
			r.close()
			r.version = versions[0]
			r.open()
			r.pass()
			n := len(r.events())
			r.close()
			r.version = versions[1]
			r.open()
			r.pass()
			r.later()
			if got := r.since(n); len(got) != 0 {
				t.Errorf("%v: got %v, want nothing", versions, lines(got))
			}
			if s := r.watcher.Status(); len(s.Findings) != 0 {
				t.Errorf("%v: got drift %+v", versions, s.Findings)
			}
			// What both know is compared, and accepting one object leaves the
			// others as they are.
			must(t, r.admin.PatchPolicy(id, `{"state":"disabled"}`))
			expect(t, r.later(), "updated CA001 weaker critical drift opened")
			if s := r.watcher.Status(); len(s.Findings[0].Changes) != 1 {
				t.Errorf("%v: got %+v", versions, s.Findings[0].Changes)
			}
			_, err := r.watcher.Accept(drift.Key{Kind: drift.Policy, ID: other}, poll.Move{Reason: "as it is", By: "test"})
			must(t, err)
			if s := r.watcher.Status(); len(s.Findings) != 1 {
				t.Errorf("%v: got drift %+v after accepting another object", versions, s.Findings)
			}
		})
	}
}

// Excluding an emergency account, as the guard does, opens no drift; losing
// one does.
func TestExcusesAreNoDrift(t *testing.T) {
	inRig(t, func(o *poll.Options) {
		o.AutoPin = true
		o.Emergency = judge.Emergency{Users: []string{kimID}}
	}, func(r *rig) {
		id := r.policy("CA001", everyone+","+mfa)
		r.pass()
		must(t, r.admin.PatchPolicy(id, `{"conditions":{"users":{"excludeUsers":["`+kimID+`"]}}}`))
		expect(t, r.later(), "updated CA001 neutral low")
		must(t, r.admin.PatchPolicy(id, `{"conditions":{"users":{"excludeUsers":["`+kimID+`","`+alexID+`"]}}}`))
		expect(t, r.later(), "updated CA001 weaker high drift opened")
		time.Sleep(time.Minute)
		must(t, r.admin.PatchPolicy(id, `{"conditions":{"users":{"excludeUsers":["`+kimID+`"]}}}`))
		expect(t, r.later(), "updated CA001 stronger medium drift resolved")
	})
}
