package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cadrift/cadrift/internal/api"
	"github.com/cadrift/cadrift/internal/config"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/graphsim"
	"github.com/cadrift/cadrift/internal/store"
)

const (
	tenantID = "11111111-1111-1111-1111-111111111111"
	clientID = "22222222-2222-2222-2222-222222222222"
)

// stage is a daemon in this process, over real sockets on loopback.
type stage struct {
	t      *testing.T
	dir    string
	cloud  *graphsim.Server
	tenant *graphsim.Tenant
	graph  string
	hooks  *httptest.Server
	app    *App
	web    string
	end    func()
	logs   safeBuffer

	mu    sync.Mutex
	heard []string // path and summary of every webhook
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{t: t, dir: t.TempDir(), cloud: graphsim.New(graphsim.Options{Seed: 1})}
	s.tenant = s.cloud.AddTenant(tenantID, "contoso")
	s.tenant.Tune(func(b *graphsim.Behaviour) { b.RequestsPerSecond = 0 })
	s.tenant.AddApp(graphsim.App{ClientID: clientID, Secret: "sesame", Roles: []string{graphsim.PolicyReadAll}})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	s.graph = ln.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.cloud.ServeTLS(ctx, ln) }()
	t.Cleanup(func() { cancel(); check(t, <-served) })
	ca, err := s.cloud.CAPEM()
	check(t, err)
	s.hooks = httptest.NewServer(http.HandlerFunc(s.hear))
	t.Cleanup(s.hooks.Close)
	s.write("ca.pem", string(ca))
	s.write("secret", "sesame")
	return s
}

func (s *stage) hear(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var e struct {
		Type    string `json:"type"`
		Summary string `json:"summary"`
	}
	_ = json.Unmarshal(body, &e)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = append(s.heard, r.URL.Path+" "+e.Type+" "+e.Summary)
}

func (s *stage) write(name, body string) {
	s.t.Helper()
	check(s.t, os.WriteFile(filepath.Join(s.dir, name), []byte(body), 0o600))
}

// config writes a configuration whose one receiver posts to path.
func (s *stage) config(path, rest string) {
	s.write("cadrift.yaml", fmt.Sprintf(`
state_dir: state
web: {listen: "127.0.0.1:0"}
tenants:
  - {name: contoso, tenant_id: %s, cloud: custom, endpoints: {graph: "https://%s", authority: "https://%s"},
     ca_file: ca.pem, requests_per_second: 50, schedule: "@every 1s", baseline: {auto_pin: true},
     credentials: {client_id: %s, client_secret_file: secret}}
receivers:
  - {name: %s, type: webhook, url: "%s/%s"}
%s`, tenantID, s.graph, s.graph, clientID, path, s.hooks.URL, path, rest))
}

// run starts the daemon and waits until it is ready.
func (s *stage) run() {
	s.t.Helper()
	cfg, err := config.Load(filepath.Join(s.dir, "cadrift.yaml"))
	check(s.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	web := make(chan string, 1)
	s.app, err = prepare(cfg, Options{
		ConfigFile: filepath.Join(s.dir, "cadrift.yaml"), Version: "test", LogTo: &s.logs, Level: "debug", Format: "json",
		Listening: func(listener, addr string) {
			if listener == "web" {
				web <- addr
			}
		},
	})
	check(s.t, err)
	done := make(chan error, 1)
	go func() { done <- s.app.run(ctx) }()
	s.end = func() { cancel(); check(s.t, <-done); everyKeyOnce(s.t, s.logs.String()) }
	select {
	case s.web = <-web:
	case err := <-done:
		s.t.Fatalf("the daemon ended: %v", err)
	}
	s.until("ready", func() bool { ok, _ := s.app.ready(); return ok })
}

func (s *stage) until(what string, ok func() bool) {
	s.t.Helper()
	for range 200 {
		if ok() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	s.t.Fatalf("not %s in 10 s", what)
}

func (s *stage) heardAt(prefix string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.heard {
		if strings.HasPrefix(h, prefix) {
			return true
		}
	}
	return false
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A reload that fails anywhere leaves everything as it was, and says so; one
// that works moves only what changed.
func TestReload(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.config("first", "")
	s.run()
	defer s.end()
	before := s.app.setup.Load()
	for name, bad := range map[string]string{
		"not YAML":          "tenants: [",
		"an unknown key":    "surprise: 1\n",
		"no such secret":    strings.Replace(s.read("cadrift.yaml"), "client_secret_file: secret", "client_secret_file: gone", 1),
		"a schedule panics": strings.Replace(s.read("cadrift.yaml"), "@every 1s", "TZ=UTC", 1),
	} {
		good := s.read("cadrift.yaml")
		s.write("cadrift.yaml", bad)
		if err := s.app.Reload(context.Background()); err == nil {
			t.Errorf("%s: reloaded", name)
		}
		if s.app.setup.Load() != before {
			t.Errorf("%s: something was swapped", name)
		}
		if doc, err := s.app.Status(context.Background()); err != nil || doc.Config.OK || doc.Config.Error == "" {
			t.Errorf("%s: status says %+v, %v", name, doc.Config, err)
		}
		s.write("cadrift.yaml", good)
	}
	s.config("second", "")
	check(t, s.app.Reload(context.Background()))
	after := s.app.setup.Load()
	if before.tenants[0].watcher != after.tenants[0].watcher {
		t.Error("the tenant was restarted although only a receiver changed")
	}
	_, err := s.tenant.As(graphsim.User("99999999-9999-9999-9999-999999999999", "alex", "192.0.2.1")).CreatePolicy(
		`{"displayName":"CA001","state":"enabled","conditions":{"users":{"includeUsers":["All"]},"applications":{"includeApplications":["All"]},"clientAppTypes":["all"]},"grantControls":{"operator":"OR","builtInControls":["mfa"]}}`)
	check(t, err)
	s.until("told to the new receiver", func() bool { return s.heardAt("/second drift.changed CA001 created") })
	if s.heardAt("/first drift.changed") {
		t.Error("the removed receiver was told")
	}
}

func (s *stage) read(name string) string {
	s.t.Helper()
	body, err := os.ReadFile(filepath.Join(s.dir, name))
	check(s.t, err)
	return string(body)
}

// What waits for a restart keeps its old value and is named; the rest moves.
func TestReloadKeepsWhatNeedsARestart(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.config("first", "")
	s.run()
	defer s.end()
	s.write("cadrift.yaml", strings.Replace(s.read("cadrift.yaml"), "127.0.0.1:0", "127.0.0.1:1", 1))
	check(t, s.app.Reload(context.Background()))
	doc, err := s.app.Status(context.Background())
	check(t, err)
	if got := strings.Join(doc.Config.PendingRestart, " "); got != "web.listen" {
		t.Errorf("pending restart: got %q, want web.listen", got)
	}
	resp, err := http.Get("http://" + s.web + "/healthz")
	check(t, err)
	resp.Body.Close()
}

// The address that alerts link to may move while the daemon runs: the pages
// move with it.
func TestReloadMovesThePages(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.config("first", "")
	s.run()
	defer s.end()
	status := func(host, path string) int {
		r, err := http.NewRequest("GET", "http://"+s.web+path, nil)
		check(t, err)
		r.Host = host
		resp, err := http.DefaultClient.Do(r)
		check(t, err)
		resp.Body.Close()
		return resp.StatusCode
	}
	if got := status("drift.example", "/tools/"); got != http.StatusMisdirectedRequest {
		t.Errorf("before: status %d", got)
	}
	s.write("cadrift.yaml", strings.Replace(s.read("cadrift.yaml"), "web: {", `web: {external_url: "https://drift.example/tools", `, 1))
	check(t, s.app.Reload(context.Background()))
	if got := status("drift.example", "/tools/"); got != http.StatusOK {
		t.Errorf("after: status %d", got)
	}
}

// Whatever built the program, the metrics name the version that it says it is.
func TestBuildInfoIsTheVersion(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.config("first", "")
	s.run()
	defer s.end()
	resp, err := http.Get("http://" + s.web + "/metrics")
	check(t, err)
	defer resp.Body.Close()
	metrics, err := io.ReadAll(resp.Body)
	check(t, err)
	_, info, _ := strings.Cut(string(metrics), "\ncadrift_build_info{")
	if labels, _, _ := strings.Cut(info, "\n"); !strings.Contains(labels, `version="test"} 1`) {
		t.Errorf("build info is %q", labels)
	}
}

// What the baseline has and the tenant never had is drift, and has a page.
func TestPageOfAnObjectThatNeverWas(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.config("first", "")
	s.run()
	defer s.end()
	const id = "33333333-3333-3333-3333-333333333333"
	_, err := s.app.ChangeBaseline(context.Background(), "contoso", api.BaselineChange{
		Verb: api.Import, Kinds: []drift.Kind{drift.Policy}, Reason: "test", By: "uid 0",
		Objects: []api.RawObject{{Kind: drift.Policy, Body: []byte(`{"id":"` + id + `","displayName":"CA999","state":"enabled"}`)}},
	})
	check(t, err)
	resp, err := http.Get("http://" + s.web + "/objects/contoso/policy/" + id)
	check(t, err)
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	check(t, err)
	if resp.StatusCode != http.StatusOK || !strings.Contains(string(page), "CA999") {
		t.Errorf("status %d: %s", resp.StatusCode, page)
	}
	t.Run("from a store that cannot be read", func(t *testing.T) { driftsWithoutActors(t, s.app.setup.Load()) })
}

// driftsWithoutActors shows the open drift, which is in memory, although the
// store cannot say who it was.
func driftsWithoutActors(t *testing.T, running *setup) {
	closed, err := store.Open(filepath.Join(t.TempDir(), "cadrift.db"), store.Options{Create: true})
	check(t, err)
	check(t, closed.Close())
	var logs strings.Builder
	a := &App{store: closed, log: slog.New(slog.NewTextHandler(&logs, nil))}
	a.setup.Store(running)
	open, err := reader{a}.Drifts(t.Context(), "")
	if err != nil || len(open) == 0 {
		t.Errorf("got %+v, %v", open, err)
	}
	if !strings.Contains(logs.String(), "actors of open drifts not read") {
		t.Errorf("the fault did not fire: %s", logs.String())
	}
}

// A second daemon on the same state says who holds it, within the lock's time,
// and changes nothing.
func TestSecondDaemonIsRefused(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.config("first", "")
	s.run()
	defer s.end()
	start := time.Now()
	err := Run(context.Background(), Options{ConfigFile: filepath.Join(s.dir, "cadrift.yaml"), LogTo: io.Discard})
	if err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("the second daemon ended with %v", err)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
	if ok, why := s.app.ready(); !ok {
		t.Errorf("the first daemon is not ready any more: %s", why)
	}
}
