package store

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	bolt "go.etcd.io/bbolt"

	"github.com/cadrift/cadrift/internal/drift"
)

const (
	contosoID  = "11111111-1111-1111-1111-111111111111"
	fabrikamID = "22222222-2222-2222-2222-222222222222"
)

// noon is when tests happen.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// mustOpen opens a new store with two tenants, and checks it after the test:
// bbolt's own consistency, every record and every chain.
func mustOpen(t *testing.T) *Store {
	t.Helper()
	return mustOpenAt(t, filepath.Join(t.TempDir(), "cadrift.db"))
}

func mustOpenAt(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(path, Options{Create: true, LockTimeout: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		check(t, s)
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	for name, id := range map[string]string{"contoso": contosoID, "fabrikam": fabrikamID} {
		if err := s.Bind(name, id); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// check fails the test when anything in the store is not as it should be.
func check(t testing.TB, s *Store) {
	t.Helper()
	err := s.db.View(func(tx *bolt.Tx) error {
		var all []error
		for err := range tx.Check() {
			all = append(all, err)
		}
		return errors.Join(all...)
	})
	if err != nil {
		t.Errorf("bbolt check: %v", err)
	}
	for _, problem := range verifyProblems(s) {
		t.Errorf("verify: %s", problem)
	}
}

func verifyProblems(s *Store) []string {
	var problems []string
	reports, err := s.Verify(context.Background(), nil)
	if err != nil {
		problems = append(problems, err.Error())
	}
	for _, r := range reports {
		if r.Error != nil {
			problems = append(problems, r.Name+": "+*r.Error)
		}
	}
	return problems
}

// object makes an object whose canonical and raw forms come from text.
func object(kind drift.Kind, id, text string) drift.Object {
	canonical := fmt.Appendf(nil, `{"displayName":%q,"state":%q}`, "CA "+id, text)
	return drift.Object{
		Ref:       drift.Ref{Kind: kind, ID: id, Name: "CA " + id},
		Raw:       fmt.Appendf(nil, `{ "@odata.etag": "x", "id": %q, "displayName": %q, "state": %q }`, id, "CA "+id, text),
		Canonical: canonical,
		Digest:    sha256.Sum256(canonical),
		Created:   noon.Add(-time.Hour),
		Modified:  noon,
	}
}

func policy(id, text string) drift.Object { return object(drift.Policy, id, text) }

// changed makes the event of a changed object.
func changed(o drift.Object, at time.Time, severity drift.Severity, receivers ...string) drift.NewEvent {
	return drift.NewEvent{Receivers: receivers, Event: drift.Event{
		Time: at, Type: drift.DriftChanged, Object: &o.Ref, Action: drift.Updated,
		Direction: new(drift.Weaker), Severity: severity, LockoutRisk: new(false),
		Summary: o.Name + ": state on → off <&>", Drift: drift.DriftOpened,
		Changes: []drift.Change{{Path: "/state", Field: "State", Text: "State: on → off", Old: json.RawMessage(`"<on>"`), New: json.RawMessage(`null`), Added: []json.RawMessage{}}},
		Patch:   drift.Patch{{Op: "replace", Path: "/state", Value: json.RawMessage(`"off"`)}},
		Actor:   &drift.Actor{Kind: "user", ID: "33333333-3333-3333-3333-333333333333", Name: "alex@contoso.example", IP: "192.0.2.7", Time: at},
	}}
}

func mustCommit(t testing.TB, s *Store, c drift.Commit) drift.Committed {
	t.Helper()
	if c.TenantID == "" {
		c.TenantID = contosoID
	}
	if c.Time.IsZero() {
		c.Time = noon
	}
	got, err := s.Commit(c)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func mustLoad(t testing.TB, s *Store, tenantID string) drift.State {
	t.Helper()
	state, err := s.Load(tenantID)
	if err != nil {
		t.Fatal(err)
	}
	return state
}

func byKey(objects ...drift.Object) map[drift.Key]drift.Object {
	m := map[drift.Key]drift.Object{}
	for _, o := range objects {
		m[o.Key()] = o
	}
	return m
}

// diff compares what went in with what came out; times by moment.
func diff(want, got any) string {
	return cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.EquateApproxTime(0))
}

func TestCommitThenLoad(t *testing.T) {
	s := mustOpen(t)
	a, b := policy("aaa", "on"), object(drift.NamedLocation, "bbb", "trusted")
	b.Odd, b.UnknownEnum = "not an object", []string{"/x"}
	event := changed(a, noon, drift.High, "oncall")
	finding := drift.Finding{
		Object: a.Ref, Since: noon, Direction: drift.Weaker, Severity: drift.High, Summary: "s",
		Changes: event.Changes, BaselinePatch: event.Patch, Told: []string{"oncall"},
	}
	baseline := &drift.Baseline{
		Revision: 1, Pinned: noon, By: "uid 0", Reason: "first", Digest: drift.Digest{1}, Kinds: []drift.Kind{drift.Policy},
		GraphVersion: "v1.0", Objects: byKey(a),
	}
	absences := map[drift.Key]drift.Absence{{Kind: drift.Policy, ID: "ccc"}: {Since: noon, NotFound: noon, Quarantined: true}}
	blind := []drift.Blind{{Reason: drift.ReasonQuarantine, Since: noon, Text: "31 of 64", Kinds: []drift.Kind{drift.Policy}}}
	done := mustCommit(t, s, drift.Commit{
		Put: []drift.Object{a, b}, Events: []drift.NewEvent{event}, Findings: []drift.Finding{finding}, Baseline: baseline,
		Absences: absences, Blind: &blind, Seen: []drift.Kind{drift.Policy}, GraphVersion: "v1.0", LastGood: noon,
	})

	if got, want := done.Events[0].ID, "contoso-000000000001"; got != want {
		t.Errorf("event id: got %s, want %s", got, want)
	}
	finding.LastEvent, finding.Tenant = done.Events[0].ID, "contoso"
	want := drift.State{
		Tenant: "contoso", TenantID: contosoID, Revision: 1, Head: done.Head, LastGood: noon,
		Seen: []drift.Kind{drift.Policy}, GraphVersion: "v1.0", Objects: byKey(a, b), Absences: absences,
		Baseline: baseline, Findings: map[drift.Key]drift.Finding{a.Key(): finding}, Blind: blind,
	}
	if d := diff(want, mustLoad(t, s, strings.ToUpper(contosoID))); d != "" {
		t.Errorf("state (-want +got):\n%s", d)
	}
	stored, err := s.Event(done.Events[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	if d := diff(done.Events[0], stored); d != "" {
		t.Errorf("event (-committed +stored):\n%s", d)
	}
	if stored.Chain != done.Head.Hash.String() || stored.Revision != 1 || stored.Seq != 1 {
		t.Errorf("event has chain %s, revision %d, seq %d", stored.Chain, stored.Revision, stored.Seq)
	}
}

func TestLoadUnknownTenant(t *testing.T) {
	got := mustLoad(t, mustOpen(t), "44444444-4444-4444-4444-444444444444")
	if got.Objects == nil || got.Absences == nil || got.Findings == nil || got.Revision != 0 {
		t.Errorf("got %+v, want a fresh state", got)
	}
}

func TestEmptyCommitWritesNothing(t *testing.T) {
	s := mustOpen(t)
	first := mustCommit(t, s, drift.Commit{Put: []drift.Object{policy("a", "on")}})
	before, _ := os.ReadFile(s.path)
	got := mustCommit(t, s, drift.Commit{})
	after, _ := os.ReadFile(s.path)
	if string(before) != string(after) {
		t.Error("an empty commit changed the file")
	}
	if got.Head != first.Head || got.Revision != first.Revision {
		t.Errorf("got %+v, want head and revision of %+v", got, first)
	}
}

func TestCommitRefusesNonsense(t *testing.T) {
	s := mustOpen(t)
	a := policy("a", "on")
	mustCommit(t, s, drift.Commit{Put: []drift.Object{a}})
	before := mustLoad(t, s, contosoID)
	for name, c := range map[string]drift.Commit{
		"no id":          {Put: []drift.Object{policy("", "on")}},
		"put twice":      {Put: []drift.Object{a, a}},
		"put and gone":   {Put: []drift.Object{a}, Gone: []drift.Key{a.Key()}},
		"gone unknown":   {Gone: []drift.Key{{Kind: drift.Policy, ID: "zzz"}}},
		"late failure":   {Put: []drift.Object{policy("b", "on")}, Entries: []drift.Entry{{Kind: "x", ID: "y", Value: json.RawMessage("{")}}},
		"unbound tenant": {TenantID: "nobody", Put: []drift.Object{a}},
	} {
		t.Run(name, func(t *testing.T) {
			if c.TenantID == "" {
				c.TenantID = contosoID
			}
			if _, err := s.Commit(c); !errors.Is(err, ErrNotCommitted) {
				t.Errorf("got %v, want ErrNotCommitted", err)
			}
		})
	}
	if d := diff(before, mustLoad(t, s, contosoID)); d != "" {
		t.Errorf("a refused commit left something (-want +got):\n%s", d)
	}
}

// Ids come from Graph, and Graph is not ours.
func TestOddIDs(t *testing.T) {
	s := mustOpen(t)
	ids := []string{"a", "a\x00", "a\x00\x01b", "ä", strings.Repeat("x", 40_000), strings.Repeat("x", 40_001), "\x00", "a/b"}
	var all []drift.Object
	for _, id := range ids {
		all = append(all, policy(id, "on"))
	}
	mustCommit(t, s, drift.Commit{Put: all})
	if d := diff(byKey(all...), mustLoad(t, s, contosoID).Objects); d != "" {
		t.Errorf("objects (-want +got):\n%.500s", d)
	}
	for _, id := range ids {
		got, err := s.Versions(contosoID, drift.Key{Kind: drift.Policy, ID: id}, 0)
		if err != nil || len(got) != 1 || got[0].Object.ID != id {
			t.Errorf("versions of %.20q: %d, %v", id, len(got), err)
		}
	}
}

func count(t testing.TB, s *Store, bucket string) int {
	t.Helper()
	n := 0
	if err := s.view(func(t *tx) error {
		return t.eachValue(bucket, nil, nil, func(_, _ []byte) error { n++; return nil })
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestBind(t *testing.T) {
	s := mustOpen(t)
	if err := s.Bind("contoso", strings.ToUpper(contosoID)); err != nil {
		t.Errorf("bind again: %v", err)
	}
	err := s.Bind("contoso", fabrikamID)
	if !errors.Is(err, ErrBound) || !strings.Contains(err.Error(), contosoID) || !strings.Contains(err.Error(), "hint: ") {
		t.Errorf("got %v, want ErrBound naming the other id and the way out", err)
	}
	done := mustCommit(t, s, drift.Commit{Events: []drift.NewEvent{changed(policy("a", ""), noon, drift.Low)}})
	if err := s.Bind("contoso-prod", contosoID); err != nil {
		t.Fatal(err)
	}
	if got := mustLoad(t, s, contosoID).Tenant; got != "contoso-prod" {
		t.Errorf("got name %q after renaming", got)
	}
	if _, err := s.Event(done.Events[0].ID); err != nil {
		t.Errorf("event under the old name: %v", err)
	}
	if err := s.Bind("contoso", fabrikamID); !errors.Is(err, ErrBound) {
		t.Errorf("a name that event ids begin with was given away: %v", err)
	}
	tenants, err := s.Tenants()
	if err != nil || len(tenants) != 2 || tenants[0].Name != "contoso-prod" || tenants[0].Head != done.Head {
		t.Errorf("got %+v, %v", tenants, err)
	}
}

func TestEvents(t *testing.T) {
	s := mustOpen(t)
	for i := range 6 {
		tenant, id, sev := contosoID, "a", drift.Low
		if i%2 == 1 {
			tenant = fabrikamID
		}
		if i >= 4 {
			id, sev = "b", drift.High
		}
		at := noon.Add(time.Duration(i) * time.Minute)
		o := policy(id, fmt.Sprint(i))
		// The first commit of a tenant has no events: its revision is chained by itself.
		mustCommit(t, s, drift.Commit{TenantID: tenant, Time: at, Put: []drift.Object{policy("c", fmt.Sprint(i))}})
		mustCommit(t, s, drift.Commit{TenantID: tenant, Time: at, Put: []drift.Object{o}, Events: []drift.NewEvent{changed(o, at, sev)}})
	}
	for _, tt := range []struct {
		name string
		q    EventQuery
		want string
		next uint64
	}{
		{"all, newest first", EventQuery{}, "fabrikam-6 contoso-6 fabrikam-4 contoso-4 fabrikam-2 contoso-2", 0},
		{"limit", EventQuery{Limit: 2}, "fabrikam-6 contoso-6", 0},
		{"tenant", EventQuery{TenantID: contosoID}, "contoso-6 contoso-4 contoso-2", 0},
		{"tenant and object", EventQuery{TenantID: contosoID, ObjectID: "a"}, "contoso-4 contoso-2", 0},
		{"severity", EventQuery{MinSeverity: drift.Medium}, "fabrikam-6 contoso-6", 0},
		{"since", EventQuery{Since: noon.Add(4 * time.Minute)}, "fabrikam-6 contoso-6", 0},
		{"after 0", EventQuery{TenantID: contosoID, After: new(uint64(0))}, "contoso-2 contoso-4 contoso-6", 0},
		{"after 0, limit", EventQuery{TenantID: contosoID, After: new(uint64(0)), Limit: 2}, "contoso-2 contoso-4", 4},
		{"after 4, limit", EventQuery{TenantID: contosoID, After: new(uint64(4)), Limit: 2}, "contoso-6", 0},
		{"after the end", EventQuery{TenantID: contosoID, After: new(uint64(math.MaxUint64))}, "", 0},
		{"unknown tenant", EventQuery{TenantID: "nobody"}, "", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			events, next, err := s.Events(tt.q)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, e := range events {
				got = append(got, fmt.Sprintf("%s-%d", e.Tenant, e.Seq))
				if e.Chain == "" || e.Actor.Name != "alex@contoso.example" {
					t.Errorf("event %s is not whole: %+v", e.ID, e)
				}
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if tt.next == 0 && next != nil || tt.next != 0 && (next == nil || *next != tt.next) {
				t.Errorf("got next %v, want %d", next, tt.next)
			}
		})
	}
	if _, _, err := s.Events(EventQuery{After: new(uint64(0))}); err == nil {
		t.Error("after without a tenant among several: no error")
	}
	for _, id := range []string{"", "contoso", "contoso-1", "contoso-000000000001", "contoso-000000000099", "nobody-000000000001"} {
		if _, err := s.Event(id); !errors.Is(err, drift.ErrNotFound) {
			t.Errorf("event %q: got %v, want ErrNotFound", id, err)
		}
	}
}

func TestHistory(t *testing.T) {
	s := mustOpen(t)
	a := drift.Key{Kind: drift.Policy, ID: "a"}
	at := func(i int) time.Time { return noon.Add(time.Duration(i) * time.Hour) }
	mustCommit(t, s, drift.Commit{Time: at(0), Put: []drift.Object{policy("a", "1"), policy("b", "1")}})
	mustCommit(t, s, drift.Commit{Time: at(1), Put: []drift.Object{policy("a", "2")}})
	mustCommit(t, s, drift.Commit{Time: at(2), Gone: []drift.Key{a}})
	mustCommit(t, s, drift.Commit{Time: at(3), Put: []drift.Object{policy("a", "4")}})

	for rev, want := range []map[drift.Key]drift.Object{
		nil, byKey(policy("a", "1"), policy("b", "1")), byKey(policy("a", "2"), policy("b", "1")),
		byKey(policy("b", "1")), byKey(policy("a", "4"), policy("b", "1")),
	} {
		if rev == 0 {
			continue
		}
		got, r, err := s.Snapshot(contosoID, uint64(rev))
		if err != nil || r.Number != uint64(rev) || !r.Time.Equal(at(rev-1)) {
			t.Fatalf("snapshot %d: %+v, %v", rev, r, err)
		}
		if d := diff(want, got); d != "" {
			t.Errorf("snapshot %d (-want +got):\n%s", rev, d)
		}
	}
	for _, rev := range []uint64{5, math.MaxUint64} {
		if _, _, err := s.Snapshot(contosoID, rev); !errors.Is(err, drift.ErrNotFound) {
			t.Errorf("snapshot %d: got %v, want ErrNotFound", rev, err)
		}
	}
	if o, rev, err := s.Object(contosoID, a, math.MaxUint64); err != nil || rev != 4 || diff(policy("a", "4"), o) != "" {
		t.Errorf("object at the end: revision %d, %v", rev, err)
	}
	if _, _, err := s.Object(contosoID, a, 3); !errors.Is(err, drift.ErrNotFound) {
		t.Errorf("object while deleted: got %v, want ErrNotFound", err)
	}
	versions, err := s.Versions(contosoID, a, 3)
	if err != nil || len(versions) != 3 || versions[1].Object != nil || versions[1].Revision != 3 || versions[2].Object == nil {
		t.Errorf("versions: %+v, %v", versions, err)
	}
	for _, tt := range []struct {
		at   time.Time
		want uint64
	}{{at(0), 1}, {at(1).Add(time.Minute), 2}, {at(99), 4}} {
		if got, err := s.RevisionAt(contosoID, tt.at); err != nil || got != tt.want {
			t.Errorf("revision at %s: got %d, %v, want %d", tt.at, got, err, tt.want)
		}
	}
	if _, err := s.RevisionAt(contosoID, at(-1)); !errors.Is(err, drift.ErrNotFound) {
		t.Errorf("revision before the first: got %v, want ErrNotFound", err)
	}
	revisions, err := s.Revisions(contosoID)
	if err != nil || len(revisions) != 4 || revisions[0].Changed != 2 || revisions[3].Number != 4 {
		t.Errorf("revisions: %+v, %v", revisions, err)
	}
}

// Everything that people decide is chained, though it is no event.
func TestAcksAndEntriesAreChained(t *testing.T) {
	s := mustOpen(t)
	a := policy("a", "on")
	f := drift.Finding{Object: a.Ref, Since: noon, Changes: []drift.Change{}}
	seq := func(c drift.Commit) uint64 { return mustCommit(t, s, c).Head.Seq }
	expect := func(v string) drift.Commit {
		e := drift.Entry{Kind: "expect", ID: "1"}
		if v != "" {
			e.Value = json.RawMessage(v)
		}
		return drift.Commit{Entries: []drift.Entry{e}}
	}
	acked := f
	acked.Ack = &drift.Ack{Until: noon, Reason: "known", By: "uid 0"}
	again := acked
	again.Ack = &drift.Ack{Until: noon.In(time.FixedZone("", 3600)), Reason: "known", By: "uid 0"}
	for _, step := range []struct {
		name   string
		commit drift.Commit
		want   uint64
	}{
		{"finding", drift.Commit{Findings: []drift.Finding{f}}, 0},
		{"ack", drift.Commit{Findings: []drift.Finding{acked}}, 1},
		{"same ack", drift.Commit{Findings: []drift.Finding{again}}, 1},
		{"ack ended", drift.Commit{Findings: []drift.Finding{f}}, 2},
		{"closed", drift.Commit{Closed: []drift.Key{a.Key()}}, 2},
		{"entry", expect(`{"until":1}`), 3},
		{"same entry", expect(`{"until":1}`), 3},
		{"other entry", expect(`{"until":2}`), 4},
		{"removed", expect(``), 5},
		{"removed again", expect(``), 5},
	} {
		if got := seq(step.commit); got != step.want {
			t.Errorf("%s: got head %d, want %d", step.name, got, step.want)
		}
		if step.name == "other entry" {
			got, err := s.Entries(contosoID, "expect")
			if err != nil || len(got) != 1 || string(got[0].Value) != `{"until":2}` {
				t.Errorf("entries: %+v, %v", got, err)
			}
		}
	}
	if events, _, err := s.Events(EventQuery{}); err != nil || len(events) != 0 {
		t.Errorf("notes show up as events: %v, %v", events, err)
	}
}

func TestReadOnly(t *testing.T) {
	s := mustOpen(t)
	done := mustCommit(t, s, drift.Commit{Put: []drift.Object{policy("a", "on")}})
	copied := filepath.Join(t.TempDir(), "copy.db")
	f, err := os.Create(copied)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Backup(f); err != nil {
		t.Fatal(err)
	}
	f.Close()
	ro, err := Open(copied, Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer ro.Close()
	if got := mustLoad(t, ro, contosoID); got.Head != done.Head {
		t.Errorf("got head %v, want %v", got.Head, done.Head)
	}
	_, err = ro.Commit(drift.Commit{TenantID: contosoID, LastGood: noon})
	if !errors.Is(err, ErrReadOnly) || !errors.Is(err, ErrNotCommitted) {
		t.Errorf("commit: got %v, want ErrReadOnly", err)
	}
	if err := ro.Bind("contoso", contosoID); err != nil {
		t.Errorf("bind of what is bound: %v", err)
	}
	if _, err := os.Stat(sentinel(copied)); err == nil {
		t.Error("reading a backup left a sentinel beside it")
	}
}
