package cli_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is how long anything may take that should be quick, on a machine
// that does other things too.
const patience = 30 * time.Second

// daemon is a running cadrift run; its log goes to a file.
type daemon struct {
	cmd  *exec.Cmd
	dir  string
	logs string
	done chan struct{}
	err  error // of the process, once done is closed

	web, health string // addresses, once awake was called
}

// startDaemon starts cadrift run in the directory of a stage.
func startDaemon(dir string, env []string, args ...string) (*daemon, error) {
	d := &daemon{dir: dir, logs: filepath.Join(dir, "log"), done: make(chan struct{})}
	d.cmd = exec.Command("cadrift", append([]string{"--config", "cadrift.yaml", "run"}, args...)...)
	d.cmd.Dir, d.cmd.Env = dir, env
	file, err := os.OpenFile(d.logs, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if err := file.Truncate(0); err != nil {
		return nil, err
	}
	d.cmd.Stdout, d.cmd.Stderr = file, file
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { d.err = d.cmd.Wait(); close(d.done) }()
	return d, d.awake()
}

// awake waits for the listeners, whose addresses the log tells.
func (d *daemon) awake() error {
	return eventually(func() error {
		select {
		case <-d.done:
			text, _ := os.ReadFile(d.logs)
			return fatal{fmt.Errorf("cadrift run ended: %v\n%s", d.err, text)}
		default:
		}
		text, err := os.ReadFile(d.logs)
		if err != nil {
			return err
		}
		running := false
		lines := bufio.NewScanner(bytes.NewReader(text))
		for lines.Scan() {
			var r struct{ Msg, Listener, Addr string }
			if json.Unmarshal(lines.Bytes(), &r) != nil {
				continue
			}
			switch {
			case r.Msg == "listening" && r.Listener == "web":
				d.web = r.Addr
			case r.Msg == "listening" && r.Listener == "health":
				d.health = r.Addr
			case r.Msg == "running":
				running = true
			}
		}
		if !running || d.web == "" {
			return errors.New("no listener yet")
		}
		return nil
	})
}

// ready waits until /readyz answers 200.
func (d *daemon) ready() error {
	return eventually(func() error {
		code, body, err := d.get("/readyz")
		if err == nil && code != http.StatusOK {
			err = fmt.Errorf("/readyz: %d %s", code, body)
		}
		return err
	})
}

func (d *daemon) get(path string) (int, []byte, error) { return fetch("http://" + d.web + path) }

func fetch(url string) (int, []byte, error) {
	c := http.Client{Timeout: patience}
	resp, err := c.Get(url)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, body, err
}

// end sends a signal and waits for the end, a few seconds at most.
func (d *daemon) end(sig os.Signal) error {
	if err := d.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-d.done:
		return d.err
	case <-time.After(25 * time.Second): // what supervisors are told to wait is more
		return errors.Join(errors.New("still running 25 s after "+sig.String()), d.cmd.Process.Kill())
	}
}

// passes waits for n more passes that ended good.
func (d *daemon) passes(n int) error {
	var first time.Time
	seen := -1
	return eventually(func() error {
		_, body, err := d.get("/api/v1/status")
		if err != nil {
			return err
		}
		var doc struct {
			Tenants []struct {
				LastGood *time.Time `json:"last_good"`
			}
		}
		if err := json.Unmarshal(body, &doc); err != nil {
			return err
		}
		var last time.Time
		for _, t := range doc.Tenants {
			if t.LastGood != nil && (last.IsZero() || t.LastGood.Before(last)) {
				last = *t.LastGood
			}
		}
		if last.After(first) {
			first = last
			seen++
		}
		if seen < n {
			return fmt.Errorf("%d of %d good passes: %s", seen, n, body)
		}
		return nil
	})
}

// fatal ends eventually at once.
type fatal struct{ error }

// eventually repeats f until it has no error, within patience.
func eventually(f func() error) error {
	deadline := time.Now().Add(patience)
	for {
		err := f()
		var end fatal
		if err == nil || errors.As(err, &end) || time.Now().After(deadline) {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// run starts the daemon of a Go test's stage and waits for its readiness.
func (s *stage) run(t *testing.T, args ...string) *daemon {
	t.Helper()
	d, err := startDaemon(s.dir, os.Environ(), args...)
	if d != nil {
		t.Cleanup(func() {
			_ = d.end(syscall.SIGKILL) // unless the test ended it
			if t.Failed() {
				text, _ := os.ReadFile(d.logs)
				t.Logf("log:\n%s", text)
			}
		})
	}
	must(t, err)
	must(t, d.ready())
	return d
}

// cadrift runs a command and returns its exit code and output.
func (s *stage) cadrift(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs strings.Builder
	c := exec.Command("cadrift", append([]string{"--config", "cadrift.yaml"}, args...)...)
	c.Dir, c.Stdout, c.Stderr = s.dir, &out, &errs
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), out.String(), errs.String()
}
