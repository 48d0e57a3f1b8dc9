package notify

import (
	"context"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/cadrift/cadrift/internal/drift"
)

func TestWorkerDeliversAndClears(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box, sink := &memory{}, &receiver{limits: chatLimits}
		box.add(change(1, "a", drift.Low, time.Now()), change(2, "b", drift.Critical, time.Now()))
		w := newWorker(t, box, sink)
		stop := start(t, w)
		defer stop()
		synctest.Wait()
		got := sink.all()
		if len(got) != 1 || len(got[0].m.Items) != 2 || got[0].ids()[0] != "contoso-000000000002" {
			t.Fatalf("got %d messages %v, want one with the critical event first", len(got), got)
		}
		if queued, _ := box.depth(""); queued != 0 {
			t.Errorf("got %d rows left, want 0", queued)
		}
		if got := w.LastSuccess(); !got.Equal(time.Now()) {
			t.Errorf("got last success %v, want %v", got, time.Now())
		}

		time.Sleep(time.Hour)
		synctest.Wait()
		box.add(change(3, "a", drift.High, time.Now()))
		w.Wake()
		synctest.Wait()
		if n := len(sink.all()); n != 2 {
			t.Errorf("got %d messages after Wake, want 2", n)
		}
	})
}

func TestWorkerNeedsItsOptions(t *testing.T) {
	if _, err := NewWorker(Options{Receiver: "oncall"}); err == nil {
		t.Error("got a worker without an outbox, want an error")
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		box, sink := &memory{}, &receiver{limits: webhookLimits}
		sink.answer = func(context.Context, *Message) Outcome {
			if time.Since(begin) < 10*time.Minute {
				return Outcome{Result: Later, RetryAfter: 90 * time.Second, Reason: "HTTP 429"}
			}
			return Outcome{Result: Delivered}
		}
		for i := range 50 {
			box.add(change(i+1, strconv.Itoa(i), drift.High, begin))
		}
		defer start(t, newWorker(t, box, sink))()
		time.Sleep(30 * time.Minute)
		synctest.Wait()
		got := sink.all()
		storm := 0
		for i, s := range got {
			if s.at.Sub(begin) >= 10*time.Minute {
				break
			}
			storm++
			if i > 0 && s.at.Sub(got[i-1].at) < 90*time.Second {
				t.Errorf("try %d came %v after the one before, want 90s or more", i, s.at.Sub(got[i-1].at))
			}
		}
		if storm < 5 {
			t.Errorf("got %d tries in the storm: the fault did not fire", storm)
		}
		if queued, _ := box.depth(""); queued != 0 {
			t.Errorf("got %d rows left, want 0", queued)
		}
		checkOrder(t, got)
	})
}

func TestBackoffGrowsAndIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box, sink := &memory{}, &receiver{limits: webhookLimits}
		sink.answer = func(context.Context, *Message) Outcome { return Outcome{Result: Later, Reason: "HTTP 503"} }
		box.add(change(1, "a", drift.High, time.Now()))
		defer start(t, newWorker(t, box, sink))()
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		got := sink.all()
		// Full jitter means half of 15 minutes on average: about 190 tries.
		if len(got) < 100 || len(got) > 400 {
			t.Errorf("got %d tries in a day, want 100 to 400", len(got))
		}
		for i := 1; i < len(got); i++ {
			if d := got[i].at.Sub(got[i-1].at); d > lastBackoff+time.Second {
				t.Errorf("got a wait of %v, want at most %v", d, lastBackoff)
			}
		}
		if !got[1].m.Items[0].Repeat || got[0].m.Items[0].Repeat {
			t.Error("the second try must be marked as a possible repeat, the first must not")
		}
	})
}

// One event that a receiver always chokes on must not hold up the others.
func TestPoisonedEventDoesNotBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box, sink := &memory{}, &receiver{limits: webhookLimits}
		sink.answer = func(_ context.Context, m *Message) Outcome {
			if m.Items[0].Event.Seq == 1 {
				return Outcome{Result: Later, Reason: "HTTP 500"}
			}
			return Outcome{Result: Delivered}
		}
		box.add(change(1, "a", drift.Low, time.Now()), change(2, "a", drift.Low, time.Now()))
		for i := range 20 {
			box.add(change(i+3, strconv.Itoa(i), drift.Low, time.Now()))
		}
		defer start(t, newWorker(t, box, sink))()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if queued, _ := box.depth(""); queued != 2 {
			t.Errorf("got %d rows left, want 2: the poisoned event and the one behind it", queued)
		}
		for _, s := range sink.all() {
			if s.m.Items[0].Event.Seq == 2 {
				t.Error("event 2 overtook event 1 about the same object")
			}
		}
	})
}

func TestRefusedForGoodIsParked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box, sink := &memory{}, &receiver{limits: webhookLimits}
		sink.answer = func(_ context.Context, m *Message) Outcome {
			if m.Items[0].Event.Seq == 1 {
				return Outcome{Result: Refused, Reason: "HTTP 410"}
			}
			return Outcome{Result: Delivered}
		}
		box.add(change(1, "a", drift.Low, time.Now()), change(2, "a", drift.Low, time.Now()))
		w := newWorker(t, box, sink)
		defer start(t, w)()
		synctest.Wait()
		if len(box.parked) != 1 || box.parked[0].Reason != "HTTP 410" || len(box.rows) != 0 {
			t.Fatalf("got parked %v and %d rows, want event 1 parked and none left", box.parked, len(box.rows))
		}
		if got := testutil.ToFloat64(w.Metrics.parked); got != 1 {
			t.Errorf("got gauge %v, want 1", got)
		}
		if got := testutil.ToFloat64(w.Metrics.sent.WithLabelValues("oncall", "drift.changed", "parked")); got != 1 {
			t.Errorf("got counter %v, want 1", got)
		}
	})
}

func TestRefusedPayloadGoesOnceMoreAsPlainText(t *testing.T) {
	for _, c := range []struct {
		name           string
		plain          Result
		parked, queued int
	}{
		{"plain is taken", Delivered, 0, 0},
		{"plain is refused too", Unfit, 1, 0},
		{"receiver is down by then", Later, 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				box, sink := &memory{}, &receiver{limits: chatLimits}
				sink.answer = func(_ context.Context, m *Message) Outcome {
					if !m.Plain {
						return Outcome{Result: Unfit, Reason: "HTTP 400 invalid_blocks"}
					}
					return Outcome{Result: c.plain, RetryAfter: time.Hour}
				}
				box.add(change(1, "a", drift.Low, time.Now()))
				defer start(t, newWorker(t, box, sink))()
				time.Sleep(2 * time.Second)
				synctest.Wait()
				if n := len(sink.all()); n != 2 {
					t.Errorf("got %d tries, want 2", n)
				}
				if len(box.parked) != c.parked || len(box.rows) != c.queued {
					t.Errorf("got %d parked and %d queued, want %d and %d", len(box.parked), len(box.rows), c.parked, c.queued)
				}
			})
		})
	}
}

// A store that cannot note the outcome must not make the worker send again and
// again.
func TestUnnotedOutcomeIsNotSentTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box, sink := &memory{}, &receiver{limits: webhookLimits}
		box.add(change(1, "a", drift.Critical, time.Now()))
		box.breakDown(errDisk)
		defer start(t, newWorker(t, box, sink))()
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := len(sink.all()); n != 1 {
			t.Errorf("got %d sends with a broken store, want 1", n)
		}
		box.breakDown(nil)
		time.Sleep(time.Hour)
		synctest.Wait()
		if queued, _ := box.depth(""); queued != 0 || len(sink.all()) != 1 {
			t.Errorf("got %d rows and %d sends, want 0 and 1", queued, len(sink.all()))
		}
	})
}

func TestStopWaitsForTheAnswer(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer time.Duration // how long the receiver takes
		queued int
	}{
		{"answer within the grace is noted", 9 * time.Second, 0},
		{"no answer leaves the event in the outbox", time.Hour, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				box, sink := &memory{}, &receiver{limits: webhookLimits}
				sink.answer = func(ctx context.Context, _ *Message) Outcome {
					select {
					case <-ctx.Done():
						return Outcome{Result: Later, Reason: "stopped before the answer came"}
					case <-time.After(c.answer):
						return Outcome{Result: Delivered}
					}
				}
				box.add(change(1, "a", drift.Low, time.Now()))
				stop := start(t, newWorker(t, box, sink))
				time.Sleep(time.Second)
				begin := time.Now()
				stop()
				if d := time.Since(begin); d > grace {
					t.Errorf("the stop took %v, want at most %v", d, grace)
				}
				if queued, _ := box.depth(""); queued != c.queued {
					t.Errorf("got %d rows, want %d", queued, c.queued)
				}
			})
		})
	}
}

func TestDirectGoesPastTheOutbox(t *testing.T) {
	box, sink := &memory{}, &receiver{limits: chatLimits}
	sink.answer = func(_ context.Context, m *Message) Outcome {
		if m.Plain {
			return Outcome{Result: Delivered, Answer: "ok"}
		}
		return Outcome{Result: Unfit}
	}
	w := newWorker(t, box, sink)
	e := change(1, "a", drift.Critical, time.Now())
	e.Type = drift.TestEvent
	if out := w.Direct(context.Background(), &e); out.Result != Delivered || out.Answer != "ok" || len(sink.all()) != 2 {
		t.Errorf("got %+v after %d tries, want delivered by the second", out, len(sink.all()))
	}
	if got := testutil.ToFloat64(w.Metrics.sent.WithLabelValues("oncall", "test", "delivered")); got != 1 {
		t.Errorf("got counter %v, want 1", got)
	}
}

func TestMetricsStartAtZeroAndAreForgotten(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	m := NewMetrics(reg)
	m.start("oncall")
	series := len(drift.EventTypes())*4 + 2 // queue and parked; no success yet
	if n, err := testutil.GatherAndCount(reg); err != nil || n != series {
		t.Errorf("got %d series, %v, want %d", n, err, series)
	}
	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Errorf("got %v, %v", problems, err)
	}
	m.succeeded("oncall", time.UnixMilli(1500))
	if got := testutil.ToFloat64(m.success); got != 1.5 {
		t.Errorf("got %v, want 1.5", got)
	}
	m.Forget("oncall")
	if n, err := testutil.GatherAndCount(reg); err != nil || n != 0 {
		t.Errorf("got %d series, %v, want 0", n, err)
	}
}
