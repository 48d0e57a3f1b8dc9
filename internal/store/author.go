package store

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// attributedWithin is how long after an event its event.attributed may come; a
// daemon that was stopped meanwhile takes its time.
const attributedWithin = time.Hour

// author is who made a change, and the id of the event that says so.
type author struct {
	actor *drift.Actor
	by    string
}

// unnamed tells of a change that an event.attributed may yet explain.
func unnamed(e *drift.Event) bool {
	return e.Type == drift.DriftChanged && e.Cause == "" && e.Actor == nil
}

// Author is who made the change that an event tells of, and the id of the event
// that says so: itself, or the event.attributed that followed. The actor is nil
// when nobody knows, and when the event tells of no change of the tenant. The
// error is drift.ErrNotFound when there is no such event any more.
func (s *Store) Author(id string) (actor *drift.Actor, by string, err error) {
	err = s.view(func(t *tx) error {
		e, err := t.eventByID(id)
		if err != nil {
			return err
		}
		known, err := t.authors([]drift.Event{e})
		actor, by = known[id].actor, known[id].by
		return err
	})
	return actor, by, err
}

// Attribute fills in who made the changes that open drifts were last told by,
// without the address: that is for receivers only. What is damaged costs its own
// name: the others are filled in, and the error is the first that was met.
func (s *Store) Attribute(open []drift.Finding) error {
	return s.view(func(t *tx) error {
		var events []drift.Event
		var damage error
		for i := range open {
			e, err := t.eventByID(open[i].LastEvent)
			switch {
			case err == nil:
				events = append(events, e)
			case !errors.Is(err, drift.ErrNotFound): // not just pruned
				damage = cmp.Or(damage, err)
			}
		}
		known, err := t.authors(events)
		for i := range open {
			f := &open[i]
			if a := known[f.LastEvent]; a.actor != nil {
				named := *a.actor
				named.IP = ""
				f.Actor, f.AttributedBy = &named, a.by
			}
		}
		return cmp.Or(damage, err)
	})
}

// authors are who made the changes that events tell of, by the events' ids, as
// far as anybody knows. An error leaves what could be read.
func (t *tx) authors(events []drift.Event) (known map[string]author, err error) {
	known = map[string]author{}
	later := map[string][]drift.Event{} // by tenant_id: those that do not say it themselves
	for i := range events {
		e := &events[i]
		switch {
		case e.Type == drift.GuardWritten: // its actor is who made it necessary
			known[e.ID] = author{&drift.Actor{Kind: "cadrift", Name: e.By, Time: e.Time}, e.ID}
		case unnamed(e):
			later[e.TenantID] = append(later[e.TenantID], *e)
		case e.Type == drift.DriftChanged && e.Cause == "":
			known[e.ID] = author{e.Actor, e.ID}
		}
	}
	for tenantID, list := range later {
		err = cmp.Or(err, t.attributions(tenantID, list, known))
	}
	return known, err
}

// attributions adds who made the changes that a tenant's events tell of without
// a name. However many events there are, no record of the chain is read twice,
// and none that came too late for all of them. Damaged ones are passed over and
// the first of them is returned.
func (t *tx) attributions(tenantID string, events []drift.Event, known map[string]author) (damage error) {
	prefix := tenantKey(tenantID)
	slices.SortFunc(events, func(a, b drift.Event) int { return cmp.Compare(a.Seq, b.Seq) })
	for s := (search{ahead: events}); len(s.ahead) > 0; {
		from := s.ahead[0].Seq + 1
		s.begin(from)
		err := t.eachValue(bucketChain, prefix, numbered(prefix, from), func(k, value []byte) error {
			s.reach(number(k))
			named, err := t.naming(k, value, &s)
			if errors.Is(err, ErrCorrupt) {
				damage = cmp.Or(damage, err)
				return nil
			}
			if err == nil && named != nil {
				known[named.About] = author{named.Actor, named.ID}
				delete(s.open, named.About)
			}
			if err == nil && len(s.open) == 0 {
				err = errStop
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return damage
}

// naming is the event that a record of the chain holds when it names the actor
// of one that is searched for, else nil. Its error is errStop when the record
// is later than all that could.
func (t *tx) naming(k, value []byte, s *search) (*drift.Event, error) {
	payload, err := t.codec.open(bucketChain, k, value)
	if err != nil {
		return nil, err
	}
	c, err := parseChained(k, payload)
	if err != nil {
		return nil, err
	}
	if c.record.Time.After(s.end) {
		return nil, errStop
	}
	end, ok := s.open[c.record.About]
	if !ok || c.record.Type != string(drift.EventAttributed) || c.record.Time.After(end) {
		return nil, nil
	}
	e, err := t.event(c.record.TenantID, c)
	return &e, err
}

// search is for those who made the changes that events tell of, along a chain.
type search struct {
	// ahead are the events that come later in the chain, in its order.
	ahead []drift.Event
	// open has until when each of the others may be explained, and end is the
	// latest of these times.
	open map[string]time.Time
	end  time.Time
}

// begin searches from a record on, and forgets what came to nothing before.
func (s *search) begin(seq uint64) {
	s.open, s.end = map[string]time.Time{}, time.Time{}
	s.reach(seq)
}

// reach takes up the events before a record.
func (s *search) reach(seq uint64) {
	for len(s.ahead) > 0 && s.ahead[0].Seq < seq {
		end := s.ahead[0].Time.Add(attributedWithin)
		s.open[s.ahead[0].ID] = end
		if end.After(s.end) {
			s.end = end
		}
		s.ahead = s.ahead[1:]
	}
}
