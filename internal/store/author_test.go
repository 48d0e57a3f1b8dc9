package store

import (
	"errors"
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
	by := tell(5*time.Minute, about(later, "kim@contoso.example", drift.EventAttributed))
	moved := tell(6*time.Minute, func(e *drift.Event) { e.Cause = "baseline" })
	tell(3*time.Hour, nobody)
	tell(4*time.Hour, about(tooLate, "kim@contoso.example", drift.EventAttributed))
	for _, c := range []struct{ id, name, by string }{
		{known, "alex@contoso.example", known},
		{later, "kim@contoso.example", by},
		{never, "", ""},
		{tooLate, "", ""},
		{wrote, "cadrift", wrote},
		{moved, "", ""},
		{by, "", ""},
	} {
		actor, by, err := s.Author(c.id)
		name := ""
		if actor != nil {
			if name = actor.Name; actor.Kind == "cadrift" {
				name = "cadrift"
			}
		}
		if err != nil || name != c.name || by != c.by {
			t.Errorf("%s: got %q by %q, %v, want %q by %q", c.id, name, by, err, c.name, c.by)
		}
	}
	if _, _, err := s.Author("contoso-000000009999"); !errors.Is(err, drift.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}
