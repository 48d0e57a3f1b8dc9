package webhook

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/notify"
)

func event(seq uint64) *drift.Event {
	return &drift.Event{
		ID: drift.EventID("contoso", seq), Seq: seq, Time: time.Date(2026, 11, 21, 20, 0, 0, 0, time.UTC),
		Type: drift.DriftChanged, Tenant: "contoso", Severity: drift.Critical, Summary: "CA001 <&>: state on → off",
		Direction: new(drift.Weaker), Actor: &drift.Actor{Kind: "user", IP: "203.0.113.9"},
	}
}

func message(e *drift.Event) *notify.Message {
	return &notify.Message{Items: []notify.Item{{Event: e}}}
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func newSink(t *testing.T, secret string, rt transport) *Sink {
	t.Helper()
	p, err := notify.NewPoster(notify.PostOptions{URL: drift.NewSecret("https://siem.example/hook"), Transport: rt})
	if err != nil {
		t.Fatal(err)
	}
	if secret == "" {
		return New(p, "")
	}
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return New(p, file)
}

func secret(b byte, n int) string {
	return secretPrefix + base64.StdEncoding.EncodeToString([]byte(strings.Repeat(string(b), n)))
}

// received is one request as a receiver has it.
type received struct {
	header http.Header
	body   []byte
}

// record gives a transport that keeps requests and answers with status.
func record(status int, into *[]received) transport {
	return func(r *http.Request) (*http.Response, error) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		*into = append(*into, received{r.Header.Clone(), body})
		return &http.Response{StatusCode: status, Header: http.Header{"Retry-After": {"2"}}, Body: io.NopCloser(strings.NewReader(""))}, nil
	}
}

func TestSignedByTheScheme(t *testing.T) {
	key := secret('k', minKey)
	var got []received
	sink := newSink(t, key, record(200, &got))
	e := event(42)
	for range 2 {
		if out := sink.Send(context.Background(), message(e)); out.Result != notify.Delivered {
			t.Fatalf("got %+v", out)
		}
	}
	receiver, err := standardwebhooks.NewWebhook(key)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range got {
		if err := receiver.Verify(r.body, r.header); err != nil {
			t.Errorf("the receiver's library says: %v", err)
		}
		if id := r.header.Get("webhook-id"); id != e.ID {
			t.Errorf("got webhook-id %q, want %q", id, e.ID)
		}
		if err := receiver.Verify(append(r.body, ' '), r.header); err == nil {
			t.Error("a changed body verifies")
		}
	}
	if string(got[0].body) != string(got[1].body) {
		t.Error("two tries of one event have two bodies")
	}
}

func TestBodyIsTheEvent(t *testing.T) {
	var got []received
	e := event(42)
	newSink(t, "", record(204, &got)).Send(context.Background(), message(e))
	var back drift.Event
	if err := json.Unmarshal(got[0].body, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(*e, back); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What the queue folded stands beside the event's own members, and nowhere
// else.
func TestBodyTellsWhatWasFolded(t *testing.T) {
	var got []received
	m := message(event(42))
	m.Items[0].Dropped = &drift.Folded{
		Count: 17, Types: map[drift.EventType]int{drift.DriftChanged: 17},
		From: time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC), To: time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC),
	}
	newSink(t, "", record(200, &got)).Send(context.Background(), m)
	plain, err := json.Marshal(event(42))
	if err != nil {
		t.Fatal(err)
	}
	want := strings.TrimSuffix(string(plain), "}") +
		`,"folded":{"count":17,"types":{"drift.changed":17},"from":"2026-03-01T08:00:00Z","to":"2026-11-01T08:00:00Z"}}`
	if string(got[0].body) != want {
		t.Errorf("got\n%s\nwant\n%s", got[0].body, want)
	}
}

func TestWithoutSecretUnsigned(t *testing.T) {
	var got []received
	newSink(t, "", record(200, &got)).Send(context.Background(), message(event(1)))
	if h := got[0].header; h.Get("webhook-signature") != "" || h.Get("webhook-id") == "" {
		t.Errorf("got %v, want an id and no signature", h)
	}
}

func TestTwoSecretsWhileOneIsReplaced(t *testing.T) {
	old, fresh := secret('o', 32), secret('f', 32)
	var got []received
	newSink(t, fresh+"\n\n"+old, record(200, &got)).Send(context.Background(), message(event(1)))
	for _, key := range []string{old, fresh} {
		receiver, err := standardwebhooks.NewWebhook(key)
		if err != nil {
			t.Fatal(err)
		}
		if err := receiver.Verify(got[0].body, got[0].header); err != nil {
			t.Errorf("%v", err)
		}
	}
}

// Events wait for a usable secret; nothing goes out unsigned or weakly signed.
func TestBadSecretsSendNothingAndSayNothing(t *testing.T) {
	const marker = "MARKERSECRET"
	for name, bad := range map[string]string{
		"short":      secret('k', minKey-1),
		"one byte":   secret('k', 1),
		"no prefix":  base64.StdEncoding.EncodeToString([]byte(strings.Repeat(marker, 3))),
		"not base64": secretPrefix + marker + "!!",
		"one good, one bad": secret('k', minKey) + "\n" +
			secretPrefix + marker,
		"blank": "   ",
	} {
		var got []received
		sink := newSink(t, bad, record(200, &got))
		out := sink.Send(context.Background(), message(event(1)))
		if out.Result != notify.Later || len(got) != 0 {
			t.Errorf("%s: got %+v and %d requests, want later and none", name, out, len(got))
		}
		if err := sink.Check(); err == nil || strings.Contains(err.Error()+fmt.Sprint(out), marker) {
			t.Errorf("%s: got %v, want an error without the secret", name, err)
		}
	}
	missing := New(newSink(t, "", nil).post, filepath.Join(t.TempDir(), "missing"))
	if out := missing.Send(context.Background(), message(event(1))); out.Result != notify.Later {
		t.Errorf("missing file: got %+v, want later", out)
	}
	if err := newSink(t, secret('k', 64), nil).Check(); err != nil {
		t.Errorf("a good secret: got %v", err)
	}
}

func TestAnswers(t *testing.T) {
	for status, want := range map[int]notify.Result{
		200: notify.Delivered, 202: notify.Delivered, 204: notify.Delivered, 301: notify.Refused, 400: notify.Refused,
		401: notify.Refused, 404: notify.Refused, 408: notify.Later, 410: notify.Refused, 429: notify.Later, 500: notify.Later, 504: notify.Later,
	} {
		var got []received
		out := newSink(t, "", record(status, &got)).Send(context.Background(), message(event(1)))
		if out.Result != want || out.RetryAfter != 2*time.Second {
			t.Errorf("%d: got %+v, want %v", status, out, want)
		}
	}
}

func TestNothingIsGrouped(t *testing.T) {
	if got := New(nil, "").Limits(); got != (notify.Limits{Events: 1}) {
		t.Errorf("got %+v, want one event a message and no rate", got)
	}
}
