//go:build linux

package opstest

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The state directory on a file system of 64 KiB to 4 MiB that fills up: what
// cannot be written is not sent either, but for the one alarm; when space
// returns nothing is missing and nothing is damaged. Everyday runs take two
// sizes, CADRIFT_LONG=1 all 64.
func TestFullDisk(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root may mount a tmpfs: this check did not run")
	}
	sizes := []int{64, 640}
	if long() {
		sizes = nil
		for kib := 64; kib <= 4096; kib += 64 {
			sizes = append(sizes, kib)
		}
	}
	for _, kib := range sizes {
		t.Run(fmt.Sprintf("%d KiB", kib), func(t *testing.T) {
			t.Parallel()
			fillUp(t, kib)
		})
	}
}

func fillUp(t *testing.T, kib int) {
	r := newRig(t, 1)
	state := filepath.Join(r.dir, "state")
	must(t, os.Mkdir(state, 0o700))
	if err := syscall.Mount("tmpfs", state, "tmpfs", 0, fmt.Sprintf("size=%dk", kib)); err != nil {
		t.Skipf("cannot mount a tmpfs: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(state, syscall.MNT_DETACH) })
	enlarge := func() { must(t, syscall.Mount("", state, "", syscall.MS_REMOUNT, "size=64m")) }

	d := r.launch(nil)
	eventually(t, 20*time.Second, "a start or a refusal", func() bool { return d.ended() || d.listening() })
	if d.ended() { // no room for an empty store: it says so, and begins when there is room
		if !strings.Contains(d.output()+fmt.Sprint(d.err), "no space left") && d.err == nil {
			t.Errorf("ended with %v", d.err)
		}
		enlarge()
		d = r.start(nil)
		eventually(t, 20*time.Second, "a pass with room", d.ready)
		verified(t, r, d)
		return
	}
	// Grow until the disk is full. What happens before the first recorded
	// reading is no change: on the smallest disks that reading does not fit.
	random := rand.New(rand.NewPCG(uint64(kib), 1))
	told := func() bool { return r.sink.count("a", "monitor.blind") > 0 }
	eventually(t, 20*time.Second, "a first pass, or the alarm that it cannot be recorded", func() bool { return d.ready() || told() })
	known := d.ready()
	made := 0
	for full := time.Now().Add(2 * time.Minute); !told(); {
		if time.Now().After(full) {
			t.Fatalf("the disk of %d KiB never got full: %d policies", kib, made)
		}
		for range 4 + kib/64 {
			bulky(t, r, random, made)
			made++
		}
		time.Sleep(700 * time.Millisecond)
	}
	if code, text := d.get("/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(text, "store") {
		t.Errorf("readyz on the full disk: %d %s", code, text)
	}
	if d.metric(`cadrift_blind{tenant="tenant1",reason="store"}`)+d.metric(`cadrift_blind{reason="store",tenant="tenant1"}`) != 0 {
		t.Errorf("the gauge does not say that the store takes no writes")
	}
	r.switchTo(0, 0, "disabled") // while nothing can be written
	time.Sleep(2 * time.Second)
	if n := r.sink.count("a", "monitor.blind"); n != 1 {
		t.Errorf("%d alarms, want one", n)
	}
	if d.ended() {
		t.Fatalf("the full disk ended the daemon: %v", d.err)
	}
	want := 0
	if known {
		want = made + 1
	}
	enlarge()
	eventually(t, 30*time.Second, "recovery", func() bool { return d.ready() && r.sink.count("a", "monitor.recovered") == 1 })
	eventually(t, 30*time.Second, "every change told to both", func() bool {
		return changes(r, "a") == want && changes(r, "b") == want
	})
	verified(t, r, d)
}

// bulky makes a policy that does not compress.
func bulky(t *testing.T, r *rig, random *rand.Rand, n int) {
	t.Helper()
	ids := make([]string, 60)
	for i := range ids {
		ids[i] = fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", random.Uint32(), random.Uint32N(1<<16), random.Uint32N(1<<12), random.Uint32N(1<<12), random.Uint64N(1<<48))
	}
	_, err := r.admin(0).CreatePolicy(fmt.Sprintf(`{"displayName":"Bulk %d","state":"disabled",
		"conditions":{"users":{"includeUsers":["All"],"excludeUsers":["%s"]},"applications":{"includeApplications":["All"]},"clientAppTypes":["all"]},
		"grantControls":{"operator":"OR","builtInControls":["mfa"]}}`, n, strings.Join(ids, `","`)))
	must(t, err)
}
