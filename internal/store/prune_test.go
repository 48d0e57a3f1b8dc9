package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

func day(n int) time.Time { return noon.AddDate(0, 0, n) }

// history commits a change a day, days 1 to n, to policies a (changing), gone
// (deleted on day 3) and still (never touched again).
func history(t *testing.T, s *Store, n int) {
	t.Helper()
	mustCommit(t, s, drift.Commit{Time: day(0), Put: []drift.Object{policy("a", "0"), policy("gone", "0"), policy("still", "0")}})
	for i := 1; i <= n; i++ {
		o := policy("a", fmt.Sprint(i))
		c := drift.Commit{Time: day(i), Put: []drift.Object{o}, Events: []drift.NewEvent{changed(o, day(i), drift.Low)}}
		if i == 3 {
			c.Gone = []drift.Key{{Kind: drift.Policy, ID: "gone"}}
		}
		mustCommit(t, s, c)
	}
}

func TestPrune(t *testing.T) {
	s := mustOpen(t)
	history(t, s, 10)
	a := policy("a", "")
	mustCommit(t, s, drift.Commit{
		Time: day(2), Baseline: &drift.Baseline{Revision: 3, Objects: byKey(policy("a", "2"))},
		Findings: []drift.Finding{{Object: a.Ref, LastEvent: id(3)}},
	})
	mustCommit(t, s, drift.Commit{TenantID: fabrikamID, Put: []drift.Object{a}})
	if err := s.update("test", func(t *tx) error { // the event of day 4 waits for its receiver
		return t.enqueue([]string{"oncall"}, outboxRecord{TenantID: contosoID, Event: id(5), Seq: 5})
	}); err != nil {
		t.Fatal(err)
	}
	before := mustLoad(t, s, contosoID)
	kept := map[uint64]map[drift.Key]drift.Object{}
	for rev := uint64(6); rev <= 11; rev++ {
		kept[rev], _, _ = s.Snapshot(contosoID, rev)
	}

	report, err := s.Prune(contosoID, day(6))
	if err != nil {
		t.Fatal(err)
	}
	// Chain: records 1 (revision without events) to 6 (day 5) go, but for two.
	// Revisions 1 to 5 go; 6 was the newest on day 6. Versions: a of 1 to 5 and
	// both of the deleted one. Blobs: those, but for the baseline's.
	hash, err := s.HashAt(contosoID, 6)
	if err != nil {
		t.Fatal(err)
	}
	want := PruneReport{Records: 4, Revisions: 5, Versions: 7, Blobs: 5, Checkpoint: drift.Head{Seq: 6, Hash: hash}}
	if d := diff(want, report); d != "" {
		t.Errorf("report (-want +got):\n%s", d)
	}
	check(t, s)
	if d := diff(before, mustLoad(t, s, contosoID)); d != "" {
		t.Errorf("state (-before +after):\n%s", d)
	}
	for rev, want := range kept {
		got, _, err := s.Snapshot(contosoID, rev)
		if d := diff(want, got); err != nil || d != "" {
			t.Errorf("snapshot %d: %v (-want +got):\n%s", rev, err, d)
		}
	}
	if _, _, err := s.Snapshot(contosoID, 5); !errors.Is(err, drift.ErrNotFound) {
		t.Errorf("pruned snapshot: got %v, want ErrNotFound", err)
	}
	if got := pending(t, s, "oncall", 0); got != "5" {
		t.Errorf("pending: got %q, want 5", got)
	}
	for seq, there := range map[int]bool{2: false, 3: true, 4: false, 5: true, 6: false, 7: true} {
		if _, err := s.Event(id(seq)); (err == nil) != there || !there && !errors.Is(err, drift.ErrNotFound) {
			t.Errorf("event %d: %v, want there: %t", seq, err, there)
		}
	}
	if _, err := s.HashAt(contosoID, 2); !errors.Is(err, drift.ErrNotFound) {
		t.Errorf("hash of a pruned record: %v", err)
	}

	// What was kept goes once nothing needs it; the rest goes on from there.
	if err := s.Delivered("oncall", []string{id(5)}); err != nil {
		t.Fatal(err)
	}
	mustCommit(t, s, drift.Commit{Time: day(11), Closed: []drift.Key{a.Key()}, Put: []drift.Object{policy("a", "11")}})
	report, err = s.Prune(contosoID, day(99))
	if err != nil || report.Checkpoint != mustLoad(t, s, contosoID).Head {
		t.Errorf("prune all: %+v, %v", report, err)
	}
	check(t, s)
	if got, _, err := s.Snapshot(contosoID, 0); err != nil || len(got) != 2 {
		t.Errorf("newest snapshot after pruning all: %d objects, %v", len(got), err)
	}
	if got := count(t, s, bucketChain); got != 1 { // the other tenant's
		t.Errorf("%d chain records left, want 1", got)
	}
	if report, err = s.Prune(contosoID, day(99)); err != nil || report.Records+report.Revisions+report.Versions+report.Blobs != 0 {
		t.Errorf("prune again: %+v, %v", report, err)
	}
	mustCommit(t, s, drift.Commit{Time: day(100), Put: []drift.Object{policy("a", "100")}})
}

func TestPruneUnknownTenant(t *testing.T) {
	if _, err := mustOpen(t).Prune("nobody", noon); !errors.Is(err, drift.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
}

func TestErasePeople(t *testing.T) {
	s := mustOpen(t)
	o := policy("a", "on")
	named := func(at time.Time) drift.NewEvent {
		e := changed(o, at, drift.Low)
		e.Type, e.Summary = drift.EventAttributed, "CA a: written by alex@contoso.example"
		return e
	}
	// A policy may be named with the very character that stands for the name.
	trap := named(day(1))
	trap.Summary = "CA \ufffc: written by alex@contoso.example"
	nobody := named(day(1))
	nobody.Actor = &drift.Actor{Kind: "unknown"}
	nobody.Summary = "\ufffc"
	done := mustCommit(t, s, drift.Commit{Events: []drift.NewEvent{named(day(1)), trap, nobody, named(day(5))}})
	for _, want := range done.Events {
		got, err := s.Event(want.ID)
		if d := diff(want, got); err != nil || d != "" {
			t.Errorf("before: %v (-want +got):\n%s", err, d)
		}
	}
	if n, err := s.ErasePeople(day(0)); n != 0 || err != nil {
		t.Errorf("nobody is that old: %d, %v", n, err)
	}
	n, err := s.ErasePeople(day(5))
	if err != nil || n != 2 {
		t.Fatalf("erased %d, %v, want 2", n, err)
	}
	check(t, s)

	first, err := s.Event(id(1))
	if err != nil || first.Actor.Name != "" || first.Actor.IP != "" || first.Actor.Kind != "user" || first.Summary != "CA a: written by (erased)" {
		t.Errorf("erased event: %v, %q, %+v", err, first.Summary, first.Actor)
	}
	if first.Chain != done.Events[0].Chain || mustLoad(t, s, contosoID).Head != done.Head {
		t.Error("erasing moved the chain")
	}
	if last, err := s.Event(id(4)); err != nil || diff(done.Events[3], last) != "" {
		t.Errorf("event of day 5: %v, %+v", err, last)
	}
	if unknown, err := s.Event(id(3)); err != nil || unknown.Summary != "\ufffc" {
		t.Errorf("event without a name: %v, %q", err, unknown.Summary)
	}

	// Who is missing without having been erased was removed by somebody.
	if err := s.update("test", func(t *tx) error { return t.del(bucketPeople, numbered(tenantKey(contosoID), 4)) }); err != nil {
		t.Fatal(err)
	}
	if problems := verifyProblems(s); len(problems) != 1 || !strings.Contains(problems[0], "was not erased") {
		t.Errorf("got problems %q", problems)
	}
	if err := s.update("test", func(t *tx) error { return t.put(bucketStore, []byte(keyErased), day(6)) }); err != nil {
		t.Fatal(err)
	}
}

// The name is in no record of a store and in no byte of a backup once erased.
func TestErasedNamesAreGoneFromBackups(t *testing.T) {
	s := mustOpen(t)
	secret := "nobody-else-has-this-name@contoso.example"
	e := changed(policy("a", ""), noon, drift.Low)
	e.Actor.Name, e.Summary = secret, "written by "+secret
	mustCommit(t, s, drift.Commit{Events: []drift.NewEvent{e}})
	holds := func() (n int) {
		err := s.view(func(t *tx) error {
			for _, bucket := range buckets() {
				if err := t.each(bucket, nil, nil, func(_, payload []byte) error {
					n += bytes.Count(payload, []byte(secret))
					return nil
				}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if got := holds(); got != 1 {
		t.Errorf("the name is in %d places, want 1", got)
	}
	if _, err := s.ErasePeople(noon.Add(1)); err != nil {
		t.Fatal(err)
	}
	if got := holds(); got != 0 {
		t.Errorf("the name is in %d places, want none", got)
	}
	var backup bytes.Buffer
	if _, err := s.Backup(&backup); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(backup.Bytes(), []byte(secret)) {
		t.Error("the backup holds the name")
	}
}

func TestBackup(t *testing.T) {
	s := mustOpen(t)
	history(t, s, 30)
	want := mustLoad(t, s, contosoID)
	path := filepath.Join(t.TempDir(), "backup.db")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	n, err := s.Backup(f)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() != n || n > s.Size() {
		t.Errorf("backup says %d bytes, has %v (%v), store %d", n, info.Size(), err, s.Size())
	}
	c, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	done := 0
	reports, err := c.Verify(t.Context(), func(n, total int) {
		if n < done || n > total {
			t.Errorf("progress %d of %d after %d", n, total, done)
		}
		done = n
	})
	if err != nil || len(reports) != 2 || reports[0].Error != nil || reports[0].Head != want.Head.Hash || reports[0].FromSeq != 1 || reports[0].ToSeq != 31 || done == 0 {
		t.Errorf("verify of the backup: %+v, %v", reports, err)
	}
	check(t, c)
	if d := diff(want, mustLoad(t, c, contosoID)); d != "" {
		t.Errorf("backup (-want +got):\n%s", d)
	}
	mustCommit(t, c, drift.Commit{Put: []drift.Object{policy("new", "on")}})
	for _, dir := range []string{filepath.Dir(path), filepath.Dir(s.path)} {
		if left, _ := filepath.Glob(filepath.Join(dir, "cadrift-backup-*")); len(left) > 0 {
			t.Errorf("temporary files stayed: %v", left)
		}
	}
}

// failing stands for a client that hangs up.
type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestBackupToBrokenWriter(t *testing.T) {
	s := mustOpen(t)
	gone := errors.New("hung up")
	if _, err := s.Backup(failing{gone}); !errors.Is(err, gone) {
		t.Errorf("got %v, want %v", err, gone)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(s.path), "cadrift-backup-*")); len(left) > 0 {
		t.Errorf("temporary files stayed: %v", left)
	}
}
