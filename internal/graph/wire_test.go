package graph

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// planted is text that must never show anywhere but on the wire.
const planted = "PLANTED-TOKEN-5f2c9a"

const (
	endpoint     = "https://graph.example"
	policiesPath = "/v1.0/identity/conditionalAccess/policies"
)

// answer is one scripted answer.
type answer struct {
	status int // 0: 200
	header http.Header
	body   string
	err    error
	delay  time.Duration
	cut    bool // the connection breaks behind body
}

// wire is a scripted server: a RoundTripper that gives its answers in turn,
// the last one for ever, and remembers what it was asked.
type wire struct {
	mu      sync.Mutex
	answers []answer
	route   func(*http.Request) answer // instead of answers
	asked   []request
}

type request struct {
	at     time.Time
	url    string
	host   string
	header http.Header
}

func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	w.mu.Lock()
	w.asked = append(w.asked, request{time.Now(), req.URL.String(), req.URL.Host, req.Header.Clone()})
	var a answer
	if w.route != nil {
		a = w.route(req)
	} else {
		a = w.answers[min(len(w.asked), len(w.answers))-1]
	}
	w.mu.Unlock()
	if err := sleep(req.Context(), a.delay); err != nil {
		return nil, err
	}
	if a.err != nil {
		return nil, a.err
	}
	header := a.header.Clone()
	if header == nil {
		header = http.Header{}
	}
	if _, given := header["Content-Type"]; !given {
		header.Set("Content-Type", "application/json;odata.metadata=minimal;charset=utf-8")
	}
	body := io.Reader(strings.NewReader(a.body))
	if a.cut {
		body = io.MultiReader(body, broken{})
	}
	return &http.Response{StatusCode: cmp.Or(a.status, 200), Header: header, Body: io.NopCloser(body), Request: req}, nil
}

func (w *wire) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.asked)
}

// gaps are the times between requests, in seconds.
func (w *wire) gaps() []float64 {
	var gaps []float64
	for i := 1; i < len(w.asked); i++ {
		gaps = append(gaps, w.asked[i].at.Sub(w.asked[i-1].at).Seconds())
	}
	return gaps
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// fixed is a token source that counts.
type fixed struct {
	mu    sync.Mutex
	fresh int
	err   error
}

func (f *fixed) Token(_ context.Context, fresh bool) (drift.Secret, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fresh {
		f.fresh++
	}
	return drift.NewSecret(fmt.Sprintf("%s-%d", planted, f.fresh)), f.err
}

// newClient is a client over a script, fast unless the test is about pace.
func newClient(t testing.TB, w *wire, change ...func(*Options)) *Client {
	t.Helper()
	o := Options{Endpoint: endpoint, Tenant: "contoso", Transport: w, Tokens: &fixed{}, RequestsPerSecond: 1e6}
	for _, f := range change {
		f(&o)
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func paced(o *Options) { o.RequestsPerSecond = 1 }

// script is a client over answers given in turn.
func script(t testing.TB, answers ...answer) (*Client, *wire) {
	w := &wire{answers: answers}
	return newClient(t, w), w
}

// collection is a page's body.
func collection(next string, items ...string) string {
	link := ""
	if next != "" {
		quoted, _ := json.Marshal(next)
		link = `,"@odata.nextLink":` + string(quoted)
	}
	return `{"@odata.context":"x","value":[` + strings.Join(items, ",") + `]` + link + `}`
}

func object(id string) string { return fmt.Sprintf(`{"id":%q,"displayName":"CA %s"}`, id, id) }

func nextPage(n int) string { return fmt.Sprintf("%s%s?$skiptoken=%d", endpoint, policiesPath, n) }

// fault gives the *Error behind err, which must be one.
func fault(t testing.TB, err error) *Error {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("got error %v (%T), want an *Error", err, err)
	}
	return e
}

func ids(items []Item) string {
	var all []string
	for _, item := range items {
		all = append(all, item.ID)
	}
	return strings.Join(all, " ")
}

// logTo is a debug log into a buffer that may be written from anywhere.
func logTo(b *safeBuffer) *slog.Logger {
	return slog.New(slog.NewJSONHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
