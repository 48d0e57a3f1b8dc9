package poll

import (
	"context"
	"log/slog"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/graph"
)

// Run makes a pass at once and then whenever one is due, until ctx ends. A
// pass that is due while one runs is skipped and counted. It returns an error
// only when the store's state is unknown and the process must start anew.
func (w *Watcher) Run(ctx context.Context) error {
	defer w.flush()
	due := wall(time.Now())
	for {
		begin := time.Now()
		w.promise(longestTurn)
		if err := w.Pass(ctx); err != nil {
			return err
		}
		now := time.Now()
		due = w.nextDue(due, now, now.Sub(begin))
		if err := w.waitLooking(ctx, due); err != nil || ctx.Err() != nil {
			return err
		}
	}
}

// nextDue is the next due time that lies ahead; those that passed while the
// pass took its time are counted as skipped. After a clock that was set, or a
// sleep of the machine, due times count from now on.
func (w *Watcher) nextDue(due, now time.Time, took time.Duration) time.Time {
	now = wall(now)
	if due.After(now.Add(time.Second)) || now.Sub(due) > took+time.Minute {
		due = now
	}
	for {
		next := w.o.Schedule.Next(due)
		if next.IsZero() {
			return now.Add(24 * time.Hour) // a schedule that is over: look again tomorrow
		}
		if next.After(now) {
			return next
		}
		w.o.Metrics.skipped(w.o.Tenant)
		due = next
	}
}

// waitLooking waits for due, and asks again for absent objects on the way.
func (w *Watcher) waitLooking(ctx context.Context, due time.Time) error {
	wait := newWait(due, time.Now())
	for {
		now := time.Now()
		left := wait.left(now)
		if left <= 0 {
			return nil
		}
		nap, look := min(left, longestNap), false
		w.mu.Lock()
		if at, ok := w.nextLook(); ok && at.Sub(wall(now)) <= nap {
			nap, look = at.Sub(wall(now)), true
		}
		w.mu.Unlock()
		w.promise(nap)
		timer := time.NewTimer(nap)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		if !look {
			continue
		}
		w.promise(longestTurn)
		if err := w.lookAgain(ctx); err != nil {
			return err
		}
	}
}

// Pass makes one pass. Its error is that of [Watcher.Run]; failed readings are
// no error, they are told as blind spots.
func (w *Watcher) Pass(ctx context.Context) error {
	select {
	case w.turn <- struct{}{}:
		defer func() { <-w.turn }()
	case <-ctx.Done():
		return nil
	}
	start := time.Now()
	w.promise(w.budget(start))
	w.resume(start)
	w.rereadDir(start.UTC())
	pctx, cancel := context.WithTimeout(ctx, w.budget(start))
	defer cancel()
	readings := w.read(pctx)
	if ctx.Err() != nil {
		return nil // shutting down: half a pass is no pass
	}
	now := time.Now().UTC()
	ev := w.doubt(pctx, readings, now)
	w.prepare(pctx, readings, ev, now)
	if ctx.Err() != nil {
		return nil
	}
	err := w.conclude(readings, ev, now)
	w.o.Metrics.passed(w, time.Since(start))
	if err == nil {
		err = w.lookBeside(ctx)
	}
	if err == nil {
		err = w.guard(ctx)
	}
	return err
}

// budget bounds a pass, so that being blind is noticed in time even when every
// answer is slow: at one pass a second within 90 s.
func (w *Watcher) budget(now time.Time) time.Duration {
	return min(max(3*w.o.Schedule.Interval(now), 40*time.Second), 5*time.Minute)
}

// lookAgain confirms absences between two passes.
func (w *Watcher) lookAgain(ctx context.Context) error {
	select {
	case w.turn <- struct{}{}:
		defer func() { <-w.turn }()
	case <-ctx.Done():
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	now := time.Now().UTC()
	var readings []reading
	for _, kind := range w.o.Kinds {
		readings = append(readings, reading{kind: kind, same: true})
	}
	ev := w.doubt(ctx, readings, now)
	if ctx.Err() != nil {
		return nil
	}
	clear(ev.found) // the next pass compares: a look between passes only confirms absences
	w.mu.Lock()
	defer w.mu.Unlock()
	a, err := w.assess(nil, ev, now)
	if err != nil {
		return err
	}
	return w.settleLocked(a, now)
}

// conclude assesses the readings, commits, and remembers.
func (w *Watcher) conclude(readings []reading, ev evidence, now time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	a, err := w.assess(readings, ev, now)
	if err != nil {
		w.result = Failed
		w.o.Logger.Error("pass not assessed", "tenant", w.o.Tenant, "err", err)
		return nil
	}
	w.result = resultOf(readings)
	good := w.result != Failed
	w.compareClocks(readings)
	w.watchBlindness(readings, &a, now)
	if good && (!a.commit.Empty() || drift.Lapsed(w.flushed, flushEvery, now)) {
		a.commit.LastGood = now
	}
	if err := w.settleLocked(a, now); err != nil || w.degraded {
		return err // degraded: the state stays, and the next pass sees the same changes again
	}
	if good {
		w.lastGood, w.everGood = now, true
	}
	w.stale = a.stale
	for i := range readings {
		if r := &readings[i]; r.good() {
			w.readAt[r.kind] = now
			if a.unsettled[r.kind] {
				delete(w.settled, r.kind)
			} else {
				w.settled[r.kind] = r.version
			}
		}
	}
	w.logPass(readings, a)
	return nil
}

// flushEvery is how often the time of the last good pass is written when
// nothing else is.
const flushEvery = 10 * time.Minute

func resultOf(readings []reading) Result {
	result := OK
	for i := range readings {
		switch r := &readings[i]; {
		case r.good():
		case r.kind == drift.Policy || r.kind == drift.NamedLocation:
			return Failed
		default:
			result = Incomplete
		}
	}
	return result
}

// logPass warns of a collection once for every reason: at one pass a second an
// hour without a permission would be thousands of lines.
func (w *Watcher) logPass(readings []reading, a assessment) {
	for i := range readings {
		r := &readings[i]
		reason, level, text := drift.Reason(""), slog.LevelInfo, "collection read again"
		if !r.good() {
			reason, level, text = graph.ReasonOf(r.err), slog.LevelWarn, "collection not read"
		}
		if w.unread[r.kind] == reason {
			level = slog.LevelDebug
		}
		w.unread[r.kind] = reason
		if !r.good() || level > slog.LevelDebug {
			w.o.Logger.Log(context.Background(), level, text, "tenant", w.o.Tenant, "kind", string(r.kind), "reason", string(reason), "err", r.err)
		}
	}
	w.o.Logger.Debug("pass done", "tenant", w.o.Tenant, "result", string(w.result),
		"put", len(a.commit.Put), "gone", len(a.commit.Gone), "events", len(a.commit.Events),
		"seq", w.state.Head.Seq, "chain", w.state.Head.Hash.String())
}

func (w *Watcher) logEvent(e *drift.Event) {
	w.o.Logger.Info("event", "tenant", e.Tenant, "id", e.ID, "type", string(e.Type),
		"severity", e.Severity.String(), "direction", e.Dir().String(), "summary", e.Summary, "chain", e.Chain)
}
