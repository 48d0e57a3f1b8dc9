package notify

import (
	"slices"
	"testing"

	"github.com/cadrift/cadrift/internal/drift"
)

func TestRoute(t *testing.T) {
	rules := []Rule{
		{Receiver: "all"},
		{Receiver: "oncall", MinSeverity: drift.High, Directions: []drift.Direction{drift.Weaker, drift.Mixed}},
		{Receiver: "locations", Kinds: []drift.Kind{drift.NamedLocation}},
		{Receiver: "other", Tenants: []string{"fabrikam"}},
	}
	event := func(severity drift.Severity, d drift.Direction, change func(*drift.Event)) *drift.Event {
		e := &drift.Event{
			Type: drift.DriftChanged, Tenant: "contoso", Severity: severity, Direction: &d,
			Object: &drift.Ref{Kind: drift.Policy, ID: "a"},
		}
		if change != nil {
			change(e)
		}
		return e
	}
	verdict := func(s drift.Severity, d drift.Direction) func(*drift.Event) {
		return func(e *drift.Event) { e.Drift, e.DriftSeverity, e.DriftDirection = drift.DriftUpdated, &s, &d }
	}
	typed := func(typ drift.EventType) *drift.Event {
		return &drift.Event{Type: typ, Tenant: "contoso", Severity: drift.Low}
	}
	for _, c := range []struct {
		name  string
		event *drift.Event
		told  []string
		want  []string
	}{
		{"weaker and high", event(drift.High, drift.Weaker, nil), nil, []string{"all", "oncall"}},
		{"too low", event(drift.Medium, drift.Weaker, nil), nil, []string{"all"}},
		{"wrong direction", event(drift.Critical, drift.Stronger, nil), nil, []string{"all"}},
		{"kind", event(drift.Low, drift.Neutral, func(e *drift.Event) { e.Object.Kind = drift.NamedLocation }), nil, []string{"all", "locations"}},
		{"drift's verdict is higher", event(drift.Medium, drift.Stronger, verdict(drift.Critical, drift.Weaker)), nil, []string{"all", "oncall"}},
		{"event's verdict is higher", event(drift.Critical, drift.Weaker, verdict(drift.Low, drift.Neutral)), nil, []string{"all", "oncall"}},
		{"event's verdict is higher and of another direction", event(drift.Critical, drift.Stronger, verdict(drift.High, drift.Weaker)), nil, []string{"all"}},
		{"equally high: either direction", event(drift.High, drift.Stronger, verdict(drift.High, drift.Weaker)), nil, []string{"all", "oncall"}},
		{"announced", event(drift.Critical, drift.Weaker, func(e *drift.Event) { e.DeliveredSeverity = new(drift.Low) }), nil, []string{"all"}},
		{"lockout passes every filter", event(drift.Critical, drift.Stronger, func(e *drift.Event) { e.LockoutRisk = new(true) }), nil, []string{"all", "oncall", "locations"}},
		{"resolved, told", event(drift.Low, drift.Stronger, func(e *drift.Event) { e.Drift = drift.DriftResolved }), []string{"oncall"}, []string{"all", "oncall"}},
		{"resolved, not told", event(drift.Low, drift.Stronger, func(e *drift.Event) { e.Drift = drift.DriftResolved }), nil, []string{"all"}},
		{"opened, told says nothing", event(drift.Low, drift.Stronger, func(e *drift.Event) { e.Drift = drift.DriftOpened }), []string{"oncall"}, []string{"all"}},
		{"told of another tenant", event(drift.Low, drift.Stronger, func(e *drift.Event) { e.Drift = drift.DriftResolved }), []string{"other"}, []string{"all"}},
		{"told receiver is gone", typed(drift.EventAttributed), []string{"removed"}, nil},
		{"attributed goes to whoever got the event", typed(drift.EventAttributed), []string{"locations"}, []string{"locations"}},
		{"attributed, and louder than the event", &drift.Event{
			Type: drift.EventAttributed, Tenant: "contoso", Severity: drift.High, Object: &drift.Ref{Kind: drift.Policy},
		}, []string{"locations"}, []string{"all", "oncall", "locations"}},
		{"our own credential passes every filter", event(drift.Low, drift.Neutral, func(e *drift.Event) {
			e.Actor = &drift.Actor{OwnCredential: true}
		}), nil, []string{"all", "oncall", "locations"}},
		{"blind", typed(drift.MonitorBlind), nil, []string{"all", "oncall", "locations"}},
		{"recovered", typed(drift.MonitorRecovered), nil, []string{"all", "oncall", "locations"}},
		{"guard armed", typed(drift.GuardArmed), nil, []string{"all", "oncall", "locations"}},
		{"guard failed", typed(drift.GuardFailed), nil, []string{"all", "oncall", "locations"}},
		{"guard written is filtered by severity and kind", &drift.Event{
			Type: drift.GuardWritten, Tenant: "contoso", Severity: drift.Medium,
			Policy: &drift.Ref{Kind: drift.Policy},
		}, nil, []string{"all"}},
		{"an event without direction passes directions", &drift.Event{
			Type: drift.GuardWritten, Tenant: "contoso", Severity: drift.High,
			Policy: &drift.Ref{Kind: drift.Policy},
		}, nil, []string{"all", "oncall"}},
		{"an event without kind passes kinds", typed(drift.BaselinePinned), nil, []string{"all", "locations"}},
		{"schema change of another kind", &drift.Event{
			Type: drift.SchemaChanged, Tenant: "contoso", Severity: drift.Low,
			Kinds: []drift.Kind{drift.Policy},
		}, nil, []string{"all"}},
	} {
		if got := Route(rules, c.event, c.told); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}
