package app

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/cadrift/cadrift/internal/config"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/store"
)

// What waits for a receiver that left the configuration is named everywhere,
// waits as long as the history does, and never touches the others.
func TestStrays(t *testing.T) {
	s, err := store.Open(filepath.Join(t.TempDir(), "cadrift.db"), store.Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Bind("contoso", contosoID); err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	for _, age := range []time.Duration{500 * day, 100 * day} {
		e := drift.Event{Time: now.Add(-age), Type: drift.DriftChanged, Object: &drift.Ref{Kind: drift.Policy, ID: "p"}, Severity: drift.Low}
		if _, err := s.Commit(drift.Commit{TenantID: contosoID, Time: e.Time, Events: []drift.NewEvent{{Event: e, Receivers: []string{"old", "oncall"}}}}); err != nil {
			t.Fatal(err)
		}
	}
	var logs strings.Builder
	a := &App{store: s, log: slog.New(slog.NewTextHandler(&logs, nil))}
	load := func(receivers ...config.Receiver) {
		a.setup.Store(&setup{config: &config.Config{
			Retention: config.Retention{History: 400 * day, People: 90 * day}, Receivers: receivers,
			Tenants: []config.Tenant{{Name: "contoso", TenantID: contosoID}},
		}})
	}
	load(config.Receiver{Name: "oncall"})
	gauge := newStrayGauge(a.strays)
	if n := testutil.ToFloat64(gauge); n != 2 || testutil.CollectAndCount(gauge) != 1 {
		t.Errorf("the gauge says %v, want 2 for old alone", n)
	}
	a.tellStrays()
	if got := logs.String(); !strings.Contains(got, "receiver=old queued=2 parked=0") || strings.Contains(got, "oncall") {
		t.Errorf("told %s", got)
	}
	shown, err := a.receivers(a.setup.Load())
	if err != nil || len(shown) != 2 || shown[0].Unconfigured || !shown[1].Unconfigured || shown[1].Name != "old" || shown[1].Queued != 2 {
		t.Errorf("status has %+v, %v", shown, err)
	}
	a.prune(context.Background(), now)
	if q := s.Queues(); q["old"].Queued != 1 || q["oncall"].Queued != 2 {
		t.Errorf("left after retention: %+v, want the young one of old and both of oncall", q)
	}
	load(config.Receiver{Name: "oncall"}, config.Receiver{Name: "old"})
	if len(a.strays()) != 0 || testutil.CollectAndCount(gauge) != 0 {
		t.Errorf("configured again, %+v are strays", a.strays())
	}
}
