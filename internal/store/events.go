package store

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// EventQuery selects events of the history.
type EventQuery struct {
	// TenantID is empty for all tenants.
	TenantID string
	// ObjectID is the id of the object, or of the guard's policy.
	ObjectID string
	// Since leaves out earlier events.
	Since time.Time
	// MinSeverity leaves out events of a lower severity of their own.
	MinSeverity drift.Severity
	// After asks for the events after this sequence number, oldest first, of
	// one tenant. Without it events come newest first.
	After *uint64
	// Limit is the most events returned; 0 is no limit.
	Limit int
}

func (q *EventQuery) wants(r *chainRecord) bool {
	return r.isEvent() && r.Severity >= q.MinSeverity && !r.Time.Before(q.Since) &&
		(q.ObjectID == "" || r.Object == q.ObjectID)
}

// Events returns the events that q selects. With After, next is the sequence
// number to go on after when Limit cut the list short, else nil.
func (s *Store) Events(q EventQuery) (events []drift.Event, next *uint64, err error) {
	events = []drift.Event{}
	err = s.view(func(t *tx) error {
		tenants, err := t.queried(q.TenantID)
		if err != nil {
			return err
		}
		if q.After != nil {
			if len(tenants) > 1 {
				return fmt.Errorf("list events after %d: needs a tenant, there are %d", *q.After, len(tenants))
			}
			for _, r := range tenants {
				events, next, err = t.eventsAfter(r.TenantID, &q)
			}
			return err
		}
		lists := make([][]drift.Event, len(tenants))
		for i, r := range tenants {
			if lists[i], err = t.newestEvents(r.TenantID, &q); err != nil {
				return err
			}
		}
		events = merge(lists, q.Limit)
		return nil
	})
	return events, next, err
}

// queried are the tenants of a query; an unknown one has no events.
func (t *tx) queried(tenantID string) ([]tenantRecord, error) {
	if tenantID == "" {
		return t.tenants()
	}
	r, ok, err := t.tenant(tenantID)
	if !ok || err != nil {
		return nil, err
	}
	return []tenantRecord{r}, nil
}

func (t *tx) eventsAfter(tenantID string, q *EventQuery) (events []drift.Event, next *uint64, err error) {
	events = []drift.Event{}
	if *q.After == math.MaxUint64 {
		return events, nil, nil
	}
	prefix := tenantKey(tenantID)
	err = t.each(bucketChain, prefix, numbered(prefix, *q.After+1), func(k, payload []byte) error {
		c, err := parseChained(k, payload)
		if err != nil || !q.wants(&c.record) {
			return err
		}
		if q.Limit > 0 && len(events) == q.Limit {
			next = &events[len(events)-1].Seq
			return errStop
		}
		e, err := t.event(tenantID, c)
		events = append(events, e)
		return err
	})
	return events, next, err
}

func (t *tx) newestEvents(tenantID string, q *EventQuery) ([]drift.Event, error) {
	var events []drift.Event
	err := t.eachDown(bucketChain, tenantKey(tenantID), math.MaxUint64, func(k, payload []byte) error {
		c, err := parseChained(k, payload)
		if err != nil || !q.wants(&c.record) {
			return err
		}
		e, err := t.event(tenantID, c)
		if err != nil {
			return err
		}
		events = append(events, e)
		if len(events) == q.Limit {
			return errStop
		}
		return nil
	})
	return events, err
}

// merge interleaves the tenants' lists by time and keeps each list's own
// order, which is that of its chain whatever the clock did.
func merge(lists [][]drift.Event, limit int) []drift.Event {
	events := []drift.Event{}
	for limit == 0 || len(events) < limit {
		lists = slices.DeleteFunc(lists, func(l []drift.Event) bool { return len(l) == 0 })
		if len(lists) == 0 {
			break
		}
		newest := 0
		for i := range lists {
			if lists[i][0].Time.After(lists[newest][0].Time) {
				newest = i
			}
		}
		events = append(events, lists[newest][0])
		lists[newest] = lists[newest][1:]
	}
	return events
}

// Event is the event of the history with an id; drift.ErrNotFound when there
// is none, or none any more.
func (s *Store) Event(id string) (e drift.Event, err error) {
	err = s.view(func(t *tx) (err error) {
		e, err = t.eventByID(id)
		return err
	})
	return e, err
}

func (t *tx) eventByID(id string) (drift.Event, error) {
	missing := fmt.Errorf("event %q: %w", id, drift.ErrNotFound)
	name, seq, ok := splitID(id)
	if !ok {
		return drift.Event{}, missing
	}
	tenantID, ok, err := get[string](t, bucketNames, key(name))
	if !ok || err != nil {
		return drift.Event{}, cmp.Or(err, missing)
	}
	e, ok, err := t.eventAt(tenantID, seq)
	if err != nil || !ok || e.ID != id {
		return drift.Event{}, cmp.Or(err, missing)
	}
	return e, nil
}
