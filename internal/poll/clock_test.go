package poll_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cadrift/cadrift/internal/graphsim"
	"github.com/cadrift/cadrift/internal/poll"
)

// A clock that is wrong stays wrong while some answers, or all of them, do not
// say Graph's time.
func TestClocksAreComparedByAnswersWithATime(t *testing.T) {
	const strengths, groups, all = "/authenticationStrengthPolicies", "/groups/", "/"
	hourAgo := func() *graphsim.Fault {
		return &graphsim.Fault{Header: http.Header{"Date": {time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat)}}}
	}
	undated := func() *graphsim.Fault { return &graphsim.Fault{Header: http.Header{"Date": {""}}} }
	for _, c := range []struct {
		name, path string
		answer     func() *graphsim.Fault
	}{
		{"the groups are read", groups, hourAgo},
		{"a kind is not read", strengths, func() *graphsim.Fault { return graphsim.GraphError(http.StatusForbidden, "Forbidden", "no") }},
		{"an answer has no time", strengths, undated},
		{"no answer has a time", all, undated},
		{"nothing is read", all, func() *graphsim.Fault { return &graphsim.Fault{Refuse: true} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			inRig(t, func(o *poll.Options) {
				if c.path == groups {
					asksAll(o)
				}
			}, func(r *rig) {
				r.grant(graphsim.DirectoryRead)
				r.tenant.AddGroup(exempt, "Exempt")
				r.policy("CA001", exempted+","+mfa)
				passes := func(when string, stopped bool) {
					t.Helper()
					for range 2 {
						time.Sleep(time.Minute)
						r.pass()
						if got := r.watcher.Sight().Blocked; strings.Contains(got, "1h0m0s ahead of Graph's") != stopped {
							t.Errorf("%s: blocked by %q, want by the clock: %v", when, got, stopped)
						}
					}
				}
				r.sim.OnRequest(func(*http.Request) *graphsim.Fault { return hourAgo() })
				passes("an hour ahead", true)
				fired := 0
				r.sim.OnRequest(func(q *http.Request) *graphsim.Fault {
					if !strings.Contains(q.URL.Path, c.path) {
						return hourAgo()
					}
					fired++
					return c.answer()
				})
				passes(c.name, true)
				if fired == 0 {
					t.Errorf("nothing was asked of %s", c.path)
				}
				r.sim.OnRequest(nil)
				passes("the right time", false)
			})
		})
	}
}
