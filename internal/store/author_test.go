package store

import (
	"errors"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// Who changed something is said by the event, or by one that follows within
// the hour, not by one that merely mentions it.
func TestAuthor(t *testing.T) {
	s := mustOpen(t)
	o := policy("a", "off")
	tell := func(after time.Duration, change func(*drift.Event)) string {
		ne := changed(o, noon.Add(after), drift.High)
		change(&ne.Event)
		done := mustCommit(t, s, drift.Commit{Time: noon.Add(after), Events: []drift.NewEvent{ne}})
		return done.Events[0].ID
	}
	about := func(id, name string, typ drift.EventType) func(*drift.Event) {
		return func(e *drift.Event) {
			e.Type, e.About, e.Actor.Name = typ, id, name
		}
	}
	nobody := func(e *drift.Event) { e.Actor = nil }
	known := tell(0, func(*drift.Event) {})
	later, never, tooLate := tell(time.Minute, nobody), tell(2*time.Minute, nobody), tell(3*time.Minute, nobody)
	wrote := tell(4*time.Minute, about(later, "sam@contoso.example", drift.GuardWritten))
	undo := tell(4*time.Minute, func(e *drift.Event) { e.Type, e.Actor, e.By = drift.GuardWritten, nil, "uid 1000 (root)" })
	by := tell(5*time.Minute, about(later, "kim@contoso.example", drift.EventAttributed))
	moved := tell(6*time.Minute, func(e *drift.Event) { e.Cause = "baseline" })
	tell(3*time.Hour, nobody)
	tell(4*time.Hour, about(tooLate, "kim@contoso.example", drift.EventAttributed))
	cases := []struct{ id, name, by string }{
		{known, "alex@contoso.example", known},
		{later, "kim@contoso.example", by},
		{never, "", ""},
		{tooLate, "", ""},
		{wrote, "cadrift", wrote},
		{undo, "cadrift uid 1000 (root)", undo},
		{moved, "", ""},
		{by, "", ""},
	}
	open := []drift.Finding{{LastEvent: "contoso-000000009999"}} // pruned
	for _, c := range cases {
		open = append(open, drift.Finding{LastEvent: c.id})
		actor, by, err := s.Author(c.id)
		name := ""
		if actor != nil {
			if name = actor.Name; actor.Kind == "cadrift" {
				name = strings.TrimSpace("cadrift " + actor.Name)
			}
		}
		if err != nil || name != c.name || by != c.by {
			t.Errorf("%s: got %q by %q, %v, want %q by %q", c.id, name, by, err, c.name, c.by)
		}
	}
	if _, _, err := s.Author("contoso-000000009999"); !errors.Is(err, drift.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	if err := s.Attribute(open); err != nil {
		t.Error(err)
	}
	for i, c := range cases {
		f := open[i+1]
		if f.AttributedBy != c.by || (f.Actor == nil) != (c.by == "") {
			t.Errorf("the drift that %s tells of: got %+v by %q, want %q by %q", c.id, f.Actor, f.AttributedBy, c.name, c.by)
		}
		if f.Actor != nil && f.Actor.Kind != "cadrift" && (f.Actor.Name != c.name || f.Actor.IP != "") {
			t.Errorf("the drift that %s tells of: got %+v, want %s without the address", c.id, f.Actor, c.name)
		}
	}
}

// later commits n changes without an actor, a minute apart, each of its own
// object, and then as many events that name one. It returns the open drifts.
func later(t testing.TB, s *Store, n int) []drift.Finding {
	t.Helper()
	var open []drift.Finding
	tell := func(change func(i int, e *drift.Event)) drift.Committed {
		c := drift.Commit{Time: noon}
		for i := range n {
			ne := changed(policy(strconv.Itoa(i), ""), noon.Add(time.Duration(i)*time.Second), drift.High)
			change(i, &ne.Event)
			c.Events = append(c.Events, ne)
		}
		return mustCommit(t, s, c)
	}
	for _, e := range tell(func(_ int, e *drift.Event) { e.Actor = nil }).Events {
		open = append(open, drift.Finding{Object: *e.Object, LastEvent: e.ID})
	}
	tell(func(i int, e *drift.Event) { e.Type, e.About = drift.EventAttributed, open[i].LastEvent })
	return open
}

// However many drifts are open, the chain is read once.
func TestAttributeReadsTheChainOnce(t *testing.T) {
	s := mustOpen(t)
	open := later(t, s, 200)
	once := testing.AllocsPerRun(1, func() { s.Events(EventQuery{}) })
	all := testing.AllocsPerRun(1, func() { s.Attribute(open) })
	if all > 3*once {
		t.Errorf("%.0f allocations, want no more than three readings of the whole history make: %.0f each", all, once)
	}
	for i := range open {
		if open[i].Actor == nil {
			t.Fatalf("drift %d: nobody is named", i)
		}
	}
}

// What damage hit costs its own name and nobody else's.
func TestAttributePassesOverDamage(t *testing.T) {
	for _, c := range []struct {
		name, bucket string
		seq          uint64 // three changes and three attributions are there
	}{
		{"a change", bucketEvents, 2},
		{"an attribution", bucketEvents, 5},
		{"the chain", bucketChain, 5},
	} {
		s := openBound(t, filepath.Join(t.TempDir(), "cadrift.db"), Bound{})
		defer s.Close()
		open := later(t, s, 3)
		set(t, s, c.bucket, numbered(tenantKey(contosoID), c.seq), []byte("damaged beyond repair"))
		if err := s.Attribute(open); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: got %v, want damage", c.name, err)
		}
		got := ""
		for _, f := range open {
			if f.Actor != nil {
				got += "y"
			} else {
				got += "-"
			}
		}
		if got != "y-y" {
			t.Errorf("%s: named %s, want all but the second", c.name, got)
		}
	}
}
