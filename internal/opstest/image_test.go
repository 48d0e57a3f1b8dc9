package opstest

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// engine is podman on a machine of its own, so that its storage, processes and
// control groups end with it. The network is that of the test: podman must
// not make another.
const engine = `podman --root /var/lib/containers/test --runroot /run/containers/test --storage-driver vfs --cgroup-manager cgroupfs --events-backend file`

// container is the image in a real engine.
type container struct {
	*machine
	r *rig
}

func (c *container) podman(args string) string {
	c.t.Helper()
	return c.sh(engine + " " + args)
}

// build builds the final stage of the Dockerfile. The stage that compiles needs
// an image from a registry: what it would leave is laid in its place.
func (c *container) build() {
	c.t.Helper()
	text, err := os.ReadFile("../../Dockerfile")
	must(c.t, err)
	c.put("Dockerfile", string(text))
	bin, err := os.ReadFile(program(c.t))
	must(c.t, err)
	must(c.t, os.Mkdir(filepath.Join(c.share, "stage"), 0o755))
	must(c.t, os.Mkdir(filepath.Join(c.share, "stage/image"), 0o755))
	c.put("stage/image/cadrift", string(bin))
	made := regexp.MustCompile(`(?m)mkdir -p /image.*$`).FindString(string(text))
	c.sh("ln -s /srv/share/stage/image /image; mkdir /tmp/empty; " + made)
	c.podman("build --format docker --isolation chroot --build-context build=/srv/share/stage --tag cadrift --file /srv/share/Dockerfile /tmp/empty 2>&1")
}

// run is the command of the document; only the port is not published, because
// the network is the machine's.
func (c *container) run() {
	c.t.Helper()
	text, err := os.ReadFile("../../deploy/docs/container.md")
	must(c.t, err)
	command := regexp.MustCompile(`(?m)^    docker (run -d (?:.*\\\n)*.*) -p 127\.0\.0\.1:9488:9488 \S+$`).FindSubmatch(text)
	if command == nil {
		c.t.Fatal("no command to run the image in the document")
	}
	c.podman(string(command[1]) + " --network host --ulimit host cadrift")
}

// The image as the Dockerfile describes it, in a real engine: it builds, watches
// as a user without rights on a root that nobody can write, tells its health,
// and keeps its state when it is stopped.
func TestImage(t *testing.T) {
	t.Parallel()
	oracle(t, "a container engine")
	if _, err := exec.LookPath("podman"); err != nil {
		t.Skip("podman is not installed: this check did not run")
	}
	c := &container{machine: boot(t), r: newRig(t, 1)}
	c.build()
	var image []struct {
		Healthcheck struct{ Test []string }
	}
	must(t, json.Unmarshal([]byte(c.podman("image inspect cadrift")), &image))
	if got, want := image[0].Healthcheck.Test, "CMD /cadrift status --ready"; strings.Join(got, " ") != want {
		t.Errorf("health check %q, want %q", got, want)
	}

	delete(c.r.config, "state_dir")
	c.r.write()
	for _, name := range []string{"cadrift.yaml", "ca.pem", "client-secret"} {
		text, err := os.ReadFile(filepath.Join(c.r.dir, name))
		must(t, err)
		c.put(name, string(text))
		c.sh("install -D -m 0400 -o 10001 -g 10001 -t /etc/cadrift /srv/share/" + name)
	}
	c.run()
	eventually(t, 20*time.Second, "a healthy container", func() bool { return c.succeeds(engine + " healthcheck run cadrift") })
	c.r.switchTo(0, 0, "disabled")
	eventually(t, 20*time.Second, "a change told", func() bool { return c.r.sink.count("a", drift.DriftChanged) == 1 })
	proc := "/proc/" + c.podman("inspect --format {{.State.Pid}} cadrift")
	status := c.sh("cat " + proc + "/status")
	for _, want := range []string{`Uid:\t10001\t`, `NoNewPrivs:\t1`, `Seccomp:\t2`, `CapEff:\t0{16}`} {
		if !regexp.MustCompile(`(?m)^` + want).MatchString(status) {
			t.Errorf("no %s in the status of the process:\n%s", want, status)
		}
	}
	if !regexp.MustCompile(`(?m)^\d+ \d+ \S+ \S+ / ro,`).MatchString(c.sh("cat " + proc + "/mountinfo")) {
		t.Error("the root can be written")
	}

	begin := time.Now()
	c.podman("stop cadrift")
	if code := c.podman("inspect --format {{.State.ExitCode}} cadrift"); code != "0" || time.Since(begin) > 25*time.Second {
		t.Errorf("ended with %s after %s", code, time.Since(begin))
	}
	c.podman("start cadrift")
	eventually(t, 20*time.Second, "a healthy container again", func() bool { return c.succeeds(engine + " healthcheck run cadrift") })
	if out := c.podman("exec cadrift /cadrift history --output json"); strings.Count(out, `"drift.changed"`) != 1 {
		t.Errorf("history after the restart:\n%s", out)
	}
}
