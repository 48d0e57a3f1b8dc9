package notify_test

import (
	"encoding/json"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/store"
)

var fullNote = regexp.MustCompile(`queue was full, earlier events folded: (\d+), `)

// Receivers are away for so long that their queues fold. When they are back,
// each is told of every event: singly, counted in a digest, or in a sum that
// says so. What is critical comes singly and in its order.
func TestFullQueueSaysWhatItFolded(t *testing.T) {
	n := seed(t)
	r, luck := rand.New(rand.NewPCG(n, 6)), rand.New(rand.NewPCG(n, 7))
	synctest.Test(t, func(t *testing.T) {
		away, refused := true, 0
		w := newWorld(t, func(string, time.Time) fault {
			if away {
				refused++
				return []fault{{resetBefore: true}, {status: 503}}[luck.IntN(2)]
			}
			return fault{}
		})
		w.bound = store.Bound{Events: 60}
		passes := 60 // everyday counts
		if long() {
			passes = 600
		}
		critical := map[string]bool{}
		var before map[string]store.Queue
		w.live(func(s *store.Store, wake func()) {
			for i := range passes {
				severity := drift.Medium
				if i%15 == 5 {
					severity = drift.Critical
				}
				w.few(s, r, 8, severity, critical)
				wake()
				time.Sleep(time.Duration(r.IntN(40)) * time.Second)
			}
			before = s.Queues()
			w.mu.Lock()
			away = false
			w.mu.Unlock()
			for range 14 * 24 {
				if time.Sleep(time.Hour); len(s.Queues()) == 0 {
					return
				}
			}
			t.Errorf("left over: %v", s.Queues())
		})
		if refused == 0 || len(critical) == 0 {
			t.Fatalf("%d requests refused, %d critical events: the test proves nothing", refused, len(critical))
		}
		for _, l := range w.lanes {
			q := before[l.name]
			if q.Folded == 0 || q.Queued+q.Folded != w.seq {
				t.Errorf("%s: %+v while away, want %d events in all and some folded", l.name, q, w.seq)
			}
			w.checkPace(l)
			told := 0
			if l.name == "webhook" {
				told = w.toldByWebhook(l) - q.Queued
			} else {
				told = toldByChat(t, l)
			}
			if told != q.Folded {
				t.Errorf("%s was told of %d folded events, want %d", l.name, told, q.Folded)
			}
			bodies := bodiesOf(l)
			for id := range critical {
				if !strings.Contains(bodies, id) {
					t.Errorf("%s never saw critical event %s", l.name, id)
				}
			}
			t.Logf("%s: %d events, %+v while away, %d critical", l.name, w.seq, q, len(critical))
		}
	})
}

// few commits changes of n of a dozen objects.
func (w *world) few(s *store.Store, r *rand.Rand, n int, severity drift.Severity, critical map[string]bool) {
	w.t.Helper()
	c := drift.Commit{TenantID: contosoID, Time: time.Now().UTC()}
	for _, i := range r.Perm(12)[:n] {
		e := alert("CA00"+strconv.Itoa(i), i)
		e.Time, e.LockoutRisk, e.Severity, e.DriftSeverity = c.Time, new(false), severity, nil
		e.DriftDirection, e.Drift = nil, drift.DriftNone
		c.Events = append(c.Events, drift.NewEvent{Event: *e, Receivers: []string{"slack", "teams", "webhook"}})
	}
	done, err := s.Commit(c)
	fail(w.t, err)
	for _, e := range done.Events {
		w.seq++
		w.sent[e.Object.ID] = append(w.sent[e.Object.ID], e.ID)
		if e.Critical() {
			critical[e.ID] = true
		}
	}
}

func bodiesOf(l *lane) string {
	var b strings.Builder
	for _, g := range l.far.got {
		if g.taken {
			b.WriteString(g.body + "\n")
		}
	}
	return b.String()
}

// toldByChat adds up the notes of the messages.
func toldByChat(t *testing.T, l *lane) int {
	t.Helper()
	told := 0
	for _, note := range fullNote.FindAllStringSubmatch(bodiesOf(l), -1) {
		n, err := strconv.Atoi(note[1])
		fail(t, err)
		told += n
	}
	return told
}

// toldByWebhook counts the events that came and what they carried, and checks
// the order of each object.
func (w *world) toldByWebhook(l *lane) int {
	w.t.Helper()
	told := 0
	last := map[string]int{}
	for _, g := range l.far.got {
		if !g.taken {
			continue
		}
		var body struct {
			ID     string        `json:"id"`
			Object drift.Ref     `json:"object"`
			Folded *drift.Folded `json:"folded"`
		}
		fail(w.t, json.Unmarshal([]byte(g.body), &body))
		told += 1 + body.Folded.Events()
		at := slices.Index(w.sent[body.Object.ID], body.ID)
		if at < last[body.Object.ID] {
			w.t.Errorf("%s: %s came late", body.Object.ID, body.ID)
		}
		last[body.Object.ID] = at
	}
	return told
}
