// Package sinktest is the scaffolding of the sinks' tests: events in which
// everything is filled, messages made of texts that somebody could choose, and
// receivers that answer as they are told. Only tests import it.
package sinktest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/golden"
	"github.com/cadrift/cadrift/internal/notify"
)

// Event is an ordinary alert about the policy of that name.
func Event(seq uint64, name string, severity drift.Severity) *drift.Event {
	at := time.Date(2026, 11, 21, 20, 0, 0, 0, time.UTC)
	return &drift.Event{
		ID: drift.EventID("contoso", seq), Seq: seq, Time: at, Type: drift.DriftChanged,
		Window: &drift.Window{From: at.Add(-time.Minute), To: at},
		Tenant: "contoso", TenantID: "11111111-1111-1111-1111-111111111111",
		Object:    &drift.Ref{Kind: drift.Policy, ID: "0d3c8b1e-5f2a-4c7d-9e6b-1a2f3c4d5e6f", Name: name},
		Action:    drift.Updated,
		Direction: new(drift.Weaker), Severity: severity, LockoutRisk: new(false),
		Summary: drift.Visible(name) + ": state on → off",
		Changes: []drift.Change{
			{Path: "/state", Field: "State", Text: "State: on → off", Direction: drift.Weaker},
			{Path: "/conditions/users/excludeUsers", Field: "Excluded users", Text: "Excluded users: + alex@contoso.example (Alex)", Direction: drift.Weaker},
		},
		Drift: drift.DriftOpened, DriftDirection: new(drift.Weaker), DriftSeverity: new(severity),
		Actor:    &drift.Actor{Kind: "user", Name: "alex@contoso.example (Alex)", Time: at.Add(-48 * time.Second)},
		Revision: 12, Chain: strings.Repeat("9f86d081", 8),
	}
}

// Lockout is the worst alert, about the policy of that name.
func Lockout(name string) *drift.Event {
	e := Event(7, name, drift.Critical)
	e.LockoutRisk, e.LockoutReasons = new(true), []string{"the emergency account 33333333… is no longer excluded"}
	return e
}

// Message holds events that are sent for the first time.
func Message(events ...*drift.Event) *notify.Message {
	m := &notify.Message{}
	for _, e := range events {
		m.Items = append(m.Items, notify.Item{Event: e})
	}
	return m
}

// Drop lets every event shown carry a sum of n dropped ones.
func Drop(m *notify.Message, n int) {
	for i := range m.Items {
		m.Items[i].Dropped = &drift.Folded{
			Count: n, From: time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC), To: time.Date(2026, 11, 21, 20, 0, 0, 0, time.UTC),
		}
		m.Dropped.Join(m.Items[i].Dropped)
	}
}

// Storm is the fullest message: a digest of 240 repeated events, of which that
// many are shown and the others folded, with more to follow and much dropped.
func Storm(name string, shown int) *notify.Message {
	m := &notify.Message{Digest: true, Following: 99}
	for i := range 240 {
		e := Event(uint64(i+1), name, drift.Critical)
		if i < shown {
			m.Items = append(m.Items, notify.Item{Event: e, Repeat: true})
		} else {
			m.Folded = append(m.Folded, e)
		}
	}
	Drop(m, 9999)
	return m
}

// Texts are what an attacker would write for one kind of receiver.
type Texts []string

// Draw is one of the texts, or any other.
func (x Texts) Draw(t *rapid.T, what string) string {
	return rapid.OneOf(rapid.SampledFrom(x), rapid.String(), rapid.StringN(100, 700, -1)).Draw(t, what)
}

// Event is any event in which everything that people can write is drawn.
func (x Texts) Event(t *rapid.T) *drift.Event {
	e := Event(rapid.Uint64Range(0, 99).Draw(t, "seq"), x.Draw(t, "name"), drift.Severity(rapid.IntRange(0, 4).Draw(t, "severity")))
	e.Type = rapid.SampledFrom(drift.EventTypes()).Draw(t, "type")
	e.Summary = rapid.SampledFrom([]string{e.Summary, x.Draw(t, "summary")}).Draw(t, "which")
	e.Actor.Name, e.Reason, e.By, e.Chain = x.Draw(t, "actor"), x.Draw(t, "reason"), x.Draw(t, "by"), x.Draw(t, "chain")
	e.Tenant, e.ID = x.Draw(t, "tenant"), x.Draw(t, "id")
	for range rapid.IntRange(0, 20).Draw(t, "changes") {
		e.Changes = append(e.Changes, drift.Change{Text: x.Draw(t, "change")})
	}
	if rapid.Bool().Draw(t, "lockout") {
		e.LockoutRisk, e.LockoutReasons = new(true), []string{x.Draw(t, "lockout reason")}
	}
	e.Affects = []drift.Ref{{Kind: drift.Policy, Name: x.Draw(t, "affected")}}
	return e
}

// Message is any message of at most that many shown events.
func (x Texts) Message(t *rapid.T, shown int) *notify.Message {
	m := &notify.Message{Plain: rapid.IntRange(0, 4).Draw(t, "plain") == 0}
	for range rapid.IntRange(1, shown).Draw(t, "events") {
		m.Items = append(m.Items, notify.Item{Event: x.Event(t), Repeat: rapid.Bool().Draw(t, "repeat")})
	}
	m.Following = rapid.IntRange(0, 3).Draw(t, "following")
	for range rapid.IntRange(0, 3).Draw(t, "folded") {
		m.Folded = append(m.Folded, x.Event(t))
	}
	if n := rapid.IntRange(0, 9999).Draw(t, "dropped"); n%2 == 1 {
		Drop(m, n)
	}
	return m
}

// Golden compares a request body, indented, with testdata/NAME.json.
func Golden(t *testing.T, name string, body []byte) {
	t.Helper()
	var got bytes.Buffer
	if err := json.Indent(&got, body, "", "  "); err != nil {
		t.Fatal(err)
	}
	golden.Compare(t, filepath.Join("testdata", name+".json"), got.String())
}

// Receiver is what stands at the other end.
type Receiver func(*http.Request) (*http.Response, error)

// RoundTrip makes a receiver a transport.
func (r Receiver) RoundTrip(q *http.Request) (*http.Response, error) { return r(q) }

// Answers gives the same answer to everything.
func Answers(status int, body string) Receiver {
	return func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, Header: http.Header{"Retry-After": {"7"}}, Body: io.NopCloser(strings.NewReader(body))}, nil
	}
}

// Poster posts to the receiver as if it were at the address.
func Poster(t *testing.T, address string, r Receiver) *notify.Poster {
	t.Helper()
	p, err := notify.NewPoster(notify.PostOptions{URL: drift.NewSecret(address), Transport: r})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// CheckAnswer sends through a sink whose receiver answers by [Answers].
func CheckAnswer(t *testing.T, s notify.Sink, answer string, want notify.Result, reason string) {
	t.Helper()
	got := s.Send(t.Context(), Message(Event(1, "CA001", drift.Low)))
	if got.Result != want || got.Reason != reason || got.RetryAfter != 7*time.Second {
		t.Errorf("%s: got %+v, want %v, %q", answer, got, want, reason)
	}
}
