// Package opstest runs the real program as an operator does, against a
// simulated tenant and receivers on loopback, and does to it what happens to
// programs in years of service: signals, rotations, full disks, kills. It has
// no code of its own.
package opstest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/graphsim"
)

const (
	clientID = "c0ffee00-0000-4000-8000-000000000001"
	secret   = "sesame"
)

var binary struct {
	sync.Once
	path string
	err  error
}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "cadrift-ops-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binary.path = filepath.Join(dir, "cadrift")
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// program builds cadrift once.
func program(t *testing.T) string {
	t.Helper()
	binary.Do(func() {
		cmd := exec.Command("go", "build", "-trimpath", "-o", binary.path, "../../cmd/cadrift")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			binary.err = fmt.Errorf("build: %w\n%s", err, out)
		}
	})
	if binary.err != nil {
		t.Fatal(binary.err)
	}
	return binary.path
}

// installed is the path of a command, or skips the test that needs it.
func installed(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed: this check did not run", name)
	}
	return path
}

// oracle skips what asks a whole program of other people and takes its time.
func oracle(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CADRIFT_ORACLES") != "1" {
		t.Skipf("CADRIFT_ORACLES=1 runs this: %s", what)
	}
}

// long tells whether full counts were asked for.
func long() bool { return os.Getenv("CADRIFT_LONG") != "" }

// rig is a stage: a cloud, receivers, and the files of one daemon.
type rig struct {
	t       *testing.T
	dir     string
	cloud   *graphsim.Server
	graph   string // host:port
	tenants []*graphsim.Tenant
	sink    *sink
	// config is the configuration; write puts it where the daemon reads it.
	config map[string]any
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func tenantID(n int) string { return fmt.Sprintf("7e4a4700-0000-4000-8000-%012d", n+1) }
func tenantName(n int) string {
	return fmt.Sprintf("tenant%d", n+1)
}

// newRig makes a stage of some tenants with a few policies each, and of two
// webhook receivers, a and b.
func newRig(t *testing.T, tenants int) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), cloud: graphsim.New(graphsim.Options{Seed: 6}), sink: newSink(t)}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	r.graph = ln.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.cloud.ServeTLS(ctx, ln) }()
	t.Cleanup(func() { cancel(); <-done })
	ca, err := r.cloud.CAPEM()
	must(t, err)
	r.file("ca.pem", string(ca))
	r.file("client-secret", secret+"\n")
	var list []any
	for n := range tenants {
		tenant := r.cloud.AddTenant(tenantID(n), tenantName(n))
		tenant.Tune(func(b *graphsim.Behaviour) { b.RequestsPerSecond, b.PolicyLimit = 0, 0 })
		tenant.AddApp(graphsim.App{ClientID: clientID, Secret: secret, Roles: []string{graphsim.PolicyReadAll}})
		r.tenants = append(r.tenants, tenant)
		for i := range 4 {
			r.policy(n, fmt.Sprintf("CA%03d", i+1))
		}
		list = append(list, map[string]any{
			"name": tenantName(n), "tenant_id": tenantID(n), "cloud": "custom",
			"endpoints": map[string]any{"graph": "https://" + r.graph, "authority": "https://" + r.graph},
			"ca_file":   "ca.pem", "requests_per_second": 50, "schedule": "@every 1s",
			"credentials": map[string]any{"client_id": clientID, "client_secret_file": "client-secret"},
			"attribution": "off", "resolve_names": false, "baseline": map[string]any{"auto_pin": true},
		})
	}
	r.config = map[string]any{
		"state_dir": "state", "web": map[string]any{"listen": "127.0.0.1:0"}, "log": map[string]any{"format": "json"},
		"tenants": list,
		"receivers": []any{
			map[string]any{"name": "a", "type": "webhook", "url": r.sink.url("a")},
			map[string]any{"name": "b", "type": "webhook", "url": r.sink.url("b")},
		},
	}
	r.write()
	return r
}

func (r *rig) tenant(n int) map[string]any { return r.config["tenants"].([]any)[n].(map[string]any) }

// file writes a file beside the configuration, as a careful operator does.
func (r *rig) file(name, text string) {
	r.t.Helper()
	path := filepath.Join(r.dir, name)
	must(r.t, os.MkdirAll(filepath.Dir(path), 0o700))
	must(r.t, os.WriteFile(path+".new", []byte(text), 0o600))
	must(r.t, os.Rename(path+".new", path))
}

// write puts the configuration in place: JSON is YAML.
func (r *rig) write() {
	r.t.Helper()
	text, err := json.MarshalIndent(r.config, "", "  ")
	must(r.t, err)
	r.file("cadrift.yaml", string(text))
}

func (r *rig) configFile() string { return filepath.Join(r.dir, "cadrift.yaml") }

func (r *rig) admin(n int) *graphsim.Admin {
	return r.tenants[n].As(graphsim.User("99999999-9999-4999-8999-999999999999", "alex@contoso.example", "203.0.113.9"))
}

// policy makes an enforced policy and gives its id.
func (r *rig) policy(n int, name string) string {
	r.t.Helper()
	id, err := r.admin(n).CreatePolicy(fmt.Sprintf(`{"displayName":%q,"state":"enabled",
		"conditions":{"users":{"includeUsers":["All"]},"applications":{"includeApplications":["All"]},"clientAppTypes":["all"]},
		"grantControls":{"operator":"OR","builtInControls":["mfa"]}}`, name))
	must(r.t, err)
	return id
}

// switchTo changes the state of a tenant's i-th policy.
func (r *rig) switchTo(n, i int, state string) {
	r.t.Helper()
	ids := r.tenants[n].IDs(drift.Policy)
	must(r.t, r.admin(n).PatchPolicy(ids[i], fmt.Sprintf(`{"state":%q}`, state)))
}

// command is the program with the rig's configuration.
func (r *rig) command(args ...string) *exec.Cmd {
	return exec.Command(program(r.t), append([]string{"--config", r.configFile()}, args...)...)
}

// cli runs a command that must succeed.
func (r *rig) cli(args ...string) string {
	r.t.Helper()
	out, err := r.command(args...).CombinedOutput()
	if err != nil {
		r.t.Fatalf("cadrift %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// daemon is one running process.
type daemon struct {
	r    *rig
	cmd  *exec.Cmd
	web  string
	done chan struct{}
	err  error

	mu  sync.Mutex
	log bytes.Buffer
}

// start runs cadrift run and waits for its page; wrap may put another program
// in front.
func (r *rig) start(wrap func(*exec.Cmd)) *daemon {
	r.t.Helper()
	d := r.launch(wrap)
	eventually(r.t, 20*time.Second, "the daemon opens its page", func() bool {
		return d.listening() || d.ended()
	})
	if d.ended() {
		r.t.Fatalf("the daemon ended: %v\n%s", d.err, d.output())
	}
	return d
}

// launch starts it and waits for nothing.
func (r *rig) launch(wrap func(*exec.Cmd)) *daemon {
	r.t.Helper()
	d := &daemon{r: r, cmd: r.command("run"), done: make(chan struct{})}
	if wrap != nil {
		wrap(d.cmd)
	}
	pipe, err := d.cmd.StderrPipe()
	must(r.t, err)
	must(r.t, d.cmd.Start())
	go d.follow(pipe)
	r.t.Cleanup(func() {
		d.stop(syscall.SIGTERM, 25*time.Second)
		if r.t.Failed() {
			out := d.output()
			r.t.Logf("log of the daemon:\n%s", out[max(0, len(out)-6000):])
		}
	})
	return d
}

// follow keeps the log and finds the address in it.
func (d *daemon) follow(pipe io.Reader) {
	defer close(d.done)
	for s := bufio.NewScanner(pipe); s.Scan(); {
		var rec struct{ Msg, Listener, Addr string }
		d.mu.Lock()
		d.log.Write(s.Bytes())
		d.log.WriteByte('\n')
		if json.Unmarshal(s.Bytes(), &rec) == nil && rec.Msg == "listening" && rec.Listener == "web" {
			d.web = "http://" + rec.Addr
		}
		d.mu.Unlock()
	}
	d.err = d.cmd.Wait()
}

func (d *daemon) output() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.String()
}

func (d *daemon) listening() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.web != ""
}

func (d *daemon) ended() bool {
	select {
	case <-d.done:
		return true
	default:
		return false
	}
}

// stop signals and waits; it tells how long the end took.
func (d *daemon) stop(sig syscall.Signal, within time.Duration) (time.Duration, error) {
	if d.ended() {
		return 0, d.err
	}
	begin := time.Now()
	d.cmd.Process.Signal(sig)
	select {
	case <-d.done:
		return time.Since(begin), d.err
	case <-time.After(within):
		d.cmd.Process.Kill()
		<-d.done
		return time.Since(begin), errors.New("it had to be killed")
	}
}

func (d *daemon) get(path string) (int, string) {
	d.r.t.Helper()
	client := http.Client{Timeout: 10 * time.Second}
	resp, err := client.Get(d.web + path)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text)
}

func (d *daemon) ready() bool { code, _ := d.get("/readyz"); return code == http.StatusOK }

// metric is the value of the first series that starts so; -1 without one.
func (d *daemon) metric(series string) float64 {
	_, text := d.get("/metrics")
	for line := range strings.SplitSeq(text, "\n") {
		if strings.HasPrefix(line, series) {
			var v float64
			fmt.Sscan(line[strings.LastIndexByte(line, ' ')+1:], &v)
			return v
		}
	}
	return -1
}

// eventually waits for something that another process does.
func eventually(t *testing.T, within time.Duration, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(within); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", within, what)
		}
	}
}

// verified stops the daemon and checks every record of its store.
func verified(t *testing.T, r *rig, d *daemon) {
	t.Helper()
	if _, err := d.stop(syscall.SIGTERM, 25*time.Second); err != nil {
		t.Errorf("stop: %v", err)
	}
	if out := r.cli("--output", "json", "verify"); !strings.Contains(out, `"ok": true`) && !strings.Contains(out, `"ok":true`) {
		t.Errorf("verify: %s", out)
	}
}
