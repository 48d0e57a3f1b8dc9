package poll_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/cadrift/cadrift/internal/graphsim"
)

// A tenant whose authentication contexts could never be read was recorded
// without events for ever: the first reading under a Graph version counted as
// over only once every kind had been read.
func TestAKindThatCannotBeReadDoesNotSilenceTheRest(t *testing.T) {
	inRig(t, nil, func(r *rig) {
		id := r.policy("CA001", everyone+","+mfa)
		r.sim.OnRequest(func(req *http.Request) *graphsim.Fault {
			if strings.Contains(req.URL.Path, "authenticationContext") {
				return graphsim.GraphError(http.StatusForbidden, "AccessDenied", "no")
			}
			return nil
		})
		r.pass()
		r.pass()
		must(t, r.admin.PatchPolicy(id, `{"state":"disabled"}`))
		r.pass()
		expect(t, r.events(), "monitor.blind permission", "updated CA001 weaker critical")
		if e := r.events()[0]; e.Summary != "cannot read the authentication contexts of contoso: the application permission Policy.Read.All or AuthenticationContext.Read.All is missing" || !strings.Contains(e.Detail, "403 AccessDenied") {
			t.Errorf("got %q, detail %q", e.Summary, e.Detail)
		}
	})
}
