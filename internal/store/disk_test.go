package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/cadrift/cadrift/internal/drift"
)

// A full disk is a known failure: nothing was written, reading goes on, and
// the next commit after space returned succeeds.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	mountTmpfs(t, dir, "size=512k")
	s := mustOpenAt(t, filepath.Join(dir, "cadrift.db"))
	r := rand.New(rand.NewPCG(1, 1))
	commit := func(n int) (drift.Committed, error) {
		var ids []string
		for range 60 {
			ids = append(ids, guid(r))
		}
		o := realistic(r, drift.Policy, fmt.Sprint(n), ids)
		at := noon.Add(time.Duration(n) * time.Minute)
		return s.Commit(drift.Commit{TenantID: contosoID, Time: at, Put: []drift.Object{o}, Events: []drift.NewEvent{changed(o, at, drift.Low, "oncall")}})
	}
	var last drift.Committed
	fill := func(from int) int {
		t.Helper()
		for n := from; n < from+2000; n++ {
			done, err := commit(n)
			if err != nil {
				if !errors.Is(err, ErrNotCommitted) || errors.Is(err, ErrOutcomeUnknown) || !errors.Is(err, syscall.ENOSPC) {
					t.Fatalf("commit %d: got %v, want ErrNotCommitted for ENOSPC", n, err)
				}
				return n
			}
			last = done
		}
		t.Fatal("the disk never got full")
		return 0
	}
	n := fill(0)
	for range 5 { // it stays as it is; a smaller commit may still fit
		n = fill(n)
	}
	if got := mustLoad(t, s, contosoID); got.Head != last.Head || len(got.Objects) != n {
		t.Errorf("on the full disk: head %v, %d objects, want %v, %d", got.Head, len(got.Objects), last.Head, n)
	}
	check(t, s)
	// This is when somebody wants a backup: it is made elsewhere.
	if n, err := s.Backup(io.Discard); err != nil || n == 0 {
		t.Errorf("a backup from the full disk: %d bytes, %v", n, err)
	}
	remount(t, dir, "size=1m")
	if _, err := commit(n); err != nil {
		t.Fatalf("space returned: %v", err)
	}
	fill(n + 1)
}

// A commit that fails on the full disk, while another writer's small one fits
// right after it, is known to have failed: what the other one wrote says
// nothing about it.
func TestFullDiskWithTwoWriters(t *testing.T) {
	dir := t.TempDir()
	mountTmpfs(t, dir, "size=512k")
	s := mustOpenAt(t, filepath.Join(dir, "cadrift.db"))
	r := rand.New(rand.NewPCG(1, 2))
	big := func(n int) error {
		var objects []drift.Object
		for i := range 40 {
			objects = append(objects, realistic(r, drift.Policy, fmt.Sprint(n, i), []string{guid(r)}))
		}
		_, err := s.Commit(drift.Commit{TenantID: contosoID, Time: noon, Put: objects})
		return err
	}
	n := 0
	for big(n) == nil {
		n++
	}
	stop, fitted := make(chan struct{}), 0
	var other sync.WaitGroup
	other.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if s.Nudge("oncall", noon, []Nudge{{TenantID: contosoID, About: "a"}}, nil) == nil {
				fitted++
			}
		}
	})
	for range 60 {
		if err := big(n); !errors.Is(err, ErrNotCommitted) || errors.Is(err, ErrOutcomeUnknown) {
			t.Errorf("got %v, want ErrNotCommitted", err)
			break
		}
	}
	close(stop)
	other.Wait()
	if fitted == 0 {
		t.Error("nothing fitted beside the commits that failed")
	}
}

// outcome decides whether the process may go on after a failed commit.
func TestOutcome(t *testing.T) {
	s := mustOpen(t)
	write := func(err error) error { return &fs.PathError{Op: "write", Path: s.path, Err: err} }
	same := s.metaPages()
	other := append([]byte{}, same...)
	other[100]++
	for _, tt := range []struct {
		name    string
		err     error
		before  []byte
		witness bool
		want    error
	}{
		{"no space for a data page", write(syscall.ENOSPC), same, false, ErrNotCommitted},
		{"quota", write(syscall.EDQUOT), same, false, ErrNotCommitted},
		{"data page failed", write(syscall.EIO), same, false, ErrNotCommitted},
		{"file too big", errors.New("file resize error: file too large"), same, false, ErrNotCommitted},
		{"no space at the sync", syscall.ENOSPC, same, false, ErrNotCommitted},
		{"sync failed", syscall.EIO, same, false, ErrOutcomeUnknown},
		{"sync failed, elsewhere", &fs.PathError{Op: "sync", Path: s.path, Err: syscall.EIO}, same, false, ErrOutcomeUnknown},
		{"sync of growth failed", errors.New("file sync error: input/output error"), same, false, ErrOutcomeUnknown},
		{"meta page failed", write(syscall.EIO), same, true, ErrOutcomeUnknown},
		{"meta page full", write(syscall.ENOSPC), same, true, ErrOutcomeUnknown},
		{"meta page changed", syscall.ENOSPC, other, false, ErrOutcomeUnknown},
		{"map lost", errors.New("mmap allocate error: cannot allocate memory"), same, false, ErrOutcomeUnknown},
	} {
		s.witness.meta.Store(tt.witness)
		if got := s.outcome(tt.err, tt.before); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

// commitOnce is the second process of TestFailingDisk: one commit, and then
// another one, each with its outcome printed.
func commitOnce(path string) {
	runtime.LockOSThread() // strace counts the calls of each thread by itself
	s, err := Open(path, Options{})
	if err != nil {
		fmt.Println("open:", err)
		return
	}
	for n := range 2 {
		o := policy("fault", fmt.Sprint(n))
		_, err := s.Commit(drift.Commit{TenantID: contosoID, Time: noon, Put: []drift.Object{o}, Events: []drift.NewEvent{changed(o, noon, drift.Low)}})
		switch {
		case err == nil:
			fmt.Println("committed")
		case errors.Is(err, ErrOutcomeUnknown):
			fmt.Println("unknown:", err)
		case errors.Is(err, ErrNotCommitted):
			fmt.Println("nothing:", err)
		default:
			fmt.Println("bad:", err)
		}
	}
}

// The disk fails at one system call of a commit in another process; what that
// process says of the outcome must be what is in the file.
func TestFailingDisk(t *testing.T) {
	if _, err := exec.LookPath("strace"); err != nil || runtime.GOOS != "linux" {
		t.Skip("needs strace")
	}
	run := func(path string, args ...string) (string, string) {
		t.Helper()
		trace := filepath.Join(t.TempDir(), "trace")
		cmd := exec.Command("strace", append(append([]string{"-f", "-o", trace}, args...), os.Args[0])...)
		cmd.Env = append(os.Environ(), "STORE_TEST_COMMIT="+path)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Skipf("strace does not work here: %v: %s", err, out)
		}
		calls, err := os.ReadFile(trace)
		if err != nil {
			t.Fatal(err)
		}
		return string(out), string(calls)
	}
	path, content := filled(t)
	_, calls := run(path, "-e", "trace=pwrite64")
	writes := strings.Count(calls, "pwrite64(") / 2 // of one of the two commits
	for _, tt := range []struct {
		call  string
		at    int
		first string
	}{
		{"pwrite64:error=ENOSPC", 1, "nothing:"},
		{"pwrite64:error=EIO", 1, "nothing:"},
		{"pwrite64:error=EIO", writes, "unknown:"}, // the meta page
		{"fdatasync:error=EIO", 1, "unknown:"},
		{"fdatasync:error=EIO", 2, "unknown:"},
	} {
		t.Run(fmt.Sprintf("%s:when=%d", tt.call, tt.at), func(t *testing.T) {
			write(t, path, content)
			call, _, _ := strings.Cut(tt.call, ":")
			out, calls := run(path, "-e", "trace="+call, "-e", fmt.Sprintf("inject=%s:when=%d", tt.call, tt.at))
			if !strings.Contains(calls, "(INJECTED)") {
				t.Fatalf("the fault did not fire:\n%s", calls)
			}
			lines := strings.SplitN(out, "\n", 3)
			if len(lines) < 3 || !strings.HasPrefix(lines[0], tt.first) {
				t.Fatalf("got %q, want %s", out, tt.first)
			}
			// After a known failure work goes on, after an unknown one it must not.
			if want := map[string]string{"nothing:": "committed", "unknown:": "unknown:"}[tt.first]; !strings.HasPrefix(lines[1], want) {
				t.Errorf("the next commit says %q, want %s", lines[1], want)
			}
			s, err := Open(path, Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			check(t, s)
			_, there := mustLoad(t, s, contosoID).Objects[drift.Key{Kind: drift.Policy, ID: "fault"}]
			if tt.first == "nothing:" && !there { // the second commit
				t.Error("the commit after the failure is not in the file")
			}
			if versions, err := s.Versions(contosoID, drift.Key{Kind: drift.Policy, ID: "fault"}, 0); tt.first == "nothing:" && (err != nil || len(versions) != 1) {
				t.Errorf("%d versions, %v: the failed commit left something", len(versions), err)
			}
		})
	}
}

// Readers see whole commits only, whatever is written meanwhile.
func TestReadersBesideTheWriter(t *testing.T) {
	s := mustOpen(t)
	const rounds = 40
	a, b := policy("a", "0"), policy("b", "0")
	mustCommit(t, s, drift.Commit{Put: []drift.Object{a, b}})
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for i := range 4 {
		readers.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				state := mustLoadOrError(t, s)
				one, two := state.Objects[a.Key()], state.Objects[b.Key()]
				if string(one.Canonical[len(`{"displayName":"CA a"`):]) != string(two.Canonical[len(`{"displayName":"CA b"`):]) {
					t.Errorf("half a commit was read: %s and %s", one.Canonical, two.Canonical)
				}
				var err error
				switch (n + i) % 4 {
				case 0:
					_, _, err = s.Events(EventQuery{Limit: 3})
				case 1:
					_, _, err = s.Snapshot(contosoID, 0)
				case 2:
					_, err = s.Verify(t.Context(), nil)
				case 3:
					_, err = s.Pending("oncall", 10)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	for n := range rounds {
		text := fmt.Sprint(n)
		o := policy("a", text)
		done := mustCommit(t, s, drift.Commit{Time: noon.Add(time.Duration(n) * time.Minute), Put: []drift.Object{o, policy("b", text)}, Events: []drift.NewEvent{changed(o, noon, drift.Low, "oncall")}})
		if err := s.Delivered("oncall", []string{done.Events[0].ID}); err != nil {
			t.Error(err)
		}
		if n%20 == 19 {
			if _, err := s.Prune(contosoID, noon.Add(time.Duration(n-10)*time.Minute)); err != nil {
				t.Error(err)
			}
		}
	}
	close(stop)
	readers.Wait()
}

func mustLoadOrError(t *testing.T, s *Store) drift.State {
	state, err := s.Load(contosoID)
	if err != nil {
		t.Error(err)
	}
	return state
}

func TestMetrics(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	s, err := Open(filepath.Join(t.TempDir(), "cadrift.db"), Options{Create: true, Metrics: NewMetrics(reg)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Bind("contoso", contosoID); err != nil {
		t.Fatal(err)
	}
	mustCommit(t, s, drift.Commit{LastGood: noon})
	mustCommit(t, s, drift.Commit{}) // writes nothing, so it is none
	want := fmt.Sprintf("# HELP cadrift_store_size_bytes Size of the store's file.\n# TYPE cadrift_store_size_bytes gauge\ncadrift_store_size_bytes %d\n", s.Size())
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "cadrift_store_size_bytes"); err != nil {
		t.Error(err)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "cadrift_store_commit_duration_seconds" {
			if h := f.GetMetric()[0].GetHistogram(); h.GetSampleCount() != 1 || h.GetSchema() == 0 && h.GetZeroThreshold() == 0 {
				t.Errorf("got %d commits, want 1, as a native histogram too", h.GetSampleCount())
			}
			return
		}
	}
	t.Error("no histogram of commits")
}
