package poll

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/graph"
	"github.com/cadrift/cadrift/internal/schedule"
)

// deaf is a source that answers when it is let go, and heeds no context.
type deaf struct{ held chan struct{} }

func (d *deaf) List(_ context.Context, kind drift.Kind) (graph.Listing, error) {
	<-d.held
	return graph.Listing{}, &graph.Error{Op: "list", Reason: drift.ReasonUnreachable}
}

func (d *deaf) Get(context.Context, drift.Kind, string) (graph.Item, error) {
	return graph.Item{}, drift.ErrNotFound
}

func (d *deaf) Deleted(context.Context, drift.Kind) (map[string]time.Time, error) {
	return nil, graph.ErrUnavailable
}

// A loop that hangs is stuck once its promise is broken; one that only waits
// for its next pass, or fails pass after pass, is not.
func TestStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		every, err := schedule.Parse("@every 30m", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		d := &deaf{held: make(chan struct{})}
		w, err := New(Options{
			Tenant: "contoso", TenantID: "x", Schedule: every, Kinds: []drift.Kind{drift.Policy}, Source: d,
			Route: func(*drift.Event, []string) []string { return nil }, Wake: func() {}, Alarm: func(drift.Event) {},
			Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		if w.Stuck(time.Now()) {
			t.Error("stuck before it was started")
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- w.Run(ctx) }()
		time.Sleep(5 * time.Minute)
		if w.Stuck(time.Now()) {
			t.Error("stuck within the pass's budget")
		}
		time.Sleep(2 * time.Minute)
		if !w.Stuck(time.Now()) {
			t.Error("not stuck, though the pass hangs")
		}
		close(d.held)
		synctest.Wait()
		for range 40 {
			time.Sleep(7 * time.Minute)
			if w.Stuck(time.Now()) {
				t.Fatal("stuck between passes")
			}
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
