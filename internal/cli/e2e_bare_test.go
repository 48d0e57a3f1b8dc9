package cli_test

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/cadrift/cadrift/internal/drift"
)

// bareGraph is a Graph made without a look at package graphsim: the token path
// of the contract and two lists, everything else is 404.
type bareGraph struct {
	mu       sync.Mutex
	policies []map[string]any
	forms    []string // of token requests
	paths    map[string]int
}

func (g *bareGraph) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.paths[r.URL.Path]++
	reply := func(status int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(v)
	}
	const root = "/v1.0/identity/conditionalAccess/"
	id := strings.TrimPrefix(r.URL.Path, root+"policies/")
	switch {
	case r.URL.Path == "/"+contosoID+"/oauth2/v2.0/token" && r.Method == http.MethodPost:
		_ = r.ParseForm()
		g.forms = append(g.forms, r.PostForm.Get("scope")+" "+r.PostForm.Get("grant_type")+" "+r.PostForm.Get("client_id"))
		reply(200, map[string]any{"token_type": "Bearer", "expires_in": 3599, "access_token": "opaque"})
	case r.Header.Get("Authorization") != "Bearer opaque":
		reply(401, map[string]any{"error": map[string]any{"code": "InvalidAuthenticationToken", "message": "no"}})
	case r.Header.Get("Prefer") != "include-unknown-enum-members":
		reply(400, map[string]any{"error": map[string]any{"code": "BadRequest", "message": "no Prefer"}})
	case r.URL.Path == root+"policies":
		// Two to a page, with a relative order that the client must follow.
		from := len(r.URL.Query().Get("$skiptoken"))
		page := map[string]any{"value": g.policies[from:min(from+2, len(g.policies))]}
		if from+2 < len(g.policies) {
			page["@odata.nextLink"] = fmt.Sprintf("https://%s%spolicies?$skiptoken=%s", r.Host, root, strings.Repeat("x", from+2))
		}
		reply(200, page)
	case r.URL.Path == root+"namedLocations":
		reply(200, map[string]any{"value": []any{}})
	case id != r.URL.Path:
		for _, p := range g.policies {
			if p["id"] == id {
				reply(200, p)
				return
			}
		}
		fallthrough
	default:
		reply(404, map[string]any{"error": map[string]any{"code": "ResourceNotFound", "message": "no such thing"}})
	}
}

func (g *bareGraph) count(path string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.paths[path]
}

// TestBareGraph: readiness needs policies and named locations, no more, and
// what the rest lacks is told as incomplete.
func TestBareGraph(t *testing.T) {
	t.Parallel()
	g := &bareGraph{paths: map[string]int{}}
	for _, n := range []string{"one", "two", "three", "four", "five"} {
		g.policies = append(g.policies, map[string]any{
			"id": "p-" + n, "displayName": n, "state": "enabled",
			"conditions":    map[string]any{"users": map[string]any{"includeUsers": []string{"All"}}, "applications": map[string]any{"includeApplications": []string{"All"}}},
			"grantControls": map[string]any{"operator": "OR", "builtInControls": []string{"mfa"}},
		})
	}
	server := httptest.NewTLSServer(g)
	defer server.Close()
	hook, err := newReceiver()
	must(t, err)
	defer hook.server.Close()
	dir, err := os.MkdirTemp("", "cadrift")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &stage{dir: dir}
	must(t, s.write("ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))))
	must(t, s.write("secret", "open sesame"))
	must(t, s.write("cadrift.yaml", `state_dir: state
web: {listen: "127.0.0.1:0"}
tenants:
  - name: contoso
    tenant_id: `+contosoID+`
    cloud: custom
    endpoints: {graph: "`+server.URL+`", authority: "`+server.URL+`"}
    ca_file: ca.pem
    requests_per_second: 50
    credentials: {client_id: `+clientID+`, client_secret_file: secret}
    schedule: "@every 1s"
receivers:
  - {name: siem, type: webhook, url: "`+hook.url+`"}
`))
	d := s.run(t)
	g.mu.Lock()
	if want := server.URL + "/.default client_credentials " + clientID; len(g.forms) != 1 || g.forms[0] != want {
		t.Errorf("token requests %q, want one: %s", g.forms, want)
	}
	g.mu.Unlock()
	blind, err := hook.await(patience, func(d delivery) bool { return d.event.Type == drift.MonitorBlind })
	must(t, err)
	if blind.event.Reason != string(drift.ReasonIncomplete) || len(blind.event.Kinds) != 3 {
		t.Errorf("got %s about %v, want incomplete about three kinds", blind.event.Reason, blind.event.Kinds)
	}
	code, stdout, _ := s.cadrift(t, "status", "--output", "json")
	if code != 0 || !strings.Contains(strings.ReplaceAll(stdout, " ", ""), `"policy":5`) || !strings.Contains(stdout, `"incomplete"`) {
		t.Errorf("status: exit %d\n%s", code, stdout)
	}
	g.mu.Lock()
	g.policies[4]["state"] = "disabled"                      // on the last page
	g.policies = append(g.policies[:1:1], g.policies[2:]...) // two is gone
	g.mu.Unlock()
	change, err := hook.await(patience, func(d delivery) bool { return d.event.Object != nil && d.event.Object.ID == "p-five" })
	must(t, err)
	if change.event.Severity != drift.Critical || change.event.Dir() != drift.Weaker {
		t.Errorf("got %s", change.body)
	}
	before := g.count("/v1.0/identity/conditionalAccess/policies/p-two")
	must(t, d.passes(3))
	if n := g.count("/v1.0/identity/conditionalAccess/policies/p-two"); before == 0 || n != before {
		t.Errorf("asked for the absent policy %d and then %d times, want once, and again 30 s later", before, n-before)
	}
	// Deleted is said after a second look half a minute later, not before.
	for _, d := range hook.deliveries() {
		if d.event.Action == drift.Deleted {
			t.Errorf("an absence was announced as a deletion at once: %s", d.body)
		}
	}
	must(t, d.end(syscall.SIGTERM))
}
