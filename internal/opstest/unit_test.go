package opstest

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

const unit = "../../deploy/systemd/cadrift.service"

// The unit's hardening, as systemd itself scores it; the threshold is ten
// times the exposure.
func TestUnitExposure(t *testing.T) {
	t.Parallel()
	analyze := installed(t, "systemd-analyze")
	out, err := exec.Command(analyze, "security", "--offline=true", "--threshold=15", "--no-pager", unit).CombinedOutput()
	if err != nil {
		t.Errorf("exposure above 1.5: %v\n%s", err, out)
	}
	if score := regexp.MustCompile(`Overall exposure level[^\n]*: [0-9.]+`).Find(out); score == nil {
		t.Errorf("no score in the answer:\n%s", out)
	} else {
		t.Logf("%s", score)
	}
	// verify wants the program to be where the unit says.
	text, err := os.ReadFile(unit)
	must(t, err)
	copied := filepath.Join(t.TempDir(), "cadrift.service")
	must(t, os.WriteFile(copied, []byte(strings.Replace(string(text), "/usr/local/bin/cadrift", program(t), 1)), 0o600))
	if out, err := exec.Command(analyze, "verify", "--man=no", copied).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("verify: %v\n%s", err, out)
	}
}

// filter expands the unit's SystemCallFilter with systemd's own lists.
func filter(t *testing.T, analyze string) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(unit)
	must(t, err)
	allowed := map[string]bool{}
	lines := regexp.MustCompile(`(?m)^SystemCallFilter=(~?)(.*)$`).FindAllStringSubmatch(string(text), -1)
	if len(lines) < 2 {
		t.Fatalf("%d lines of SystemCallFilter", len(lines))
	}
	for _, m := range lines {
		for group := range strings.FieldsSeq(m[2]) {
			for _, call := range expand(t, analyze, group) {
				allowed[call] = m[1] == ""
			}
		}
	}
	return allowed
}

func expand(t *testing.T, analyze, name string) []string {
	t.Helper()
	if !strings.HasPrefix(name, "@") {
		return []string{name}
	}
	out, err := exec.Command(analyze, "syscall-filter", "--no-pager", name).Output()
	must(t, err)
	var calls []string
	for line := range strings.SplitSeq(string(out), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") || line == name {
			continue
		}
		calls = append(calls, expand(t, analyze, line)...)
	}
	return calls
}

// A run with everything in it (start, passes, alerts, commands, page, reload,
// stop) makes no system call that the unit would refuse.
func TestSystemCalls(t *testing.T) {
	t.Parallel()
	analyze, strace := installed(t, "systemd-analyze"), installed(t, "strace")
	allowed := filter(t, analyze)
	if !allowed["fdatasync"] || allowed["mount"] || allowed["setrlimit"] {
		t.Fatal("the filter was not understood")
	}
	r := newRig(t, 1)
	traces := filepath.Join(r.dir, "trace")
	d := r.start(func(cmd *exec.Cmd) {
		cmd.Args = append([]string{strace, "-D", "-f", "-qq", "-o", traces, "--"}, cmd.Args...)
		cmd.Path = strace
	})
	eventually(t, 20*time.Second, "a first pass", d.ready)
	r.switchTo(0, 0, "disabled")
	eventually(t, 20*time.Second, "an alert", func() bool { return r.sink.count("a", "drift.changed") > 0 })
	for _, path := range []string{"/", "/api/v1/drifts", "/metrics"} {
		if code, _ := d.get(path); code != http.StatusOK {
			t.Errorf("%s: %d", path, code)
		}
	}
	r.command("check").Run() // exit 2: there is drift
	r.cli("backup", filepath.Join(r.dir, "backup.db"))
	r.cli("baseline", "pin", "--reason", "test")
	must(t, d.cmd.Process.Signal(syscall.SIGHUP))
	eventually(t, 10*time.Second, "a reload", func() bool { return strings.Contains(d.output(), "configuration reloaded") })
	if _, err := d.stop(syscall.SIGTERM, 25*time.Second); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(traces)
	must(t, err)
	seen := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\d+\s+(?:<\.\.\. )?(\w+)(?:\(| resumed)`).FindAllStringSubmatch(string(text), -1) {
		seen[m[1]] = true
	}
	if !seen["fdatasync"] || !seen["connect"] || !seen["accept4"] {
		t.Fatalf("the trace is not that of a full run: %d calls", len(seen))
	}
	for call := range seen {
		if !allowed[call] {
			t.Errorf("system call %s is outside the unit's filter", call)
		}
	}
	t.Logf("%d different system calls, all inside the filter", len(seen))
}
