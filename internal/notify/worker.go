package notify

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// Outbox is the durable queue of a receiver.
type Outbox interface {
	// Pending are the oldest deliveries that the receiver has not
	// acknowledged, in the order of their commits, at most limit. Rows whose
	// Next lies ahead are among them: the worker keeps later events of the
	// same object behind them.
	Pending(receiver string, limit int) ([]drift.Delivery, error)
	// Delivered removes acknowledged rows. Unknown ids are no error.
	Delivered(receiver string, ids []string) error
	// Retry counts a failed try of the rows and sets when the next is due.
	Retry(receiver string, ids []string, next time.Time, reason string) error
	// Park moves rows that were refused for good to where people see them.
	Park(receiver string, ids []string, at time.Time, reason string) error
}

const (
	// window is how many rows one round looks at.
	window = 1000
	// grace is how long a try may go on after the worker was told to stop. A
	// plain docker stop kills after ten seconds.
	grace = 9 * time.Second
	// forever is a wait that only Wake or the end interrupts.
	forever = time.Duration(-1)
)

// Options are what a worker works with. All fields but the last two are
// needed.
type Options struct {
	Receiver string
	Outbox   Outbox
	Sink     Sink
	Metrics  *Metrics
	Logger   *slog.Logger
	// Depth counts the rows that wait and the rows that are parked.
	Depth func(receiver string) (queued, parked int)
	// LastSuccess is when the receiver last took a message, as far as known.
	LastSuccess time.Time
	// Tries are when an earlier worker sent its newest messages, oldest first:
	// they count for the receiver's rate.
	Tries []time.Time
}

// Worker delivers the outbox of one receiver.
type Worker struct {
	Options
	wake    chan struct{}
	success atomic.Int64 // UnixMilli of the last success, 0 unknown

	began time.Time

	// Owned by Run.
	pace     pace
	resume   time.Time // no try before this
	failures int       // in a row
	// unnoted are outcomes that the store could not take yet. Nothing is sent
	// until it does, so nothing is sent twice while this process lives.
	unnoted []func() error
	told    string // the reason last logged
}

// NewWorker prepares a worker; Run starts it.
func NewWorker(o Options) (*Worker, error) {
	if o.Receiver == "" || o.Outbox == nil || o.Sink == nil || o.Metrics == nil || o.Logger == nil || o.Depth == nil {
		return nil, errors.New("prepare notification worker: an option is missing")
	}
	o.Logger = o.Logger.With("receiver", o.Receiver)
	w := &Worker{Options: o, wake: make(chan struct{}, 1), began: time.Now()}
	w.pace = pace{limits: o.Sink.Limits(), sent: slices.Clone(o.Tries)}
	o.Metrics.start(o.Receiver)
	if !o.LastSuccess.IsZero() {
		w.succeeded(o.LastSuccess)
	}
	return w, nil
}

// Wake tells the worker that the outbox has something new. It never blocks.
func (w *Worker) Wake() {
	select {
	case w.wake <- struct{}{}:
	default: // a round is due already
	}
}

// LastSuccess is when the receiver last took a message; zero when unknown.
func (w *Worker) LastSuccess() time.Time {
	if ms := w.success.Load(); ms != 0 {
		return time.UnixMilli(ms).UTC()
	}
	return time.Time{}
}

// now is the time by which tries are put off. It goes on evenly, whatever
// happens to the wall clock: one that is set back must not put them off more.
func (w *Worker) now() time.Time { return w.began.Add(time.Since(w.began)) }

func (w *Worker) succeeded(at time.Time) {
	w.success.Store(at.UnixMilli())
	w.Metrics.succeeded(w.Receiver, at)
}

// Run delivers until ctx ends. A try under way then has some more seconds for
// its answer, so that an orderly stop does not cause repeats; Run returns
// soon after them.
func (w *Worker) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		wait := w.round(ctx)
		w.measure()
		w.sleep(ctx, wait)
	}
	w.settle()
	return nil
}

// sleep waits for the end, for news, or for d.
func (w *Worker) sleep(ctx context.Context, d time.Duration) {
	var due <-chan time.Time
	if d != forever {
		timer := time.NewTimer(d)
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-ctx.Done():
	case <-w.wake:
	case <-due:
	}
}

// round sends what may be sent now and says how long there is nothing to do.
func (w *Worker) round(ctx context.Context) time.Duration {
	for ctx.Err() == nil {
		now := w.now()
		if d := w.resume.Sub(now); d > 0 {
			return d
		}
		if !w.settle() {
			return w.hold(0, now)
		}
		rows, err := w.Outbox.Pending(w.Receiver, window)
		if err != nil {
			w.complain("read outbox: " + err.Error())
			return w.hold(0, now)
		}
		due, next := ready(rows, now)
		batches := plan(due, w.pace.limits)
		if len(batches) == 0 && next.IsZero() {
			return forever
		}
		if len(batches) == 0 {
			return next.Sub(now)
		}
		if d := w.drain(ctx, batches); d > 0 {
			return d
		}
	}
	return 0
}

// drain sends messages until one fails, the rate is used up, or something new
// may belong into the ones to come. It says how long to wait, 0 when the
// outbox should be read again.
func (w *Worker) drain(ctx context.Context, batches []batch) time.Duration {
	for len(batches) > 0 && ctx.Err() == nil {
		if w.pace.limits.grouped() && w.woken() {
			return 0
		}
		i := pick(batches)
		if d := w.pace.wait(time.Now(), batches[i].critical); d > 0 {
			return d
		}
		if !w.deliver(ctx, &batches[i]) {
			return 0
		}
		batches = slices.Delete(batches, i, i+1)
	}
	return 0
}

// woken takes a pending wake-up, if there is one.
func (w *Worker) woken() bool {
	select {
	case <-w.wake:
		return true
	default:
		return false
	}
}

// hold makes the worker wait after a failure, at least as long as asked.
func (w *Worker) hold(atLeast time.Duration, now time.Time) time.Duration {
	w.failures++
	d := max(backoff(w.failures), atLeast)
	w.resume = now.Add(d)
	return d
}

// measure keeps the gauges true after every round.
func (w *Worker) measure() {
	queued, parked := w.Depth(w.Receiver)
	w.Metrics.Queue(w.Receiver, queued, parked)
}

// complain logs a failure once for as long as its reason stays the same: an
// outage of a week is one line, not a thousand.
func (w *Worker) complain(reason string) {
	if reason != w.told {
		w.told = reason
		w.Logger.Warn("notification delayed", "reason", reason)
	}
}
