package opstest

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// machine is a running systemd with nothing installed: the one of this very
// machine, booted in namespaces of its own by testdata/boot.sh.
type machine struct {
	t   *testing.T
	pid string
	// share is a directory that the machine sees as /srv/share.
	share string
	// cwd is where the operator's shell stands.
	cwd string
}

// namespaces are what a machine has to itself. The network is not among them:
// the simulated cloud is on the loopback of the test.
var namespaces = []string{"--mount", "--uts", "--ipc", "--pid", "--cgroup"}

// boot starts a machine that ends with the test, or with the test's process.
func boot(t *testing.T) *machine {
	t.Helper()
	oracle(t, "a real systemd")
	if os.Getuid() != 0 {
		t.Skip("only root may boot a systemd: this check did not run")
	}
	for _, name := range []string{"nsenter", "setpriv", "script", "systemd-analyze"} {
		installed(t, name)
	}
	if out, err := exec.Command(installed(t, "unshare"), append(namespaces, "--fork", "true")...).CombinedOutput(); err != nil {
		t.Skipf("no namespaces to boot a systemd in: this check did not run: %s", out)
	}
	dir := t.TempDir()
	m := &machine{t: t, share: filepath.Join(dir, "share"), cwd: "/srv/share"}
	must(t, os.Mkdir(m.share, 0o755))
	m.put("editor", "#!/bin/sh\ncat /srv/share/edit >\"$1\" && rm /srv/share/edit\n")

	cmd := exec.Command("testdata/boot.sh", dir, fmt.Sprintf("cadrift-%s-%d", t.Name(), os.Getpid()))
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	hold, err := cmd.StdinPipe()
	must(t, err)
	said, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		hold.Close()
		if err := cmd.Wait(); err != nil || complaints.Len() > 0 {
			t.Errorf("the end of the machine: %v\n%s", err, complaints.String())
		}
	})
	line, _ := bufio.NewReader(said).ReadString('\n')
	m.pid = strings.TrimSpace(line)
	begin := time.Now()
	for !m.succeeds("test $(systemctl is-system-running) = running") {
		if time.Since(begin) > 20*time.Second {
			log, _ := os.ReadFile(filepath.Join(dir, "log"))
			t.Fatalf("systemd does not come up:\n%s", log)
		}
		time.Sleep(100 * time.Millisecond)
	}
	return m
}

// put lays a file into /srv/share.
func (m *machine) put(name, text string) {
	m.t.Helper()
	must(m.t, os.WriteFile(filepath.Join(m.share, name), []byte(text), 0o755))
}

// inside is a command of root on the machine.
func (m *machine) inside(args ...string) *exec.Cmd {
	enter := append([]string{"--target", m.pid, "--root", "--wd"}, namespaces...)
	cmd := exec.Command("nsenter", append(append(enter, "--"), args...)...)
	cmd.Env = []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C", "TERM=xterm",
		"EDITOR=/srv/share/editor", "SYSTEMD_PAGER=", "NO_COLOR=1",
	}
	return cmd
}

func (m *machine) succeeds(script string) bool {
	return m.inside("bash", "-euo", "pipefail", "-c", script).Run() == nil
}

// sh gives the output of commands that must succeed.
func (m *machine) sh(script string) string {
	m.t.Helper()
	out, err := m.inside("bash", "-euo", "pipefail", "-c", script).CombinedOutput()
	if err != nil {
		m.t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return strings.TrimSpace(string(out))
}

// typed runs commands at a terminal, where the shell stands; what they ask for
// is answered by input, one end-of-file each.
func (m *machine) typed(commands string, input ...string) (string, error) {
	m.t.Helper()
	m.put("typed", "set -euo pipefail\ncd "+m.cwd+"\n"+commands+"\npwd >/srv/share/cwd\n")
	cmd := m.inside("script", "--quiet", "--return", "--flush", "--command", "bash /srv/share/typed", "/dev/null")
	var keys strings.Builder
	for _, text := range input {
		keys.WriteString(text + "\n\x04")
	}
	cmd.Stdin = strings.NewReader(keys.String())
	out, err := cmd.CombinedOutput()
	if cwd, err := os.ReadFile(filepath.Join(m.share, "cwd")); err == nil {
		m.cwd = strings.TrimSpace(string(cwd))
	}
	return strings.ReplaceAll(string(out), "\r", ""), err
}
