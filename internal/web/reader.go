package web

import (
	"context"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// Reader answers what the pages ask of the store.
type Reader interface {
	// Drifts are the open drifts of a tenant, or of all when the name is
	// empty, most severe first. Error: drift.ErrNotFound for an unknown
	// tenant.
	Drifts(ctx context.Context, tenant string) ([]drift.Finding, error)

	// Events are the newest events, newest first, of all tenants when the
	// name is empty and of all objects when the id is. Error:
	// drift.ErrNotFound for an unknown tenant.
	Events(ctx context.Context, tenant, objectID string, limit int) ([]drift.Event, error)

	// Event is one event by its id. Error: drift.ErrNotFound.
	Event(ctx context.Context, id string) (drift.Event, error)

	// Author is who made the change that an event tells of, nil while nobody
	// knows, and the id of the event that says so.
	Author(ctx context.Context, id string) (actor *drift.Actor, by string, err error)

	// Ref names the object in its newest form, be it deleted by now. Error:
	// drift.ErrNotFound for an object that was never seen.
	Ref(ctx context.Context, tenant string, key drift.Key) (ref drift.Ref, present bool, err error)
}

// Watch tells how the watch goes.
type Watch interface {
	// Overview is the state of every tenant and receiver. It fails only when
	// the context ends.
	Overview(ctx context.Context) (Overview, error)
}

// Overview is what the front page shows above the drift and the events.
type Overview struct {
	Started   time.Time
	Tenants   []Tenant
	Receivers []Receiver
	// ConfigError is why the last reload failed; empty when it did not.
	ConfigError string
}

// Tenant is the state of the watch over one tenant.
type Tenant struct {
	Name, TenantID string
	// LastGood is zero before the first good pass.
	LastGood   time.Time
	LastResult string
	Objects    map[drift.Kind]int
	// Pinned is zero when there is no baseline.
	Pinned           time.Time
	PinnedBy         string
	BaselineRevision uint64
	// Announced are the changes that are announced now.
	Announced []drift.Expectation
	Blind     []drift.Blind
	// Guard has no mode where no emergency account is guarded.
	Guard Guard
	Head  drift.Head
}

// Guard is the state of the emergency-access guard of one tenant.
type Guard struct {
	// Mode is plan or enforce; empty: there is nothing to say.
	Mode string
	// Missing counts the policies that lack an exclusion, Gaps are those that
	// Stops does not name, and why they do.
	Missing int
	Gaps    []Gap
	// Stopped tells that something keeps the guard from writing, Stops what.
	Stopped bool
	Stops   []string
}

// Shown are the gaps that have room on the page.
func (g Guard) Shown() []Gap { return g.Gaps[:min(len(g.Gaps), shownGaps)] }

// More is how many gaps have not.
func (g Guard) More() int { return max(0, len(g.Gaps)-shownGaps) }

// Gap is a policy that lacks an exclusion.
type Gap struct {
	Policy drift.Ref
	Reason string
}

// Receiver is the queue of one receiver. LastSuccess is zero before the first
// delivery.
type Receiver struct {
	Name           string
	Queued, Parked int
	// Folded events are told as a number by those that are queued or parked.
	Folded int
	// Unconfigured receivers get nothing: the configuration does not name them.
	Unconfigured bool
	LastSuccess  time.Time
}
