package opstest

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cadrift/cadrift/internal/graphsim"
	"github.com/cadrift/cadrift/internal/store"
)

// soakTime is CADRIFT_SOAK (30m for a release), or a taste of it.
func soakTime(t *testing.T) time.Duration {
	t.Helper()
	if s := os.Getenv("CADRIFT_SOAK"); s != "" {
		d, err := time.ParseDuration(s)
		must(t, err)
		return d
	}
	return 5 * time.Second
}

// faults makes Graph and the receivers fail now and then.
type faults struct {
	mu     sync.Mutex
	random *rand.Rand
	on     bool
	hits   int
}

func (f *faults) set(on bool) { f.mu.Lock(); defer f.mu.Unlock(); f.on = on }

func (f *faults) strikes(percent int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.on || f.random.IntN(100) >= percent {
		return false
	}
	f.hits++
	return true
}

func (f *faults) graph(*http.Request) *graphsim.Fault {
	switch {
	case f.strikes(1):
		return &graphsim.Fault{Status: http.StatusServiceUnavailable, Body: "busy"}
	case f.strikes(1):
		return graphsim.GraphError(http.StatusTooManyRequests, "TooManyRequests", "slow down")
	case f.strikes(1):
		return &graphsim.Fault{Cut: 100}
	case f.strikes(1):
		return &graphsim.Fault{Refuse: true}
	case f.strikes(1):
		return &graphsim.Fault{Delay: 800 * time.Millisecond}
	}
	return nil
}

// usage is what a process holds.
type usage struct{ goroutines, descriptors, resident, store float64 }

func (d *daemon) usage() usage {
	return usage{d.metric("go_goroutines"), d.metric("process_open_fds"), d.metric("process_resident_memory_bytes"), d.metric("cadrift_store_size_bytes")}
}

// Four tenants, four passes a second, changes and faults all the time. At the
// end what was taken is given back, memory has not grown since the middle, and
// what retention would remove leaves nothing behind.
func TestSoak(t *testing.T) {
	t.Parallel()
	length := soakTime(t)
	r := newRig(t, 4)
	f := &faults{random: rand.New(rand.NewPCG(6, 6))}
	r.cloud.OnRequest(f.graph)
	r.sink.fail = func() bool { return f.strikes(5) }
	d := r.start(nil)
	eventually(t, 30*time.Second, "a first pass of every tenant", d.ready)
	eventually(t, 10*time.Second, "baselines told", func() bool {
		return r.sink.count("a", "baseline.pinned") == 4 && r.sink.count("b", "baseline.pinned") == 4
	})
	time.Sleep(time.Second)
	start := d.usage()

	f.set(true)
	var middle usage
	states := []string{"disabled", "enabled", "enabledForReportingButNotEnforced"}
	begin := time.Now()
	for n := 0; time.Since(begin) < length; n++ {
		r.switchTo(n%4, n/4%4, states[n/16%3])
		if middle == (usage{}) && time.Since(begin) > length/2 {
			middle = d.usage()
		}
		time.Sleep(500 * time.Millisecond)
	}
	f.set(false)
	eventually(t, 2*time.Minute, "empty queues and passes without faults", func() bool {
		return d.metric(`cadrift_notification_queue_length{receiver="a"}`)+d.metric(`cadrift_notification_queue_length{receiver="b"}`) == 0 && d.ready()
	})
	var end usage
	eventually(t, 2*time.Minute, "goroutines and descriptors back to the start", func() bool {
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		end = d.usage()
		return end.goroutines <= start.goroutines+4 && end.descriptors <= start.descriptors+4
	})
	if end.resident > middle.resident*1.15+4<<20 {
		t.Errorf("memory grows: %.1f MiB in the middle, %.1f MiB at the end", middle.resident/(1<<20), end.resident/(1<<20))
	}
	if f.hits == 0 {
		t.Error("no fault struck: nothing was tried")
	}
	t.Logf("%s, %d faults, %d events; goroutines %v to %v, descriptors %v to %v, memory %.1f, %.1f, %.1f MiB, store %.0f KiB",
		length, f.hits, changes(r, "a"), start.goroutines, end.goroutines, start.descriptors, end.descriptors,
		start.resident/(1<<20), middle.resident/(1<<20), end.resident/(1<<20), end.store/1024)
	verified(t, r, d)
	prunesToNothing(t, r)
}

// prunesToNothing applies the strictest retention: what stays is the newest
// snapshot, the baseline and open drift, however long the run was.
func prunesToNothing(t *testing.T, r *rig) {
	t.Helper()
	s, err := store.Open(filepath.Join(r.dir, "state", "cadrift.db"), store.Options{})
	must(t, err)
	defer s.Close()
	for n := range r.tenants {
		_, err := s.Prune(tenantID(n), time.Now())
		must(t, err)
	}
	size, err := s.Backup(io.Discard)
	must(t, err)
	if size > 400<<10 {
		t.Errorf("after retention the store still holds %d KiB", size/1024)
	}
	t.Logf("after retention: %d KiB", size/1024)
	must(t, s.Close())
	if out := r.cli("--output", "json", "verify"); !strings.Contains(out, fmt.Sprintf("%q", tenantName(0))) {
		t.Errorf("verify: %s", out)
	}
}
