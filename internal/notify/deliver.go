package notify

import (
	"context"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// deliver sends one message and notes what came of it. It tells whether the
// next may follow at once.
func (w *Worker) deliver(ctx context.Context, b *batch) bool {
	m := b.message()
	out := w.try(ctx, m)
	if out.Result == Unfit {
		w.Logger.Warn("payload refused, sending it as plain text", "reason", out.Reason, "events", b.ids())
		if !w.rest(ctx, b.critical) {
			return false
		}
		m.Plain = true
		out = w.try(ctx, m)
		if out.Result == Unfit {
			out.Result = Refused
		}
	}
	now := time.Now()
	ids := b.ids()
	switch out.Result {
	case Delivered:
		w.recovered(out)
		w.succeeded(now)
		w.tally(b, countDelivered)
		return w.note(func() error { return w.Outbox.Delivered(w.Receiver, ids) })
	case Later:
		w.complain(out.Reason)
		w.tally(b, countRetried)
		d := max(w.hold(out.RetryAfter, now), backoff(b.attempts+1))
		w.note(func() error { return w.Outbox.Retry(w.Receiver, ids, w.now().Add(d), out.Reason) })
		return false
	default:
		w.Logger.Error("receiver refused events for good, parked", "reason", out.Reason, "events", ids)
		w.tally(b, countParked)
		return w.note(func() error { return w.Outbox.Park(w.Receiver, ids, now, out.Reason) })
	}
}

// try makes one send, which may outlive ctx by the grace.
func (w *Worker) try(ctx context.Context, m *Message) Outcome {
	send, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel()
		case <-send.Done():
		}
	})
	w.pace.count(time.Now())
	out := w.Sink.Send(send, m)
	cancel()
	if !stop() { // the function above was started: leave nothing behind
		<-ended
	}
	return out
}

// rest waits until the rate allows another message, false when ctx ends first.
func (w *Worker) rest(ctx context.Context, critical bool) bool {
	timer := time.NewTimer(w.pace.wait(time.Now(), critical))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// recovered ends a series of failures.
func (w *Worker) recovered(out Outcome) {
	if w.failures > 0 {
		w.Logger.Info("receiver takes notifications again", "answer", out.Reason)
	}
	w.failures, w.told = 0, ""
}

// tally counts the rows of a batch. Those that the receiver is told of as a
// number only, folded here or in the queue, are told apart once the message
// with the number went out.
func (w *Worker) tally(b *batch, result string) {
	for _, r := range b.rows {
		w.Metrics.count(w.Receiver, r.Event.Type, result, 1)
	}
	if result == countDelivered {
		result = countFolded
		for r := range b.all() {
			w.dropped(r.Folded)
		}
	}
	for _, r := range b.folded {
		w.Metrics.count(w.Receiver, r.Event.Type, result, 1)
	}
}

// dropped counts what a delivered row carried.
func (w *Worker) dropped(f *drift.Folded) {
	if f == nil {
		return
	}
	for t, n := range f.Types {
		w.Metrics.count(w.Receiver, t, countFolded, n)
	}
}

// note writes an outcome to the outbox. When the store cannot take it, the
// worker remembers it and stands still until the store can: a full disk must
// not become a message every second.
func (w *Worker) note(write func() error) bool {
	if err := write(); err != nil {
		w.complain("note outcome: " + err.Error())
		w.unnoted = append(w.unnoted, write)
		w.hold(0, time.Now())
		return false
	}
	return true
}

// settle writes the outcomes that the store could not take.
func (w *Worker) settle() bool {
	for len(w.unnoted) > 0 {
		if err := w.unnoted[0](); err != nil {
			w.complain("note outcome: " + err.Error())
			return false
		}
		w.unnoted = w.unnoted[1:]
	}
	return true
}

// Direct sends one event past the outbox, once, and returns the answer: for
// "notify test", and for the one alert that says that the store is broken. It
// may be called while Run works; the rate does not apply to it.
func (w *Worker) Direct(ctx context.Context, e *drift.Event) Outcome {
	out := Once(ctx, w.Sink, e)
	if out.Result == Delivered {
		w.succeeded(time.Now())
		w.Metrics.count(w.Receiver, e.Type, countDelivered, 1)
	}
	return out
}
