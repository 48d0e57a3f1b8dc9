package store

import (
	"errors"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// attributedWithin is how long after an event its event.attributed may come; a
// daemon that was stopped meanwhile takes its time.
const attributedWithin = time.Hour

// Author is who made the change that an event tells of, and the id of the event
// that says so: itself, or the event.attributed that followed. The actor is nil
// when nobody knows, and when the event tells of no change of the tenant. The
// error is drift.ErrNotFound when there is no such event any more.
func (s *Store) Author(id string) (actor *drift.Actor, by string, err error) {
	e, err := s.Event(id)
	switch {
	case err != nil:
		return nil, "", err
	case e.Type == drift.GuardWritten: // its actor is who made it necessary
		return &drift.Actor{Kind: "cadrift", Time: e.Time}, id, nil
	case e.Type != drift.DriftChanged || e.Cause != "":
		return nil, "", nil
	case e.Actor != nil:
		return e.Actor, id, nil
	}
	err = s.view(func(t *tx) error {
		prefix := tenantKey(e.TenantID)
		return t.each(bucketChain, prefix, numbered(prefix, e.Seq+1), func(k, payload []byte) error {
			c, err := parseChained(k, payload)
			if err != nil || c.record.About != id || c.record.Type != string(drift.EventAttributed) {
				if err == nil && c.record.Time.Sub(e.Time) > attributedWithin {
					err = errStop
				}
				return err
			}
			found, err := t.event(e.TenantID, c)
			if err == nil {
				actor, by, err = found.Actor, found.ID, errStop
			}
			return err
		})
	})
	return actor, by, err
}

// Attribute fills in who made the changes that open drifts were last told by,
// without the address: that is for receivers only.
func (s *Store) Attribute(open []drift.Finding) error {
	for i := range open {
		f := &open[i]
		actor, by, err := s.Author(f.LastEvent)
		switch {
		case errors.Is(err, drift.ErrNotFound): // pruned
		case err != nil:
			return err
		case actor != nil:
			named := *actor
			named.IP = ""
			f.Actor, f.AttributedBy = &named, by
		}
	}
	return nil
}
