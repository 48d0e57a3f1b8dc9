package api

import (
	"encoding/json"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// Drifts is the answer to /api/v1/drifts: most severe first.
type Drifts struct {
	Drifts []drift.Finding `json:"drifts"`
	// Baseline is false when no tenant that was asked for has a baseline;
	// Unpinned names those without.
	Baseline bool     `json:"baseline"`
	Unpinned []string `json:"unpinned,omitempty"`
}

// Events is the answer to /api/v1/events. Next is the sequence number to
// continue after; null when this is all.
type Events struct {
	Events []drift.Event `json:"events"`
	Next   *uint64       `json:"next"`
}

// Object is the answer to /api/v1/objects/…: the form that the object had, and
// the revision in which it got it.
type Object struct {
	Object   drift.Ref       `json:"object"`
	Revision uint64          `json:"revision"`
	Form     string          `json:"form"`
	Body     json.RawMessage `json:"body"`
}

// Diff is the answer to /api/v1/diff.
type Diff struct {
	From    string         `json:"from"`
	To      string         `json:"to"`
	Objects []ObjectChange `json:"objects"`
}

// ObjectChange is how one object differs between two states.
type ObjectChange struct {
	Object    drift.Ref       `json:"object"`
	Action    drift.Action    `json:"action"`
	Direction drift.Direction `json:"direction"`
	Severity  drift.Severity  `json:"severity"`
	Lockout   bool            `json:"lockout_risk"`
	Summary   string          `json:"summary"`
	Changes   []drift.Change  `json:"changes"`
	Patch     drift.Patch     `json:"patch"`
}

// Snapshot is every object of a tenant at one moment, or its baseline, in
// Graph's own shape.
type Snapshot struct {
	Tenant   string    `json:"tenant"`
	Revision uint64    `json:"revision"`
	Time     time.Time `json:"time"`
	// Kinds are those that were watched, be there an object of them or not.
	Kinds   []drift.Kind     `json:"kinds"`
	Objects []SnapshotObject `json:"objects"`
}

// SnapshotObject is one object of a snapshot; the id is inside the body.
type SnapshotObject struct {
	Kind drift.Kind      `json:"kind"`
	Name string          `json:"name"`
	Body json.RawMessage `json:"body"`
}

// Revisions is the answer to /api/v1/revisions/{tenant}, newest first.
type Revisions struct {
	Tenant    string     `json:"tenant"`
	Revisions []Revision `json:"revisions"`
}

// Revision is one recorded state of a tenant.
type Revision struct {
	Revision uint64       `json:"revision"`
	Time     time.Time    `json:"time"`
	Digest   drift.Digest `json:"digest"`
	// Changed counts the objects that differ from the revision before.
	Changed int `json:"changed"`
}

// Parked is the answer to /api/v1/parked.
type Parked struct {
	Parked []drift.Parked `json:"parked"`
}

// Verified is the answer to /api/v1/verify.
type Verified struct {
	OK      bool             `json:"ok"`
	Tenants []TenantVerified `json:"tenants"`
	// Error is damage that belongs to no tenant.
	Error *string `json:"error,omitempty"`
}

// TenantVerified is the outcome for one tenant's chain. Error is null when
// every record is what was written.
type TenantVerified struct {
	Name    string  `json:"name"`
	FromSeq uint64  `json:"from_seq"`
	ToSeq   uint64  `json:"to_seq"`
	Head    string  `json:"head"`
	Error   *string `json:"error"`
}

// Moved is the answer to a change of the baseline: what it made of the drift.
type Moved struct {
	Events []drift.Event `json:"events"`
}

// Replayed is the answer to a replay: how many deliveries are queued again.
// Others may have been folded into these.
type Replayed struct {
	Replayed int `json:"replayed"`
}

// Discarded is the answer to a discarding: how many deliveries are gone.
type Discarded struct {
	Discarded int `json:"discarded"`
}

// The bodies of the orders.
type (
	// PinOrder asks for a whole snapshot as baseline; revision 0 is the
	// newest.
	PinOrder struct {
		Revision uint64 `json:"revision"`
		Reason   string `json:"reason"`
	}
	// AcceptOrder asks for the current form of one object as its baseline.
	AcceptOrder struct {
		Object string `json:"object"`
		Reason string `json:"reason"`
	}
	// ImportOrder brings a whole baseline.
	ImportOrder struct {
		Kinds   []drift.Kind `json:"kinds"`
		Objects []RawObject  `json:"objects"`
		Reason  string       `json:"reason"`
	}
	// ReplayOrder asks for parked deliveries to be sent again, of one
	// receiver or of all.
	ReplayOrder struct {
		Receiver string `json:"receiver"`
	}
	// DiscardOrder gives up the deliveries to a receiver that is not
	// configured.
	DiscardOrder struct {
		Receiver string `json:"receiver"`
	}
)
