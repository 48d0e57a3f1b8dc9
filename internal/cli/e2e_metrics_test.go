package cli_test

import (
	"bytes"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

// TestMetrics scrapes a daemon: the names of the contract, every known label
// set from 0 on, and nothing in a label that could be a name or an id.
func TestMetrics(t *testing.T) {
	t.Parallel()
	s, hook, d := runHooked(t)
	_, first, err := d.get("/metrics")
	must(t, err)
	want := []string{
		"cadrift_build_info{", `cadrift_poll_duration_seconds_count{tenant="contoso"} `, `cadrift_poll_interval_seconds{tenant="contoso"} 1`,
		`cadrift_last_successful_poll_timestamp_seconds{tenant="contoso"} `, `cadrift_baseline_timestamp_seconds{tenant="contoso"} 0`,
		`cadrift_objects{kind="policy",tenant="contoso"} 3`, `cadrift_objects{kind="authentication_context",tenant="contoso"} 0`,
		`cadrift_objects{kind="security_defaults",tenant="contoso"} 1`, `cadrift_objects{kind="named_location",tenant="contoso"} 1`,
		`cadrift_policies{state="enabled",tenant="contoso"} 2`, `cadrift_policies{state="disabled",tenant="contoso"} 0`, `cadrift_policies{state="report_only",tenant="contoso"} 1`,
		`cadrift_notification_queue_length{receiver="siem"} 0`, `cadrift_notifications_parked{receiver="siem"} 0`,
		`cadrift_graph_requests_total{code="200",tenant="contoso"} `, `cadrift_graph_throttled_total{tenant="contoso"} 0`,
		"cadrift_start_time_seconds ", `cadrift_poll_overdue_timestamp_seconds{tenant="contoso"} `, `cadrift_emergency_accounts_unusable{tenant="contoso"} 0`, `cadrift_blind{reason="baseline",tenant="contoso"} 0`,
		"cadrift_store_size_bytes ", "cadrift_store_commit_duration_seconds_count ",
		"cadrift_config_last_reload_successful 1", "cadrift_config_last_reload_success_timestamp_seconds ",
	}
	for _, result := range words("ok incomplete failed skipped") {
		want = append(want, `cadrift_polls_total{result="`+result+`",tenant="contoso"} `)
	}
	for _, kind := range words("policy named_location authentication_strength authentication_context security_defaults") {
		for _, severity := range words("low medium high critical") {
			want = append(want, `cadrift_drift_open{kind="`+kind+`",severity="`+severity+`",tenant="contoso"} 0`,
				`cadrift_drift_acked{kind="`+kind+`",severity="`+severity+`",tenant="contoso"} 0`)
		}
	}
	for _, event := range words("drift.changed monitor.blind monitor.recovered baseline.pinned schema.changed") {
		for _, result := range words("delivered retried parked folded") {
			want = append(want, `cadrift_notifications_total{event="`+event+`",receiver="siem",result="`+result+`"} 0`)
		}
		for _, severity := range words("low medium high critical") {
			want = append(want, `cadrift_events_total{event="`+event+`",severity="`+severity+`",tenant="contoso"} 0`)
		}
	}
	for _, reason := range words("credential permission throttled unreachable incomplete quarantine inconsistent unknown_enum store hidden_objects audit names groups") {
		want = append(want, `cadrift_blind{reason="`+reason+`",tenant="contoso"} 0`)
	}
	for _, line := range want {
		if !strings.Contains(string(first), "\n"+line) {
			t.Errorf("no %s", line)
		}
	}
	if strings.Contains(string(first), "\ncadrift_notification_last_success_timestamp_seconds{") {
		t.Error("a time of a last success before there was one")
	}

	_, _, _ = s.cadrift(t, "baseline", "pin", "--reason", "r")
	must(t, s.admin().PatchPolicy(ca001, `{"state":"disabled"}`))
	if _, err := hook.await(patience, func(d delivery) bool { return d.event.Object != nil }); err != nil {
		t.Fatal(err)
	}
	must(t, d.passes(1))
	_, then, err := d.get("/metrics")
	must(t, err)
	for _, line := range []string{
		`cadrift_drift_open{kind="policy",severity="critical",tenant="contoso"} 1`,
		`cadrift_policies{state="disabled",tenant="contoso"} 1`,
		`cadrift_events_total{event="drift.changed",severity="critical",tenant="contoso"} 1`,
		`cadrift_notifications_total{event="drift.changed",receiver="siem",result="delivered"} 1`,
		`cadrift_notification_last_success_timestamp_seconds{receiver="siem"} `,
	} {
		if !strings.Contains(string(then), "\n"+line) {
			t.Errorf("after a change no %s", line)
		}
	}
	if regexp.MustCompile(`cadrift_baseline_timestamp_seconds\{tenant="contoso"\} 0\n`).Match(then) {
		t.Error("a pinned baseline has no time")
	}
	// Label values that are neither a tenant, a receiver nor a small enum.
	if found := regexp.MustCompile(`(?i)cadrift_[^ ]*(CA00|[0-9a-f]{8}-[0-9a-f]{4}-|127\.0\.0\.1)[^ ]*`).Find(then); found != nil {
		t.Errorf("a name or an id in a label: %s", found)
	}
	problems, err := promlint.New(bytes.NewReader(then)).Lint()
	must(t, err)
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	promtool(t, then)
	must(t, d.end(syscall.SIGTERM))
}

// promtool has the last word where it is installed.
func promtool(t *testing.T, metrics []byte) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Log("promtool is not on the PATH: promlint alone has looked")
		return
	}
	c := exec.Command(path, "check", "metrics")
	c.Stdin = bytes.NewReader(metrics)
	if out, err := c.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}

func words(text string) []string { return strings.Fields(text) }
