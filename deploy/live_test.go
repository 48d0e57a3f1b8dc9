package deploy

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cadrift/cadrift/internal/app"
)

// exportedMetrics asks the program's registry, series or not.
func exportedMetrics(t *testing.T) map[string]bool {
	t.Helper()
	ch := make(chan *prometheus.Desc)
	go func() {
		defer close(ch)
		app.NewMetrics("test").Registry.Describe(ch)
	}()
	names := map[string]bool{}
	for d := range ch {
		if m := regexp.MustCompile(`fqName: "([^"]+)"`).FindStringSubmatch(d.String()); m != nil {
			names[m[1]] = true
		}
	}
	if len(names) < 20 {
		t.Fatalf("only %d metrics found", len(names))
	}
	// What the shipped unit's ProcSubset=pid leaves of the process collector: no
	// process_start_time_seconds, which needs /proc/stat.
	names["go_goroutines"], names["process_resident_memory_bytes"] = true, true
	return names
}

// start runs a program until the test ends and copies its output to a file,
// which is shown when the test fails.
func start(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	logFile := filepath.Join(t.TempDir(), filepath.Base(cmd.Path)+".log")
	f, err := os.Create(logFile)
	if err != nil {
		t.Fatal(err)
	}
	if cmd.Stdout == nil {
		cmd.Stdout = f
	}
	cmd.Stderr = f
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		timer := time.AfterFunc(20*time.Second, func() { cmd.Process.Kill() })
		cmd.Wait()
		timer.Stop()
		f.Close()
		if t.Failed() {
			text, _ := os.ReadFile(logFile)
			t.Logf("%s:\n%s", filepath.Base(cmd.Path), text[max(0, len(text)-4000):])
		}
	})
}

// freePort is a port that nobody listens on just now.
func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

func getJSON(address string, into any) error {
	resp, err := http.Get(address)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(resp.Body)
		return fmt.Errorf("%s: %s: %s", address, resp.Status, text)
	}
	return json.NewDecoder(resp.Body).Decode(into)
}

// pages counts what Alertmanager tells on-call.
type pages struct {
	mu               sync.Mutex
	firing, resolved map[string]int
}

func (p *pages) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	var body struct {
		Alerts []struct {
			Status string
			Labels map[string]string
		}
	}
	if json.NewDecoder(r.Body).Decode(&body) != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range body.Alerts {
		if a.Status == "resolved" {
			p.resolved[a.Labels["alertname"]]++
		} else {
			p.firing[a.Labels["alertname"]]++
		}
	}
}

func (p *pages) count(m map[string]int, name string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return m[name]
}

// The shipped rules in a real Prometheus, which scrapes the demonstration and
// tells a real Alertmanager: an alert fires when a policy is weakened and
// resolves when the baseline accepts it. Meanwhile every expression of the
// dashboard has an answer.
func TestRealPrometheus(t *testing.T) {
	oracles(t, "a minute with a real Prometheus and Alertmanager")
	prom, am := program(t, "prometheus"), program(t, "prometheus-alertmanager", "alertmanager")
	bin := built(t)
	dir := t.TempDir()
	web, promAddr, amAddr := freePort(t), freePort(t), freePort(t)

	told := &pages{firing: map[string]int{}, resolved: map[string]int{}}
	sink, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: told}
	go server.Serve(sink)
	t.Cleanup(func() { server.Close() })

	ruleFile, err := filepath.Abs(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"prometheus.yml": fmt.Sprintf("global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [%q]\n"+
			"alerting: {alertmanagers: [{static_configs: [{targets: [%q]}]}]}\n"+
			"scrape_configs: [{job_name: cadrift, static_configs: [{targets: [%q]}]}]\n", ruleFile, amAddr, web),
		"alertmanager.yml": fmt.Sprintf("route: {receiver: oncall, group_by: [alertname, tenant], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}\n"+
			"receivers: [{name: oncall, webhook_configs: [{url: 'http://%s/', send_resolved: true}]}]\n", sink.Addr()),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	start(t, exec.Command(am, "--config.file="+filepath.Join(dir, "alertmanager.yml"), "--storage.path="+filepath.Join(dir, "am"),
		"--web.listen-address="+amAddr, "--cluster.listen-address="))
	start(t, exec.Command(prom, "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "prom"),
		"--web.listen-address="+promAddr, "--rules.alert.resend-delay=1s"))
	state := filepath.Join(dir, "state")
	demo := exec.Command(bin, "demo", "--speed", "20", "--listen", web, "--state-dir", state)
	out, err := demo.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	start(t, demo)
	go func() { // the demonstration talks; nobody listens here
		for s := bufio.NewScanner(out); s.Scan(); {
		}
	}()

	const alert = "CadriftDriftCritical"
	eventually(t, time.Minute, alert+" firing at Alertmanager's receiver", func() bool { return told.count(told.firing, alert) > 0 })
	if n := told.count(told.resolved, alert); n > 0 {
		t.Errorf("%d resolutions before anything was put right", n)
	}
	checkPanels(t, "http://"+promAddr)
	eventually(t, 90*time.Second, alert+" resolved at Alertmanager's receiver", func() bool {
		accept(t, bin, filepath.Join(state, "cadrift.yaml"))
		return told.count(told.resolved, alert) > 0
	})
}

// accept moves the baseline to whatever is now critical.
func accept(t *testing.T, bin, config string) {
	t.Helper()
	out, err := exec.Command(bin, "--config", config, "--output", "json", "drifts").Output()
	if err != nil {
		t.Fatalf("drifts: %v", err)
	}
	var open struct {
		Drifts []struct {
			Object   struct{ ID string }
			Severity string `json:"drift_severity"`
		}
	}
	if err := json.Unmarshal(out, &open); err != nil {
		t.Fatal(err)
	}
	for _, d := range open.Drifts {
		if d.Severity == "critical" {
			run(t, bin, "--config", config, "baseline", "accept", d.Object.ID, "--reason", "as planned")
		}
	}
}

// checkPanels asks Prometheus for every expression of the dashboard.
func checkPanels(t *testing.T, prom string) {
	t.Helper()
	for _, p := range dashboard(t).allPanels() {
		for _, target := range p.Targets {
			query := prom + "/api/v1/query?query=" + url.QueryEscape(substitute(target.Expr))
			var last string
			eventually(t, 20*time.Second, fmt.Sprintf("an answer to %q (%s)", p.Title, target.Expr), func() bool {
				var answer struct {
					Data struct{ Result []json.RawMessage }
				}
				err := getJSON(query, &answer)
				last = fmt.Sprint(err)
				return err == nil && len(answer.Data.Result) > 0
			})
			if strings.Contains(last, "bad_data") {
				t.Errorf("%s: %s", p.Title, last)
			}
		}
	}
}
