package opstest

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
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

// usage is what a process holds: goroutines, descriptors and bytes. Its
// resident memory comes in two parts, because the second is the kernel's to
// take back: what it allocated, and what it has mapped of its program and its
// store.
type usage struct{ goroutines, descriptors, allocated, mapped, store float64 }

func (d *daemon) usage() usage {
	return usage{
		d.metric("go_goroutines"), d.metric("process_open_fds"),
		d.resident("RssAnon"), d.resident("RssFile"), d.metric("cadrift_store_size_bytes"),
	}
}

// resident reads a part of the resident memory, in bytes.
func (d *daemon) resident(part string) float64 {
	d.r.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.cmd.Process.Pid))
	must(d.r.t, err)
	_, rest, ok := strings.Cut(string(text), part+":")
	var kib float64
	if _, err := fmt.Sscan(rest, &kib); !ok || err != nil {
		d.r.t.Fatalf("no %s in the process's status: %v", part, err)
	}
	return kib * 1024
}

const mib = 1 << 20

// middle is the median of a part of what was seen.
func middle(seen []usage, of func(usage) float64) float64 {
	values := make([]float64, len(seen))
	for i, u := range seen {
		values[i] = of(u)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// Four tenants, four passes a second, changes and faults all the time. At the
// end what was taken is given back, memory is what it was after the first
// quarter, and what retention would remove leaves nothing behind.
func TestSoak(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc")
	}
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
	seen := r.soak(d, length)
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
	if f.hits == 0 {
		t.Error("no fault struck: nothing was tried")
	}
	passes := d.metric(`cadrift_poll_duration_seconds_count{`)
	t.Logf("%s, %d faults, %d events, %v passes of the first tenant; goroutines %v to %v, descriptors %v to %v, store %.0f KiB",
		length, f.hits, changes(r, "a"), passes, start.goroutines, end.goroutines, start.descriptors, end.descriptors, end.store/1024)
	flat(t, seen)
	verified(t, r, d)
	prunesToNothing(t, r)
}

// soak changes something every half second and looks at the process.
func (r *rig) soak(d *daemon, length time.Duration) []usage {
	states := []string{"disabled", "enabled", "enabledForReportingButNotEnforced"}
	var seen []usage
	begin := time.Now()
	for n := 0; time.Since(begin) < length; n++ {
		r.switchTo(n%4, n/4%4, states[n/16%3])
		seen = append(seen, d.usage())
		time.Sleep(500 * time.Millisecond)
	}
	return seen
}

// flat compares the second quarter of a run with the last: the first one
// warms up.
func flat(t *testing.T, seen []usage) {
	t.Helper()
	quarter := len(seen) / 4
	var allocated, beyond [4]float64
	for i := range 4 {
		part := seen[i*quarter : (i+1)*quarter]
		allocated[i] = middle(part, func(u usage) float64 { return u.allocated })
		beyond[i] = middle(part, func(u usage) float64 { return u.mapped - u.store })
	}
	t.Logf("allocated %.1f MiB, mapped beyond the store %.1f MiB (medians of the quarters)", scaled(allocated), scaled(beyond))
	if allocated[3] > allocated[1]*1.1+2*mib {
		t.Errorf("memory grows: %.1f MiB allocated", scaled(allocated))
	}
	if beyond[3] > beyond[1]*1.1+2*mib {
		t.Errorf("more is mapped than the store: %.1f MiB", scaled(beyond))
	}
}

func scaled(bytes [4]float64) [4]float64 {
	for i := range bytes {
		bytes[i] /= mib
	}
	return bytes
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
