package store

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cadrift/cadrift/internal/drift"
)

// reference is what a store must look like, kept in plain maps.
type reference struct {
	now       time.Time
	objects   map[drift.Key]drift.Object
	snapshots map[uint64]map[drift.Key]drift.Object // by revision
	revision  uint64
	first     uint64 // oldest kept revision
	findings  map[drift.Key]drift.Finding
	baseline  *drift.Baseline
	entries   map[string]string
	events    []drift.Event
	outbox    map[string][]string // receiver → event ids in order
	parked    map[string]map[string]int
}

// machine drives a store and its reference through random steps.
type machine struct {
	s       *Store
	path    string
	ref     reference
	reopens int
	// checkpoint is where the last pruning ended.
	checkpoint uint64
}

func receivers() []string { return []string{"oncall", "siem"} }

func newMachine(t *rapid.T, dir string) *machine {
	m := &machine{path: filepath.Join(dir, "cadrift.db"), ref: reference{
		now: noon, objects: map[drift.Key]drift.Object{}, snapshots: map[uint64]map[drift.Key]drift.Object{},
		findings: map[drift.Key]drift.Finding{}, entries: map[string]string{},
		outbox: map[string][]string{}, parked: map[string]map[string]int{},
	}}
	m.open(t)
	if err := m.s.Bind("contoso", contosoID); err != nil {
		t.Fatal(err)
	}
	return m
}

func (m *machine) open(t *rapid.T) {
	s, err := Open(m.path, Options{Create: true, LockTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	s.db.NoSync = true
	m.s = s
}

// Commit draws puts, deletions, events, findings, entries and a baseline.
func (m *machine) Commit(t *rapid.T) {
	ref := &m.ref
	ref.now = ref.now.Add(time.Minute)
	c := drift.Commit{TenantID: contosoID, Time: ref.now}
	next := maps.Clone(ref.objects)
	touched := map[drift.Key]bool{}
	for range rapid.IntRange(0, 3).Draw(t, "objects") {
		kind := rapid.SampledFrom([]drift.Kind{drift.Policy, drift.NamedLocation}).Draw(t, "kind")
		o := object(kind, rapid.SampledFrom([]string{"a", "aa", "b", "c"}).Draw(t, "id"), rapid.StringMatching(`[a-d]`).Draw(t, "text"))
		_, there := ref.objects[o.Key()]
		switch {
		case touched[o.Key()]:
			continue
		case there && rapid.Bool().Draw(t, "gone"):
			c.Gone = append(c.Gone, o.Key())
			delete(next, o.Key())
		default:
			c.Put = append(c.Put, o)
			next[o.Key()] = o
		}
		touched[o.Key()] = true
	}
	if len(c.Put)+len(c.Gone) > 0 {
		ref.revision++
		ref.first = max(ref.first, 1)
		ref.snapshots[ref.revision] = next
		ref.objects = next
	}
	m.decide(t, &c)
	var names []string
	for range rapid.IntRange(0, 2).Draw(t, "events") {
		to := rapid.SliceOfDistinct(rapid.SampledFrom(receivers()), rapid.ID).Draw(t, "receivers")
		c.Events = append(c.Events, changed(policy("e", ""), ref.now, drift.Low, to...))
	}
	done, err := m.s.Commit(c)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range done.Events {
		for _, r := range c.Events[i].Receivers {
			ref.outbox[r] = append(ref.outbox[r], e.ID)
		}
		names = append(names, e.ID)
	}
	ref.events = append(ref.events, done.Events...)
	if done.Revision != ref.revision || !slices.IsSorted(names) {
		t.Fatalf("revision %d, want %d; events %v", done.Revision, ref.revision, names)
	}
}

// decide draws findings, entries and a new baseline.
func (m *machine) decide(t *rapid.T, c *drift.Commit) {
	ref := &m.ref
	k := drift.Key{Kind: drift.Policy, ID: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "finding")}
	switch rapid.IntRange(0, 3).Draw(t, "what") {
	case 0:
		f := drift.Finding{Tenant: "contoso", Object: drift.Ref{Kind: k.Kind, ID: k.ID}, Since: ref.now}
		if rapid.Bool().Draw(t, "ack") {
			f.Ack = &drift.Ack{Reason: "known", Until: ref.now}
		}
		c.Findings, ref.findings[k] = []drift.Finding{f}, f
	case 1:
		c.Closed = []drift.Key{k}
		delete(ref.findings, k)
	case 2:
		ref.baseline = &drift.Baseline{Revision: ref.revision, Pinned: ref.now, Objects: maps.Clone(ref.objects)}
		c.Baseline = ref.baseline
	case 3:
		e := drift.Entry{Kind: "expect", ID: k.ID}
		if rapid.Bool().Draw(t, "put") {
			e.Value = fmt.Appendf(nil, `{"n":%d}`, ref.revision)
			ref.entries[e.ID] = string(e.Value)
		} else {
			delete(ref.entries, e.ID)
		}
		c.Entries = []drift.Entry{e}
	}
}

// Send lets a receiver acknowledge, put off or refuse its oldest event.
func (m *machine) Send(t *rapid.T) {
	to := rapid.SampledFrom(receivers()).Draw(t, "to")
	box := m.ref.outbox[to]
	if len(box) == 0 {
		return
	}
	var err error
	switch rapid.IntRange(0, 2).Draw(t, "answer") {
	case 0:
		err = m.s.Delivered(to, box[:1])
		m.ref.outbox[to] = box[1:]
	case 1:
		err = m.s.Retry(to, box[:1], m.ref.now, "503")
	case 2:
		err = m.s.Park(to, box[:1], m.ref.now, "404")
		if m.ref.parked[to] == nil {
			m.ref.parked[to] = map[string]int{}
		}
		m.ref.parked[to][box[0]]++
		m.ref.outbox[to] = box[1:]
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Replay puts back what was parked.
func (m *machine) Replay(t *rapid.T) {
	want := 0
	for to, ids := range m.ref.parked {
		want += len(ids)
		all := append(slices.Collect(maps.Keys(ids)), m.ref.outbox[to]...)
		slices.Sort(all)
		m.ref.outbox[to] = all
	}
	clear(m.ref.parked)
	if got, err := m.s.Replay(""); err != nil || got != want {
		t.Fatalf("replayed %d, %v, want %d", got, err, want)
	}
}

// Prune drops what is older than some moment.
func (m *machine) Prune(t *rapid.T) {
	before := m.ref.now.Add(-time.Duration(rapid.IntRange(-1, 20).Draw(t, "age")) * time.Minute)
	report, err := m.s.Prune(contosoID, before)
	if err != nil {
		t.Fatal(err)
	}
	revisions, err := m.s.Revisions(contosoID)
	if err != nil {
		t.Fatal(err)
	}
	if len(revisions) > 0 {
		m.ref.first = revisions[0].Number
	}
	waiting := map[string]bool{}
	for _, to := range receivers() {
		for _, id := range m.ref.outbox[to] {
			waiting[id] = true
		}
		for id := range m.ref.parked[to] {
			waiting[id] = true
		}
	}
	// The checkpoint never goes back; what was kept behind it goes with its last
	// delivery.
	checkpoint := report.Checkpoint.Seq
	for _, e := range m.ref.events {
		if e.Time.Before(before) != (e.Seq <= checkpoint) && e.Seq > m.checkpoint {
			t.Errorf("event %d of %s: checkpoint %d after pruning before %s", e.Seq, e.Time, checkpoint, before)
		}
	}
	m.checkpoint = checkpoint
	m.ref.events = slices.DeleteFunc(m.ref.events, func(e drift.Event) bool { return e.Seq <= checkpoint && !waiting[e.ID] })
}

// Reopen closes the file and opens it again.
func (m *machine) Reopen(t *rapid.T) {
	if m.reopens++; m.reopens%4 != 0 { // slow, and rarely interesting
		return
	}
	if err := m.s.Close(); err != nil {
		t.Fatal(err)
	}
	m.open(t)
}

// Check compares everything.
func (m *machine) Check(t *rapid.T) {
	ref := &m.ref
	for _, problem := range verifyProblems(m.s) {
		t.Errorf("verify: %s", problem)
	}
	got, err := m.s.Load(contosoID)
	if err != nil {
		t.Fatal(err)
	}
	want := drift.State{
		Tenant: "contoso", TenantID: contosoID, Revision: ref.revision, Head: got.Head,
		Objects: ref.objects, Findings: ref.findings, Baseline: ref.baseline,
	}
	if d := diff(want, got); d != "" {
		t.Errorf("state (-want +got):\n%s", d)
	}
	for rev := uint64(1); rev <= ref.revision; rev++ {
		snapshot, _, err := m.s.Snapshot(contosoID, rev)
		if rev < ref.first {
			if !errors.Is(err, drift.ErrNotFound) {
				t.Errorf("pruned snapshot %d: %v", rev, err)
			}
		} else if d := diff(ref.snapshots[rev], snapshot); err != nil || d != "" {
			t.Errorf("snapshot %d: %v (-want +got):\n%s", rev, err, d)
		}
	}
	events, _, err := m.s.Events(EventQuery{TenantID: contosoID, After: new(uint64(0))})
	if d := diff(ref.events, events); err != nil || d != "" {
		t.Errorf("events: %v (-want +got):\n%s", err, d)
	}
	entries, err := m.s.Entries(contosoID, "expect")
	gotEntries := map[string]string{}
	for _, e := range entries {
		gotEntries[e.ID] = string(e.Value)
	}
	if d := diff(ref.entries, gotEntries); err != nil || d != "" {
		t.Errorf("entries: %v (-want +got):\n%s", err, d)
	}
	for _, to := range receivers() {
		deliveries, err := m.s.Pending(to, 0)
		var ids []string
		for _, d := range deliveries {
			ids = append(ids, d.Event.ID)
		}
		if d := diff(ref.outbox[to], ids); err != nil || d != "" {
			t.Errorf("outbox of %s: %v (-want +got):\n%s", to, err, d)
		}
	}
}

// The store does what maps in memory do, whatever happens in which order.
func TestModel(t *testing.T) {
	dir := t.TempDir()
	deadline := time.Now().Add(1500 * time.Millisecond)
	rapid.Check(t, func(t *rapid.T) {
		if os.Getenv("CADRIFT_LONG") == "" && time.Now().After(deadline) {
			return // everyday tests take what fits
		}
		sub, err := os.MkdirTemp(dir, "")
		if err != nil {
			t.Fatal(err)
		}
		m := newMachine(t, sub)
		defer func() { m.s.Close(); os.RemoveAll(sub) }()
		t.Repeat(map[string]func(*rapid.T){
			"commit": m.Commit, "commit again": m.Commit, "send": m.Send, "replay": m.Replay,
			"prune": m.Prune, "reopen": m.Reopen, "": m.Check,
		})
	})
}
