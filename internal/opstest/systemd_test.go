package opstest

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// service is cadrift on a machine, kept there by an operator who follows
// deploy/docs/systemd.md.
type service struct {
	*machine
	r *rig
	// manual is the document's text, version the release that is at hand.
	manual, version string
}

// TestSystemd installs and keeps cadrift under a real systemd by typing the
// commands of the document, so that the document cannot be wrong.
func TestSystemd(t *testing.T) {
	t.Parallel()
	m := boot(t)
	text, err := os.ReadFile("../../deploy/docs/systemd.md")
	must(t, err)
	s := &service{machine: m, r: newRig(t, 1), manual: strings.ReplaceAll(string(text), "linux_amd64", "linux_"+runtime.GOARCH)}
	steps := []struct {
		name string
		do   func(*service, *testing.T)
	}{
		{"install", (*service).install},
		{"sandbox", (*service).sandbox},
		{"secrets", (*service).secrets},
		{"reload", (*service).reload},
		{"journal", (*service).journal},
		{"rotate", (*service).rotate},
		{"restart", (*service).restart},
		{"upgrade", (*service).upgrade},
		{"go back", (*service).goBack},
		{"uninstall", (*service).uninstall},
	}
	for _, step := range steps {
		if !t.Run(step.name, func(t *testing.T) {
			s.machine.t, s.r.t = t, t
			step.do(s, t)
		}) {
			s.machine.t, s.r.t = t, t
			t.Fatalf("the journal:\n%s", s.sh("journalctl --unit cadrift --output cat --lines 40"))
		}
	}
}

// commands are a block of commands of a section of the document.
func (s *service) commands(section string, block int) string {
	s.t.Helper()
	_, text, ok := strings.Cut(s.manual, "\n## "+section+"\n")
	if !ok {
		s.t.Fatalf("no section %q in the document", section)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	blocks := regexp.MustCompile(`(?m)(?:^ {4}.*\n)+`).FindAllString(text, -1)
	if block >= len(blocks) {
		s.t.Fatalf("%d blocks of commands in section %q", len(blocks), section)
	}
	return strings.ReplaceAll(regexp.MustCompile(`(?m)^ {4}`).ReplaceAllString(blocks[block], ""), "VERSION", s.version)
}

// follow types such a block as it is written; input is what the commands ask
// for.
func (s *service) follow(section string, block int, input ...string) string {
	s.t.Helper()
	commands := s.commands(section, block)
	out, err := s.typed(commands, input...)
	if err != nil {
		s.t.Fatalf("section %q:\n%s%v\n%s", section, commands, err, out)
	}
	return out
}

// download makes a release and stands where an operator has put it.
func (s *service) download(version string) {
	s.t.Helper()
	s.version, s.cwd = version, "/srv/share/"+version
	cmd := exec.Command(installed(s.t, "make"), "-C", "../..", "release",
		"DIST="+filepath.Join(s.share, version), "VERSION="+version, "ARCHES="+runtime.GOARCH)
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("make release: %v\n%s", err, out)
	}
}

// edit prepares what the operator's editor makes of the configuration.
func (s *service) edit() {
	s.t.Helper()
	text, err := json.MarshalIndent(s.r.config, "", "  ")
	must(s.t, err)
	s.put("edit", string(text))
}

const credentials = "/run/credentials/cadrift.service/"

// ready waits for a good pass.
func (s *service) ready() {
	s.t.Helper()
	eventually(s.t, 20*time.Second, "a good pass", func() bool { return s.succeeds("cadrift status --ready") })
}

// told waits until a change of the tenant's n-th policy has reached the hook.
func (s *service) told(n int, state string) {
	s.t.Helper()
	before := s.r.sink.count("a", drift.DriftChanged)
	s.r.switchTo(0, n, state)
	eventually(s.t, 20*time.Second, "a change told", func() bool { return s.r.sink.count("a", drift.DriftChanged) > before })
}

// shows asks systemd for properties of the service.
func (s *service) shows(properties, want string) {
	s.t.Helper()
	s.equal("systemctl show cadrift --value --property "+properties, want)
}

// pid is the daemon's process on the machine.
func (s *service) pid() string {
	s.t.Helper()
	return s.sh("systemctl show cadrift --value --property MainPID")
}

// equal compares what a script prints.
func (s *service) equal(script, want string) {
	s.t.Helper()
	if got := s.sh(script); got != want {
		s.t.Errorf("%s:\n%s\nwant\n%s", script, got, want)
	}
}

func (s *service) install(t *testing.T) {
	s.download("v0.0.1")
	s.follow("Install", 0)
	s.follow("Install", 1, secret)
	s.follow("Install", 2, s.r.sink.url("a"))
	s.equal("stat -c '%a %U' /etc/cadrift/secrets /etc/cadrift/secrets/*", "700 root\n600 root\n600 root")

	// The operator's editor: the tenant is in the simulated cloud, behind its own CA.
	ca, err := os.ReadFile(filepath.Join(s.r.dir, "ca.pem"))
	must(t, err)
	s.put("ca.pem", string(ca))
	s.sh("install -m 0644 /srv/share/ca.pem /etc/cadrift/ca.pem")
	tenant := s.r.tenant(0)
	tenant["ca_file"], tenant["baseline"] = "ca.pem", map[string]any{}
	tenant["credentials"] = map[string]any{"client_id": clientID, "client_secret_file": credentials + "contoso-secret"}
	s.hooks("slack")
	delete(s.r.config, "state_dir")
	delete(s.r.config, "log")
	s.follow("Install", 3)
	s.edit()
	s.follow("Install", 4)
	s.follow("Install", 5)
	s.equal("systemctl is-active cadrift; systemctl is-enabled cadrift", "active\nenabled")
	s.shows("StatusText", "Watching 1 tenants, telling 1 receivers")
	if s.r.sink.count("a", drift.TestEvent) == 0 {
		t.Error("no test message")
	}
	s.ready()
	s.follow("Install", 6)
	s.told(0, "disabled")

	example := regexp.MustCompile(`(?s)<<'END'\n(.*)END\n`).FindStringSubmatch(s.commands("Install", 3))
	s.put("example.yaml", example[1])
	s.sh("cadrift --config /srv/share/example.yaml config check")
}

// hooks makes receivers whose addresses are secrets of these names.
func (s *service) hooks(names ...string) {
	var receivers []any
	for _, name := range names {
		receivers = append(receivers, map[string]any{"name": "to-" + name, "type": "webhook", "url_file": credentials + name})
	}
	s.r.config["receivers"] = receivers
}
