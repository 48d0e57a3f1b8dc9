package store

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// openBound opens a store whose queues fold early.
func openBound(t testing.TB, path string, b Bound) *Store {
	t.Helper()
	s, err := Open(path, Options{Create: true, LockTimeout: time.Second, Queue: b})
	if err != nil {
		t.Fatal(err)
	}
	s.db.NoSync = true
	if err := s.Bind("contoso", contosoID); err != nil {
		t.Fatal(err)
	}
	return s
}

// rowsIn reads the rows of a queue past everything that remembers.
func rowsIn(t testing.TB, s *Store, bucket, receiver string) (rows []outboxRecord) {
	t.Helper()
	err := s.view(func(x *tx) error {
		return x.each(bucket, key(receiver), nil, func(k, payload []byte) error {
			row, err := decode[outboxRecord](bucket, k, payload)
			rows = append(rows, row)
			return err
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// flapping is the n-th change of one of some policies that are changed and put
// back again and again.
func flapping(n, policies int, severity drift.Severity) drift.NewEvent {
	e := changed(policy(strconv.Itoa(n%policies), ""), noon.Add(time.Duration(n)*time.Minute), severity, "oncall")
	if n/policies%2 == 1 {
		e.Event.Drift, e.Event.Severity = drift.DriftResolved, drift.Low
	}
	return e
}

// A receiver that is away for months keeps a queue of bounded length, which
// says what it does not hold; critical events are all there.
func TestQueueIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cadrift.db")
	s := openBound(t, path, Bound{Events: 80})
	const events, policies, every = 1000, 5, 100
	critical := 0
	for n := range events {
		severity := drift.Medium
		if n%every == 7 {
			severity = drift.Critical
			critical++
		}
		e := flapping(n, policies, severity)
		e.Event.Drift, e.Event.Severity = drift.DriftUpdated, severity // and nothing is over
		mustCommit(t, s, drift.Commit{Time: e.Event.Time, Events: []drift.NewEvent{e}})
		if q := s.Queues()["oncall"]; q.Queued > 80+critical+10 {
			t.Fatalf("%d rows after %d events, %d of them critical", q.Queued, n+1, critical)
		}
	}
	rows := rowsIn(t, s, bucketOutbox, "oncall")
	q := s.Queues()["oncall"]
	if q.Queued != len(rows) || q.Queued+q.Folded != events || q.Folded < events/2 {
		t.Errorf("queue %+v with %d rows, want %d events in all", q, len(rows), events)
	}
	found := 0
	for _, d := range must(s.Pending("oncall", 0)) {
		if d.Event.Critical() {
			found++
		}
	}
	if found != critical {
		t.Errorf("%d critical events are left of %d", found, critical)
	}
	if history, _, err := s.Events(EventQuery{}); err != nil || len(history) != events {
		t.Errorf("the history has %d events, %v, want %d", len(history), err, events)
	}
	check(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openBound(t, path, Bound{Events: 80})
	defer s.Close()
	if got := s.Queues()["oncall"]; got != q {
		t.Errorf("counted anew %+v, want %+v", got, q)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestBytesBoundTheQueueToo(t *testing.T) {
	s := openBound(t, filepath.Join(t.TempDir(), "cadrift.db"), Bound{Bytes: 64 << 10})
	defer s.Close()
	for n := range 60 {
		e := changed(policy("a", ""), noon.Add(time.Duration(n)*time.Minute), drift.Low, "oncall")
		e.Event.Summary = strings.Repeat("x", 4<<10) // packs to nothing
		mustCommit(t, s, drift.Commit{Events: []drift.NewEvent{e}})
	}
	if q := s.Queues()["oncall"]; q.Queued > 17 || q.Queued+q.Folded != 60 {
		t.Errorf("queue %+v, want at most 16 events of 4 KiB and a bit", q)
	}
}

// What cannot be folded is looked at again only after an eighth more.
func TestFoldingIsNotTriedInVain(t *testing.T) {
	s := openBound(t, filepath.Join(t.TempDir(), "cadrift.db"), Bound{Events: 80})
	defer s.Close()
	var looks []int
	for n := range 120 {
		e := changed(policy(strconv.Itoa(n), ""), noon, drift.Critical, "oncall")
		mustCommit(t, s, drift.Commit{Events: []drift.NewEvent{e}})
		if at := s.queues.get(queueID{bucketOutbox, "oncall"}).leftRows; at > 0 && !slices.Contains(looks, at) {
			looks = append(looks, at)
		}
	}
	if want := []int{81, 92, 103, 114}; !slices.Equal(looks, want) {
		t.Errorf("folding was tried at %v rows, want %v", looks, want)
	}
}

// A commit that fails after it folded leaves rows and counts as they were.
func TestFoldingIsPartOfItsCommit(t *testing.T) {
	s := openBound(t, filepath.Join(t.TempDir(), "cadrift.db"), Bound{Events: 8})
	defer s.Close()
	for n := range 8 {
		mustCommit(t, s, drift.Commit{Events: []drift.NewEvent{flapping(n, 1, drift.Medium)}})
	}
	before, queue := rowsIn(t, s, bucketOutbox, "oncall"), s.Queues()
	c := drift.Commit{TenantID: contosoID, Time: noon, Events: []drift.NewEvent{flapping(8, 1, drift.Medium)}, Entries: []drift.Entry{{Kind: "", ID: "bad"}}}
	if _, err := s.Commit(c); err == nil {
		t.Fatal("a bad entry was taken")
	}
	if d := diff(before, rowsIn(t, s, bucketOutbox, "oncall")) + diff(queue, s.Queues()); d != "" {
		t.Errorf("after a failed commit (-want +got):\n%s", d)
	}
	c.Entries = nil
	mustCommit(t, s, c)
	if q := s.Queues()["oncall"]; q.Folded == 0 || q.Queued+q.Folded != 9 {
		t.Errorf("the same commit without the fault: %+v, want it folded", q)
	}
	check(t, s)
}

// What a worker was given stays as it is until it asks again, so that nothing
// is told both singly and in a sum.
func TestRowsInHandAreNotFolded(t *testing.T) {
	s := openBound(t, filepath.Join(t.TempDir(), "cadrift.db"), Bound{Events: 8})
	defer s.Close()
	commit := func(from, to int) {
		for n := from; n < to; n++ {
			e := flapping(n, 1, drift.Medium)
			e.Event.Drift = drift.DriftUpdated
			mustCommit(t, s, drift.Commit{Events: []drift.NewEvent{e}})
		}
	}
	commit(0, 8)
	hand := must(s.Pending("oncall", 5))
	commit(8, 20)
	rows := rowsIn(t, s, bucketOutbox, "oncall")
	for i, d := range hand {
		if rows[i].Event != d.Event.ID || rows[i].Folded != nil {
			t.Errorf("row %d is %s with %+v, want %s as it was given", i, rows[i].Event, rows[i].Folded, d.Event.ID)
		}
	}
	if q := s.Queues()["oncall"]; q.Folded == 0 {
		t.Fatalf("nothing was folded: %+v", q)
	}
	if d := must(s.Pending("oncall", 1)); d[0].Event.ID != id(1) {
		t.Errorf("the oldest is %s, want the first", d[0].Event.ID)
	}
	commit(20, 30)
	if rows := rowsIn(t, s, bucketOutbox, "oncall"); rows[1].Event == id(2) {
		t.Errorf("the rows given earlier are still held: %d rows", len(rows))
	}
}

// A damaged row does not keep passes from being recorded; verify finds it.
func TestFoldingPassesOverDamage(t *testing.T) {
	s := openBound(t, filepath.Join(t.TempDir(), "cadrift.db"), Bound{Events: 8})
	defer s.Close()
	for n := range 8 {
		mustCommit(t, s, drift.Commit{Events: []drift.NewEvent{flapping(n, 1, drift.Medium)}})
	}
	set(t, s, bucketOutbox, orderKey("oncall", 5), []byte("damaged beyond repair"))
	for n := range 8 {
		mustCommit(t, s, drift.Commit{Events: []drift.NewEvent{flapping(8+n, 1, drift.Medium)}})
	}
	if q := s.Queues()["oncall"]; q.Folded == 0 {
		t.Errorf("nothing was folded: %+v", q)
	}
	if len(verifyProblems(s)) == 0 {
		t.Error("verify finds nothing")
	}
}

// What a receiver refuses is bounded too, and a replay finds all that is left.
func TestParkedIsBoundedAndReplayed(t *testing.T) {
	s := openBound(t, filepath.Join(t.TempDir(), "cadrift.db"), Bound{Events: 8})
	defer s.Close()
	for n := range 50 {
		e := flapping(n, 2, drift.Medium)
		e.Event.Drift = drift.DriftUpdated
		done := mustCommit(t, s, drift.Commit{Events: []drift.NewEvent{e}})
		if err := s.Park("oncall", []string{done.Events[0].ID}, noon, "410"); err != nil {
			t.Fatal(err)
		}
	}
	q := s.Queues()["oncall"]
	if q.Parked > 8 || q.Queued != 0 || q.Parked+q.Folded != 50 {
		t.Errorf("queue %+v, want 50 events, at most 8 of them rows", q)
	}
	told := 0
	for _, p := range must(s.Parked()) {
		told += 1 + p.Folded.Events()
	}
	if told != 50 {
		t.Errorf("parked rows tell of %d events, want 50", told)
	}
	if err := replayed(s, "oncall", q.Parked); err != nil {
		t.Error(err)
	}
	if got := s.Queues()["oncall"]; got.Queued != q.Parked || got.Parked != 0 || got.Folded != q.Folded {
		t.Errorf("after the replay %+v, before %+v", got, q)
	}
	check(t, s)
}

// A replay into a queue that is long already folds some of what it puts back.
func TestReplayCountsWhatIsLeft(t *testing.T) {
	s := openBound(t, filepath.Join(t.TempDir(), "cadrift.db"), Bound{Events: 8})
	defer s.Close()
	for n := range 16 {
		e := flapping(n, 1, drift.Medium)
		e.Event.Drift = drift.DriftUpdated
		done := mustCommit(t, s, drift.Commit{Events: []drift.NewEvent{e}})
		if n < 8 {
			if err := s.Park("oncall", []string{done.Events[0].ID}, noon, "410"); err != nil {
				t.Fatal(err)
			}
		}
	}
	parked := s.Queues()["oncall"].Parked
	n, err := s.Replay("oncall")
	left := 0
	for _, row := range rowsIn(t, s, bucketOutbox, "oncall") {
		if row.Event <= id(8) {
			left++
		}
	}
	if err != nil || parked != 8 || left == 8 || n != left {
		t.Errorf("replayed %d of %d, %v, %d of them are queued", n, parked, err, left)
	}
	check(t, s)
}

// Whoever has our credential is told one by one, however long the queue.
func TestMisuseIsNotFolded(t *testing.T) {
	s := openBound(t, filepath.Join(t.TempDir(), "cadrift.db"), Bound{Events: 8})
	defer s.Close()
	for n := range 60 {
		e := flapping(n, 1, drift.High)
		e.Event.Drift, e.Event.Actor.OwnCredential = drift.DriftUpdated, n%10 == 5
		mustCommit(t, s, drift.Commit{Events: []drift.NewEvent{e}})
	}
	told := 0
	for _, d := range must(s.Pending("oncall", 0)) {
		if d.Event.Misused() {
			told++
		}
	}
	if q := s.Queues()["oncall"]; told != 6 || q.Folded == 0 {
		t.Errorf("%d of 6 are left in %+v", told, q)
	}
}

// The log is late, and the receiver away: who it was is told of events that it
// has or will have, and of no others.
func TestLateAttributionGoesWithItsEvent(t *testing.T) {
	s := openBound(t, filepath.Join(t.TempDir(), "cadrift.db"), Bound{Events: 8})
	defer s.Close()
	commit := func(n int, change func(*drift.Event)) string {
		e := flapping(n, 1, drift.Medium)
		e.Event.Drift, e.Event.Actor = drift.DriftUpdated, nil
		change(&e.Event)
		return mustCommit(t, s, drift.Commit{Events: []drift.NewEvent{e}}).Events[0].ID
	}
	nothing := func(*drift.Event) {}
	var changes []string
	for n := range 9 {
		changes = append(changes, commit(n, nothing))
	}
	had := commit(9, nothing)
	if err := s.Delivered("oncall", []string{had}); err != nil {
		t.Fatal(err)
	}
	if q := s.Queues()["oncall"]; q.Folded != 7 {
		t.Fatalf("nothing was folded: %+v", q)
	}
	for n, id := range append(changes, had) {
		commit(10+n, func(e *drift.Event) {
			e.Type, e.Drift, e.Severity, e.About = drift.EventAttributed, "", drift.Low, id
			e.Actor = &drift.Actor{Kind: "user", Name: "alex@contoso.example"}
		})
	}
	for n := range 9 {
		commit(20+n, nothing)
	}
	queued, about := map[string]bool{had: true}, []string{}
	for _, d := range must(s.Pending("oncall", 0)) {
		queued[d.Event.ID] = true
		if d.Event.Type == drift.EventAttributed {
			about = append(about, d.Event.About)
		}
	}
	for _, id := range about {
		if !queued[id] {
			t.Errorf("it is told who did %s, of which it never hears", id)
		}
	}
	if !slices.Contains(about, changes[0]) || !slices.Contains(about, had) {
		t.Errorf("it is told who did %v, want the first change and the delivered one among them", about)
	}
	check(t, s)
}

func TestDiscard(t *testing.T) {
	s := openBound(t, filepath.Join(t.TempDir(), "cadrift.db"), Bound{})
	defer s.Close()
	for n := range 10 {
		mustCommit(t, s, drift.Commit{Events: []drift.NewEvent{flapping(n, 1, drift.Critical)}})
	}
	if err := s.Park("oncall", []string{id(1), id(9)}, noon, "410"); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		before time.Time
		gone   int
		want   Queue
	}{
		{noon, 0, Queue{Queued: 8, Parked: 2}},
		{noon.Add(4 * time.Minute), 4, Queue{Queued: 5, Parked: 1}},
		{time.Time{}, 6, Queue{}},
	} {
		n, err := s.Discard("oncall", step.before)
		if err != nil || n != step.gone || s.Queues()["oncall"] != step.want {
			t.Errorf("before %v: %d gone, %v, left %+v, want %d and %+v", step.before, n, err, s.Queues(), step.gone, step.want)
		}
		check(t, s)
	}
}

func TestPendingComesInBites(t *testing.T) {
	s := openBound(t, filepath.Join(t.TempDir(), "cadrift.db"), Bound{})
	defer s.Close()
	var c drift.Commit
	for n := range 12 {
		e := flapping(n, 12, drift.Low)
		e.Event.Summary = strings.Repeat("x", 1<<20)
		c.Events = append(c.Events, e)
	}
	mustCommit(t, s, c)
	if n := len(must(s.Pending("oncall", 1000))); n != 7 {
		t.Errorf("%d events of 1 MiB and a bit at once, want 7", n)
	}
	if n := len(must(s.Pending("oncall", 0))); n != 12 {
		t.Errorf("%d events without a limit, want 12", n)
	}
}
