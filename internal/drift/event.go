package drift

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// EventType says what happened.
type EventType string

// The event types of the contract.
const (
	DriftChanged     EventType = "drift.changed"
	DriftReminder    EventType = "drift.reminder"
	EventAttributed  EventType = "event.attributed"
	SchemaChanged    EventType = "schema.changed"
	GuardArmed       EventType = "guard.armed"
	GuardWritten     EventType = "guard.written"
	GuardRefused     EventType = "guard.refused"
	GuardFailed      EventType = "guard.failed"
	MonitorBlind     EventType = "monitor.blind"
	MonitorRecovered EventType = "monitor.recovered"
	MonitorHeartbeat EventType = "monitor.heartbeat"
	BaselinePinned   EventType = "baseline.pinned"
	TestEvent        EventType = "test"
)

// EventTypes lists every type, for metrics that start at zero.
func EventTypes() []EventType {
	return []EventType{
		DriftChanged, DriftReminder, EventAttributed, SchemaChanged,
		GuardArmed, GuardWritten, GuardRefused, GuardFailed,
		MonitorBlind, MonitorRecovered, MonitorHeartbeat, BaselinePinned, TestEvent,
	}
}

// Action is what happened to an object against its previous form.
type Action string

// The actions. Restored is back under an earlier id.
const (
	Created  Action = "created"
	Updated  Action = "updated"
	Deleted  Action = "deleted"
	Restored Action = "restored"
)

// DriftStep is what an event did to the object's drift from the baseline.
type DriftStep string

// The steps. An event of an object without drift before and after is none.
const (
	DriftNone     DriftStep = "none"
	DriftOpened   DriftStep = "opened"
	DriftUpdated  DriftStep = "updated"
	DriftResolved DriftStep = "resolved"
)

// Reason is the bounded cause of a blind spot, the label of cadrift_blind.
type Reason string

// The reasons of the contract, and baseline.
const (
	ReasonCredential   Reason = "credential"
	ReasonPermission   Reason = "permission"
	ReasonThrottled    Reason = "throttled"
	ReasonUnreachable  Reason = "unreachable"
	ReasonIncomplete   Reason = "incomplete"
	ReasonQuarantine   Reason = "quarantine"
	ReasonInconsistent Reason = "inconsistent"
	ReasonUnknownEnum  Reason = "unknown_enum"
	ReasonStore        Reason = "store"
	ReasonBaseline     Reason = "baseline" // its files cannot be read
	ReasonHidden       Reason = "hidden_objects"
	ReasonAudit        Reason = "audit"
	ReasonNames        Reason = "names"
	ReasonGroups       Reason = "groups"
)

// Reasons lists every reason, for metrics that start at zero.
func Reasons() []Reason {
	return []Reason{
		ReasonCredential, ReasonPermission, ReasonThrottled, ReasonUnreachable, ReasonIncomplete,
		ReasonQuarantine, ReasonInconsistent, ReasonUnknownEnum, ReasonStore, ReasonBaseline,
		ReasonHidden, ReasonAudit, ReasonNames, ReasonGroups,
	}
}

// Window is the span in which a change happened: between two readings.
type Window struct {
	From time.Time `json:"from,omitzero"`
	To   time.Time `json:"to"`
}

// Actor is who wrote, as the audit log has it, or the guard's journal: then it
// has no id, and the name is that of the local user who ordered the write.
type Actor struct {
	// Kind is user, app, microsoft, cadrift or unknown.
	Kind string    `json:"kind"`
	ID   string    `json:"id,omitempty"`
	Name string    `json:"name,omitempty"`
	IP   string    `json:"ip,omitempty"`
	Time time.Time `json:"time,omitzero"`
	// OwnCredential tells of an app that is our own application, and that we
	// wrote nothing: somebody else has the credential.
	OwnCredential bool `json:"own_credential,omitempty"`
}

// Words is the actor as a sentence names it: alex@contoso.example, the app
// Release pipeline.
func (a *Actor) Words() string {
	name := Visible(cmp.Or(a.Name, a.ID))
	switch {
	case a.OwnCredential:
		return "somebody with cadrift's own credential, but not cadrift (the app " + name + ")"
	case a.Kind == "microsoft":
		return "Microsoft (" + name + ")"
	case a.Kind == "cadrift" && a.ID == "" && a.Name != "":
		return name + ", through cadrift"
	case a.Kind == "cadrift":
		return "cadrift itself"
	case a.Kind == "app":
		return "the app " + name
	case a.Kind == "unknown":
		return "somebody unknown"
	}
	return name
}

// Expectation is an announced change.
type Expectation struct {
	ID      string    `json:"id"`
	Pattern string    `json:"pattern"`
	Until   time.Time `json:"until"`
	Reason  string    `json:"reason"`
	By      string    `json:"by"`
}

// Event is one thing that happened, as receivers, the API and the command
// line see it. Events are immutable once committed; fields that do not apply
// are absent from its JSON.
type Event struct {
	ID       string    `json:"id"`
	Seq      uint64    `json:"seq,omitempty"`
	Time     time.Time `json:"time"`
	Type     EventType `json:"type"`
	Window   *Window   `json:"window,omitempty"`
	Tenant   string    `json:"tenant"`
	TenantID string    `json:"tenant_id"`
	Object   *Ref      `json:"object,omitempty"`
	Action   Action    `json:"action,omitempty"`

	// Direction is set on drift.* and schema.changed, where "neutral" is a
	// statement; a pointer so that other types leave it out.
	Direction         *Direction `json:"direction,omitempty"`
	Severity          Severity   `json:"severity"`
	DeliveredSeverity *Severity  `json:"delivered_severity,omitempty"`
	LockoutRisk       *bool      `json:"lockout_risk,omitempty"`
	LockoutReasons    []string   `json:"lockout_reasons,omitzero"`
	Summary           string     `json:"summary"`

	Changes []Change `json:"changes,omitzero"`
	Patch   Patch    `json:"patch,omitempty"`

	Drift          DriftStep  `json:"drift,omitempty"`
	DriftDirection *Direction `json:"drift_direction,omitempty"`
	DriftSeverity  *Severity  `json:"drift_severity,omitempty"`
	BaselinePatch  Patch      `json:"baseline_patch,omitempty"`
	Affects        []Ref      `json:"affects,omitempty"`
	// Related is the other object of a deletion and creation under one name.
	Related string `json:"related,omitempty"`
	// Cause is "baseline" for drift that moved without the object changing.
	Cause    string       `json:"cause,omitempty"`
	Expected *Expectation `json:"expected,omitempty"`
	Actor    *Actor       `json:"actor,omitempty"`

	// Reason is a Reason in monitor.*; in guard.*, baseline.pinned and beside
	// an actor it is free text. Kinds belong to monitor.* and schema.changed.
	// Detail is what a monitor.* says to those who know Graph.
	Reason string `json:"reason,omitempty"`
	Detail string `json:"detail,omitempty"`
	Kinds  []Kind `json:"kinds,omitempty"`
	// Policy, Added and Result belong to guard.*; By and Digest to
	// baseline.pinned and to what a person ordered of the guard; About to
	// event.attributed and guard.written (an event id).
	Policy *Ref     `json:"policy,omitempty"`
	Added  []string `json:"added,omitempty"`
	Result string   `json:"result,omitempty"`
	By     string   `json:"by,omitempty"`
	Digest string   `json:"digest,omitempty"`
	About  string   `json:"about,omitempty"`

	Revision uint64 `json:"revision,omitempty"`
	Chain    string `json:"chain,omitempty"`
}

// EventID is the stable id of the seq-th record of a tenant's chain.
func EventID(tenant string, seq uint64) string { return fmt.Sprintf("%s-%012d", tenant, seq) }

// Locks tells whether the event carries a lockout risk.
func (e *Event) Locks() bool { return e.LockoutRisk != nil && *e.LockoutRisk }

// Undoes tells that a guard.written takes a write back: it adds nothing, and
// About is the write.
func (e *Event) Undoes() bool { return e.Type == GuardWritten && len(e.Added) == 0 }

// Moves is the object whose change the event tells of, nil when it tells of
// none: a write of the guard does when it opens, grows or ends a drift.
func (e *Event) Moves() *Ref {
	if e.Object == nil && e.Drift != "" && e.Drift != DriftNone {
		return e.Policy
	}
	return e.Object
}

// Misused tells of a write with our own credential that is none of ours.
func (e *Event) Misused() bool { return e.Actor != nil && e.Actor.OwnCredential }

// Dir is the event's direction, neutral where it has none.
func (e *Event) Dir() Direction {
	if e.Direction == nil {
		return Neutral
	}
	return *e.Direction
}

// Loudest is the severity by which the event is routed and ordered: the
// higher of the event's (as delivered) and the drift's verdict.
func (e *Event) Loudest() Severity {
	s := e.Severity
	if e.DeliveredSeverity != nil {
		return *e.DeliveredSeverity
	}
	if e.DriftSeverity != nil && *e.DriftSeverity > s {
		s = *e.DriftSeverity
	}
	return s
}

// Critical tells whether the event must be shown by itself, however many there
// are.
func (e *Event) Critical() bool { return e.Locks() || e.Loudest() >= Critical }

// Ends tells whether the event says that something is over: a drift, or a
// blind spot.
func (e *Event) Ends() bool { return e.Drift == DriftResolved || e.Type == MonitorRecovered }

// Subject is what the event is about. Events of one subject reach a receiver
// in their order.
func (e *Event) Subject() string {
	switch {
	case e.Object != nil:
		return e.Tenant + "/" + e.Object.Key().String()
	case e.Policy != nil:
		return e.Tenant + "/" + e.Policy.Key().String()
	}
	family, _, _ := strings.Cut(string(e.Type), ".")
	if family == "monitor" {
		family += "/" + e.Reason
	}
	return e.Tenant + "/" + family
}
