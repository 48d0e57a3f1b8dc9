package store

import (
	"bytes"
	"fmt"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// Nudge is a message outside of history to one receiver, and what it is
// about: the store keeps when a receiver was last told of it.
type Nudge struct {
	TenantID string
	// About is the caller's name for the matter, such as an object.
	About string
	// Event is nil when only the time is to be kept.
	Event *drift.Event
}

// nudgeRecord is kept in the receivers bucket, under receiver and matter.
type nudgeRecord struct {
	About string    `json:"about"`
	At    time.Time `json:"at"`
}

// Nudge queues messages for a receiver and keeps at as the time of each, in
// one transaction: a restart in between can neither lose nor double one. The
// matters in forget are over.
func (s *Store) Nudge(receiver string, at time.Time, nudges []Nudge, forget []string) error {
	if len(nudges)+len(forget) == 0 {
		return nil
	}
	return s.update("nudge receiver "+receiver, func(t *tx) error {
		for _, n := range nudges {
			if n.About == "" {
				return fmt.Errorf("nudge receiver %s: about nothing", receiver)
			}
			if err := t.put(bucketReceivers, key(receiver, n.About), nudgeRecord{n.About, at.UTC()}); err != nil {
				return err
			}
			if n.Event == nil {
				continue
			}
			if n.Event.ID == "" || n.Event.Seq != 0 {
				return fmt.Errorf("event %q: needs an id and no seq", n.Event.ID)
			}
			row := outboxRecord{TenantID: n.TenantID, Event: n.Event.ID, Body: n.Event}
			if err := t.enqueue([]string{receiver}, row); err != nil {
				return err
			}
		}
		for _, about := range forget {
			if err := t.del(bucketReceivers, key(receiver, about)); err != nil {
				return err
			}
		}
		return nil
	})
}

// Nudged is when the receiver was last told of each matter.
func (s *Store) Nudged(receiver string) (map[string]time.Time, error) {
	times := map[string]time.Time{}
	err := s.view(func(t *tx) error {
		prefix := key(receiver)
		return t.each(bucketReceivers, prefix, nil, func(k, payload []byte) error {
			if bytes.Equal(k, prefix) {
				return nil // the receiver's own record
			}
			r, err := decode[nudgeRecord](bucketReceivers, k, payload)
			times[r.About] = r.At
			return err
		})
	})
	return times, err
}
