package notify

import (
	"context"
	"math/rand/v2"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/cadrift/cadrift/internal/drift"
)

// 240 policies changed at once: everything critical is seen, the first message
// at once, never more than five a minute.
func TestStormShowsEveryCriticalEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		box, sink := &memory{}, &receiver{limits: chatLimits}
		critical := map[string]bool{}
		for i := range 240 {
			severity := drift.Medium
			if i%3 == 0 {
				severity = drift.Critical
			}
			e := change(i+1, strconv.Itoa(i), severity, begin)
			critical[e.ID] = severity == drift.Critical
			box.add(e)
		}
		w := newWorker(t, box, sink)
		defer start(t, w)()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		got := sink.all()
		if !got[0].at.Equal(begin) {
			t.Errorf("the first message came after %v, want at once", got[0].at.Sub(begin))
		}
		checkPace(t, got, 5)
		shown := map[string]bool{}
		for _, s := range got {
			if len(s.m.Items) > chatLimits.Events {
				t.Errorf("got %d events in one message, want at most %d", len(s.m.Items), chatLimits.Events)
			}
			for _, id := range s.ids() {
				shown[id] = true
			}
		}
		for id, want := range critical {
			if want && !shown[id] {
				t.Errorf("critical event %s was not shown", id)
			}
		}
		if queued, _ := box.depth(""); queued != 0 {
			t.Errorf("got %d rows left, want 0", queued)
		}
		folded := testutil.ToFloat64(w.Metrics.sent.WithLabelValues("oncall", "drift.changed", "folded"))
		delivered := testutil.ToFloat64(w.Metrics.sent.WithLabelValues("oncall", "drift.changed", "delivered"))
		if folded == 0 || folded+delivered != 240 {
			t.Errorf("got %v folded and %v delivered, want 240 together and some folded", folded, delivered)
		}
	})
}

// What the queue folded counts as folded once the message that tells of it went
// out, and not before.
func TestDroppedEventsCountWhenTheyAreTold(t *testing.T) {
	for _, limits := range []Limits{chatLimits, webhookLimits} {
		synctest.Test(t, func(t *testing.T) {
			box, sink := &memory{}, &receiver{limits: limits}
			for i := range 20 {
				box.add(change(i+1, strconv.Itoa(i), drift.Low, time.Now()))
				box.rows[i].Folded = &drift.Folded{Count: 3, Types: map[drift.EventType]int{drift.DriftChanged: 2, drift.GuardRefused: 1}, From: time.Now(), To: time.Now()}
			}
			tries := 0
			sink.answer = func(context.Context, *Message) Outcome {
				if tries++; tries == 1 {
					return Outcome{Result: Later}
				}
				return Outcome{Result: Delivered}
			}
			w := newWorker(t, box, sink)
			defer start(t, w)()
			synctest.Wait()
			count := func(e string) float64 {
				return testutil.ToFloat64(w.Metrics.sent.WithLabelValues("oncall", e, "folded"))
			}
			if n := count("guard.refused"); n != 0 {
				t.Errorf("%v told before the receiver took anything", n)
			}
			time.Sleep(time.Hour)
			synctest.Wait()
			digest := float64(max(0, 20-limits.Events))
			if limits.Events == 1 {
				digest = 0
			}
			if changes, guards := count("drift.changed"), count("guard.refused"); guards != 20 || changes != 40+digest {
				t.Errorf("%d events a message: %v and %v folded, want %v and 20", limits.Events, changes, guards, 40+digest)
			}
			told := 0
			for _, s := range sink.all()[1:] {
				told += s.m.Dropped.Count
			}
			if told != 60 {
				t.Errorf("%d events a message: told of %d, want 60", limits.Events, told)
			}
		})
	}
}

// Ordinary messages leave room for a critical one within the minute.
func TestCriticalEventFindsRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box, sink := &memory{}, &receiver{limits: chatLimits}
		for i := range 5 {
			box.add(change(i+1, strconv.Itoa(i), drift.Low, time.Now().Add(time.Duration(i)*time.Minute)))
		}
		w := newWorker(t, box, sink)
		defer start(t, w)()
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if n := len(sink.all()); n != 4 {
			t.Fatalf("got %d messages, want 4 of the 5", n)
		}
		box.add(change(6, "x", drift.Critical, time.Now()))
		w.Wake()
		synctest.Wait()
		got := sink.all()
		if last := got[len(got)-1]; last.m.Items[0].Event.Seq != 6 {
			t.Errorf("got event %d last, want the critical one at once", last.m.Items[0].Event.Seq)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		checkPace(t, sink.all(), 5)
	})
}

func TestBacklogBecomesADigest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box, sink := &memory{}, &receiver{limits: chatLimits}
		for i := range 100 {
			severity := drift.Low
			if i%25 == 0 {
				severity = drift.Critical
			}
			box.add(change(i+1, strconv.Itoa(i%7), severity, time.Now().Add(time.Duration(i)*time.Hour)))
		}
		defer start(t, newWorker(t, box, sink))()
		time.Sleep(time.Hour)
		synctest.Wait()
		got := sink.all()
		checkOrder(t, got)
		last := got[len(got)-1]
		if !last.m.Digest || len(last.m.Folded) == 0 {
			t.Errorf("got last message %+v, want a digest", last.m)
		}
		if want := "Catching up on "; last.m.Intro()[:len(want)] != want {
			t.Errorf("got intro %q", last.m.Intro())
		}
		shown := 0
		for _, s := range got[:len(got)-1] {
			for _, it := range s.m.Items {
				if it.Event.Severity == drift.Critical {
					shown++
				}
			}
		}
		if shown != 4 {
			t.Errorf("got %d critical events before the digest, want all 4", shown)
		}
	})
}

// A week without the receiver, with the process restarted at random moments:
// nothing is lost, order per object holds, nothing comes twice that was not in
// doubt.
func TestWeekOfOutageWithRestarts(t *testing.T) {
	for name, limits := range map[string]Limits{"chat": chatLimits, "webhook": webhookLimits} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rnd := rand.New(rand.NewPCG(1, 2))
				begin := time.Now()
				box, sink := &memory{}, &receiver{limits: limits}
				refused := 0
				sink.answer = func(context.Context, *Message) Outcome {
					if time.Since(begin) < 7*24*time.Hour {
						refused++
						return Outcome{Result: Later, Reason: "connection refused"}
					}
					return Outcome{Result: Delivered}
				}
				seq := 0
				for range 200 {
					w := newWorker(t, box, sink)
					stop := start(t, w)
					seq++
					box.add(change(seq, strconv.Itoa(rnd.IntN(20)), drift.Severity(1+rnd.IntN(4)), time.Now()))
					w.Wake()
					time.Sleep(time.Duration(rnd.Int64N(int64(100 * time.Minute))))
					stop()
				}
				time.Sleep(7*24*time.Hour - time.Since(begin))
				synctest.Wait()
				if refused < 200 {
					t.Errorf("got %d refused tries: the outage did not happen", refused)
				}
				before := len(sink.all())
				defer start(t, newWorker(t, box, sink))()
				time.Sleep(12 * time.Hour)
				synctest.Wait()
				if queued, _ := box.depth(""); queued != 0 {
					t.Errorf("got %d rows left, want 0", queued)
				}
				after := sink.all()[before:]
				checkOrder(t, after)
				count := map[uint64]int{}
				for _, s := range after {
					for _, e := range s.m.events() {
						count[e.Seq]++
					}
				}
				for i := range seq {
					if n := count[uint64(i+1)]; n != 1 {
						t.Errorf("event %d was told %d times, want once", i+1, n)
					}
				}
				if limits.grouped() {
					checkPace(t, after, limits.PerMinute)
				}
			})
		})
	}
}

// A reset after the body was sent: the receiver has the event, we do not know.
func TestLostAnswersRepeatAndSaySo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rnd := rand.New(rand.NewPCG(3, 4))
		box, sink := &memory{}, &receiver{limits: webhookLimits}
		lost := map[uint64]int{}
		sink.answer = func(_ context.Context, m *Message) Outcome {
			if rnd.IntN(4) == 0 {
				lost[m.Items[0].Event.Seq]++
				return Outcome{Result: Later, Reason: "connection reset by peer"}
			}
			return Outcome{Result: Delivered}
		}
		for i := range 300 {
			box.add(change(i+1, strconv.Itoa(i%10), drift.Low, time.Now()))
		}
		defer start(t, newWorker(t, box, sink))()
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if len(lost) < 30 {
			t.Errorf("got %d lost answers: the fault did not fire", len(lost))
		}
		checkOrder(t, sink.all())
		count := map[uint64]int{}
		for _, s := range sink.all() {
			it := s.m.Items[0]
			if it.Repeat != (count[it.Event.Seq] > 0) {
				t.Errorf("event %d, try %d: got Repeat %v", it.Event.Seq, count[it.Event.Seq], it.Repeat)
			}
			count[it.Event.Seq]++
		}
		for i := range 300 {
			seq := uint64(i + 1)
			if count[seq] != lost[seq]+1 {
				t.Errorf("event %d came %d times, want %d", seq, count[seq], lost[seq]+1)
			}
		}
	})
}
