package store

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// Types of chained records that are no events.
const (
	typeAck      = "ack"      // an acknowledgement was given or ended
	typeEntry    = "entry"    // a record of another package was put or removed
	typeRevision = "revision" // a revision that came without events
)

// chainRecord is one link's content. Its JSON, with the fields in this order,
// is what is hashed: fields may be added at the end, with omitzero, and none
// may change. It holds nothing that has to be erased one day.
type chainRecord struct {
	TenantID       string           `json:"tenant_id"`
	Seq            uint64           `json:"seq"`
	Time           time.Time        `json:"time"`
	Type           string           `json:"type"`
	ID             string           `json:"id"`
	Kind           drift.Kind       `json:"kind,omitempty"`
	Object         string           `json:"object,omitempty"`
	Action         drift.Action     `json:"action,omitempty"`
	Direction      *drift.Direction `json:"direction,omitempty"`
	Severity       drift.Severity   `json:"severity"`
	LockoutRisk    bool             `json:"lockout_risk,omitempty"`
	Drift          drift.DriftStep  `json:"drift,omitempty"`
	DriftDirection *drift.Direction `json:"drift_direction,omitempty"`
	DriftSeverity  *drift.Severity  `json:"drift_severity,omitempty"`
	About          string           `json:"about,omitempty"`
	Revision       uint64           `json:"revision"`
	// State is the digest of the tenant's state at the revision, Body that of
	// the record in events or notes.
	State drift.Digest `json:"state,omitzero"`
	Body  drift.Digest `json:"body,omitzero"`
	// Actor is the salted commitment to the actor, see person.
	Actor drift.Digest `json:"actor,omitzero"`
}

// isEvent tells a record whose body is an event's.
func (r *chainRecord) isEvent() bool {
	return r.Type != typeAck && r.Type != typeEntry && r.Type != typeRevision
}

// noteBody is the body of a chained record that is no event.
type noteBody struct {
	Object *drift.Ref   `json:"object,omitempty"`
	Ack    *drift.Ack   `json:"ack,omitempty"`
	Entry  *drift.Entry `json:"entry,omitempty"`
}

// link is the n-th hash from the one before it.
func link(prev drift.Digest, record []byte) drift.Digest {
	h := sha256.New()
	h.Write(prev[:])
	h.Write(record)
	return drift.Digest(h.Sum(nil))
}

// appendRecord appends a record and its body to a tenant's chain and moves the
// head in r. The record's Seq is set already.
func (t *tx) appendRecord(r *tenantRecord, record chainRecord, body []byte) error {
	bucket := bucketNotes
	if record.isEvent() {
		bucket = bucketEvents
	}
	at := numbered(tenantKey(r.TenantID), record.Seq)
	if body != nil {
		record.Body = sha256.Sum256(body)
		if err := t.write(bucket, at, body); err != nil {
			return err
		}
	}
	text, err := encode(record)
	if err != nil {
		return err
	}
	hash := link(r.Head.Hash, text)
	if err := t.write(bucketChain, at, append(hash[:], text...)); err != nil {
		return err
	}
	r.Head = drift.Head{Seq: record.Seq, Hash: hash}
	return nil
}

// chained is a stored link: the hash after it, the record, and its very bytes.
type chained struct {
	hash   drift.Digest
	record chainRecord
	text   []byte
}

func parseChained(k, payload []byte) (c chained, err error) {
	if len(payload) < len(c.hash) {
		return c, damaged(bucketChain, k, "too short")
	}
	c.hash, c.text = drift.Digest(payload[:32]), payload[32:]
	c.record, err = decode[chainRecord](bucketChain, k, c.text)
	if err == nil && c.record.Seq != number(k) {
		err = damaged(bucketChain, k, "holds another sequence number")
	}
	return c, err
}

// person is what the people bucket holds of an event's actor, and what the
// commitment in the chain is made of. Without the salt a name could be guessed
// from its digest.
type person struct {
	Time time.Time `json:"time"`
	Name string    `json:"name,omitempty"`
	IP   string    `json:"ip,omitempty"`
	Salt []byte    `json:"salt"`
}

// commitment is the digest of the stored bytes of a person.
func commitment(text []byte) drift.Digest {
	return sha256.Sum256(append([]byte("cadrift actor v1\n"), text...))
}

// blank stands for the actor's name in the summary of a stored event.
const blank = "\ufffc"

// storedEvent is the body of an event: without the actor's name and address.
type storedEvent struct {
	drift.Event
	// Masked tells that each blank of the summary was the actor's name. A name
	// that somebody gave a policy may hold that character as well.
	Masked bool `json:"masked,omitempty"`
}

// parting takes the actor's name and address out of an event; the person is
// nil when there is nothing to take.
func parting(e drift.Event) (storedEvent, *person) {
	bare := storedEvent{Event: e}
	if e.Actor == nil || e.Actor.Name == "" && e.Actor.IP == "" {
		return bare, nil
	}
	actor := *e.Actor
	p := &person{Time: e.Time, Name: actor.Name, IP: actor.IP, Salt: make([]byte, 16)}
	rand.Read(p.Salt)
	actor.Name, actor.IP = "", ""
	bare.Actor = &actor
	// A summary such as "changed by alex@contoso.example" has to forget too.
	if p.Name != "" && strings.Contains(e.Summary, p.Name) && !strings.Contains(e.Summary, blank) {
		bare.Summary, bare.Masked = strings.ReplaceAll(e.Summary, p.Name, blank), true
	}
	return bare, p
}

// whole puts back what parting took; p is nil when there is nothing, or when
// it was erased.
func (b *storedEvent) whole(p *person) drift.Event {
	e, name := b.Event, "(erased)"
	if p != nil {
		name = p.Name
		e.Actor.Name, e.Actor.IP = p.Name, p.IP
	}
	if b.Masked {
		e.Summary = strings.ReplaceAll(e.Summary, blank, name)
	}
	return e
}

// appendEvent numbers an event, appends it, and returns it as committed.
func (t *tx) appendEvent(r *tenantRecord, e drift.Event, state drift.Digest) (drift.Event, error) {
	seq := r.Head.Seq + 1
	e.ID, e.Seq, e.Revision, e.Chain = drift.EventID(r.Name, seq), seq, r.Revision, ""
	e.Tenant, e.TenantID = r.Name, r.TenantID
	bare, who := parting(e)
	record := chainRecord{
		TenantID: r.TenantID, Seq: seq, Time: e.Time, Type: string(e.Type), ID: e.ID,
		Action: e.Action, Direction: e.Direction, Severity: e.Severity, LockoutRisk: e.Locks(),
		Drift: e.Drift, DriftDirection: e.DriftDirection, DriftSeverity: e.DriftSeverity,
		About: e.About, Revision: e.Revision, State: state,
	}
	if e.Object != nil {
		record.Kind, record.Object = e.Object.Kind, e.Object.ID
	} else if e.Policy != nil {
		record.Kind, record.Object = e.Policy.Kind, e.Policy.ID
	}
	if who != nil {
		text, err := encode(who)
		if err != nil {
			return e, err
		}
		record.Actor = commitment(text)
		if err := t.write(bucketPeople, numbered(tenantKey(r.TenantID), seq), text); err != nil {
			return e, err
		}
	}
	body, err := encode(bare)
	if err != nil {
		return e, err
	}
	if err := t.appendRecord(r, record, body); err != nil {
		return e, err
	}
	e.Chain = r.Head.Hash.String()
	return e, nil
}

// appendNote appends a record that is no event.
func (t *tx) appendNote(r *tenantRecord, record chainRecord, note *noteBody) error {
	var body []byte
	if note != nil {
		var err error
		if body, err = encode(note); err != nil {
			return err
		}
	}
	record.TenantID, record.Seq, record.Revision = r.TenantID, r.Head.Seq+1, r.Revision
	return t.appendRecord(r, record, body)
}

// event reads the event of a chain record.
func (t *tx) event(tenantID string, c chained) (drift.Event, error) {
	at := numbered(tenantKey(tenantID), c.record.Seq)
	stored, ok, err := get[storedEvent](t, bucketEvents, at)
	if err == nil && !ok {
		err = damaged(bucketEvents, at, "missing, its chain record is there")
	}
	if err != nil {
		return drift.Event{}, err
	}
	p, ok, err := get[person](t, bucketPeople, at)
	if err != nil {
		return drift.Event{}, err
	}
	var who *person
	if ok && stored.Actor != nil {
		who = &p
	}
	e := stored.whole(who)
	e.Chain = c.hash.String()
	return e, nil
}

// eventAt reads the event with a sequence number.
func (t *tx) eventAt(tenantID string, seq uint64) (drift.Event, bool, error) {
	at := numbered(tenantKey(tenantID), seq)
	payload, err := t.read(bucketChain, at)
	if payload == nil || err != nil {
		return drift.Event{}, false, err
	}
	c, err := parseChained(at, payload)
	if err != nil || !c.record.isEvent() {
		return drift.Event{}, false, err
	}
	e, err := t.event(tenantID, c)
	return e, err == nil, err
}

// HashAt is the hash after the record seq of a tenant's chain, to compare
// with a head that was seen outside. The error is drift.ErrNotFound when the
// record was pruned or never written.
func (s *Store) HashAt(tenantID string, seq uint64) (hash drift.Digest, err error) {
	err = s.view(func(t *tx) error {
		r, err := t.bound(tenantID)
		if err != nil {
			return err
		}
		switch seq {
		case r.Head.Seq:
			hash = r.Head.Hash
			return nil
		case r.Checkpoint.Seq:
			hash = r.Checkpoint.Hash
			return nil
		}
		at := numbered(tenantKey(tenantID), seq)
		payload, err := t.read(bucketChain, at)
		if err != nil {
			return err
		}
		if payload == nil {
			return fmt.Errorf("record %d of tenant %s: %w", seq, r.Name, drift.ErrNotFound)
		}
		c, err := parseChained(at, payload)
		hash = c.hash
		return err
	})
	return hash, err
}

// splitID takes an event id apart.
func splitID(id string) (name string, seq uint64, ok bool) {
	i := strings.LastIndexByte(id, '-')
	if i < 0 {
		return "", 0, false
	}
	seq, err := strconv.ParseUint(id[i+1:], 10, 64)
	return id[:i], seq, err == nil && seq > 0 && drift.EventID(id[:i], seq) == id
}
