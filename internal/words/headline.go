package words

import (
	"fmt"
	"strings"

	"github.com/cadrift/cadrift/internal/drift"
)

// separator stands between the parts of a first line.
const separator = " · "

// summaryRunes is the most of a summary that a first line carries.
const summaryRunes = 400

// Headline is the first line of an alert: how bad, in which direction, whether
// it may lock people out, where, and what.
func Headline(e *drift.Event) string { return headline(e, "") }

// GroupHeadline is the first line of a message about n events, of which top is
// the most severe: the count stands before the summary, because a phone cuts
// the end.
func GroupHeadline(top *drift.Event, n int) string {
	if n <= 1 {
		return headline(top, "")
	}
	return headline(top, fmt.Sprintf("%d events, first: ", n))
}

func headline(e *drift.Event, before string) string {
	parts := marks(e)
	if e.Tenant != "" {
		parts = append(parts, Clean(e.Tenant, 40))
	}
	return strings.Join(append(parts, before+summary(e)), separator)
}

// summary is the event's own line, or what can be said without one.
func summary(e *drift.Event) string {
	switch {
	case e.Summary != "":
		return Clean(e.Summary, summaryRunes)
	case e.Object != nil:
		return strings.TrimSpace(refWords(*e.Object) + " " + string(e.Action))
	}
	return string(e.Type)
}

// marks are the words before the tenant.
//
//	type              marks
//	drift.changed     severity, direction [than baseline], RESOLVED, LOCKOUT RISK, announced
//	drift.reminder    severity, direction than baseline, STILL OPEN, LOCKOUT RISK, announced
//	test              TEST first, so that nobody gets up for it
//	everything else   severity and the word of the type
//	any               CREDENTIAL MISUSED: written as cadrift, and not by it
func marks(e *drift.Event) []string {
	severity, direction := Verdict(e)
	out := []string{strings.ToUpper(severity.String())}
	switch e.Type {
	case drift.DriftChanged, drift.DriftReminder, drift.SchemaChanged:
		out = append(out, direction)
	case drift.TestEvent:
		return []string{"TEST", out[0]}
	default:
		out = append(out, TypeWord(e))
	}
	if e.Type == drift.DriftReminder {
		out = append(out, "STILL OPEN")
	}
	if e.Drift == drift.DriftResolved {
		out = append(out, "RESOLVED")
	}
	if e.Locks() {
		out = append(out, "LOCKOUT RISK")
	}
	if e.Misused() {
		out = append(out, "CREDENTIAL MISUSED")
	}
	if e.Expected != nil {
		out = append(out, "announced")
	}
	return out
}

// TypeWord names what kind of event it is in a word or two.
func TypeWord(e *drift.Event) string {
	switch e.Type {
	case drift.DriftChanged:
		return "changed"
	case drift.SchemaChanged:
		return "new in Graph"
	case drift.EventAttributed:
		return "who it was"
	case drift.GuardArmed:
		return "guard armed"
	case drift.GuardWritten:
		if e.Undoes() {
			return "guard undo"
		}
		return "guard wrote"
	case drift.GuardRefused:
		return "guard refused"
	case drift.GuardFailed:
		return "GUARD FAILED"
	case drift.MonitorBlind:
		return "BLIND"
	case drift.MonitorRecovered:
		return "sees again"
	case drift.MonitorHeartbeat:
		return "alive"
	case drift.BaselinePinned:
		return "baseline pinned"
	}
	return string(e.Type)
}

// Verdict is the severity and the direction that the first line shows: the
// higher of the event's and the drift's. Two cases differ: an announced
// change shows what it is delivered as, and a resolution shows its own
// severity, because the drift that it mentions is over.
func Verdict(e *drift.Event) (drift.Severity, string) {
	severity, direction, against := e.Severity, e.Dir(), ""
	if outranks(e) {
		severity, against = *e.DriftSeverity, " than baseline"
		if e.DriftDirection != nil {
			direction = *e.DriftDirection
		}
	}
	if e.DeliveredSeverity != nil {
		severity = *e.DeliveredSeverity
	}
	switch direction {
	case drift.Weaker:
		return severity, "WEAKER" + against
	case drift.Stronger:
		return severity, "stronger" + against
	}
	if against != "" {
		against = " against baseline"
	}
	return severity, direction.String() + against
}

// outranks tells that the drift's verdict is the one to show: it is the
// higher one, or as high and plainly weaker where the change itself is mixed
// (a policy weakened while it was off is switched on), or it is a reminder's,
// which speaks of the drift alone.
func outranks(e *drift.Event) bool {
	if e.DriftSeverity == nil || e.Drift == drift.DriftResolved {
		return false
	}
	staged := *e.DriftSeverity == e.Severity && e.Dir() == drift.Mixed &&
		e.DriftDirection != nil && *e.DriftDirection == drift.Weaker
	return e.Type == drift.DriftReminder || *e.DriftSeverity > e.Severity || staged
}
