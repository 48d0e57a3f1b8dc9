package api

import (
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// Status is the answer to /api/v1/status.
type Status struct {
	Version string    `json:"version"`
	Started time.Time `json:"started"`
	// Ready is what /readyz says; NotReady names what it waits for.
	Ready     bool             `json:"ready"`
	NotReady  []string         `json:"not_ready,omitempty"`
	Tenants   []TenantStatus   `json:"tenants"`
	Receivers []ReceiverStatus `json:"receivers"`
	Config    ConfigStatus     `json:"config"`
}

// TenantStatus is how the watch over one tenant goes.
type TenantStatus struct {
	Name     string `json:"name"`
	TenantID string `json:"tenant_id"`
	// LastGood and AgeSeconds are null before the first good pass.
	LastGood   *time.Time         `json:"last_good"`
	AgeSeconds *float64           `json:"age_seconds"`
	LastResult string             `json:"last_result"`
	Objects    map[drift.Kind]int `json:"objects"`
	Baseline   *BaselineStatus    `json:"baseline"`
	// BaselineProblem says why the files of baseline.dir cannot be read.
	BaselineProblem string                 `json:"baseline_problem,omitempty"`
	DriftOpen       map[drift.Severity]int `json:"drift_open"`
	// Expectations are the announcements in force, the first to end first.
	Expectations []drift.Expectation `json:"expectations,omitempty"`
	Blind        []drift.Blind       `json:"blind"`
	Chain        drift.Head          `json:"chain"`
	Guard        GuardStatus         `json:"guard"`
	Revision     uint64              `json:"revision"`
}

// BaselineStatus says which baseline holds.
type BaselineStatus struct {
	Revision uint64       `json:"revision"`
	Pinned   time.Time    `json:"pinned"`
	By       string       `json:"by"`
	Digest   drift.Digest `json:"digest"`
	// Kinds are the kinds that the baseline holds: others are not compared.
	Kinds []drift.Kind `json:"kinds"`
	// NotCompared are the watched kinds that it does not hold.
	NotCompared []drift.Kind `json:"not_compared,omitempty"`
}

// GuardStatus is the state of the emergency-access guard. Mode is off, plan
// or enforce.
type GuardStatus struct {
	Mode    string `json:"mode"`
	Missing int    `json:"missing"`
	Stopped bool   `json:"stopped"`
}

// ReceiverStatus is the queue of one receiver. LastSuccess is null before the
// first delivery.
type ReceiverStatus struct {
	Name   string `json:"name"`
	Queued int    `json:"queued"`
	Parked int    `json:"parked"`
	// Folded counts the events that left the queue because it was too long
	// and that the ones in it will tell of as a number.
	Folded      int        `json:"folded"`
	LastSuccess *time.Time `json:"last_success"`
	// Unconfigured tells of a queue whose receiver the configuration does not
	// name: nothing leaves it.
	Unconfigured bool `json:"unconfigured,omitempty"`
}

// ConfigStatus is the outcome of the last load of the configuration.
type ConfigStatus struct {
	Loaded time.Time `json:"loaded"`
	OK     bool      `json:"ok"`
	Error  string    `json:"error"`
	// PendingRestart names changed keys that wait for a restart.
	PendingRestart []string `json:"pending_restart,omitempty"`
}

// complete replaces nil lists and maps by empty ones: null is not in the
// contract of these fields.
func (s *Status) complete() {
	s.Tenants = list(s.Tenants)
	s.Receivers = list(s.Receivers)
	for i := range s.Tenants {
		t := &s.Tenants[i]
		t.Blind = list(t.Blind)
		if t.Objects == nil {
			t.Objects = map[drift.Kind]int{}
		}
		if t.DriftOpen == nil {
			t.DriftOpen = map[drift.Severity]int{}
		}
		if t.Guard.Mode == "" {
			t.Guard.Mode = "off"
		}
	}
}

// list is s, or an empty slice: JSON lists of the contract are never null.
func list[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
