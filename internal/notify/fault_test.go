package notify_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
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

const contosoID = "11111111-1111-1111-1111-111111111111"

// long tells whether full counts are asked for.
func long() bool { return os.Getenv("CADRIFT_LONG") != "" }

func seed(t *testing.T) uint64 {
	s := uint64(time.Now().UnixNano())
	if text := os.Getenv("CADRIFT_SEED"); text != "" {
		var err error
		s, err = strconv.ParseUint(text, 10, 64)
		fail(t, err)
	}
	t.Logf("CADRIFT_SEED=%d", s)
	return s
}

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

// fault is what happens to a request: nothing, an answer, or a reset before or
// after the body was read.
type fault struct {
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
	time.Sleep(50 * time.Millisecond) // a request takes its time
	g := got{at: now, body: string(body), id: r.Header.Get("webhook-id"), lost: x.resetAfter, taken: x.status == 0}
	f.got = append(f.got, g)
	if x.resetAfter {
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
	s, err := store.Open(w.path, store.Options{Create: true})
	fail(w.t, err)
	fail(w.t, s.Bind("contoso", contosoID))
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, len(w.lanes))
	var workers []*notify.Worker
	for _, l := range w.lanes {
		post, err := notify.NewPoster(notify.PostOptions{URL: drift.NewSecret("https://" + l.name + ".example/x?sig=1"), Transport: l.far})
		fail(w.t, err)
		worker, err := notify.NewWorker(notify.Options{
			Receiver: l.name, Outbox: s, Sink: l.sink(post), Metrics: notify.NewMetrics(prometheus.NewRegistry()),
			Logger: slog.New(slog.DiscardHandler), Depth: func(string) (int, int, error) { return 0, 0, nil },
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

// happen commits changes of n of the objects, as one pass would.
func (w *world) happen(s *store.Store, r *rand.Rand, n int, severity func() drift.Severity) {
	w.t.Helper()
	now := time.Now().UTC()
	c := drift.Commit{TenantID: contosoID, Time: now}
	for _, i := range r.Perm(240)[:n] {
		e := alert(fmt.Sprintf("CA%03d", i), i)
		e.Time, e.LockoutRisk, e.Severity, e.DriftSeverity = now, new(false), severity(), nil
		e.DriftDirection, e.Drift = nil, drift.DriftNone
		c.Events = append(c.Events, drift.NewEvent{Event: *e, Receivers: []string{"slack", "teams", "webhook"}})
	}
	done, err := s.Commit(c)
	fail(w.t, err)
	for _, e := range done.Events {
		w.sent[e.Object.ID] = append(w.sent[e.Object.ID], e.ID)
		w.seq++
	}
}

// check proves that every event was delivered in its object's order, and twice
// only where an answer was lost.
func (w *world) check() {
	w.t.Helper()
	s, err := store.Open(w.path, store.Options{})
	fail(w.t, err)
	defer s.Close()
	queued, err := s.Queued()
	fail(w.t, err)
	parked, err := s.Parked()
	fail(w.t, err)
	if len(queued) > 0 || len(parked) > 0 {
		w.t.Errorf("left over: queued %v, parked %d", queued, len(parked))
	}
	for _, l := range w.lanes {
		w.checkPace(l)
		if l.name == "webhook" {
			w.checkWebhook(l)
		}
	}
}

func (w *world) checkWebhook(l *lane) {
	w.t.Helper()
	taken, lost := map[string]int{}, map[string]int{}
	first := map[string]int{}
	for i, g := range l.far.got {
		if !g.taken {
			continue
		}
		taken[g.id]++
		if g.lost {
			lost[g.id]++
		}
		if _, seen := first[g.id]; !seen {
			first[g.id] = i
		}
	}
	for object, ids := range w.sent {
		for i, id := range ids {
			if taken[id] == 0 {
				w.t.Errorf("%s never arrived", id)
			}
			if taken[id] > 1+lost[id] {
				w.t.Errorf("%s arrived %d times, %d answers were lost", id, taken[id], lost[id])
			}
			if i > 0 && first[id] < first[ids[i-1]] {
				w.t.Errorf("%s: %s overtook %s", object, id, ids[i-1])
			}
		}
	}
}

func (w *world) checkPace(l *lane) {
	w.t.Helper()
	if l.name == "webhook" {
		return
	}
	for i := 5; i < len(l.far.got); i++ {
		if d := l.far.got[i].at.Sub(l.far.got[i-5].at); d < time.Minute {
			w.t.Errorf("%s: 6 messages within %v", l.name, d)
		}
	}
}

func ordinary() drift.Severity { return drift.Medium }

// Storms of 429 with every form of Retry-After, faults of the server, resets
// before and after the body: all arrives, in order.
func TestFaultsLoseNothing(t *testing.T) {
	n := seed(t)
	r, luck := rand.New(rand.NewPCG(n, 1)), rand.New(rand.NewPCG(n, 4)) // luck is the wire's, under its lock
	synctest.Test(t, func(t *testing.T) {
		kinds := map[string]int{}
		w := newWorld(t, func(_ string, at time.Time) fault {
			switch n := luck.IntN(10); {
			case n < 2:
				kinds["429"]++
				form := []string{"1", "2.5", "", "nonsense", at.Add(3 * time.Second).UTC().Format(http.TimeFormat), "86400000"}[luck.IntN(6)]
				return fault{status: 429, retryAfter: form}
			case n < 4:
				kinds["5xx"]++
				return fault{status: []int{500, 502, 503, 504, 408}[luck.IntN(5)]}
			case n < 5:
				kinds["reset before"]++
				return fault{resetBefore: true}
			case n < 6:
				kinds["reset after"]++
				return fault{resetAfter: true}
			}
			return fault{}
		})
		rounds := 8
		if long() {
			rounds = 60
		}
		w.live(func(s *store.Store, wake func()) {
			for range rounds {
				w.happen(s, r, 1+r.IntN(6), ordinary)
				wake()
				time.Sleep(time.Duration(r.IntN(600)) * time.Second)
			}
			for range 14 * 24 { // until everything that can be waited for is over
				time.Sleep(time.Hour)
				if left, err := s.Queued(); err != nil || len(left) == 0 {
					return
				}
			}
		})
		w.check()
		if len(kinds) != 4 {
			t.Errorf("faults that fired: %v, want all four kinds", kinds)
		}
		t.Logf("%d events, faults %v", w.seq, kinds)
	})
}

// Receivers are away for a week in which the process dies again and again,
// sometimes with a request under way.
func TestAWeekOfOutageWithRestarts(t *testing.T) {
	n := seed(t)
	r, luck := rand.New(rand.NewPCG(n, 2)), rand.New(rand.NewPCG(n, 5)) // luck is the wire's, under its lock
	outage, restarts := 12*time.Hour, 8                                 // everyday counts
	if long() {
		outage, restarts = 7*24*time.Hour, 200
	}
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		refused := 0
		w := newWorld(t, func(string, time.Time) fault {
			if time.Since(begin) < outage {
				refused++
				return []fault{{resetBefore: true}, {status: 503}, {status: 502}}[luck.IntN(3)]
			}
			return fault{}
		})
		for range restarts {
			w.live(func(s *store.Store, wake func()) {
				w.happen(s, r, r.IntN(4), ordinary)
				wake()
				time.Sleep(outage / time.Duration(restarts))
			})
		}
		back := time.Now()
		w.live(func(*store.Store, func()) { time.Sleep(12 * time.Hour) })
		w.check()
		if refused < restarts {
			t.Errorf("%d requests were refused: the outage was none", refused)
		}
		for _, l := range w.lanes { // a week is told in a few messages, not hundreds
			n := 0
			for _, g := range l.far.got {
				if g.taken && !g.at.Before(back) {
					n++
				}
			}
			if l.name != "webhook" && (n == 0 || n > 10) {
				t.Errorf("%s got %d messages after the outage, want a digest", l.name, n)
			}
		}
		t.Logf("%d events, %d restarts, %d requests refused", w.seq, restarts, refused)
	})
}

// 240 policies change at once: every critical one is seen, the first message
// within ten seconds, never more than five a minute.
func TestEverythingChangesAtOnce(t *testing.T) {
	r := rand.New(rand.NewPCG(seed(t), 3))
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		critical := map[string]bool{}
		begin := time.Now()
		w.live(func(s *store.Store, wake func()) {
			w.happen(s, r, 240, func() drift.Severity { return drift.Severities()[r.IntN(5)] })
			rows, err := s.Pending("webhook", 0)
			fail(t, err)
			for _, row := range rows {
				if row.Event.Severity == drift.Critical {
					critical[row.Event.ID] = true
				}
			}
			wake()
			time.Sleep(30 * time.Minute)
		})
		w.check()
		if len(critical) < 10 {
			t.Fatalf("only %d critical events", len(critical))
		}
		for _, l := range w.lanes {
			var all strings.Builder
			for _, g := range l.far.got {
				all.WriteString(g.body)
			}
			if d := l.far.got[0].at.Sub(begin); d > 10*time.Second {
				t.Errorf("%s: the first message came after %v", l.name, d)
			}
			for id := range critical {
				if !strings.Contains(all.String(), id) {
					t.Errorf("%s: critical event %s is not shown", l.name, id)
				}
			}
			t.Logf("%s: %d messages for 240 events, %d critical", l.name, len(l.far.got), len(critical))
		}
	})
}

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
