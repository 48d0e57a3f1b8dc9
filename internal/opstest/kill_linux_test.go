package opstest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// Killed as it enters its n-th write-side system call, in a run of five passes,
// eight changes and two receivers: after the restart no event is missing, none
// was sent more than twice, and the store is whole. Everyday runs take a few
// points, CADRIFT_LONG=1 all of them.
func TestKill(t *testing.T) {
	traceable(t)
	points := []int{3, 21, 60, 95, 140}
	if long() {
		points = nil
		for n := range killAt(t, 0).calls {
			points = append(points, n+1)
		}
	}
	var mu sync.Mutex
	fired, repeats, through := map[string]int{}, 0, 0
	t.Run("points", func(t *testing.T) {
		for _, n := range points {
			t.Run(strconv.Itoa(n), func(t *testing.T) {
				t.Parallel()
				k := killAt(t, n)
				mu.Lock()
				defer mu.Unlock()
				if k.call == "" {
					through++
					return
				}
				fired[k.call]++
				repeats += k.repeats
			})
		}
	})
	t.Logf("%d points: killed at %v, %d runs were through before; %d events came twice", len(points), fired, through, repeats)
	// No two runs make quite as many calls.
	if through > len(points)/10 {
		t.Errorf("%d of %d faults did not fire", through, len(points))
	}
}

// kill is what became of one run of the script.
type kill struct {
	calls   int    // write-side calls up to its end
	call    string // at which it was killed; empty: it was not
	repeats int    // events that a receiver was sent twice
}

// killAt runs the script with a kill at the n-th call, or without one.
func killAt(t *testing.T, n int) (k kill) {
	r := newRig(t, 1)
	for i := range 4 {
		r.policy(0, fmt.Sprintf("CA10%d", i))
	}
	report := filepath.Join(r.dir, "report")
	d := r.launch(func(cmd *exec.Cmd) { traced(cmd, n, report) })
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
	if d.err != nil {
		t.Fatalf("it ended by itself: %v", d.err)
	}
	text, err := os.ReadFile(report)
	must(t, err)
	fmt.Sscan(string(text), &k.calls, &k.call)
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
			if ids[e.ID] == 2 {
				k.repeats++
			}
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
	return k
}

// wait waits for something, for the daemon's end, or for the time to be over.
func wait(d *daemon, within time.Duration, ok func() bool) {
	for deadline := time.Now().Add(within); !ok() && !d.ended() && time.Now().Before(deadline); time.Sleep(30 * time.Millisecond) {
	}
}
