package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cadrift/cadrift/internal/graphsim"
)

const (
	tenantID = "11111111-1111-1111-1111-111111111111"
	clientID = "22222222-2222-2222-2222-222222222222"
)

// fullTenant serves a simulated tenant of the largest size that Graph allows:
// 240 policies of about 4 KB and 195 named locations.
func fullTenant(t *testing.T, ctx context.Context) (*graphsim.Server, string) {
	t.Helper()
	cloud := graphsim.New(graphsim.Options{Seed: 1})
	tenant := cloud.AddTenant(tenantID, "contoso")
	tenant.Tune(func(b *graphsim.Behaviour) { b.RequestsPerSecond = 0 })
	tenant.AddApp(graphsim.App{ClientID: clientID, Secret: "sesame", Roles: []string{graphsim.PolicyReadAll}})
	admin := tenant.As(graphsim.User("99999999-9999-9999-9999-999999999999", "alex@contoso.example", "192.0.2.1"))
	for i := range 195 {
		must(t, second(admin.CreateLocation(fmt.Sprintf(`{"@odata.type":"#microsoft.graph.ipNamedLocation","displayName":"Branch %03d","isTrusted":true,"ipRanges":[{"@odata.type":"#microsoft.graph.iPv4CidrRange","cidrAddress":"10.0.%d.0/24"}]}`, i, i))))
	}
	for i := range 240 {
		ids := make([]string, 55)
		for j := range ids {
			ids[j] = fmt.Sprintf(`"%08x-0000-4000-8000-%012x"`, i, j)
		}
		must(t, second(admin.CreatePolicy(fmt.Sprintf(`{"displayName":"CA%03d","state":"enabled","conditions":{"users":{"includeUsers":["All"],"excludeUsers":[%s]},"applications":{"includeApplications":["All"]},"clientAppTypes":["all"]},"grantControls":{"operator":"OR","builtInControls":["mfa"]}}`, i, strings.Join(ids, ",")))))
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	served := make(chan error, 1)
	go func() { served <- cloud.ServeTLS(ctx, ln) }()
	t.Cleanup(func() { must(t, <-served) })
	return cloud, ln.Addr().String()
}

// TestDaemonIsSmallAndStopsCleanly runs the built binary against a full tenant
// at one pass a second, over TLS, and looks at it from outside: its resident
// memory when it idles, and how it takes a SIGTERM.
func TestDaemonIsSmallAndStopsCleanly(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc")
	}
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	dir := t.TempDir()
	binary := filepath.Join(dir, "cadrift")
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	cloud, addr := fullTenant(t, ctx)
	defer cancel() // before the clean-up that waits for the server
	ca, err := cloud.CAPEM()
	must(t, err)
	for name, body := range map[string]string{
		"ca.pem": string(ca), "secret": "sesame",
		"cadrift.yaml": fmt.Sprintf(`
state_dir: state
web: {listen: "127.0.0.1:0"}
tenants:
  - {name: contoso, tenant_id: %s, cloud: custom, endpoints: {graph: "https://%s", authority: "https://%s"},
     ca_file: ca.pem, requests_per_second: 50, schedule: "@every 1s", baseline: {auto_pin: true},
     credentials: {client_id: %s, client_secret_file: secret}}
`, tenantID, addr, addr, clientID),
	} {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(body), 0o600))
	}
	daemon := exec.Command(binary, "--config", filepath.Join(dir, "cadrift.yaml"), "run")
	logs, err := daemon.StderrPipe()
	must(t, err)
	start := time.Now()
	must(t, daemon.Start())
	web := listening(t, logs)
	waitReady(t, web)
	t.Logf("first good pass %v after the start", time.Since(start).Round(time.Millisecond))
	time.Sleep(10 * time.Second) // ten passes without news
	rss := resident(t, daemon.Process.Pid)
	t.Logf("resident after ten passes without news: %.1f MiB", float64(rss)/(1<<20))
	if rss > 64<<20 {
		t.Errorf("resident memory is %d MiB, want at most 64", rss>>20)
	}
	stopped := time.Now()
	must(t, daemon.Process.Signal(syscall.SIGTERM))
	if err := daemon.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
	if took := time.Since(stopped); took > 10*time.Second {
		t.Errorf("SIGTERM took %v", took)
	}
	cancel()
}

// listening reads the log until the web listener's address, and the rest of it
// in the background so that the daemon never waits for a reader.
func listening(t *testing.T, logs interface{ Read([]byte) (int, error) }) string {
	t.Helper()
	lines := bufio.NewScanner(logs)
	for lines.Scan() {
		if strings.Contains(lines.Text(), `"listener":"web"`) {
			_, rest, _ := strings.Cut(lines.Text(), `"addr":"`)
			addr, _, _ := strings.Cut(rest, `"`)
			go func() {
				for lines.Scan() {
				}
			}()
			return addr
		}
	}
	t.Fatal("the daemon named no web listener")
	return ""
}

func waitReady(t *testing.T, web string) {
	t.Helper()
	for range 300 {
		resp, err := http.Get("http://" + web + "/readyz")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal("the daemon did not become ready in 30 s")
}

// resident is VmRSS in bytes.
func resident(t *testing.T, pid int) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	must(t, err)
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
			must(t, err)
			return kb << 10
		}
	}
	t.Fatal("no VmRSS")
	return 0
}

func second(_ string, err error) error { return err }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
