package notify_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/store"
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
	queued := s.Queues()
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
				if len(s.Queues()) == 0 {
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

// A process that dies every few seconds in the middle of a storm still sends no
// more than five messages a minute.
func TestRestartsDoNotRefillTheMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.live(func(s *store.Store, _ func()) {
			w.happen(s, rand.New(rand.NewPCG(1, 9)), 240, func() drift.Severity { return drift.Critical })
		})
		for range 60 {
			w.live(func(*store.Store, func()) { time.Sleep(7 * time.Second) })
		}
		w.check()
		for _, l := range w.lanes {
			if d := l.far.got[len(l.far.got)-1].at.Sub(l.far.got[0].at); l.name != "webhook" && d < 2*time.Minute {
				t.Errorf("%s got %d messages within %v: no storm", l.name, len(l.far.got), d)
			}
		}
	})
}

// A receiver that is slow to answer while the process is told to stop: the
// answer is waited for, and the event does not come again.
func TestStopDoesNotRepeatWhatIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(string, time.Time) fault { return fault{takes: 8 * time.Second} })
		var told time.Time
		w.live(func(s *store.Store, wake func()) {
			w.happen(s, rand.New(rand.NewPCG(1, 8)), 1, ordinary)
			wake()
			time.Sleep(time.Second)
			told = time.Now()
		})
		if d := time.Since(told); d < 6*time.Second || d > 10*time.Second {
			t.Errorf("the stop took %v, want the 7 s until the answers", d)
		}
		w.live(func(*store.Store, func()) { time.Sleep(time.Hour) })
		w.check()
		for _, l := range w.lanes {
			if len(l.far.got) != 1 {
				t.Errorf("%s got %d messages, want 1", l.name, len(l.far.got))
			}
		}
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
