package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/cadrift/cadrift/internal/config"
	"github.com/cadrift/cadrift/internal/store"
)

// stopWithin is how long an orderly stop may take: a message under way gets
// its answer, a request to Graph is given up.
const stopWithin = 20 * time.Second

// Run is the daemon: it returns nil after ctx ended, and an error when it
// could not start or had to stop.
func Run(ctx context.Context, o Options) error {
	cfg, err := Load(o.ConfigFile)
	if err != nil {
		return err
	}
	a, err := prepare(cfg, o)
	if err != nil {
		return err
	}
	return a.run(ctx)
}

// prepare makes the app without touching anything outside the process.
func prepare(cfg *config.Config, o Options) (*App, error) {
	a := &App{o: o, level: new(slog.LevelVar), started: time.Now().UTC(), metrics: NewMetrics(o.Version)}
	var err error
	if a.log, err = o.newLogger(cfg, a.level); err != nil {
		return nil, err
	}
	for _, w := range cfg.Warnings {
		a.log.Warn(w)
	}
	a.builder = newBuilder(a.metrics, a.log)
	if a.built, err = a.builder.build(cfg); err != nil {
		return nil, err
	}
	return a, nil
}

// run opens the store and serves until ctx ends.
func (a *App) run(ctx context.Context) error {
	cfg := a.built.Config
	if err := os.MkdirAll(cfg.StateDir, 0o700); err != nil {
		return fmt.Errorf("make state_dir: %w", err)
	}
	var err error
	a.store, err = store.Open(storePath(cfg), store.Options{Create: true, Metrics: a.metrics.Store})
	if err != nil {
		return err
	}
	if info, err := os.Stat(storePath(cfg)); err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		a.log.Warn("the store holds names of people and can be read by others: chmod 600", "path", storePath(cfg), "mode", info.Mode().Perm().String())
	}
	runErr := a.serve(ctx, a.built)
	return errors.Join(runErr, a.store.Close())
}

// serve runs the parts until ctx ends or one of them fails for good, then
// stops them: listeners last, so that a probe can watch the end.
func (a *App) serve(ctx context.Context, built *Built) error {
	if err := bind(a.store, built.Config); err != nil {
		return err
	}
	// The parts outlive ctx: they are stopped in order, not all at once.
	parts, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	a.crew = newCrew(parts)
	now := time.Now().UTC()
	a.load.Store(&loadState{at: now})
	a.metrics.loaded(nil, now)
	a.setup.Store(&setup{config: built.Config, rules: rulesOf(built.Receivers)})
	listeners, err := a.listen(built.Config)
	if err != nil {
		return err
	}
	if err := a.startAll(built); err != nil {
		return errors.Join(err, a.stop(listeners))
	}
	a.nudger = a.crew.start("remind", a.newNudger().Run)
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	a.metrics.Registry.MustRegister(newStrayGauge(a.strays))
	a.tellStrays()
	a.crew.start("watchdog", a.watchdog)
	a.crew.start("housekeeping", a.housekeep)
	a.tellReady("")
	a.log.Info("running", "version", a.o.Version, "tenants", len(built.Tenants), "receivers", len(built.Receivers))
	for {
		select {
		case <-ctx.Done():
			a.log.Info("stopping")
			a.tell(daemon.SdNotifyStopping)
			return a.stop(listeners)
		case err := <-a.crew.fatal:
			a.log.Error("stopping: a part failed", "err", err)
			return errors.Join(err, a.stop(listeners))
		case <-hangups:
			if err := a.reloadUnderSupervision(parts); err != nil {
				a.log.Error("configuration not reloaded, the old one stays", "err", err)
			}
		}
	}
}

// startAll starts receivers before tenants, so that the first event finds its
// worker.
func (a *App) startAll(b *Built) error {
	last, err := a.store.LastDelivered()
	if err != nil {
		return err
	}
	s := &setup{config: b.Config, rules: rulesOf(b.Receivers)}
	defer func() { a.setup.Store(s) }()
	for _, r := range b.Receivers {
		u, err := a.startReceiver(r, last[r.Name])
		if err != nil {
			return err
		}
		s.receivers = append(s.receivers, u)
	}
	withReceivers := *s
	a.setup.Store(&withReceivers)
	for _, t := range b.Tenants {
		u, err := a.startTenant(t)
		if err != nil {
			return err
		}
		s.tenants = append(s.tenants, u)
	}
	return nil
}

// stop ends watchers, then workers, then listeners.
func (a *App) stop(l *listeners) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	s := a.setup.Load()
	var members []*member
	if a.nudger != nil {
		members = append(members, a.nudger)
	}
	for _, t := range s.tenants {
		members = append(members, t.member)
	}
	for _, r := range s.receivers {
		members = append(members, r.member)
	}
	for _, m := range members {
		m.stop()
	}
	var errs []error
	for _, m := range members {
		errs = append(errs, m.end(ctx))
	}
	return errors.Join(append(errs, l.close(ctx))...)
}
