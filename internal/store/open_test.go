package store

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/cadrift/cadrift/internal/drift"
)

// TestMain lets the test binary play a second process that holds a store, or
// one whose disk fails.
func TestMain(m *testing.M) {
	if path := os.Getenv("STORE_TEST_HOLD"); path != "" {
		s, err := Open(path, Options{})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("open")
		_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
		_ = s.Close()
		os.Exit(0)
	}
	if path := os.Getenv("STORE_TEST_COMMIT"); path != "" {
		commitOnce(path)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// hold opens the store in another process until the test ends.
func hold(t *testing.T, path string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "STORE_TEST_HOLD="+path)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); _ = cmd.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "open\n" {
		t.Fatalf("the other process said %q, %v", line, err)
	}
	return cmd
}

// filled makes a store with some history and returns its path and bytes.
func filled(t testing.TB) (string, []byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cadrift.db")
	s, err := Open(path, Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	populate(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, content
}

// populate puts at least one record into every bucket.
func populate(t testing.TB, s *Store) {
	t.Helper()
	for name, id := range map[string]string{"contoso": contosoID, "fabrikam": fabrikamID} {
		if err := s.Bind(name, id); err != nil {
			t.Fatal(err)
		}
	}
	a, b := policy("a", "on"), policy("b", "on")
	mustCommit(t, s, drift.Commit{Put: []drift.Object{a, b}, Baseline: &drift.Baseline{Objects: byKey(a)}})
	a2 := policy("a", "off")
	mustCommit(t, s, drift.Commit{
		Time: noon.Add(time.Hour), Put: []drift.Object{a2}, Gone: []drift.Key{b.Key()},
		Events:   []drift.NewEvent{changed(a2, noon.Add(time.Hour), drift.High, "oncall", "siem"), changed(b, noon.Add(time.Hour), drift.Low, "oncall")},
		Findings: []drift.Finding{{Object: a.Ref, Since: noon, Ack: &drift.Ack{Reason: "known"}}},
		Entries:  []drift.Entry{{Kind: "expect", ID: "1", Value: []byte(`{}`)}},
	})
	for _, step := range []error{
		s.Delivered("siem", []string{"contoso-000000000002"}),
		s.Park("oncall", []string{"contoso-000000000003"}, noon, "gone"),
		s.Nudge("oncall", noon, []Nudge{{contosoID, "a", &drift.Event{ID: "contoso-r-1", Time: noon}}}, nil),
	} {
		if step != nil {
			t.Fatal(step)
		}
	}
	// The mark of an erasure that found nobody of this history.
	if err := s.update("test", func(t *tx) error { return t.put(bucketStore, []byte(keyErased), noon.Add(-time.Hour)) }); err != nil {
		t.Fatal(err)
	}
}

func TestBadFiles(t *testing.T) {
	_, good := filled(t)
	garbage := make([]byte, 1<<16)
	r := rand.New(rand.NewPCG(5, 6))
	for i := range garbage {
		garbage[i] = byte(r.UintN(256))
	}
	with := func(change func(b []byte)) []byte {
		b := bytes.Clone(good)
		change(b)
		return b
	}
	for _, tt := range []struct {
		name    string
		content []byte // nil: no file
		marked  bool
		want    error
	}{
		{"empty where a store was", []byte{}, true, ErrEmptied},
		{"empty where none was", []byte{}, false, ErrEmptied},
		{"gone where a store was", nil, true, ErrEmptied},
		{"missing", nil, false, ErrMissing},
		{"half", good[:len(good)/2/4096*4096], true, ErrEmptied},
		{"half, odd length", good[:len(good)/2+17], false, ErrEmptied},
		{"two pages", good[:8192], true, ErrEmptied},
		{"one page", good[:4096], true, ErrEmptied},
		{"a few bytes", good[:40], true, ErrEmptied},
		{"garbage", garbage, false, ErrForeign},
		{"garbage where a store was", garbage, true, ErrForeign},
		{"text", []byte("state_dir: /var/lib/cadrift\n"), false, ErrForeign},
		{"metas zeroed", with(func(b []byte) { clear(b[:8192]) }), true, ErrForeign},
		{"metas damaged", with(func(b []byte) { b[40]++; b[4096+40]++ }), true, ErrCorrupt},
		{"inner pages garbage", with(func(b []byte) { copy(b[8192:], garbage) }), true, ErrCorrupt},
		{"inner pages zeroed", with(func(b []byte) { clear(b[8192:]) }), true, ErrCorrupt},
		{"foreign bolt", boltFile(t, "", nil), false, ErrForeign},
		{"foreign bolt with a bucket", boltFile(t, "snapshots", nil), false, ErrForeign},
		{"schema record damaged", boltFile(t, bucketStore, []byte("{}")), true, ErrCorrupt},
		{"newer schema", newer(t), true, ErrNewerSchema},
	} {
		for _, o := range []Options{{}, {Create: true}, {ReadOnly: true}} {
			if tt.want == ErrMissing && o.Create {
				continue
			}
			t.Run(fmt.Sprintf("%s/%+v", tt.name, o), func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "cadrift.db")
				if tt.content != nil {
					write(t, path, tt.content)
				}
				if tt.marked {
					write(t, sentinel(path), nil)
				}
				refused(t, path, o, tt.want)
			})
		}
	}
}

// refused opens what must not open and checks the error and that nothing in
// the directory changed.
func refused(t *testing.T, path string, o Options, want error) {
	t.Helper()
	before := listing(t, filepath.Dir(path))
	start := time.Now()
	s, err := Open(path, o)
	if err == nil {
		s.Close()
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("answered after %v", took)
	}
	if !errors.Is(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
	var open *OpenError
	if !errors.As(err, &open) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "\nhint: ") || open.Cause == "" && want != ErrCorrupt {
		t.Errorf("message lacks file, cause or hint: %v", err)
	}
	if after := listing(t, filepath.Dir(path)); after != before {
		t.Errorf("directory changed:\n%s\nto\n%s", before, after)
	}
	if want != ErrLocked && locked(t, path) {
		t.Error("the lock stayed behind")
	}
}

// listing is names, sizes and hashes of a directory's files.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		fmt.Fprintf(&b, "%s %d %x\n", d.Name(), len(content), sha256.Sum256(content))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func write(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// boltFile is a bbolt file with one bucket that has an unsealed schema.
func boltFile(t *testing.T, bucket string, value []byte) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "other.db")
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		if bucket == "" {
			return nil
		}
		b, err := tx.CreateBucket([]byte(bucket))
		if err != nil {
			return err
		}
		return b.Put([]byte(keySchema), value)
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// newer is a store of the next schema.
func newer(t *testing.T) []byte {
	t.Helper()
	path, _ := filled(t)
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	err = s.update("test", func(t *tx) error { return t.put(bucketStore, []byte(keySchema), schemaRecord{schema + 1}) })
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestOneMetaPageIsEnough(t *testing.T) {
	for page := range 2 {
		path, content := filled(t)
		content[page*4096+40]++
		write(t, path, content)
		s, err := Open(path, Options{})
		if err != nil {
			t.Fatalf("meta page %d damaged: %v", page, err)
		}
		check(t, s)
		s.Close()
	}
}

// bbolt waits for a lock by sleeping, so the wait costs fake time only.
func TestLockedByAnotherProcess(t *testing.T) {
	path, _ := filled(t)
	other := hold(t, path)
	for _, o := range []Options{{}, {ReadOnly: true}, {Create: true, LockTimeout: 300 * time.Millisecond}} {
		synctest.Test(t, func(t *testing.T) {
			refused(t, path, o, ErrLocked)
			_, err := Open(path, o)
			if runtime.GOOS == "linux" && !strings.Contains(fmt.Sprint(err), fmt.Sprintf("(pid %d, ", other.Process.Pid)) {
				t.Errorf("holder is not named: %v", err)
			}
		})
	}
}

func TestReadersShareTheFile(t *testing.T) {
	path, _ := filled(t)
	for range 2 {
		s, err := Open(path, Options{ReadOnly: true, LockTimeout: 300 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
	}
	synctest.Test(t, func(t *testing.T) { refused(t, path, Options{}, ErrLocked) })
}

// A creation that a crash cut off, at any point, leaves nothing that a later
// one trips over.
func TestCreateAfterCrash(t *testing.T) {
	_, whole := filled(t)
	for name, left := range map[string][]byte{"empty": {}, "torn": whole[:5000], "garbage": bytes.Repeat([]byte("x"), 9000), "whole": whole} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "state", "cadrift.db")
			if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if name != "whole" {
				write(t, path+".new", left)
			}
			s := mustOpenAt(t, path)
			mustCommit(t, s, drift.Commit{LastGood: noon})
			if _, err := os.Stat(path + ".new"); err == nil {
				t.Error("the temporary file stayed")
			}
		})
	}
}

// Between the rename and the sentinel a crash leaves a whole store without
// one: it opens, and the sentinel is made up for.
func TestSentinelIsMadeUpFor(t *testing.T) {
	path, _ := filled(t)
	if err := os.Remove(sentinel(path)); err != nil {
		t.Fatal(err)
	}
	mustOpenAt(t, path)
	if _, err := os.Stat(sentinel(path)); err != nil {
		t.Error(err)
	}
}

func TestReadOnlyDirectory(t *testing.T) {
	dir := t.TempDir()
	if os.Getuid() == 0 {
		mountTmpfs(t, dir, "size=4m")
	}
	path := filepath.Join(dir, "cadrift.db")
	s, err := Open(path, Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	populate(t, s)
	s.Close()
	if os.Getuid() == 0 {
		remount(t, dir, "ro")
	} else {
		_ = os.Chmod(path, 0o400)
		_ = os.Chmod(dir, 0o500)
		defer os.Chmod(dir, 0o700)
	}
	refused(t, path, Options{}, ErrReadOnly)
	refused(t, filepath.Join(dir, "other.db"), Options{Create: true}, ErrReadOnly)
	ro, err := Open(path, Options{ReadOnly: true})
	if err != nil {
		t.Fatalf("open for reading: %v", err)
	}
	check(t, ro)
	ro.Close()
}

// bbolt's lock follows the file, not its name: after a rename a commit would
// go to a file that nobody finds again.
func TestReplacedWhileOpen(t *testing.T) {
	path, content := filled(t)
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	write(t, path+".other", content)
	for _, step := range []func() error{
		func() error { return os.Rename(path+".other", path) },
		func() error { return os.Remove(path) },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
		_, err = s.Commit(drift.Commit{TenantID: contosoID, LastGood: noon})
		if !errors.Is(err, ErrReplaced) || !errors.Is(err, ErrNotCommitted) {
			t.Errorf("got %v, want ErrReplaced", err)
		}
	}
}

// A file that shrinks under its map kills the process on the next page, unless
// that is caught.
func TestTruncatedWhileOpen(t *testing.T) {
	path, _ := filled(t)
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := os.Truncate(path, 8192); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Load(contosoID); !errors.Is(err, ErrCorrupt) {
		t.Errorf("load: got %v, want ErrCorrupt", err)
	}
	if _, err := s.Commit(drift.Commit{TenantID: contosoID, LastGood: noon}); err == nil {
		t.Error("commit: no error")
	}
	if _, err := s.Verify(t.Context(), nil); !errors.Is(err, ErrCorrupt) {
		t.Errorf("verify: got %v, want ErrCorrupt", err)
	}
}
