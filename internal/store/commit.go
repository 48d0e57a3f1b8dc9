package store

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// revisionRecord is one recorded state of a tenant.
type revisionRecord struct {
	Time time.Time `json:"time"`
	// Digest is the digest of the whole state, Changed what differs from the
	// revision before.
	Digest  drift.Digest    `json:"digest"`
	Changed []changedRecord `json:"changed"`
}

type changedRecord struct {
	Kind drift.Kind `json:"kind"`
	ID   string     `json:"id"`
	Gone bool       `json:"gone,omitempty"`
}

// Commit makes a pass, pin, accept or import durable, in one transaction, and
// returns the events as numbered. An empty commit writes nothing. A finding
// whose object has an event of its own in the same commit gets that event's
// id as LastEvent. A given or ended acknowledgement, a changed entry, and a
// revision without events are chained as records of their own.
//
// The error is ErrNotCommitted when it is certain that nothing was written,
// and ErrOutcomeUnknown when it is not.
func (s *Store) Commit(c drift.Commit) (drift.Committed, error) {
	if c.Empty() {
		return s.current(c.TenantID)
	}
	defer func(start time.Time) { s.metrics.committed(time.Since(start)) }(time.Now())
	op := "commit tenant " + c.TenantID
	w := &writer{commit: &c}
	if err := w.prepare(s); err != nil {
		return drift.Committed{}, fmt.Errorf("%s: %w: %w", op, ErrNotCommitted, err)
	}
	if err := s.update(op, w.write); err != nil {
		return drift.Committed{}, err
	}
	return drift.Committed{Revision: w.tenant.Revision, Head: w.tenant.Head, Events: w.events}, nil
}

// current is what an empty commit returns.
func (s *Store) current(tenantID string) (drift.Committed, error) {
	var c drift.Committed
	err := s.view(func(t *tx) error {
		r, _, err := t.tenant(tenantID)
		c.Revision, c.Head = r.Revision, r.Head
		return err
	})
	return c, err
}

// writer carries one commit through its transaction.
type writer struct {
	commit   *drift.Commit
	put      []form
	baseline []form

	tx     *tx
	tenant tenantRecord
	state  drift.Digest // of the revision that the events belong to
	events []drift.Event
	last   map[drift.Key]string // newest event of each object in this commit
}

// prepare does what needs no transaction: packing, and refusing nonsense.
func (w *writer) prepare(s *Store) (err error) {
	c := w.commit
	seen := map[drift.Key]bool{}
	for _, o := range c.Put {
		if o.Kind == "" || o.ID == "" || seen[o.Key()] {
			return fmt.Errorf("object %s: no kind, no id, or twice in one commit", o.Key())
		}
		seen[o.Key()] = true
	}
	for _, k := range c.Gone {
		if seen[k] {
			return fmt.Errorf("object %s: both there and gone", k)
		}
	}
	if w.put, err = s.forms(c.TenantID, c.Put); err != nil {
		return err
	}
	if c.Baseline != nil {
		objects := make([]drift.Object, 0, len(c.Baseline.Objects))
		for _, o := range c.Baseline.Objects {
			objects = append(objects, o)
		}
		w.baseline, err = s.forms(c.TenantID, objects)
	}
	return err
}

func (w *writer) write(t *tx) (err error) {
	w.tx, w.events, w.last = t, nil, map[drift.Key]string{}
	if w.tenant, err = t.bound(w.commit.TenantID); err != nil {
		return err
	}
	for _, step := range []func() error{
		w.writeRevision, w.writeEvents, w.writeBaseline, w.writeFindings, w.writeEntries, w.writeTenant,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// writeRevision records new, changed and vanished objects as a revision.
func (w *writer) writeRevision() error {
	c, t := w.commit, w.tx
	if len(c.Put) == 0 && len(c.Gone) == 0 {
		r, _, err := get[revisionRecord](t, bucketRevisions, numbered(tenantKey(w.tenant.TenantID), w.tenant.Revision))
		w.state = r.Digest
		return err
	}
	w.tenant.Revision++
	if w.tenant.First == 0 {
		w.tenant.First = w.tenant.Revision
	}
	revision := revisionRecord{Time: c.Time}
	for i := range w.put {
		f := &w.put[i]
		if err := w.putVersion(f.record, f); err != nil {
			return err
		}
		revision.Changed = append(revision.Changed, changedRecord{Kind: f.key.Kind, ID: f.key.ID})
	}
	for _, k := range c.Gone {
		old, ok, err := get[objectRecord](t, bucketLatest, objectKey(w.tenant.TenantID, k))
		if err != nil {
			return err
		}
		if !ok {
			return fmt.Errorf("delete %s: %w", k, drift.ErrNotFound)
		}
		if err := w.putVersion(objectRecord{Kind: k.Kind, ID: k.ID, Name: old.Name, Gone: true}, nil); err != nil {
			return err
		}
		revision.Changed = append(revision.Changed, changedRecord{Kind: k.Kind, ID: k.ID, Gone: true})
	}
	var err error
	if w.state, err = t.newestDigest(w.tenant.TenantID); err != nil {
		return err
	}
	revision.Digest = w.state
	return t.put(bucketRevisions, numbered(tenantKey(w.tenant.TenantID), w.tenant.Revision), revision)
}

// putVersion records a form, or without one a deletion, at the new revision.
func (w *writer) putVersion(r objectRecord, f *form) error {
	tenantID, t := w.tenant.TenantID, w.tx
	r.Revision, r.Time = w.tenant.Revision, w.commit.Time
	if err := t.put(bucketVersions, versionKey(tenantID, r.key(), r.Revision), r); err != nil {
		return err
	}
	if f == nil {
		return t.del(bucketLatest, objectKey(tenantID, r.key()))
	}
	if err := t.putBlob(tenantID, f); err != nil {
		return err
	}
	return t.put(bucketLatest, objectKey(tenantID, r.key()), r)
}

// writeEvents appends the events and their outbox rows. A revision that has
// none is chained by itself, so that no recorded state is outside the chain.
func (w *writer) writeEvents() error {
	for i := range w.commit.Events {
		n := &w.commit.Events[i]
		e, err := w.tx.appendEvent(&w.tenant, n.Event, w.state)
		if err != nil {
			return err
		}
		w.events = append(w.events, e)
		if about := e.Moves(); about != nil {
			w.last[about.Key()] = e.ID
		}
		row := outboxRecord{TenantID: w.tenant.TenantID, Event: e.ID, Seq: e.Seq}
		if err := w.tx.enqueue(n.Receivers, row); err != nil {
			return err
		}
	}
	if len(w.commit.Events) == 0 && (len(w.commit.Put) > 0 || len(w.commit.Gone) > 0) {
		return w.tx.appendNote(&w.tenant, chainRecord{Time: w.commit.Time, Type: typeRevision, State: w.state}, nil)
	}
	return nil
}

// writeBaseline replaces the baseline, writing only what differs.
func (w *writer) writeBaseline() error {
	if w.commit.Baseline == nil {
		return nil
	}
	tenantID, t := w.tenant.TenantID, w.tx
	stale := map[string]bool{}
	err := t.eachValue(bucketBaseline, tenantKey(tenantID), nil, func(k, _ []byte) error {
		stale[string(k)] = true
		return nil
	})
	if err != nil {
		return err
	}
	for i := range w.baseline {
		f := &w.baseline[i]
		k := objectKey(tenantID, f.key)
		delete(stale, string(k))
		if err := t.putBlob(tenantID, f); err != nil {
			return err
		}
		if err := t.putChanged(bucketBaseline, k, f.record); err != nil {
			return err
		}
	}
	for k := range stale {
		if err := t.del(bucketBaseline, []byte(k)); err != nil {
			return err
		}
	}
	b := *w.commit.Baseline
	b.Objects = nil
	w.tenant.Baseline = &b
	return t.resum(&w.tenant, bucketBaseline)
}

// putChanged stores v unless the very same is there.
func (t *tx) putChanged(bucket string, k []byte, v any) error {
	payload, err := encode(v)
	if err != nil {
		return err
	}
	old, err := t.read(bucket, k)
	if err != nil || old != nil && bytes.Equal(old, payload) {
		return err
	}
	return t.write(bucket, k, payload)
}

func (w *writer) writeFindings() error {
	c, t := w.commit, w.tx
	for _, f := range c.Findings {
		f.Tenant = w.tenant.Name
		if id, ok := w.last[f.Key()]; ok {
			f.LastEvent = id
		}
		k := objectKey(w.tenant.TenantID, f.Key())
		old, _, err := get[drift.Finding](t, bucketFindings, k)
		if err != nil {
			return err
		}
		if err := w.chainAck(f.Object, old.Ack, f.Ack); err != nil {
			return err
		}
		if err := t.putChanged(bucketFindings, k, f); err != nil {
			return err
		}
	}
	for _, k := range c.Closed {
		if err := t.del(bucketFindings, objectKey(w.tenant.TenantID, k)); err != nil {
			return err
		}
	}
	if len(c.Findings)+len(c.Closed) == 0 {
		return nil
	}
	return t.resum(&w.tenant, bucketFindings)
}

// chainAck records that an acknowledgement was given, changed or ended.
func (w *writer) chainAck(object drift.Ref, old, new *drift.Ack) error {
	if old == new || old != nil && new != nil && old.Until.Equal(new.Until) && old.Reason == new.Reason && old.By == new.By {
		return nil
	}
	record := chainRecord{Time: w.commit.Time, Type: typeAck, Kind: object.Kind, Object: object.ID}
	return w.tx.appendNote(&w.tenant, record, &noteBody{Object: &object, Ack: new})
}

// writeTenant takes over what a commit replaces as a whole.
func (w *writer) writeTenant() error {
	c, r := w.commit, &w.tenant
	if c.Absences != nil {
		r.Absences = nil
		for k, a := range c.Absences {
			r.Absences = append(r.Absences, absenceRecord{k.Kind, k.ID, a})
		}
		slices.SortFunc(r.Absences, func(a, b absenceRecord) int {
			return drift.Key{Kind: a.Kind, ID: a.ID}.Compare(drift.Key{Kind: b.Kind, ID: b.ID})
		})
	}
	if c.Blind != nil {
		r.Blind = *c.Blind
	}
	if c.Seen != nil {
		r.Seen = c.Seen
	}
	if c.GraphVersion != "" {
		r.GraphVersion = c.GraphVersion
	}
	if !c.LastGood.IsZero() {
		r.LastGood = c.LastGood
	}
	return w.tx.put(bucketTenants, tenantKey(r.TenantID), r)
}
