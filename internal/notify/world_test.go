package notify_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/notify"
	"github.com/cadrift/cadrift/internal/notify/slack"
	"github.com/cadrift/cadrift/internal/notify/teams"
	"github.com/cadrift/cadrift/internal/notify/webhook"
	"github.com/cadrift/cadrift/internal/store"
	"github.com/cadrift/cadrift/internal/words"
)

// got is one request that reached a receiver.
type got struct {
	at   time.Time
	body string
	id   string // webhook-id
	// lost tells that the receiver took it and its answer never came back.
	lost, taken bool
}

// far is the receiver's end of the wire: it answers as the test says, and
// knows what really arrived.
type far struct {
	fault func(at time.Time) fault
	got   []got
}

// fault is what happens to a request: nothing, an answer, a reset before or
// after the body was read, or that it takes long.
type fault struct {
	takes       time.Duration
	status      int
	retryAfter  string
	resetBefore bool
	resetAfter  bool
}

func (f *far) RoundTrip(r *http.Request) (*http.Response, error) {
	now := time.Now()
	x := f.fault(now)
	if x.resetBefore {
		return nil, fmt.Errorf("dial tcp: connection refused")
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	g := got{at: now, body: string(body), id: r.Header.Get("webhook-id"), lost: x.resetAfter, taken: x.status == 0}
	select {
	case <-r.Context().Done():
		g.lost = true
	case <-time.After(max(x.takes, 50*time.Millisecond)): // a request takes its time
	}
	f.got = append(f.got, g)
	if g.lost {
		return nil, fmt.Errorf("read tcp: connection reset by peer")
	}
	a := &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("ok")), Request: r}
	if x.status != 0 {
		a.StatusCode, a.Body = x.status, io.NopCloser(strings.NewReader("no"))
		if x.retryAfter != "" {
			a.Header.Set("Retry-After", x.retryAfter)
		}
	}
	return a, nil
}

// lane is one receiver: its wire and, while a process lives, its worker.
type lane struct {
	name string
	far  *far
	sink func(*notify.Poster) notify.Sink
}

// world is a store that outlives the processes that use it.
type world struct {
	t     *testing.T
	path  string
	lanes []*lane
	seq   int
	bound store.Bound         // of the queues; zero is the product's
	sent  map[string][]string // object → event ids in their order
	mu    sync.Mutex          // guards what scripts count
}

func newWorld(t *testing.T, script func(lane string, at time.Time) fault) *world {
	w := &world{t: t, path: filepath.Join(t.TempDir(), "cadrift.db"), sent: map[string][]string{}}
	for name, sink := range map[string]func(*notify.Poster) notify.Sink{
		"slack":   func(p *notify.Poster) notify.Sink { return slack.New(p, words.Links{}) },
		"teams":   func(p *notify.Poster) notify.Sink { return teams.New(p, words.Links{}) },
		"webhook": func(p *notify.Poster) notify.Sink { return webhook.New(p, "") },
	} {
		w.lanes = append(w.lanes, &lane{name, &far{fault: func(at time.Time) fault { return w.next(script, name, at) }}, sink})
	}
	slices.SortFunc(w.lanes, func(a, b *lane) int { return strings.Compare(a.name, b.name) })
	return w
}

// next asks the script what happens to a request. Workers ask at the same
// time.
func (w *world) next(script func(string, time.Time) fault, name string, at time.Time) fault {
	w.mu.Lock()
	defer w.mu.Unlock()
	if script == nil {
		return fault{}
	}
	return script(name, at)
}

// live runs one process: store, workers, and during what happens in it.
func (w *world) live(during func(s *store.Store, wake func())) {
	w.t.Helper()
	s, err := store.Open(w.path, store.Options{Create: true, Queue: w.bound})
	fail(w.t, err)
	fail(w.t, s.Bind("contoso", contosoID))
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, len(w.lanes))
	var workers []*notify.Worker
	for _, l := range w.lanes {
		post, err := notify.NewPoster(notify.PostOptions{URL: drift.NewSecret("https://" + l.name + ".example/x?sig=1"), Transport: l.far})
		fail(w.t, err)
		tries, err := s.Tries(l.name)
		fail(w.t, err)
		worker, err := notify.NewWorker(notify.Options{
			Receiver: l.name, Outbox: s, Sink: l.sink(post), Metrics: notify.NewMetrics(prometheus.NewRegistry()),
			Logger: slog.New(slog.DiscardHandler), Depth: func(string) (int, int) { return 0, 0 }, Tries: tries,
		})
		fail(w.t, err)
		workers = append(workers, worker)
		go func() { done <- worker.Run(ctx) }()
	}
	during(s, func() {
		for _, worker := range workers {
			worker.Wake()
		}
	})
	cancel()
	for range w.lanes {
		if err := <-done; err != nil {
			w.t.Error(err)
		}
	}
	fail(w.t, s.Close())
}
