package opstest

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// The container's root without a container: the program alone in a directory
// that it cannot leave, as a user without rights, with one writable volume.
// Certificates and time zones can only come out of the program itself.
func TestChroot(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root may chroot: this check did not run")
	}
	r := newRig(t, 1)
	const uid = 10001
	root := filepath.Join(t.TempDir(), "image")
	for _, dir := range []string{"etc/cadrift", "var/lib/cadrift", "tmp"} {
		must(t, os.MkdirAll(filepath.Join(root, dir), 0o755))
	}
	for _, dir := range []string{"var/lib/cadrift"} {
		must(t, os.Chown(filepath.Join(root, dir), uid, uid))
		must(t, os.Chmod(filepath.Join(root, dir), 0o700))
	}
	bin, err := os.ReadFile(program(t))
	must(t, err)
	must(t, os.WriteFile(filepath.Join(root, "cadrift"), bin, 0o755))
	r.config["state_dir"] = "/var/lib/cadrift"
	r.tenant(0)["schedule"] = "CRON_TZ=Europe/Amsterdam * * * * *"
	r.write()
	for _, name := range []string{"cadrift.yaml", "ca.pem", "client-secret"} {
		text, err := os.ReadFile(filepath.Join(r.dir, name))
		must(t, err)
		path := filepath.Join(root, "etc/cadrift", name)
		must(t, os.WriteFile(path, text, 0o400))
		must(t, os.Chown(path, uid, uid))
	}
	inside := func(cmd *exec.Cmd, args ...string) {
		cmd.Path, cmd.Args, cmd.Env, cmd.Dir = "/cadrift", append([]string{"cadrift"}, args...), []string{"PATH=/"}, "/"
		cmd.Err = nil
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	}
	d := r.start(func(cmd *exec.Cmd) { inside(cmd, "run") })
	health := func() error {
		cmd := &exec.Cmd{}
		inside(cmd, "status", "--ready")
		return cmd.Run()
	}
	eventually(t, 20*time.Second, "the image's health check", func() bool { return health() == nil })
	if code, text := d.get("/readyz"); code != http.StatusOK {
		t.Errorf("readyz: %d %s", code, text)
	}
	if _, err := d.stop(syscall.SIGTERM, 25*time.Second); err != nil {
		t.Error(err)
	}
	if health() == nil {
		t.Error("the health check passes without a daemon")
	}
	var written []string
	must(t, filepath.WalkDir(root, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			rel, _ := filepath.Rel(root, path)
			written = append(written, rel)
		}
		return err
	}))
	want := "[cadrift etc/cadrift/ca.pem etc/cadrift/cadrift.yaml etc/cadrift/client-secret var/lib/cadrift/cadrift.db var/lib/cadrift/cadrift.db.initialised]"
	if got := fmt.Sprint(written); got != want {
		t.Errorf("files in the image: %s, want %s", got, want)
	}
}
