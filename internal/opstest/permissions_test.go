package opstest

import (
	"strings"
	"testing"

	"github.com/cadrift/cadrift/internal/graphsim"
)

// config check --online names each permission that is missing and what stops
// working; only what blinds the watch fails it.
func TestMissingPermissions(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	r.tenant(0)["attribution"], r.tenant(0)["resolve_names"] = "who", true
	r.write()
	grant := func(roles ...string) (string, error) {
		r.tenants[0].AddApp(graphsim.App{ClientID: clientID, Secret: secret, Roles: roles})
		r.cloud.RevokeTokens(r.tenants[0])
		out, err := r.command("config", "check", "--online").CombinedOutput()
		return string(out), err
	}
	out, err := grant(graphsim.PolicyReadAll, graphsim.AuditRead, graphsim.DirectoryRead)
	if err != nil || strings.Contains(out, "MISSING") {
		t.Errorf("everything granted: %v\n%s", err, out)
	}
	out, err = grant(graphsim.PolicyReadAll, graphsim.AuditRead)
	if err != nil || !strings.Contains(out, "grant Directory.Read.All") || strings.Contains(out, "grant AuditLog.Read.All") || !strings.Contains(out, "without it: events show ids") {
		t.Errorf("no names: %v\n%s", err, out)
	}
	out, err = grant(graphsim.PolicyReadAll, graphsim.DirectoryRead)
	if err != nil || !strings.Contains(out, "grant AuditLog.Read.All") || strings.Contains(out, "grant Directory.Read.All") || !strings.Contains(out, "without it: events say") {
		t.Errorf("no attribution: %v\n%s", err, out)
	}
	out, err = grant(graphsim.DirectoryRead)
	if err == nil || !strings.Contains(out, "grant Policy.Read") {
		t.Errorf("nothing to watch: %v\n%s", err, out)
	}
}
