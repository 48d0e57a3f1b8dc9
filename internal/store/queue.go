package store

import (
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/cadrift/cadrift/internal/drift"
)

// Bound is how much may wait for one receiver, and as much again be parked,
// before the rows are folded. Bytes count the JSON of the events.
type Bound struct {
	Events int
	Bytes  int64
}

const (
	boundEvents = 10_000
	boundBytes  = 64 << 20
	// biteBytes bounds the JSON of the events that Pending returns at once.
	biteBytes = 8 << 20
)

// Queue is how much one receiver has not taken.
type Queue struct {
	// Queued waits for delivery, Parked was refused for good.
	Queued, Parked int
	// Folded counts the events that both tell of by a sum alone.
	Folded int
}

// queue is what is known of a receiver's rows in outbox or parked without
// reading them.
type queue struct {
	rows   int
	bytes  int64
	folded int
	// What the last folding had to leave.
	leftRows  int
	leftBytes int64
}

type queueID struct{ bucket, receiver string }

// queues are those of a store as last committed.
type queues struct {
	mu  sync.Mutex
	all map[queueID]queue
}

func (q *queues) get(id queueID) queue {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.all[id]
}

// publish takes over what a transaction changed.
func (q *queues) publish(changed map[queueID]*queue) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for id, now := range changed {
		q.all[id] = *now
	}
}

// queue is the transaction's own view of a queue, which becomes everybody's
// when it is committed.
func (t *tx) queue(bucket, receiver string) *queue {
	id := queueID{bucket, receiver}
	if t.queues[id] == nil {
		t.queues[id] = new(t.store.queues.get(id))
	}
	return t.queues[id]
}

func (q *queue) add(n int, weight int64, folded *drift.Folded) {
	q.rows += n
	q.bytes += int64(n) * weight
	q.folded += n * folded.Events()
	q.leftRows, q.leftBytes = min(q.leftRows, q.rows), min(q.leftBytes, q.bytes)
}

// countQueues counts all rows once, when the store is opened. Damage is found
// by those who need what it hit.
func (s *Store) countQueues() error {
	counted := map[queueID]*queue{}
	err := s.view(func(t *tx) error {
		for _, bucket := range []string{bucketOutbox, bucketParked} {
			err := t.eachValue(bucket, nil, nil, func(k, value []byte) error {
				id := queueID{bucket, firstPart(k)}
				if counted[id] == nil {
					counted[id] = &queue{}
				}
				var row outboxRecord
				if payload, err := t.codec.open(bucket, k, value); err == nil {
					row, _ = decode[outboxRecord](bucket, k, payload)
				}
				counted[id].add(1, t.weight(row), row.Folded)
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	s.queues.publish(counted)
	return err
}

// weight is the size of a row's event as JSON. Events outside of history are
// few, small, and weigh nothing.
func (t *tx) weight(row outboxRecord) int64 {
	b, err := t.bucket(bucketEvents)
	if err != nil || row.Seq == 0 {
		return 0
	}
	return payloadSize(b.Get(numbered(tenantKey(row.TenantID), row.Seq)))
}

// payloadSize is the length of a sealed value's payload, without unpacking it.
func payloadSize(value []byte) int64 {
	if len(value) < 1+sealLen {
		return 0
	}
	var h zstd.Header
	if value[0] == formatZstd && h.Decode(value[1+sealLen:]) == nil && h.HasFCS {
		return int64(min(h.FrameContentSize, maxPayload))
	}
	return int64(len(value) - 1 - sealLen)
}

// Queues are the queues of all receivers that have something in one.
func (s *Store) Queues() map[string]Queue {
	out := map[string]Queue{}
	s.queues.mu.Lock()
	defer s.queues.mu.Unlock()
	for id, q := range s.queues.all {
		if q.rows == 0 {
			continue
		}
		sum := out[id.receiver]
		if id.bucket == bucketOutbox {
			sum.Queued = q.rows
		} else {
			sum.Parked = q.rows
		}
		sum.Folded += q.folded
		out[id.receiver] = sum
	}
	return out
}

// Pending are the oldest deliveries of a receiver over all tenants, those that
// wait for their next try included and parked ones left out: at most limit,
// and no more than a reader may hold in memory. No limit at all is 0. Until
// the next call the rows are left as they are by folding.
func (s *Store) Pending(receiver string, limit int) ([]drift.Delivery, error) {
	var all []drift.Delivery
	s.writing.Lock()
	handedOver := sync.OnceFunc(s.writing.Unlock)
	defer handedOver()
	err := s.view(func(t *tx) error {
		rows, err := t.oldest(receiver, limit)
		if err != nil {
			return err
		}
		s.handed[receiver] = 0
		if len(rows) > 0 {
			s.handed[receiver] = rows[len(rows)-1].Order
		}
		handedOver() // the rest takes time, and sees what this transaction sees
		for _, row := range rows {
			d := drift.Delivery{Receiver: receiver, Attempts: row.Attempts, Next: row.Next, LastError: row.Reason, Folded: row.Folded}
			if d.Event, err = t.rowEvent(bucketOutbox, orderKey(receiver, row.Order), row); err != nil {
				return err
			}
			all = append(all, d)
		}
		return nil
	})
	return all, err
}

// oldest are the first rows of a receiver: one at least, when there is one.
func (t *tx) oldest(receiver string, limit int) (rows []outboxRecord, err error) {
	var bytes int64
	err = t.each(bucketOutbox, key(receiver), nil, func(k, payload []byte) error {
		row, err := decode[outboxRecord](bucketOutbox, k, payload)
		if err != nil {
			return err
		}
		bytes += t.weight(row)
		if limit > 0 && len(rows) > 0 && bytes > biteBytes {
			return errStop
		}
		rows = append(rows, row)
		if len(rows) == limit {
			return errStop
		}
		return nil
	})
	return rows, err
}
