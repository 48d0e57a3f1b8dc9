package store

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// waiting is a row of a queue with what folding asks of its event.
type waiting struct {
	outboxRecord
	subject, about                 string
	typ                            drift.EventType
	at                             time.Time
	critical, ends, guard, misused bool
	// unnamed: who made the change may yet be told.
	unnamed bool
	// held: a worker may be sending it at this moment.
	held bool

	// What fold decides: the row goes, or it carries a larger sum.
	dropped, carries bool
}

// fold shortens a queue, whose rows are in their order, to what a reader needs
// who was away: of every subject how it began, how it stands, and whatever
// asked for a person. The history keeps all of it.
//
//	row                                             because
//	held by a worker                  stays         it may be on its way
//	critical, lockout risk            stays         it must be shown by itself
//	guard.*                           stays         it says what was written to the tenant
//	written with our own credential   stays         somebody else has it; an attribution may be the first to say so
//	first and last of its subject     stay          how it began, how it stands (of a blind spot: by reason)
//	end of something critical         stays         whoever got up may lie down
//	first end of its subject          stays         its beginning may have been told before
//	attribution                       goes with the event that it is about, in this folding or an earlier one
//	anything else                     is dropped    the next row of its subject carries the sum
func fold(rows []*waiting) {
	last := map[string]*waiting{}
	for _, w := range rows {
		if w.typ != drift.EventAttributed {
			last[w.subject] = w
		}
	}
	begun, ended, alarm, gone := map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, w := range rows {
		for id := range w.Unnamed {
			gone[id] = true
		}
	}
	for _, w := range rows {
		switch {
		case w.typ == drift.EventAttributed:
			w.dropped = gone[w.about]
		default:
			needed := !begun[w.subject] || last[w.subject] == w || w.ends && (alarm[w.subject] || !ended[w.subject])
			w.dropped = !needed
			begun[w.subject] = true
			ended[w.subject] = ended[w.subject] || w.ends
			alarm[w.subject] = !w.ends && (alarm[w.subject] || w.critical)
		}
		w.dropped = w.dropped && !w.held && !w.critical && !w.guard && !w.misused
		gone[w.Event] = w.dropped
	}
	carry(rows)
}

// carry gives the sum of the dropped rows to the next row of their subject, or
// to the last one when none comes after. What no row can carry stays.
func carry(rows []*waiting) {
	carrier, orphans := map[string]*waiting{}, map[string][]*waiting{}
	for _, w := range slices.Backward(rows) {
		switch {
		case w.held:
		case !w.dropped:
			carrier[w.subject] = w
			for _, o := range orphans[w.subject] {
				w.take(o)
			}
			delete(orphans, w.subject)
		case carrier[w.subject] != nil:
			carrier[w.subject].take(w)
		default:
			orphans[w.subject] = append(orphans[w.subject], w)
		}
	}
	for _, list := range orphans {
		for _, w := range list {
			w.dropped = false
		}
	}
}

// take adds a dropped row to the sum that w carries, and to those in it that
// have no name yet. Both are made anew: the old ones belong to the record as it
// was read.
func (w *waiting) take(dropped *waiting) {
	sum := &drift.Folded{}
	sum.Join(w.Folded)
	sum.Join(dropped.Folded)
	sum.Add(dropped.typ, dropped.at)
	w.Folded, w.carries = sum, true
	unnamed := map[string]time.Time{}
	maps.Copy(unnamed, w.Unnamed)
	maps.Copy(unnamed, dropped.Unnamed)
	if dropped.unnamed {
		unnamed[dropped.Event] = dropped.at
	}
	maps.DeleteFunc(unnamed, func(_ string, at time.Time) bool { return w.at.Sub(at) > attributedWithin })
	w.Unnamed = unnamed
}

// shorten folds a receiver's rows in outbox or parked when they are too many,
// and not before it is worth looking: what the last folding had to leave would
// be left again.
func (t *tx) shorten(bucket, receiver string) error {
	q := t.queue(bucket, receiver)
	bound := t.store.bound
	if q.rows <= max(bound.Events, q.leftRows+bound.Events/8) && q.bytes <= max(bound.Bytes, q.leftBytes+bound.Bytes/8) {
		return nil
	}
	rows, err := t.waiting(bucket, receiver)
	if err != nil {
		return err
	}
	before := make([]outboxRecord, len(rows))
	for i, w := range rows {
		before[i] = w.outboxRecord
	}
	fold(rows)
	for i, w := range rows {
		if w.dropped || w.carries {
			err = t.delRow(bucket, receiver, before[i])
		}
		if err == nil && w.carries {
			err = t.putRow(bucket, receiver, w.outboxRecord)
		}
		if err != nil {
			return err
		}
	}
	q.leftRows, q.leftBytes = q.rows, q.bytes
	return nil
}

// waiting reads a receiver's rows in their order. A damaged one is left where
// it is: it must not keep a pass from being recorded.
func (t *tx) waiting(bucket, receiver string) ([]*waiting, error) {
	var rows []*waiting
	held := t.store.handed[receiver]
	err := t.eachValue(bucket, key(receiver), nil, func(k, value []byte) error {
		row, e, err := t.readRow(bucket, k, value)
		if errors.Is(err, ErrCorrupt) {
			return nil
		}
		rows = append(rows, &waiting{
			outboxRecord: row, subject: e.Subject(), about: e.About, typ: e.Type, at: e.Time,
			critical: e.Critical(), ends: e.Ends(), guard: strings.HasPrefix(string(e.Type), "guard."),
			misused: e.Misused(), unnamed: unnamed(&e),
			held: bucket == bucketOutbox && row.Order <= held,
		})
		return err
	})
	slices.SortFunc(rows, func(a, b *waiting) int { return cmp.Compare(a.Order, b.Order) })
	return rows, err
}

func (t *tx) readRow(bucket string, k, value []byte) (row outboxRecord, e drift.Event, err error) {
	payload, err := t.codec.open(bucket, k, value)
	if err != nil {
		return row, e, err
	}
	if row, err = decode[outboxRecord](bucket, k, payload); err == nil {
		e, err = t.rowEvent(bucket, k, row)
	}
	return row, e, err
}

// Discard removes what waits for a receiver and what it refused, of events
// before a time, or with a zero time all of it, and tells how many.
func (s *Store) Discard(receiver string, before time.Time) (int, error) {
	n := 0
	err := s.update("discard deliveries to "+receiver, func(t *tx) error {
		n = 0
		for _, bucket := range []string{bucketOutbox, bucketParked} {
			rows, err := t.waiting(bucket, receiver)
			if err != nil {
				return err
			}
			for _, w := range rows {
				if !before.IsZero() && !w.at.Before(before) {
					continue
				}
				if err := t.delRow(bucket, receiver, w.outboxRecord); err != nil {
					return err
				}
				n++
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}
