package notify

import (
	"slices"
	"strings"

	"github.com/cadrift/cadrift/internal/drift"
)

// Rule is what one receiver wants to be told. Empty lists mean all.
type Rule struct {
	Receiver    string
	Tenants     []string
	Kinds       []drift.Kind
	MinSeverity drift.Severity
	Directions  []drift.Direction
}

// Route names the receivers of an event, in the order of the rules. Told are
// the receivers that were told of what the event follows up on: of the
// opening of the drift that it resolves, or of the event whose actor it names.
//
//	event                                          receivers (always within their tenants)
//	event.attributed, low                          told, nobody else
//	event.attributed, louder                       told, and whoever the filters let through
//	drift resolved                                 told, and whoever the filters let through
//	lockout risk, monitor.*, guard.armed/.failed   all
//	somebody has our own credential                all
//	test                                           all
//	everything else                                kinds, min_severity and directions agree
func Route(rules []Rule, e *drift.Event, told []string) []string {
	var out []string
	for _, r := range rules {
		if r.wants(e, slices.Contains(told, r.Receiver)) {
			out = append(out, r.Receiver)
		}
	}
	return out
}

func (r *Rule) wants(e *drift.Event, told bool) bool {
	switch {
	case len(r.Tenants) > 0 && !slices.Contains(r.Tenants, e.Tenant):
		return false
	case (e.Type == drift.EventAttributed || e.Drift == drift.DriftResolved) && told, unfiltered(e):
		return true
	case e.Type == drift.EventAttributed && e.Severity <= drift.Low:
		return false
	}
	return r.wantsKind(e) && e.Loudest() >= r.MinSeverity && r.wantsDirection(e)
}

// unfiltered tells of events that pass every filter but tenants.
func unfiltered(e *drift.Event) bool {
	switch e.Type {
	case drift.GuardArmed, drift.GuardFailed, drift.TestEvent:
		return true
	}
	return e.Locks() || e.Misused() || strings.HasPrefix(string(e.Type), "monitor.")
}

// wantsKind passes events that are about no kind in particular, such as a
// pinned baseline.
func (r *Rule) wantsKind(e *drift.Event) bool {
	var about []drift.Kind
	switch {
	case e.Object != nil:
		about = []drift.Kind{e.Object.Kind}
	case e.Policy != nil:
		about = []drift.Kind{e.Policy.Kind}
	default:
		about = e.Kinds
	}
	return len(r.Kinds) == 0 || len(about) == 0 ||
		slices.ContainsFunc(about, func(k drift.Kind) bool { return slices.Contains(r.Kinds, k) })
}

// wantsDirection looks at the direction of the higher verdict, the event's or
// the drift's, and at both when they are equally high. Events without any
// direction, such as a guard's write, pass: the filter speaks about changes.
func (r *Rule) wantsDirection(e *drift.Event) bool {
	if len(r.Directions) == 0 || (e.Direction == nil && e.DriftDirection == nil) {
		return true
	}
	if e.Direction != nil && (e.DriftSeverity == nil || e.Severity >= *e.DriftSeverity) &&
		slices.Contains(r.Directions, *e.Direction) {
		return true
	}
	return e.DriftDirection != nil && (e.Direction == nil || e.DriftSeverity == nil || *e.DriftSeverity >= e.Severity) &&
		slices.Contains(r.Directions, *e.DriftDirection)
}
