package opstest

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/graphsim"
)

// probe tries what a cadrift that was taken over might try; the first three
// are what it needs, and show that the others fail for the right reason.
const probe = `
try() { if sh -c "$2" >/dev/null 2>&1; then echo "$1: possible"; else echo "$1: refused"; fi; }
try 'write own state' 'echo >$STATE_DIRECTORY/x'
try 'write a temporary file' 'echo >/tmp/x'
try 'read own credential' 'cat $CREDENTIALS_DIRECTORY/slack'
try 'read the secrets at rest' 'cat /etc/cadrift/secrets/slack'
try 'read credentials of another service' 'cat /run/credentials/cadrift.service/slack'
try 'read state of another service' 'ls /var/lib/private/cadrift'
try 'read home' 'ls /root'
try 'write configuration' 'echo >/etc/cadrift/x'
try 'write programs' 'echo >/usr/local/bin/x'
try 'write beside its state' 'echo >/var/lib/x'
try 'see other processes' 'ls /proc/1'
try 'see kernel settings' 'ls /proc/sys'
try 'open a device' 'head -c 1 /dev/tty'
try 'enter a namespace' 'unshare --user true'
try 'change a priority' 'renice -n 5 $$'
try 'mount' 'mount -t tmpfs tmpfs /tmp'
`

// sandbox: the hardening is in force, for the daemon and for a probe that runs
// in its place.
func (s *service) sandbox(t *testing.T) {
	status := s.sh("cat /proc/" + s.pid() + "/status")
	for _, want := range []string{`Uid:\t6\d{4}`, `NoNewPrivs:\t1`, `Seccomp:\t2`, `CapEff:\t0{16}`, `CapBnd:\t0{16}`} {
		if !regexp.MustCompile(`(?m)^` + want).MatchString(status) {
			t.Errorf("no %s in the status of the process:\n%s", want, status)
		}
	}
	limits := s.sh(`cd /sys/fs/cgroup; cat memory/system.slice/cadrift.service/memory.limit_in_bytes system.slice/cadrift.service/memory.max 2>/dev/null ||:
		cat pids/system.slice/cadrift.service/pids.max system.slice/cadrift.service/pids.max 2>/dev/null ||:`)
	if limits == "" {
		t.Log("this machine has no controllers to delegate: MemoryMax and TasksMax were not seen")
	} else if limits != "268435456\n128" {
		t.Errorf("limits in the kernel: %q", limits)
	}

	text, err := os.ReadFile(unit)
	must(t, err)
	for directive, with := range map[string]string{
		"Type=notify": "Type=oneshot", "StateDirectory=cadrift": "StateDirectory=probe", "ExecStart=.*": "ExecStart=/bin/sh /srv/share/probe",
		"(NotifyAccess|WatchdogSec|Restart|ExecReload)=.*": "",
	} {
		line := regexp.MustCompile(`(?m)^` + directive + `$`)
		if !line.Match(text) {
			t.Fatalf("no line %s in the unit", directive)
		}
		text = line.ReplaceAll(text, []byte(with))
	}
	s.put("probe", probe)
	s.put("probe.service", string(text))
	answer := s.sh(`install -m 0644 /srv/share/probe.service /run/systemd/system/
		systemctl daemon-reload; systemctl start probe; journalctl --sync; journalctl --unit probe _COMM=sh --output cat
		rm -r /var/lib/probe /var/lib/private/probe /run/systemd/system/probe.service; systemctl daemon-reload`)
	lines := strings.Split(answer, "\n")
	if len(lines) != strings.Count(probe, "\ntry '") {
		t.Fatalf("%d answers of the probe:\n%s", len(lines), answer)
	}
	for i, line := range lines {
		if strings.HasSuffix(line, ": possible") != (i < 3) {
			t.Error(line)
		}
	}
}

// secrets reach the daemon and nobody else.
func (s *service) secrets(t *testing.T) {
	s.equal("stat --format %a /run/credentials/cadrift.service{,/*}", "500\n400\n400")
	s.equal("stat --dereference --format %a /var/lib/cadrift /var/lib/cadrift/*", "700\n600\n600\n600")
	s.sh("test $(stat --format %u /run/credentials/cadrift.service/slack) = $(stat --format %u /var/lib/private/cadrift)")
	everything := s.sh("pid=" + s.pid() + `; systemctl show cadrift; systemctl status cadrift; cat /proc/$pid/environ /proc/$pid/cmdline | tr '\0' '\n'
		journalctl --output json; cadrift config check; cadrift status --output json; tr -d '\0' </var/lib/cadrift/cadrift.db`)
	if !strings.Contains(everything, "CREDENTIALS_DIRECTORY=/run/credentials/cadrift.service") || !strings.Contains(everything, "contoso-secret") {
		t.Errorf("not the whole picture:\n%s", everything)
	}
	for _, hidden := range []string{secret, s.r.sink.url("a")} {
		if i := strings.Index(everything, hidden); i >= 0 {
			t.Errorf("a secret shows:\n%s", everything[max(0, i-200):min(len(everything), i+100)])
		}
	}
	if s.succeeds("setpriv --reuid 65534 --regid 65534 --clear-groups cadrift status") {
		t.Error("any user reaches the daemon")
	}
}

// journal: one record a line, JSON, readable, with the priority of its level.
func (s *service) journal(t *testing.T) {
	records := s.sh("journalctl _PID=" + s.pid() + " --output json --output-fields MESSAGE,PRIORITY")
	priorities := map[string]string{"ERROR": "3", "WARN": "4", "INFO": "6"}
	seen := map[string]bool{}
	for line := range strings.Lines(records) {
		var entry struct{ Message, Priority string } // a message with escapes would be an array
		must(t, json.Unmarshal([]byte(line), &entry))
		var record struct{ Time, Level, Msg string }
		if err := json.Unmarshal([]byte(entry.Message), &record); err != nil || record.Time == "" || priorities[record.Level] != entry.Priority {
			t.Errorf("journal: %v, priority %s: %s", err, entry.Priority, entry.Message)
		}
		seen[record.Msg] = true
	}
	start, _, _ := strings.Cut(s.sh("journalctl --unit cadrift --output cat"), "Started cadrift.service")
	if !strings.Contains(start, `"listener":"web"`) {
		t.Errorf("started before it listened:\n%s", start)
	}
	for _, msg := range []string{"listening", "running", "event", "configuration not reloaded, the old one stays"} {
		if !seen[msg] {
			t.Errorf("no record %q in the journal:\n%s", msg, records)
		}
	}
}

// reload: a good file is taken over, a bad one makes systemctl fail and
// changes nothing.
func (s *service) reload(t *testing.T) {
	const section = "Change the configuration"
	pid := s.pid()
	s.r.config["receivers"] = append(s.r.config["receivers"].([]any), map[string]any{"name": "b", "type": "webhook", "url": s.r.sink.url("b")})
	s.edit()
	s.follow(section, 0)
	s.follow(section, 1)
	s.shows("StatusText", "Watching 1 tenants, telling 2 receivers")

	s.r.config["nonsense"] = true
	s.edit()
	s.follow(section, 0)
	if out, err := s.typed(s.commands(section, 1)); err == nil {
		t.Errorf("systemctl reload accepts a wrong file:\n%s", out)
	}
	s.shows("StatusText", "Watching 1 tenants, telling 2 receivers; the changed configuration was refused")
	for _, where := range []string{"cadrift status", "journalctl --priority err _PID=" + pid} {
		if out := s.sh(where); !strings.Contains(out, "nonsense") {
			t.Errorf("%s does not tell what is wrong:\n%s", where, out)
		}
	}
	s.told(1, "disabled")

	delete(s.r.config, "nonsense")
	s.edit()
	s.follow(section, 0)
	s.follow(section, 1)
	s.shows("StatusText", "Watching 1 tenants, telling 2 receivers")
	s.shows("MainPID,NRestarts", pid+"\n0")
	eventually(t, 10*time.Second, "the receiver of the new file told", func() bool { return s.r.sink.count("b", drift.DriftChanged) == 1 })
}

// rotate: after the restart the daemon has the new secret and its history.
func (s *service) rotate(t *testing.T) {
	s.r.app(graphsim.App{Secret: "another"})
	before := s.sh("cadrift history --output json")
	s.follow("Rotate a secret", 0, "another")
	s.follow("Rotate a secret", 1)
	s.equal("cat /run/credentials/cadrift.service/contoso-secret", "another")
	s.ready()
	if after := s.sh("cadrift history --output json"); !strings.Contains(after, `"type": "drift.changed"`) || len(after) < len(before) {
		t.Errorf("history after the restart:\n%s\nbefore\n%s", after, before)
	}
	s.equal("stat --dereference --format %a /var/lib/cadrift", "700")
	s.told(2, "disabled")
}

// restart: a list of secrets of the operator's own; then the daemon is killed,
// and hangs, and comes back both times.
func (s *service) restart(t *testing.T) {
	own := regexp.MustCompile("(?s)\n## Other secrets\n.*?```ini\n(.*?)```").FindStringSubmatch(s.manual)
	if own == nil {
		t.Fatal("no drop-in in the document")
	}
	text := strings.NewReplacer("contoso.pem", "contoso-secret", "teams", "hook").Replace(own[1])
	s.put("edit", text+"WatchdogSec=3s\nRestartSec=200ms\n")
	s.follow("Other secrets", 0)
	s.hooks("hook")
	s.edit()
	s.sh("install -m 0600 /dev/stdin /etc/cadrift/secrets/hook <<<" + s.r.sink.url("a") + "; $EDITOR /etc/cadrift/cadrift.yaml; systemctl restart cadrift")
	s.equal("ls /run/credentials/cadrift.service", "contoso-secret\nhook")
	for i, signal := range []string{"KILL", "STOP"} {
		s.sh("kill -" + signal + " " + s.pid())
		eventually(t, 15*time.Second, "a restart after SIG"+signal, func() bool {
			return s.sh("systemctl show cadrift --value --property NRestarts,ActiveState") == string(rune('1'+i))+"\nactive"
		})
	}
	if log := s.sh("journalctl --unit cadrift"); strings.Count(log, "Watchdog timeout") != 1 || !strings.Contains(log, "status=9/KILL") {
		t.Errorf("not killed once and hung once:\n%s", log)
	}
	s.ready()
	s.told(3, "disabled")
	s.sh("cadrift verify")
}

func (s *service) upgrade(t *testing.T) {
	s.download("v0.0.2")
	if out := s.follow("Upgrade", 0); !strings.Contains(out, "cadrift v0.0.2, running since") {
		t.Errorf("after the upgrade:\n%s", out)
	}
	s.ready()
	s.told(0, "enabled")
}

// goBack: what happened since the backup is told again.
func (s *service) goBack(t *testing.T) {
	before := s.r.sink.count("a", drift.DriftChanged)
	s.follow("Go back", 0)
	s.ready()
	if out := s.sh("cadrift status"); !strings.Contains(out, "cadrift v0.0.1, running since") {
		t.Errorf("after going back:\n%s", out)
	}
	eventually(t, 10*time.Second, "the change since the backup told again", func() bool { return s.r.sink.count("a", drift.DriftChanged) > before })
	s.sh("cadrift verify")
}

// uninstall: a stop is orderly, and then nothing is left but the backup.
func (s *service) uninstall(t *testing.T) {
	begin := time.Now()
	s.sh("systemctl stop cadrift")
	if took := time.Since(begin); took > 25*time.Second {
		t.Errorf("stopped after %s", took)
	}
	s.shows("Result,ExecMainStatus,ActiveState", "success\n0\ninactive")
	s.equal("ls /run/credentials /var/lib/private/cadrift", "/run/credentials:\n\n/var/lib/private/cadrift:\ncadrift.db\ncadrift.db.initialised")
	s.sh("systemctl start cadrift")
	s.follow("Uninstall", 0)
	s.equal("find /etc /run /usr/local /var ! -path '/srv/*' -name '*cadrift*'", "/var/backups/cadrift-before.db")
	s.equal("systemctl list-units --all --no-legend 'cadrift*'", "")
}
