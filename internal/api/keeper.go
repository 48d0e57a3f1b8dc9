package api

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/cadrift/cadrift/internal/drift"
)

// Keeper is the side of the daemon that acts: it knows how the watch goes,
// makes passes and moves baselines.
type Keeper interface {
	// Status tells how the watch goes. It fails only when the context ends.
	Status(ctx context.Context) (Status, error)

	// Check makes one full pass over the tenant of that name, or over all of
	// them when it is empty, and reports without recording. A pass that
	// failed is part of the result, not an error. Errors: drift.ErrNotFound
	// for an unknown tenant, ErrRefused when no pass can be made now.
	Check(ctx context.Context, tenant string) (CheckResult, error)

	// ChangeBaseline pins, accepts or imports, and returns the events that
	// this made. Errors: drift.ErrNotFound for an unknown tenant, revision
	// or object, ErrRefused when the baseline may not be moved (it is read
	// from files, nothing was recorded yet, the store is degraded).
	ChangeBaseline(ctx context.Context, tenant string, change BaselineChange) ([]drift.Event, error)
}

// Verb says how a baseline is to be changed.
type Verb string

// The verbs.
const (
	Pin    Verb = "pin"
	Accept Verb = "accept"
	Import Verb = "import"
)

// BaselineChange is an order to move a baseline.
type BaselineChange struct {
	Verb Verb
	// Revision is the one to pin; 0 is the newest.
	Revision uint64
	// Object is the one whose current form (or absence) is accepted.
	Object drift.Key
	// Kinds and Objects are the whole imported baseline. A kind without
	// objects is held all the same: then any object of it is drift.
	Kinds   []drift.Kind
	Objects []RawObject
	// Reason and By are recorded in the chain.
	Reason, By string
}

// RawObject is one object in Graph's own shape.
type RawObject struct {
	Kind drift.Kind      `json:"kind"`
	Body json.RawMessage `json:"body"`
}

// CheckResult is the answer to a check.
type CheckResult struct {
	Tenants []TenantCheck `json:"tenants"`
}

// TenantCheck is what one pass found.
type TenantCheck struct {
	Name string `json:"name"`
	// Result is ok, incomplete, failed or skipped; Good tells whether
	// policies and named locations were complete; Error says why not.
	Result string `json:"result"`
	Good   bool   `json:"good"`
	Error  string `json:"error,omitempty"`
	// Baseline and Snapshot tell what there was to compare with.
	Baseline bool `json:"baseline"`
	Snapshot bool `json:"snapshot"`
	// Drifts are the open differences from the baseline, Changed the changes
	// since the newest snapshot, Unconfirmed the objects that the listing
	// lacks and nothing has confirmed as deleted: those do not count.
	Drifts      []drift.Finding `json:"drifts"`
	Changed     []ObjectChange  `json:"changed"`
	Unconfirmed []drift.Ref     `json:"unconfirmed"`
}

// ErrRefused reports an order that is understood and cannot be followed now.
var ErrRefused = errors.New("refused")

// Refuse is an error that errors.Is ErrRefused and reads as text, with the
// next step as hint.
func Refuse(text, hint string) error { return &refusal{text, hint} }

type refusal struct{ text, hint string }

func (r *refusal) Error() string        { return r.text }
func (r *refusal) Hint() string         { return r.hint }
func (r *refusal) Is(target error) bool { return target == ErrRefused }
