package notify_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/notify"
	"github.com/cadrift/cadrift/internal/notify/webhook"
	"github.com/cadrift/cadrift/internal/store"
	"github.com/cadrift/cadrift/internal/words"
)

// peakHeap is what a worker may keep alive at once, however long its queue: a
// bite of 8 MiB of JSON as events, and the message under way.
const peakHeap = 24 << 20

// A worker that comes back to a long queue reads it in bites.
func TestMemoryOfALongQueueIsBounded(t *testing.T) {
	type volume struct{ events, members int }
	volumes := []volume{{1000, 10}, {100, 800}} // everyday counts
	if long() {
		volumes = append(volumes, volume{10_000, 10}, volume{250, 800})
	}
	for _, c := range volumes {
		n, path := c.events, filepath.Join(t.TempDir(), "cadrift.db")
		fill(t, path, n, c.members)
		for receiver, sink := range sinks {
			synctest.Test(t, func(t *testing.T) {
				peak, sends := workOff(t, path, receiver, sink)
				t.Logf("%d events for %s: %.1f MiB live at the peak of %d sends", n, receiver, float64(peak)/(1<<20), sends)
				if peak > peakHeap {
					t.Errorf("%d events for %s: %d bytes live, want at most %d", n, receiver, peak, peakHeap)
				}
				if sends == 0 {
					t.Errorf("nothing was sent to %s", receiver)
				}
			})
		}
	}
}

var sinks = map[string]func(*notify.Poster, words.Links) notify.Sink{"slack": asSlack, "teams": asTeams, "webhook": asWebhook}

func asWebhook(p *notify.Poster, _ words.Links) notify.Sink { return webhook.New(p, "") }

// fill queues n events for each receiver, of 2 KB and 250 bytes a member.
func fill(t *testing.T, path string, n, members int) {
	t.Helper()
	s, err := store.Open(path, store.Options{Create: true})
	fail(t, err)
	defer s.Close()
	fail(t, s.Bind("contoso", contosoID))
	r := rand.New(rand.NewPCG(1, 2))
	begin := time.Now().Add(-240 * 24 * time.Hour)
	for chunk := range slices.Chunk(make([]struct{}, n), 2500) {
		c := drift.Commit{TenantID: contosoID, Time: begin}
		for range chunk {
			e := alert(fmt.Sprintf("CA%03d", r.IntN(240)), r.IntN(240))
			e.Time, e.LockoutRisk, e.DriftSeverity, e.Severity = begin, nil, nil, drift.Medium
			begin = begin.Add(30 * time.Minute)
			for range members {
				id := fmt.Sprintf("%032x%08x", r.Uint64(), r.Uint32())
				e.Changes = append(e.Changes, drift.Change{Path: "/conditions/users/excludeUsers", Field: "Excluded users", Text: "Excluded users: + " + id})
				e.Patch = append(e.Patch, drift.PatchOp{Op: "add", Path: "/conditions/users/excludeUsers/-", Value: fmt.Appendf(nil, "%q", id)})
			}
			c.Events = append(c.Events, drift.NewEvent{Event: *e, Receivers: slices.Collect(maps.Keys(sinks))})
		}
		_, err := s.Commit(c)
		fail(t, err)
	}
	if q := s.Queues()["slack"]; q.Queued != n {
		t.Fatalf("%+v queued, want %d", q, n)
	}
}

// workOff lets a worker send a dozen messages, and tells the most bytes that
// were alive during one beyond those before it started.
func workOff(t *testing.T, path, receiver string, sink func(*notify.Poster, words.Links) notify.Sink) (peak int64, sends int) {
	t.Helper()
	s, err := store.Open(path, store.Options{})
	fail(t, err)
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	base := live()
	scale := transport(func(r *http.Request) (*http.Response, error) {
		peak = max(peak, live()-base)
		if sends++; sends == 12 {
			cancel()
		}
		return quick{}.RoundTrip(r)
	})
	post, err := notify.NewPoster(notify.PostOptions{URL: drift.NewSecret("https://receiver.example/x"), Transport: scale})
	fail(t, err)
	worker, err := notify.NewWorker(notify.Options{
		Receiver: receiver, Outbox: s, Sink: sink(post, words.Links{}), Metrics: notify.NewMetrics(prometheus.NewRegistry()),
		Logger: slog.New(slog.DiscardHandler), Depth: func(string) (int, int) { return 0, 0 },
	})
	fail(t, err)
	go func() { // a short queue is empty before the scale has seen enough
		select {
		case <-ctx.Done():
		case <-time.After(time.Hour):
			cancel()
		}
	}()
	fail(t, worker.Run(ctx))
	return peak, sends
}

// live is the memory that a collection leaves.
func live() int64 {
	runtime.GC()
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64())
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// BenchmarkThousandEvents renders and queues 1,000 events for three receivers.
func BenchmarkThousandEvents(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		s, err := store.Open(filepath.Join(b.TempDir(), "cadrift.db"), store.Options{Create: true})
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Bind("contoso", contosoID); err != nil {
			b.Fatal(err)
		}
		c := drift.Commit{TenantID: contosoID, Time: time.Now()}
		for i := range 1000 {
			c.Events = append(c.Events, drift.NewEvent{Event: *alert(fmt.Sprintf("CA%03d", i), i), Receivers: []string{"slack", "teams", "webhook"}})
		}
		b.StartTimer()
		done, err := s.Commit(c)
		if err != nil {
			b.Fatal(err)
		}
		for chunk := range slices.Chunk(done.Events, 12) {
			m := &notify.Message{}
			for i := range chunk {
				m.Items = append(m.Items, notify.Item{Event: &chunk[i]})
			}
			for _, sink := range []func(*notify.Poster, words.Links) notify.Sink{asSlack, asTeams} {
				render(b, sink, m)
			}
		}
		b.StopTimer()
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// render composes and posts to a wire that answers at once.
func render(b *testing.B, make func(*notify.Poster, words.Links) notify.Sink, m *notify.Message) {
	post, err := notify.NewPoster(notify.PostOptions{URL: drift.NewSecret("https://receiver.example/x"), Transport: quick{}})
	if err != nil {
		b.Fatal(err)
	}
	if out := make(post, words.Links{}).Send(context.Background(), m); out.Result != notify.Delivered {
		b.Fatal(out)
	}
}

// quick answers at once and keeps nothing.
type quick struct{}

func (quick) RoundTrip(r *http.Request) (*http.Response, error) {
	_, err := io.Copy(io.Discard, r.Body)
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("ok")), Request: r}, err
}
