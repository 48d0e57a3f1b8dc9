package opstest

import (
	"fmt"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// writeSide are the system calls by which the program changes anything outside
// of itself.
var writeSide = []string{"fdatasync", "pwrite64", "ftruncate", "renameat", "connect", "write", "fsync", "unlinkat"}

// Killed at the n-th of a write-side system call in a run of five passes, eight
// changes and two receivers: after the restart no event is missing, none was
// sent more than twice, and the store is whole. strace counts calls for each
// thread, so the n-th is that of the busiest one. Everyday runs take one point
// for each call; CADRIFT_LONG=1 takes the first 30.
func TestKill(t *testing.T) {
	strace := installed(t, "strace")
	everyday := map[string][]int{"fdatasync": {2}, "pwrite64": {6}, "ftruncate": {1}, "renameat": {1}, "connect": {1}, "write": {9}}
	fired := make(chan string, 1000)
	t.Run("points", func(t *testing.T) {
		for _, call := range writeSide {
			points := everyday[call]
			if long() {
				points = nil
				for n := range 30 {
					points = append(points, n+1)
				}
			}
			for _, n := range points {
				t.Run(fmt.Sprintf("%s %d", call, n), func(t *testing.T) {
					t.Parallel()
					if killAt(t, strace, call, n) {
						fired <- call
					}
				})
			}
		}
	})
	close(fired)
	counts := map[string]int{}
	for call := range fired {
		counts[call]++
	}
	for call := range everyday {
		if counts[call] == 0 {
			t.Errorf("no fault fired at %s: nothing was tried", call)
		}
	}
	t.Logf("faults that fired: %v", counts)
}

// killAt runs the script once and tells whether the fault fired.
func killAt(t *testing.T, strace, call string, n int) (fired bool) {
	r := newRig(t, 1)
	for i := range 4 {
		r.policy(0, fmt.Sprintf("CA10%d", i))
	}
	d := r.launch(func(cmd *exec.Cmd) {
		cmd.Args = append([]string{
			strace, "-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=" + call,
			"-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", call, n), "--",
		}, cmd.Args...)
		cmd.Path = strace
	})
	done := 0
	// Changes count from the first recorded reading on: before it nothing is
	// known that could change.
	wait(d, 15*time.Second, func() bool { return r.sink.count("a", "baseline.pinned") > 0 })
	for done < 8 && !d.ended() {
		r.switchTo(0, done, "disabled")
		r.switchTo(0, done+1, "disabled")
		done += 2
		wait(d, 10*time.Second, func() bool { return changes(r, "a") >= done && changes(r, "b") >= done })
	}
	wait(d, 1500*time.Millisecond, func() bool { return false }) // the last pass
	if !d.ended() {
		d.stop(syscall.SIGTERM, 25*time.Second) // the end is part of the run
	}
	status, ok := d.cmd.ProcessState.Sys().(syscall.WaitStatus)
	fired = ok && status.Signal() == syscall.SIGKILL
	if !fired && d.err != nil {
		t.Fatalf("it ended by itself: %v", d.err)
	}
	d = r.start(nil)
	eventually(t, 20*time.Second, "the first reading", func() bool {
		return r.sink.count("a", "baseline.pinned") > 0 && r.sink.count("b", "baseline.pinned") > 0
	})
	for ; done < 8; done++ {
		r.switchTo(0, done, "disabled")
	}
	eventually(t, 30*time.Second, "eight changes told to both", func() bool { return changes(r, "a") >= 8 && changes(r, "b") >= 8 })
	verified(t, r, d)
	for _, name := range []string{"a", "b"} {
		objects, ids := map[string]int{}, map[string]int{}
		for _, e := range r.sink.events(name) {
			ids[e.ID]++
			if ids[e.ID] > 2 {
				t.Errorf("receiver %s was sent %s %d times", name, e.ID, ids[e.ID])
			}
			if e.Type == drift.DriftChanged && ids[e.ID] == 1 {
				objects[e.Object.ID]++
			}
		}
		for id, k := range objects {
			if k != 1 {
				t.Errorf("receiver %s was told %d changes of %s, want one", name, k, id)
			}
		}
	}
	return fired
}

// wait waits for something, for the daemon's end, or for the time to be over.
func wait(d *daemon, within time.Duration, ok func() bool) {
	for deadline := time.Now().Add(within); !ok() && !d.ended() && time.Now().Before(deadline); time.Sleep(30 * time.Millisecond) {
	}
}
