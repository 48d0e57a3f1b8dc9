package store

import (
	"bytes"
	"slices"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// outboxRecord is one event that one receiver has not got yet, in outbox and
// in parked.
type outboxRecord struct {
	TenantID string `json:"tenant_id"`
	Event    string `json:"event"`
	// Seq leads to the body of an event of the history; a reminder, heartbeat
	// or test has no other place and carries its Body here.
	Seq  uint64       `json:"seq,omitempty"`
	Body *drift.Event `json:"body,omitempty"`

	// Order is the place in the outbox, kept while parked.
	Order    uint64    `json:"order"`
	Attempts int       `json:"attempts,omitempty"`
	Next     time.Time `json:"next,omitzero"`
	Reason   string    `json:"reason,omitempty"`
	// Since is the time of parking.
	Since time.Time `json:"since,omitzero"`
	// Folded are events about the same subject whose rows are gone.
	Folded *drift.Folded `json:"folded,omitempty"`
	// Unnamed are those among them, with their times, that an event.attributed
	// may yet follow: it goes the same way.
	Unnamed map[string]time.Time `json:"unnamed,omitempty"`
}

func orderKey(receiver string, order uint64) []byte { return numbered(key(receiver), order) }

// enqueue puts a row for every receiver. An event that a receiver has already
// keeps its place.
func (t *tx) enqueue(receivers []string, row outboxRecord) error {
	if len(receivers) == 0 {
		return nil
	}
	b, err := t.bucket(bucketOutbox)
	if err != nil {
		return err
	}
	for _, receiver := range slices.Compact(slices.Sorted(slices.Values(receivers))) {
		if _, ok, err := get[uint64](t, bucketQueued, key(receiver, row.Event)); ok || err != nil {
			if err != nil {
				return err
			}
			continue
		}
		if row.Order, err = b.NextSequence(); err != nil {
			return err
		}
		if err := t.putRow(bucketOutbox, receiver, row); err != nil {
			return err
		}
		if err := t.shorten(bucketOutbox, receiver); err != nil {
			return err
		}
	}
	return nil
}

// putRow puts a row that is not there yet into outbox or parked.
func (t *tx) putRow(bucket, receiver string, row outboxRecord) error {
	t.queue(bucket, receiver).add(1, t.weight(row), row.Folded)
	if bucket == bucketParked {
		return t.put(bucketParked, key(receiver, row.Event), row)
	}
	if err := t.put(bucketOutbox, orderKey(receiver, row.Order), row); err != nil {
		return err
	}
	return t.put(bucketQueued, key(receiver, row.Event), row.Order)
}

// delRow takes a row out of outbox or parked.
func (t *tx) delRow(bucket, receiver string, row outboxRecord) error {
	t.queue(bucket, receiver).add(-1, t.weight(row), row.Folded)
	if bucket == bucketParked {
		return t.del(bucketParked, key(receiver, row.Event))
	}
	if err := t.del(bucketOutbox, orderKey(receiver, row.Order)); err != nil {
		return err
	}
	return t.del(bucketQueued, key(receiver, row.Event))
}

// row finds a receiver's row by event id.
func (t *tx) row(receiver, id string) (outboxRecord, bool, error) {
	order, ok, err := get[uint64](t, bucketQueued, key(receiver, id))
	if !ok || err != nil {
		return outboxRecord{}, false, err
	}
	k := orderKey(receiver, order)
	row, ok, err := get[outboxRecord](t, bucketOutbox, k)
	if err == nil && (!ok || row.Event != id) {
		err = damaged(bucketOutbox, k, "is not "+id)
	}
	return row, ok, err
}

// rowEvent is the event that a row of outbox or parked delivers.
func (t *tx) rowEvent(bucket string, k []byte, row outboxRecord) (drift.Event, error) {
	if row.Body != nil {
		return *row.Body, nil
	}
	e, ok, err := t.eventAt(row.TenantID, row.Seq)
	if err == nil && (!ok || e.ID != row.Event) {
		err = damaged(bucket, k, "its event "+row.Event+" is missing")
	}
	return e, err
}

// firstPart reads the first part of a key; receivers' names are short and
// hold no zero byte.
func firstPart(k []byte) string {
	part, _, _ := bytes.Cut(k, []byte{0})
	return string(part)
}

// Parked lists what receivers refused for good, oldest first.
func (s *Store) Parked() ([]drift.Parked, error) {
	all := []drift.Parked{}
	err := s.view(func(t *tx) error {
		return t.each(bucketParked, nil, nil, func(k, payload []byte) error {
			row, err := decode[outboxRecord](bucketParked, k, payload)
			all = append(all, drift.Parked{Receiver: firstPart(k), Event: row.Event, Since: row.Since, Reason: row.Reason, Folded: row.Folded})
			return err
		})
	})
	slices.SortStableFunc(all, func(a, b drift.Parked) int { return a.Since.Compare(b.Since) })
	return all, err
}

// change runs fn on the rows that a receiver still has of the given events,
// and notes that it was tried.
func (s *Store) change(op, receiver string, ids []string, fn func(*tx, outboxRecord) error) error {
	if len(ids) == 0 {
		return nil
	}
	return s.update(op+" for receiver "+receiver, func(t *tx) error {
		found := false
		for _, id := range ids {
			row, ok, err := t.row(receiver, id)
			if err == nil && ok {
				found = true
				err = fn(t, row)
			}
			if err != nil {
				return err
			}
		}
		if !found {
			return nil
		}
		return t.tried(receiver)
	})
}

// receiverRecord is what outlives a receiver's deliveries.
type receiverRecord struct {
	LastSuccess time.Time `json:"last_success,omitzero"`
	// Tries are the newest ones, so that a restart does not begin a
	// receiver's minute anew.
	Tries []time.Time `json:"tries,omitempty"`
}

// keptTries is more than any receiver takes in a minute that counts them.
const keptTries = 8

func (t *tx) tried(receiver string) error {
	r, _, err := get[receiverRecord](t, bucketReceivers, key(receiver))
	if err != nil {
		return err
	}
	r.Tries = append(r.Tries, time.Now().UTC())
	r.Tries = r.Tries[max(0, len(r.Tries)-keptTries):]
	return t.put(bucketReceivers, key(receiver), r)
}

// Tries are the times of the newest tries to reach a receiver, oldest first.
func (s *Store) Tries(receiver string) ([]time.Time, error) {
	var r receiverRecord
	err := s.view(func(t *tx) (err error) {
		r, _, err = get[receiverRecord](t, bucketReceivers, key(receiver))
		return err
	})
	return r.Tries, err
}

// Delivered removes events that a receiver has acknowledged, and keeps the
// time. Unknown ids are ignored: a delivery may be reported twice.
func (s *Store) Delivered(receiver string, ids []string) error {
	now := time.Now().UTC()
	return s.change("record delivery", receiver, ids, func(t *tx, row outboxRecord) error {
		if err := t.delRow(bucketOutbox, receiver, row); err != nil {
			return err
		}
		r, _, err := get[receiverRecord](t, bucketReceivers, key(receiver))
		if err != nil || r.LastSuccess.Equal(now) { // an earlier row of this message was first
			return err
		}
		r.LastSuccess = now
		return t.put(bucketReceivers, key(receiver), r)
	})
}

// LastDelivered is the time of the last delivery to every receiver that ever
// had one.
func (s *Store) LastDelivered() (map[string]time.Time, error) {
	times := map[string]time.Time{}
	err := s.view(func(t *tx) error {
		return t.each(bucketReceivers, nil, nil, func(k, payload []byte) error {
			if !bytes.Equal(k, key(firstPart(k))) {
				return nil // when the receiver was last reminded of something
			}
			r, err := decode[receiverRecord](bucketReceivers, k, payload)
			if !r.LastSuccess.IsZero() {
				times[firstPart(k)] = r.LastSuccess
			}
			return err
		})
	})
	return times, err
}

// Retry counts a failed try of the given events. The reason must be redacted.
func (s *Store) Retry(receiver string, ids []string, next time.Time, reason string) error {
	return s.change("put off delivery", receiver, ids, func(t *tx, row outboxRecord) error {
		row.Attempts, row.Next, row.Reason = row.Attempts+1, next, reason
		return t.put(bucketOutbox, orderKey(receiver, row.Order), row)
	})
}

// Park takes the given events out of the outbox until they are replayed.
func (s *Store) Park(receiver string, ids []string, at time.Time, reason string) error {
	return s.change("park delivery", receiver, ids, func(t *tx, row outboxRecord) error {
		if err := t.delRow(bucketOutbox, receiver, row); err != nil {
			return err
		}
		row.Attempts, row.Since, row.Reason = row.Attempts+1, at, reason
		if err := t.putRow(bucketParked, receiver, row); err != nil {
			return err
		}
		return t.shorten(bucketParked, receiver)
	})
}

// Replay puts parked events back into the outbox, each at its old place, for
// one receiver or with "" for all, and tells how many are there now: a queue
// that gets too long is folded.
func (s *Store) Replay(receiver string) (int, error) {
	var prefix []byte
	if receiver != "" {
		prefix = key(receiver)
	}
	n := 0
	err := s.update("replay parked deliveries", func(t *tx) error {
		rows := map[string][]outboxRecord{}
		err := t.each(bucketParked, prefix, nil, func(k, payload []byte) error {
			row, err := decode[outboxRecord](bucketParked, k, payload)
			rows[firstPart(k)] = append(rows[firstPart(k)], row)
			return err
		})
		if err != nil {
			return err
		}
		n = 0
		for to, list := range rows {
			queued, err := t.replay(to, list)
			if err != nil {
				return err
			}
			n += queued
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// replay puts a receiver's parked rows back into its outbox and tells how many
// folding left there.
func (t *tx) replay(receiver string, rows []outboxRecord) (queued int, err error) {
	for _, row := range rows {
		if err := t.delRow(bucketParked, receiver, row); err != nil {
			return 0, err
		}
		row.Attempts, row.Next, row.Since, row.Reason = 0, time.Time{}, time.Time{}, ""
		if err := t.putRow(bucketOutbox, receiver, row); err != nil {
			return 0, err
		}
	}
	if err := t.shorten(bucketOutbox, receiver); err != nil {
		return 0, err
	}
	for _, row := range rows {
		_, ok, err := t.row(receiver, row.Event)
		if err != nil {
			return 0, err
		}
		if ok {
			queued++
		}
	}
	return queued, nil
}
