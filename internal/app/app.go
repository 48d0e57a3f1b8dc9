package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cadrift/cadrift/internal/config"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/guard"
	"github.com/cadrift/cadrift/internal/notify"
	"github.com/cadrift/cadrift/internal/poll"
	"github.com/cadrift/cadrift/internal/store"
)

const userAgent = "cadrift"

// Options start the daemon.
type Options struct {
	ConfigFile string
	Version    string
	// Level and Format override the configuration when not empty; Color is
	// auto, always or never.
	Level, Format, Color string
	LogTo                io.Writer
	// Listening, when set, is told every listener's name and address.
	Listening func(listener, addr string)
}

// App is the running daemon, or the same parts in a command without one.
type App struct {
	o       Options
	log     *slog.Logger
	level   *slog.LevelVar
	started time.Time
	metrics *Metrics
	builder *builder
	built   *Built // what the first start is made of
	store   *store.Store
	crew    *crew
	nudger  *member

	// setup is what a reload swaps. It is never changed in place.
	setup atomic.Pointer[setup]
	// pages are what the web listener serves: a reload may move them.
	pages atomic.Pointer[http.Handler]
	// reloading keeps reloads apart.
	reloading sync.Mutex
	load      atomic.Pointer[loadState]
}

// setup is one configuration, running.
type setup struct {
	config    *config.Config
	tenants   []*tenantUnit
	receivers []*receiverUnit
	rules     []notify.Rule
}

type tenantUnit struct {
	*Tenant
	watcher *poll.Watcher
	guard   *guard.Guard
	member  *member
}

type receiverUnit struct {
	*Receiver
	worker *notify.Worker
	member *member
}

// loadState is the outcome of the last load of the configuration.
type loadState struct {
	at             time.Time
	err            error
	pendingRestart []string
}

// storePath is where the store lies.
func storePath(cfg *config.Config) string { return filepath.Join(cfg.StateDir, "cadrift.db") }

// newLogger follows the configuration unless a flag overrides it.
func (o *Options) newLogger(cfg *config.Config, level *slog.LevelVar) (*slog.Logger, error) {
	level.Set(cfg.Log.Level)
	if o.Level != "" {
		var l slog.Level
		if err := l.UnmarshalText([]byte(o.Level)); err != nil {
			return nil, fmt.Errorf("log level: %w", err)
		}
		level.Set(l)
	}
	format := cfg.Log.Format
	if o.Format != "" {
		format = o.Format
	}
	return NewLogger(o.LogTo, level, format, o.Color), nil
}

// route names the receivers of an event under the present configuration.
func (a *App) route(e *drift.Event, told []string) []string {
	return notify.Route(a.setup.Load().rules, e, told)
}

// wake lets every receiver's worker look at its outbox.
func (a *App) wake() {
	for _, r := range a.setup.Load().receivers {
		if r.worker != nil { // a command without a daemon has none
			r.worker.Wake()
		}
	}
}

// alarm sends an event that no store holds: that the store takes no writes.
// It is the one exception to commit-before-send.
func (a *App) alarm(e drift.Event) {
	s := a.setup.Load()
	to := notify.Route(s.rules, &e, nil)
	for _, r := range s.receivers {
		for _, name := range to {
			if r.Name == name && r.worker != nil {
				a.crew.start("alarm to "+name, func(ctx context.Context) error {
					ctx, cancel := context.WithTimeout(ctx, time.Minute)
					defer cancel()
					if out := r.worker.Direct(ctx, &e); out.Result != notify.Delivered {
						a.log.Error("alarm not delivered", "receiver", r.Name, "reason", out.Reason)
					}
					return nil
				})
			}
		}
	}
}

func (a *App) hooks() hooks { return hooks{route: a.route, wake: a.wake, alarm: a.alarm} }

// bind ties the tenants' names to their ids before anything is read.
func bind(s *store.Store, cfg *config.Config) error {
	var errs []error
	for i, t := range cfg.Tenants {
		if err := s.Bind(t.Name, t.TenantID); err != nil {
			errs = append(errs, cfg.Problem(fmt.Sprintf("tenants[%d].name", i), "%v", err))
		}
	}
	return errors.Join(errs...)
}

// startTenant makes a tenant's watcher and lets it run.
func (a *App) startTenant(t *Tenant) (*tenantUnit, error) {
	u, err := a.unit(t, a.metrics)
	if err != nil {
		return nil, err
	}
	a.metrics.tenant(t)
	if err := u.guard.Arm(time.Now().UTC()); err != nil {
		a.log.Error("guard not armed, nothing is written until it is", "tenant", t.Name, "err", err)
	}
	u.member = a.crew.start("watch "+t.Name, u.watcher.Run)
	return u, nil
}

// startReceiver makes a receiver's worker and lets it run.
func (a *App) startReceiver(r *Receiver, last time.Time) (*receiverUnit, error) {
	tries, err := a.store.Tries(r.Name)
	if err != nil {
		return nil, err
	}
	w, err := notify.NewWorker(notify.Options{
		Receiver: r.Name, Outbox: a.store, Sink: r.Sink, Metrics: a.metrics.Notify,
		Logger: a.log, Depth: a.depth, LastSuccess: last, Tries: tries,
	})
	if err != nil {
		return nil, err
	}
	u := &receiverUnit{Receiver: r, worker: w}
	u.member = a.crew.start("deliver to "+r.Name, w.Run)
	return u, nil
}

// depth counts what waits for a receiver and what it refused.
func (a *App) depth(receiver string) (queued, parked int) {
	q := a.store.Queues()[receiver]
	return q.Queued, q.Parked
}

// rulesOf are the routing rules of the receivers, in the order of the file.
func rulesOf(receivers []*Receiver) []notify.Rule {
	rules := make([]notify.Rule, len(receivers))
	for i, r := range receivers {
		rules[i] = r.Rule
	}
	return rules
}

// pollStore is the store as watchers take it: no store is a nil interface.
func (a *App) pollStore() poll.Store {
	if a.store == nil {
		return nil
	}
	return a.store
}
