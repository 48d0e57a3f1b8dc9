package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/cadrift/cadrift/internal/config"
	"github.com/cadrift/cadrift/internal/drift"
)

// Alerts is the side of the daemon that quiets and tries alerts.
type Alerts interface {
	// Acknowledge stops the reminders of an open drift in its present form.
	// Errors: drift.ErrNotFound for an unknown tenant, ErrRefused when the
	// object has no open drift.
	Acknowledge(ctx context.Context, tenant string, object drift.Key, ack drift.Ack) (drift.Finding, error)

	// Expect announces a change, Withdraw takes that back, Expectations lists
	// what is announced. Errors: drift.ErrNotFound for an unknown tenant or
	// id.
	Expect(ctx context.Context, tenant string, x drift.Expectation) (drift.Expectation, error)
	Withdraw(ctx context.Context, tenant, id string) (drift.Expectation, error)
	Expectations(ctx context.Context, tenant string) ([]drift.Expectation, error)

	// TestReceivers sends test messages past every queue to the receiver of
	// that name, or to all when it is empty. A receiver that refuses is part
	// of the answer, not an error.
	TestReceivers(ctx context.Context, receiver string) (Tested, error)
}

// Expectations is the answer to /api/v1/expectations.
type Expectations struct {
	Expectations []drift.Expectation `json:"expectations"`
}

// Acknowledged is the answer to an acknowledgement.
type Acknowledged struct {
	Drift drift.Finding `json:"drift"`
}

// Tested is the answer to a test of receivers.
type Tested struct {
	Receivers []TestedReceiver `json:"receivers"`
}

// TestedReceiver is what one receiver answered.
type TestedReceiver struct {
	Name string `json:"name"`
	Type string `json:"type"`
	// OK tells that every message was taken.
	OK       bool      `json:"ok"`
	Messages []Attempt `json:"messages"`
	// Note is what a person has to know about the answers.
	Note string `json:"note,omitempty"`
}

// Attempt is one test message and its answer.
type Attempt struct {
	ID       string         `json:"id"`
	Severity drift.Severity `json:"severity"`
	// Result is delivered, later, refused or unfit.
	Result string `json:"result"`
	Reason string `json:"reason"`
	Answer string `json:"answer,omitempty"`
}

// The bodies of the orders.
type (
	// AckOrder acknowledges the open drift of an object; For is a duration as
	// the configuration writes it, empty for as long as the form stays.
	AckOrder struct {
		Object string `json:"object"`
		For    string `json:"for,omitempty"`
		Reason string `json:"reason"`
	}
	// ExpectOrder announces changes of what the pattern matches.
	ExpectOrder struct {
		Pattern string `json:"pattern"`
		For     string `json:"for"`
		Reason  string `json:"reason"`
	}
	// WithdrawOrder ends an announcement.
	WithdrawOrder struct {
		ID string `json:"id"`
	}
	// TestOrder asks for test messages, to one receiver or to all.
	TestOrder struct {
		Receiver string `json:"receiver,omitempty"`
	}
)

func (a *API) alertRoutes(mux *http.ServeMux) {
	mux.Handle("POST /api/v1/ack", a.order(a.ack))
	mux.Handle("POST /api/v1/expect", a.order(a.expect))
	mux.Handle("POST /api/v1/expect/remove", a.order(a.withdraw))
	mux.Handle("POST /api/v1/notify/test", a.order(a.testReceivers))
}

// given checks what every announcement and acknowledgement needs, and returns
// until when it holds: zero when no time was given.
func given(what, reason, span string) (until time.Time, err error) {
	if strings.TrimSpace(reason) == "" {
		return until, badRequest("say why: the reason is recorded in the hash chain", "%s: the reason is missing", what)
	}
	if span == "" {
		return until, nil
	}
	d, err := config.ParseDuration(span)
	if err != nil || d <= 0 {
		return until, badRequest("for example 2h, 30m or 14d", "%s: %q is no duration", what, drift.Visible(span))
	}
	return time.Now().UTC().Add(d), nil
}

func (a *API) ack(r *http.Request) (any, error) {
	order, err := readOrder[AckOrder](r)
	if err != nil {
		return nil, err
	}
	until, err := given("acknowledge drift", order.Reason, order.For)
	if err != nil {
		return nil, err
	}
	t, err := a.tenant(r.URL.Query().Get("tenant"))
	if err != nil {
		return nil, err
	}
	known, err := a.known([]TenantName{t})
	if err != nil {
		return nil, err
	}
	found, err := match(order.Object, known)
	if err != nil {
		return nil, err
	}
	peer, _ := peerOf(r.Context())
	f, err := a.alerts.Acknowledge(r.Context(), t.Name, found.Object.Key(),
		drift.Ack{Until: until, Reason: strings.TrimSpace(order.Reason), By: peer.String()})
	if err != nil {
		return nil, err
	}
	shown := []drift.Finding{f}
	presentFindings(shown)
	return Acknowledged{Drift: shown[0]}, nil
}

// patternRunes is the longest pattern: longer than any display name.
const patternRunes = 300

func (a *API) expect(r *http.Request) (any, error) {
	order, err := readOrder[ExpectOrder](r)
	if err != nil {
		return nil, err
	}
	until, err := given("announce change", order.Reason, order.For)
	switch {
	case err != nil:
		return nil, err
	case until.IsZero():
		return nil, badRequest("for example --for 2h", "announce change: it does not say for how long")
	case strings.TrimSpace(order.Pattern) == "" || len([]rune(order.Pattern)) > patternRunes:
		return nil, badRequest("a glob on the display name, or an exact id", "announce change: the pattern is empty or too long")
	}
	t, err := a.tenant(r.URL.Query().Get("tenant"))
	if err != nil {
		return nil, err
	}
	peer, _ := peerOf(r.Context())
	return a.alerts.Expect(r.Context(), t.Name, drift.Expectation{
		Pattern: order.Pattern, Until: until, Reason: strings.TrimSpace(order.Reason), By: peer.String(),
	})
}

func (a *API) withdraw(r *http.Request) (any, error) {
	order, err := readOrder[WithdrawOrder](r)
	if err != nil {
		return nil, err
	}
	t, err := a.tenant(r.URL.Query().Get("tenant"))
	if err != nil {
		return nil, err
	}
	return a.alerts.Withdraw(r.Context(), t.Name, order.ID)
}

func (a *API) expectations(r *http.Request) (any, error) {
	selected, err := a.selected(r.URL.Query().Get("tenant"))
	if err != nil {
		return nil, err
	}
	all := []drift.Expectation{}
	for _, t := range selected {
		some, err := a.alerts.Expectations(r.Context(), t.Name)
		if err != nil {
			return nil, fmt.Errorf("list announced changes: %w", err)
		}
		all = append(all, some...)
	}
	return Expectations{Expectations: all}, nil
}

func (a *API) testReceivers(r *http.Request) (any, error) {
	order, err := readOrder[TestOrder](r)
	if err != nil {
		return nil, err
	}
	names := a.receivers()
	switch {
	case len(names) == 0:
		return nil, notFound("add one to the configuration", "no receiver is configured")
	case order.Receiver != "" && !slices.Contains(names, order.Receiver):
		return nil, notFound("the configuration has "+strings.Join(names, ", "), "there is no receiver %q", order.Receiver)
	}
	return a.alerts.TestReceivers(r.Context(), order.Receiver)
}
