package app

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/cadrift/cadrift/internal/config"
	"github.com/cadrift/cadrift/internal/guard"
	"github.com/cadrift/cadrift/internal/store"
)

// Local serves the control handler without a daemon: the command opens the
// store itself and runs the same code. Create makes a store where there is
// none; without it a missing store is an empty history. The second result
// closes what was opened.
func Local(_ context.Context, cfg *config.Config, o Options, create bool) (http.Handler, func() error, error) {
	a := &App{o: o, level: new(slog.LevelVar), started: time.Now().UTC(), metrics: NewMetrics(o.Version)}
	var err error
	a.level.Set(slog.LevelWarn) // a command's output is for the person who typed it
	if a.log, err = commandLogger(o, cfg, a.level); err != nil {
		return nil, nil, err
	}
	a.builder = newBuilder(a.metrics, a.log)
	a.builder.recorded = true
	built, err := a.builder.build(cfg)
	if err != nil {
		return nil, nil, err
	}
	if create {
		if err := os.MkdirAll(cfg.StateDir, 0o700); err != nil {
			return nil, nil, err
		}
	}
	a.store, err = store.Open(storePath(cfg), store.Options{Create: create, Metrics: a.metrics.Store})
	switch {
	case errors.Is(err, store.ErrMissing):
		a.store = nil
	case err != nil:
		return nil, nil, err
	}
	if err := a.assemble(built); err != nil {
		return nil, nil, errors.Join(err, a.closeStore())
	}
	return a.api().Control(), a.closeStore, nil
}

// commandLogger keeps commands quiet unless asked otherwise.
func commandLogger(o Options, cfg *config.Config, level *slog.LevelVar) (*slog.Logger, error) {
	if o.Level == "" {
		o.Level = "warn"
	}
	return o.newLogger(cfg, level)
}

func (a *App) closeStore() error {
	if a.store == nil {
		return nil
	}
	return a.store.Close()
}

// assemble makes the watchers without letting them run. Commands that move
// the baseline route their events as the daemon would: the outbox is sent when
// it runs again.
func (a *App) assemble(b *Built) error {
	now := time.Now().UTC()
	a.load.Store(&loadState{at: now})
	s := &setup{config: b.Config, rules: rulesOf(b.Receivers)}
	a.setup.Store(s)
	var units []*tenantUnit
	for _, t := range b.Tenants {
		u, err := a.unit(t, &Metrics{})
		if err != nil {
			return err
		}
		u.guard.Preview(guard.Sight(u.watcher.Sight()))
		units = append(units, u)
	}
	var receivers []*receiverUnit
	for _, r := range b.Receivers {
		receivers = append(receivers, &receiverUnit{Receiver: r})
	}
	a.setup.Store(&setup{config: b.Config, rules: s.rules, tenants: units, receivers: receivers})
	if a.store != nil {
		return bind(a.store, b.Config)
	}
	return nil
}
