package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cadrift/cadrift/internal/drift"
)

// memory is an outbox that outlives workers, as the store does.
type memory struct {
	mu     sync.Mutex
	rows   []drift.Delivery
	parked []drift.Parked
	broken error // what every write answers, when set
}

func (m *memory) add(events ...drift.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range events {
		m.rows = append(m.rows, drift.Delivery{Receiver: "oncall", Event: e})
	}
}

func (m *memory) Pending(_ string, limit int) ([]drift.Delivery, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.rows[:min(limit, len(m.rows))]), nil
}

func (m *memory) Delivered(_ string, ids []string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken != nil {
		return m.broken
	}
	m.rows = slices.DeleteFunc(m.rows, func(d drift.Delivery) bool { return slices.Contains(ids, d.Event.ID) })
	return nil
}

func (m *memory) Retry(_ string, ids []string, next time.Time, reason string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.rows {
		if slices.Contains(ids, m.rows[i].Event.ID) {
			m.rows[i].Attempts++
			m.rows[i].Next, m.rows[i].LastError = next, reason
		}
	}
	return m.broken
}

func (m *memory) Park(receiver string, ids []string, at time.Time, reason string) error {
	if err := m.Delivered(receiver, ids); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range ids {
		m.parked = append(m.parked, drift.Parked{Receiver: receiver, Event: id, Since: at, Reason: reason})
	}
	return nil
}

func (m *memory) depth(string) (queued, parked int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.rows), len(m.parked)
}

func (m *memory) breakDown(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.broken = err
}

// sent is one message that a receiver saw.
type sent struct {
	at time.Time
	m  Message
}

func (s sent) ids() []string {
	var out []string
	for _, it := range s.m.Items {
		out = append(out, it.Event.ID)
	}
	return out
}

// receiver is a sink whose answers a test writes.
type receiver struct {
	limits Limits
	answer func(ctx context.Context, m *Message) Outcome // nil: delivered

	mu  sync.Mutex
	got []sent
}

func (r *receiver) Limits() Limits { return r.limits }

func (r *receiver) Send(ctx context.Context, m *Message) Outcome {
	r.mu.Lock()
	r.got = append(r.got, sent{time.Now(), *m})
	r.mu.Unlock()
	if r.answer == nil {
		return Outcome{Result: Delivered, Reason: "HTTP 200"}
	}
	return r.answer(ctx, m)
}

func (r *receiver) all() []sent {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

var (
	chatLimits    = Limits{Events: 12, PerMinute: 5, Spacing: time.Second}
	webhookLimits = Limits{Events: 1}
)

func newWorker(t testing.TB, box *memory, sink Sink) *Worker {
	t.Helper()
	w, err := NewWorker(Options{
		Receiver: "oncall", Outbox: box, Sink: sink, Metrics: NewMetrics(prometheus.NewRegistry()),
		Logger: slog.New(slog.DiscardHandler), Depth: box.depth,
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// start runs a worker; the function it returns stops it and waits.
func start(t testing.TB, w *Worker) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- w.Run(ctx) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

// change is an event about one object of contoso.
func change(seq int, object string, severity drift.Severity, at time.Time) drift.Event {
	return drift.Event{
		ID: drift.EventID("contoso", uint64(seq)), Seq: uint64(seq), Time: at, Type: drift.DriftChanged, Tenant: "contoso",
		Object:    &drift.Ref{Kind: drift.Policy, ID: object, Name: "CA " + object},
		Direction: new(drift.Weaker), Severity: severity, Summary: fmt.Sprintf("CA %s: change %d", object, seq),
	}
}

// checkOrder fails when an event arrived before an earlier one about the same
// object. Repeats of what came before are allowed.
func checkOrder(t testing.TB, got []sent) {
	t.Helper()
	last := map[string]uint64{}
	seen := map[uint64]bool{}
	for _, s := range got {
		for _, e := range s.m.events() {
			if seen[e.Seq] {
				continue
			}
			seen[e.Seq] = true
			if key := e.Subject(); e.Seq < last[key] {
				t.Errorf("%s: event %d came after %d", key, e.Seq, last[key])
			} else {
				last[key] = e.Seq
			}
		}
	}
}

// checkPace fails when any 60 seconds saw more messages than allowed.
func checkPace(t testing.TB, got []sent, perMinute int) {
	t.Helper()
	for i := perMinute; i < len(got); i++ {
		if d := got[i].at.Sub(got[i-perMinute].at); d < time.Minute {
			t.Errorf("messages %d to %d came within %v", i-perMinute, i, d)
		}
	}
}

var errDisk = errors.New("no space left on device")
