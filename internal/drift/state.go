package drift

import (
	"encoding/json"
	"slices"
	"time"
)

// Finding is one open drift from the baseline.
type Finding struct {
	Tenant    string    `json:"tenant"`
	Object    Ref       `json:"object"`
	Since     time.Time `json:"since"`
	Direction Direction `json:"drift_direction"`
	Severity  Severity  `json:"drift_severity"`
	Lockout   bool      `json:"lockout_risk"`
	Ack       *Ack      `json:"ack"`
	// Expected is the announcement that covers the whole drift: every change
	// that led to it was announced and delivered low.
	Expected      *Expectation `json:"expected,omitempty"`
	Summary       string       `json:"summary"`
	Changes       []Change     `json:"changes"`
	BaselinePatch Patch        `json:"baseline_patch"`
	LastEvent     string       `json:"last_event"`
	// Actor is who made the change that LastEvent tells of, and AttributedBy
	// the event that says so. Only answers have them: the log is late.
	Actor        *Actor `json:"actor,omitempty"`
	AttributedBy string `json:"attributed_by,omitempty"`
	// Told names the receivers that were told of the opening: they are told
	// of the resolution too, whatever their filters say.
	Told []string `json:"told,omitempty"`
}

// Key is the object that drifted.
func (f *Finding) Key() Key { return f.Object.Key() }

// Announced tells that reminders are as quiet as the changes were. A lockout
// risk is never lowered, and what was announced ends.
func (f *Finding) Announced(now time.Time) bool {
	return f.Expected != nil && !f.Lockout && f.Expected.Until.After(now)
}

// Ack silences the reminders of exactly one form of an open drift.
type Ack struct {
	Until  time.Time `json:"until,omitzero"`
	Reason string    `json:"reason"`
	By     string    `json:"by"`
}

// Baseline is the approved state of a tenant. An object that the baseline
// lacks, of a kind that it holds, is drift; a kind outside Kinds is not
// compared.
type Baseline struct {
	Revision     uint64         `json:"revision"`
	Pinned       time.Time      `json:"pinned"`
	By           string         `json:"by"`
	Reason       string         `json:"reason"`
	Digest       Digest         `json:"digest"`
	Kinds        []Kind         `json:"kinds"`
	GraphVersion string         `json:"graph_version"`
	Objects      map[Key]Object `json:"-"`
}

// Holds tells whether the baseline lists the kind.
func (b *Baseline) Holds(k Kind) bool {
	if b == nil {
		return false
	}
	return slices.Contains(b.Kinds, k)
}

// Edit is the form of an object before and after one write.
type Edit struct{ Before, After Object }

// Head is the end of a tenant's hash chain.
type Head struct {
	Seq  uint64 `json:"seq"`
	Hash Digest `json:"hash"`
}

// State is all that is durable of a tenant: what the loop starts from.
type State struct {
	Tenant   string
	TenantID string

	// Revision is the newest one; 0 before the first commit.
	Revision uint64
	Head     Head
	// LastGood is the time of the last good pass, as last flushed.
	LastGood time.Time
	// Seen lists the kinds that were ever read, with the Graph version that
	// the last reading came from: a kind seen for the first time is recorded
	// without events.
	Seen         []Kind
	GraphVersion string

	Objects  map[Key]Object
	Absences map[Key]Absence
	Baseline *Baseline
	Findings map[Key]Finding
	// Blind are the blind spots that were told as monitor.blind and have not
	// recovered.
	Blind []Blind
}

// Blind is one blind spot that is open.
type Blind struct {
	Reason Reason    `json:"reason"`
	Since  time.Time `json:"since"`
	Text   string    `json:"text"`
	Kinds  []Kind    `json:"kinds,omitempty"`
}

// Commit is everything that one pass, pin, accept or import makes durable: one
// transaction, all of it or nothing.
type Commit struct {
	TenantID string
	Time     time.Time

	// Put are new or changed objects, Gone the confirmed deletions. A commit
	// with either makes a new revision.
	Put  []Object
	Gone []Key

	// Events are appended to the chain in this order; the store numbers them
	// and fills ID, Seq, Revision and Chain.
	Events []NewEvent

	// Findings to open or replace, and to close.
	Findings []Finding
	Closed   []Key

	// Entries are records of other rooms (expectations, guard intents) to be
	// put, replaced or removed; each change of one is chained.
	Entries []Entry

	// Baseline replaces the baseline when not nil.
	Baseline *Baseline
	// Absences, Blind, Seen, GraphVersion and LastGood replace the tenant's
	// when their Set… flag or pointer says so.
	Absences     map[Key]Absence // nil: unchanged
	Blind        *[]Blind        // nil: unchanged
	Seen         []Kind          // nil: unchanged
	GraphVersion string          // empty: unchanged
	LastGood     time.Time       // zero: unchanged
}

// Empty tells that there is nothing to write.
func (c *Commit) Empty() bool {
	return len(c.Put) == 0 && len(c.Gone) == 0 && len(c.Events) == 0 &&
		len(c.Findings) == 0 && len(c.Closed) == 0 && len(c.Entries) == 0 && c.Baseline == nil && c.Absences == nil &&
		c.Blind == nil && c.Seen == nil && c.GraphVersion == "" && c.LastGood.IsZero()
}

// Entry is a small durable record that the store keeps for another room: an
// expectation, an intent of the guard. Kind and ID name it within its tenant.
type Entry struct {
	Kind string `json:"kind"`
	ID   string `json:"id"`
	// Value is JSON; nil removes the entry.
	Value json.RawMessage `json:"value,omitempty"`
}

// NewEvent is an event to be appended, and the receivers that get it.
type NewEvent struct {
	Event
	Receivers []string
}

// Committed is what a commit made: the revision and the events as numbered.
type Committed struct {
	Revision uint64
	Head     Head
	Events   []Event
}

// Delivery is one event that one receiver has not acknowledged yet.
type Delivery struct {
	Receiver string
	Event    Event
	// Attempts counts the tries so far, Next is the earliest next one.
	Attempts int
	Next     time.Time
	// LastError is the redacted reason of the last failure.
	LastError string
	// Folded are the events about the same subject that the receiver is told
	// of by this sum alone; nil when there are none.
	Folded *Folded
}

// Parked is a delivery that a receiver refused for good.
type Parked struct {
	Receiver string    `json:"receiver"`
	Event    string    `json:"event"`
	Since    time.Time `json:"since"`
	Reason   string    `json:"reason"`
	Folded   *Folded   `json:"folded,omitempty"`
}

// Folded sums up events that left a queue which had grown too long, without
// having been delivered. The history still has them.
type Folded struct {
	Count int               `json:"count"`
	Types map[EventType]int `json:"types"`
	// From and To are the times of the first and of the last.
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// Events is how many there are; nil is an empty sum.
func (f *Folded) Events() int {
	if f == nil {
		return 0
	}
	return f.Count
}

// Add takes another event into the sum.
func (f *Folded) Add(t EventType, at time.Time) {
	f.Join(&Folded{Count: 1, Types: map[EventType]int{t: 1}, From: at, To: at})
}

// Join takes another sum into this one; nil is an empty sum.
func (f *Folded) Join(other *Folded) {
	if other == nil {
		return
	}
	if f.Count == 0 || other.From.Before(f.From) {
		f.From = other.From
	}
	if other.To.After(f.To) {
		f.To = other.To
	}
	f.Count += other.Count
	if f.Types == nil {
		f.Types = map[EventType]int{}
	}
	for t, n := range other.Types {
		f.Types[t] += n
	}
}
