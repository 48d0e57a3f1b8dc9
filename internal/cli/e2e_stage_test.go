package cli_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/graphsim"
	"github.com/cadrift/cadrift/internal/graphsim/contoso"
)

// What the simulated tenants have. The secret is a marker too: it must never
// be seen outside its file.
const (
	clientID     = "22222222-2222-4222-8222-222222222222"
	clientSecret = "marker-client-secret-7f3a"

	contosoID  = "11111111-1111-4111-8111-111111111111"
	fabrikamID = "11111111-1111-4111-8111-222222222222"

	ca001 = "aaaaaaaa-0000-4000-8000-000000000001"
	ca002 = "aaaaaaaa-0000-4000-8000-000000000002"
	ca003 = "bbbbbbbb-0000-4000-8000-000000000003"
	hq    = "cccccccc-0000-4000-8000-000000000001"

	everyone = `"conditions":{"users":{"includeUsers":["All"]},"applications":{"includeApplications":["All"]},"clientAppTypes":["all"]}`
)

// stage is a simulated cloud on a real socket, and a directory with what a
// configuration needs to reach it.
type stage struct {
	dir     string
	cloud   *graphsim.Server
	tenants map[string]*graphsim.Tenant
	addr    string
	stop    func()
}

// newStage serves the tenants, furnished small; "big" is the demonstration's.
func newStage(dir string, names ...string) (*stage, error) {
	s := &stage{dir: dir, tenants: map[string]*graphsim.Tenant{}}
	if len(names) == 1 && names[0] == "big" {
		cloud, tenant, err := contoso.New(time.Now())
		if err != nil {
			return nil, err
		}
		s.cloud, s.tenants["contoso"] = cloud, tenant
	} else {
		s.cloud = graphsim.New(graphsim.Options{Seed: 7})
		for _, name := range names {
			if err := s.furnish(name); err != nil {
				return nil, err
			}
		}
	}
	for _, t := range s.tenants {
		t.Tune(func(b *graphsim.Behaviour) { b.RequestsPerSecond = 0 })
		t.AddApp(graphsim.App{
			ClientID: clientID, Name: "cadrift", Secret: clientSecret,
			Roles: []string{graphsim.PolicyReadAll, graphsim.AuditRead, graphsim.DirectoryRead},
		})
	}
	return s, s.serve()
}

func (s *stage) furnish(name string) error {
	t := s.cloud.AddTenant(tenantIDs[name], name)
	s.tenants[name] = t
	for _, body := range []string{
		`{"id":"` + ca001 + `","displayName":"CA001 MFA for everyone","state":"enabled",` + everyone + `,"grantControls":{"operator":"OR","builtInControls":["mfa"]}}`,
		`{"id":"` + ca002 + `","displayName":"CA002 Block legacy","state":"enabled","conditions":{"users":{"includeUsers":["All"]},"applications":{"includeApplications":["All"]},"clientAppTypes":["exchangeActiveSync","other"]},"grantControls":{"operator":"OR","builtInControls":["block"]}}`,
		`{"id":"` + ca003 + `","displayName":"CA003 Ümlaut & <report only>","state":"enabledForReportingButNotEnforced",` + everyone + `,"grantControls":{"operator":"OR","builtInControls":["compliantDevice"]}}`,
	} {
		if err := t.Seed(drift.Policy, body); err != nil {
			return err
		}
	}
	return t.Seed(drift.NamedLocation, `{"@odata.type":"#microsoft.graph.ipNamedLocation","id":"`+hq+
		`","displayName":"HQ","isTrusted":true,"ipRanges":[{"@odata.type":"#microsoft.graph.iPv4CidrRange","cidrAddress":"192.0.2.0/26"}]}`)
}

var tenantIDs = map[string]string{"contoso": contosoID, "fabrikam": fabrikamID}

func (s *stage) serve() error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.addr = ln.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.cloud.ServeTLS(ctx, ln) }()
	s.stop = func() { cancel(); <-done }
	ca, err := s.cloud.CAPEM()
	if err != nil {
		return err
	}
	if err := s.write("ca.pem", string(ca)); err != nil {
		return err
	}
	return s.write("secret", clientSecret+"\n")
}

// configure writes cadrift.yaml: every tenant, with the lines of extra added
// to each of them, and the lines of top.
func (s *stage) configure(extra, top string) error {
	var b strings.Builder
	b.WriteString("state_dir: state\n")
	if !strings.Contains(top, "web:") {
		b.WriteString("web: {listen: \"127.0.0.1:0\"}\n")
	}
	b.WriteString(top)
	b.WriteString("\ntenants:\n")
	for _, name := range []string{"contoso", "fabrikam"} {
		t := s.tenants[name]
		if t == nil {
			continue
		}
		fmt.Fprintf(&b, "  - name: %s\n    tenant_id: %s\n    cloud: custom\n    endpoints: {graph: \"https://%s\", authority: \"https://%s\"}\n"+
			"    ca_file: ca.pem\n    requests_per_second: 50\n    credentials: {client_id: %s, client_secret_file: secret}\n",
			name, t.ID, s.addr, s.addr, clientID)
		if !strings.Contains(extra, "schedule:") {
			b.WriteString("    schedule: \"@every 1s\"\n")
		}
		if !strings.Contains(extra, "attribution:") { // events that come later, at a time of their own
			b.WriteString("    attribution: \"off\"\n")
		}
		for line := range strings.Lines(extra) {
			b.WriteString("    " + line)
		}
		if extra != "" && !strings.HasSuffix(extra, "\n") {
			b.WriteString("\n")
		}
	}
	return s.write("cadrift.yaml", b.String())
}

func (s *stage) write(name, text string) error {
	return os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600)
}

// admin acts as an administrator of contoso at a portal.
func (s *stage) admin() *graphsim.Admin {
	return s.tenants["contoso"].As(graphsim.User("99999999-9999-4999-8999-999999999999", "alex@contoso.example", "203.0.113.9"))
}

// newTestStage is a stage for a Go test, ended with it.
func newTestStage(t *testing.T, names ...string) *stage {
	t.Helper()
	dir, err := os.MkdirTemp("", "cadrift") // t.TempDir is too long for a socket's name
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	s, err := newStage(dir, names...)
	must(t, err)
	t.Cleanup(s.stop)
	return s
}

// runHooked runs the daemon on a stage of one tenant and one webhook.
func runHooked(t *testing.T) (*stage, *receiver, *daemon) {
	t.Helper()
	s := newTestStage(t, "contoso")
	hook, err := newReceiver()
	must(t, err)
	t.Cleanup(func() { hook.server.Close() })
	must(t, s.configure("", "receivers:\n  - {name: siem, type: webhook, url: \""+hook.url+"\"}\n"))
	return s, hook, s.run(t)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
