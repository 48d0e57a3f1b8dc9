package deploy

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cadrift/cadrift/internal/app"
)

const (
	rulesFile = "prometheus/rules/cadrift.yaml"
	dashFile  = "grafana/dashboard.json"
)

type rule struct {
	Alert       string
	Expr        string
	For         string
	Labels      map[string]string
	Annotations map[string]string
}

func rules(t *testing.T) []rule {
	t.Helper()
	var file struct {
		Groups []struct {
			Name  string
			Rules []rule
		}
	}
	decode(t, rulesFile, &file)
	var all []rule
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	if len(all) == 0 {
		t.Fatal("no rules")
	}
	return all
}

func TestRules(t *testing.T) {
	promtool := program(t, "promtool")
	run(t, promtool, "check", "rules", rulesFile)
	run(t, promtool, append([]string{"test", "rules"}, ruleTests(t)...)...)
}

func ruleTests(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("prometheus/tests/*_test.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	return files
}

// testedAlerts counts the cases in which an alert must fire and must not.
func testedAlerts(t *testing.T) (firing, silent map[string]int) {
	t.Helper()
	firing, silent = map[string]int{}, map[string]int{}
	for _, file := range ruleTests(t) {
		var tests struct {
			RuleFiles          []string `yaml:"rule_files"`
			EvaluationInterval string   `yaml:"evaluation_interval"`
			Tests              []struct {
				Name          string
				Interval      string
				InputSeries   []map[string]string `yaml:"input_series"`
				AlertRuleTest []struct {
					Alertname string
					EvalTime  string           `yaml:"eval_time"`
					ExpAlerts []map[string]any `yaml:"exp_alerts"`
				} `yaml:"alert_rule_test"`
			}
		}
		decode(t, file, &tests)
		for _, c := range tests.Tests {
			for _, a := range c.AlertRuleTest {
				if len(a.ExpAlerts) > 0 {
					firing[a.Alertname]++
				} else {
					silent[a.Alertname]++
				}
			}
		}
	}
	return firing, silent
}

// Every alert says what it is and where to read on, has its entry in the
// runbook, and is tested both ways.
func TestEveryAlert(t *testing.T) {
	firing, silent := testedAlerts(t)
	runbook := read(t, "runbook.md")
	seen := map[string]bool{}
	for _, r := range rules(t) {
		if seen[r.Alert] {
			t.Errorf("%s: two rules of this name", r.Alert)
		}
		seen[r.Alert] = true
		if !strings.HasPrefix(r.Alert, "Cadrift") || !slices.Contains([]string{"critical", "warning", "info"}, r.Labels["severity"]) {
			t.Errorf("%s: name or severity %q", r.Alert, r.Labels["severity"])
		}
		for _, a := range []string{"summary", "description"} {
			if text := r.Annotations[a]; text == "" || !strings.HasSuffix(text, ".") {
				t.Errorf("%s: %s %q is no sentence", r.Alert, a, text)
			}
		}
		if got, want := r.Annotations["runbook_url"], "#"+strings.ToLower(r.Alert); !strings.HasSuffix(got, "deploy/runbook.md"+want) {
			t.Errorf("%s: runbook_url %q", r.Alert, got)
		}
		if !strings.Contains(runbook, "\n## "+r.Alert+"\n") {
			t.Errorf("%s: no entry in the runbook", r.Alert)
		}
		if firing[r.Alert] == 0 || silent[r.Alert] == 0 {
			t.Errorf("%s: %d firing and %d silent cases, want one each", r.Alert, firing[r.Alert], silent[r.Alert])
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^## (\w+)$`).FindAllStringSubmatch(runbook, -1) {
		if !seen[m[1]] {
			t.Errorf("runbook: %s is no alert", m[1])
		}
	}
	for _, m := range regexp.MustCompile(`\]\(#(\w+)\)`).FindAllStringSubmatch(runbook, -1) {
		if !slices.ContainsFunc(rules(t), func(r rule) bool { return strings.ToLower(r.Alert) == m[1] }) {
			t.Errorf("runbook: link to #%s leads nowhere", m[1])
		}
	}
}

// What the runbook leaves of a log is what ended the process: the log's own
// errors, a panic, problems of the configuration and what systemd says.
func TestRunbookFindsTheEnd(t *testing.T) {
	pattern := regexp.MustCompile(`journalctl .* grep -vE '([^']+)'`).FindStringSubmatch(read(t, "runbook.md"))
	if pattern == nil {
		t.Fatal("the runbook looks for nothing")
	}
	var text bytes.Buffer
	log := app.NewLogger(&text, new(slog.LevelVar), "json", "never")
	log.Info("pass done")
	log.Error("no progress, leaving the watchdog hungry", "tenant", "contoso")
	fmt.Fprintln(&text, "panic: runtime error: index out of range")
	fmt.Fprintln(&text, "/etc/cadrift/cadrift.yaml:3:1: unknown key")
	fmt.Fprintln(&text, "cadrift.service: Watchdog timeout (limit 1min)!")
	var left []string
	for line := range strings.Lines(text.String()) {
		if !regexp.MustCompile(pattern[1]).MatchString(line) {
			left = append(left, line)
		}
	}
	if len(left) != 4 || strings.Contains(strings.Join(left, ""), "pass done") {
		t.Errorf("left of the log: %q", left)
	}
}

var update = flag.Bool("update", false, "write the files that are made from others")

// The Prometheus operator takes the same rules in a wrapper of its own.
func TestPrometheusRule(t *testing.T) {
	const file = "kubernetes/prometheusrule.yaml"
	_, body, ok := strings.Cut(read(t, rulesFile), "\ngroups:")
	if !ok {
		t.Fatal("no groups")
	}
	var want strings.Builder
	want.WriteString("# deploy/prometheus/rules/cadrift.yaml as the Prometheus operator takes it;\n# make generate writes this file.\n" +
		"apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata:\n  name: cadrift\nspec:\n")
	for _, line := range strings.SplitAfter("groups:"+body, "\n") {
		if strings.TrimSpace(line) != "" {
			line = "  " + line
		}
		want.WriteString(line)
	}
	if *update {
		if err := os.WriteFile(file, []byte(want.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if read(t, file) != want.String() {
		t.Errorf("%s is stale: make generate", file)
	}
}

// metric finds the names of metrics in an expression.
var metric = regexp.MustCompile(`\b(?:cadrift|process|go)_[a-z0-9_]+\b`)

// series are the metrics that the expression reads, without the suffixes that
// a histogram adds.
func series(expr string) []string {
	var names []string
	for _, n := range metric.FindAllString(expr, -1) {
		if strings.Contains(n, "_duration_seconds_") {
			n = regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(n, "")
		}
		names = append(names, n)
	}
	return names
}

// documented are the metrics of the public contract.
func documented() []string {
	return strings.Fields(`cadrift_build_info cadrift_polls_total cadrift_poll_duration_seconds cadrift_poll_interval_seconds
		cadrift_last_successful_poll_timestamp_seconds cadrift_objects cadrift_policies cadrift_baseline_timestamp_seconds
		cadrift_drift_open cadrift_drift_acked cadrift_events_total cadrift_emergency_exclusions_missing
		cadrift_emergency_accounts_usable cadrift_guard_writes_total cadrift_notifications_total
		cadrift_notification_queue_length cadrift_notifications_parked cadrift_notification_last_success_timestamp_seconds
		cadrift_graph_requests_total cadrift_graph_throttled_total cadrift_store_size_bytes
		cadrift_store_commit_duration_seconds cadrift_credential_expiry_timestamp_seconds
		cadrift_config_last_reload_successful cadrift_config_last_reload_success_timestamp_seconds cadrift_blind`)
}

// What rules and dashboard ask for exists, and what is documented is exported:
// by the program itself, not by a list. The commonest defect of a dashboard is
// a metric that was renamed.
func TestMetricsExist(t *testing.T) {
	exported, extensions := exportedMetrics(t), read(t, "docs/interfaces.md")
	for _, name := range documented() {
		if !exported[name] {
			t.Errorf("%s is documented and not exported", name)
		}
	}
	for name := range exported {
		if strings.HasPrefix(name, "cadrift_") && !slices.Contains(documented(), name) && !strings.Contains(extensions, "`"+name) {
			t.Errorf("%s is exported, and neither in the contract nor in docs/interfaces.md", name)
		}
	}
	known := func(where, name string) {
		if !exported[name] {
			t.Errorf("%s: no metric %s", where, name)
		}
	}
	for _, r := range rules(t) {
		for _, name := range series(r.Expr) {
			known(r.Alert, name)
		}
	}
	for _, p := range dashboard(t).allPanels() {
		for _, target := range p.Targets {
			for _, name := range series(target.Expr) {
				known(p.Title, name)
			}
		}
	}
}

// The dashboard's expressions are PromQL that an old Prometheus understands.
func TestDashboardExpressions(t *testing.T) {
	promtool := program(t, "promtool")
	type recording struct {
		Record string `json:"record"`
		Expr   string `json:"expr"`
	}
	var all []recording
	for _, p := range dashboard(t).allPanels() {
		for _, target := range p.Targets {
			all = append(all, recording{"x:y", substitute(target.Expr)})
		}
	}
	text, err := json.Marshal(map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": all}}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, promtool, "check", "rules", file)
}

// substitute fills in what Grafana would.
func substitute(expr string) string {
	return strings.NewReplacer("$__rate_interval", "1m", "$job", ".+", "$instance", ".+", "$tenant", ".+").Replace(expr)
}

// eventually waits for something that another process does.
func eventually(t *testing.T, within time.Duration, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(within); !ok(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not happen within %s", what, within)
		}
	}
}
