package app

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cadrift/cadrift/internal/config"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/poll"
	"github.com/cadrift/cadrift/internal/schedule"
	"github.com/cadrift/cadrift/internal/store"
)

// Retention leaves a chain that goes on from a checkpoint, forgets people
// before events, and touches nothing that is young enough.
func TestPrune(t *testing.T) {
	const day = 24 * time.Hour
	const id = "11111111-1111-1111-1111-111111111111"
	s, err := store.Open(filepath.Join(t.TempDir(), "cadrift.db"), store.Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Bind("contoso", id); err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	for _, age := range []time.Duration{500 * day, 100 * day, day} {
		at := now.Add(-age)
		e := drift.Event{
			Time: at, Type: drift.DriftChanged, Tenant: "contoso", TenantID: id,
			Object: &drift.Ref{Kind: drift.Policy, ID: "p", Name: "CA001"}, Action: drift.Updated, Severity: drift.Low,
			Actor: &drift.Actor{Kind: "user", ID: "u", Name: "alex@contoso.example", Time: at},
		}
		if _, err := s.Commit(drift.Commit{TenantID: id, Time: at, Events: []drift.NewEvent{{Event: e}}}); err != nil {
			t.Fatal(err)
		}
	}
	a := &App{store: s, log: slog.New(slog.DiscardHandler)}
	a.setup.Store(&setup{config: &config.Config{
		Retention: config.Retention{History: 400 * day, People: 90 * day},
		Tenants:   []config.Tenant{{Name: "contoso", TenantID: id}},
	}})
	a.prune(context.Background(), now)
	events, _, err := s.Events(store.EventQuery{TenantID: id, Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	if len(events) != 2 {
		t.Fatalf("%d events left, want 2", len(events))
	}
	if got := events[0].Actor.Name; got != "alex@contoso.example" {
		t.Errorf("the young event's actor is %q", got)
	}
	if a := events[1].Actor; a != nil && a.Name != "" {
		t.Errorf("the old event still names %q", a.Name)
	}
	reports, err := s.Verify(context.Background(), nil)
	if err != nil || len(reports) != 1 || reports[0].Error != nil {
		t.Fatalf("verify: %+v, %v", reports, err)
	}
	if reports[0].FromSeq != 2 {
		t.Errorf("the chain begins at %d, want 2", reports[0].FromSeq)
	}
}

// A clock that is a year ahead prunes nothing: nobody was read by it.
func TestPruningBelievesTheClock(t *testing.T) {
	s, err := store.Open(filepath.Join(t.TempDir(), "cadrift.db"), store.Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	seen := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	for id, at := range map[string]time.Time{"a": seen, "b": seen.AddDate(-1, 0, 0)} {
		if err := s.Bind(id, id); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Commit(drift.Commit{TenantID: id, Time: at, LastGood: at}); err != nil {
			t.Fatal(err)
		}
	}
	every, err := schedule.Parse("@every 1m", seen)
	if err != nil {
		t.Fatal(err)
	}
	made := &setup{}
	for _, id := range []string{"a", "b", "never seen"} {
		w, err := poll.New(poll.Options{Tenant: id, TenantID: id, Store: s, Schedule: every, Metrics: poll.NewMetrics(prometheus.NewRegistry())})
		if err != nil {
			t.Fatal(err)
		}
		made.tenants = append(made.tenants, &tenantUnit{watcher: w})
	}
	for at, want := range map[time.Duration]bool{time.Hour: true, -time.Hour: true, 25 * time.Hour: false, 365 * 24 * time.Hour: false} {
		if got := made.believes(seen.Add(at)); got != want {
			t.Errorf("%s after the last good pass: %t, want %t", at, got, want)
		}
	}
	if (&setup{}).believes(seen) {
		t.Error("a clock is believed that nothing vouches for")
	}
}

func TestPrunedEvery(t *testing.T) {
	const day = 24 * time.Hour
	for _, tt := range []struct{ history, people, want time.Duration }{
		{400 * day, 90 * day, day}, {400 * day, day, day / 5}, {day, 90 * day, day / 5}, {time.Hour, time.Hour, time.Hour},
	} {
		if got := prunedEvery(config.Retention{History: tt.history, People: tt.people}); got != tt.want {
			t.Errorf("%s, %s: got %s, want %s", tt.history, tt.people, got, tt.want)
		}
	}
}
