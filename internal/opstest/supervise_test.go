package opstest

import (
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// supervisor hears what a daemon tells it, as systemd does.
type supervisor struct {
	mu   sync.Mutex
	said []string
}

func (s *supervisor) heard(what string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, m := range s.said {
		for line := range strings.SplitSeq(m, "\n") {
			if strings.HasPrefix(line, what) {
				n++
			}
		}
	}
	return n
}

func (s *supervisor) listen(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			s.mu.Lock()
			s.said = append(s.said, string(buf[:n]))
			s.mu.Unlock()
		}
	}()
	return path
}

func TestSupervisor(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	s := &supervisor{}
	path := s.listen(t)
	d := r.start(func(cmd *exec.Cmd) {
		cmd.Env = append(cmd.Environ(), "NOTIFY_SOCKET="+path, fmt.Sprintf("WATCHDOG_USEC=%d", 300*time.Millisecond.Microseconds()))
	})
	eventually(t, 10*time.Second, "READY=1", func() bool { return s.heard("READY=1") == 1 })
	if s.heard("STATUS=Watching 1 tenants") != 1 {
		t.Errorf("no STATUS: %q", s.said)
	}
	n := s.heard("WATCHDOG=1")
	eventually(t, 5*time.Second, "a fed watchdog", func() bool { return s.heard("WATCHDOG=1") >= n+3 })
	must(t, d.cmd.Process.Signal(syscall.SIGHUP))
	eventually(t, 10*time.Second, "RELOADING=1, then READY=1", func() bool { return s.heard("RELOADING=1") == 1 && s.heard("READY=1") == 2 })
	if s.heard("MONOTONIC_USEC=") != 1 {
		t.Error("a reload without MONOTONIC_USEC")
	}
	took, err := d.stop(syscall.SIGTERM, 25*time.Second)
	if err != nil || took > 5*time.Second {
		t.Errorf("stop: %v after %s", err, took)
	}
	eventually(t, time.Second, "STOPPING=1", func() bool { return s.heard("STOPPING=1") == 1 })
}
