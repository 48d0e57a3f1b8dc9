package app

import (
	"context"
	"fmt"
	"reflect"
	"time"

	"github.com/cadrift/cadrift/internal/baseline"
	"github.com/cadrift/cadrift/internal/config"
)

// Reload reads the configuration again. Everything that can fail is made
// first; then tenants and receivers whose part changed are stopped and started
// anew, the rest go on undisturbed. After an error the old configuration runs
// as before.
func (a *App) Reload(ctx context.Context) error {
	a.reloading.Lock()
	defer a.reloading.Unlock()
	now := time.Now().UTC()
	built, pending, err := a.rebuild()
	a.metrics.loaded(err, now)
	if err != nil {
		old := a.load.Load()
		a.load.Store(&loadState{at: old.at, err: err, pendingRestart: old.pendingRestart})
		return err
	}
	a.load.Store(&loadState{at: now, pendingRestart: pending})
	for _, key := range pending {
		a.log.Warn("changed, waits for a restart", "key", key)
	}
	if a.o.Level == "" { // no flag overrides the file
		a.level.Set(built.Config.Log.Level)
	}
	if err := a.swap(ctx, built); err != nil {
		return err
	}
	a.tellStrays()
	a.log.Info("configuration reloaded", "tenants", len(built.Tenants), "receivers", len(built.Receivers))
	return nil
}

// rebuild makes the new parts; nothing that runs is touched.
func (a *App) rebuild() (*Built, []string, error) {
	old := a.setup.Load().config
	cfg, err := Load(a.o.ConfigFile)
	if err != nil {
		return nil, nil, err
	}
	pending := config.PendingRestart(old, cfg)
	cfg = config.Merge(old, cfg)
	built, err := a.builder.build(cfg)
	if err != nil {
		return nil, nil, err
	}
	for i, t := range cfg.Tenants {
		if t.Baseline.Dir == "" {
			continue
		}
		if _, _, err := baseline.ReadDir(t.Baseline.Dir); err != nil {
			return nil, nil, cfg.Problem(fmt.Sprintf("tenants[%d].baseline.dir", i), "%v", err)
		}
	}
	return built, pending, bind(a.store, cfg)
}

// swap replaces what changed.
func (a *App) swap(ctx context.Context, b *Built) error {
	old := a.setup.Load()
	next := &setup{config: b.Config, rules: rulesOf(b.Receivers)}
	last, err := a.store.LastDelivered()
	if err != nil {
		return err
	}
	pages, err := a.newPages(b.Config, a.api())
	if err != nil {
		return err
	}
	receivers := map[string]*receiverUnit{}
	for _, u := range old.receivers {
		receivers[u.Name] = u
	}
	for _, r := range b.Receivers {
		u, kept := receivers[r.Name]
		if kept && reflect.DeepEqual(u.Receiver.Receiver, r.Receiver) && reflect.DeepEqual(linksOf(old.config), b.links) {
			delete(receivers, r.Name)
			next.receivers = append(next.receivers, &receiverUnit{Receiver: r, worker: u.worker, member: u.member})
			continue
		}
		if kept {
			if err := u.member.end(ctx); err != nil {
				return err
			}
			delete(receivers, r.Name)
		}
		if u, err = a.startReceiver(r, last[r.Name]); err != nil {
			return err
		}
		next.receivers = append(next.receivers, u)
	}
	left, err := a.swapTenants(ctx, b, old, next)
	if err != nil {
		return err
	}
	a.setup.Store(next)
	a.pages.Store(&pages)
	for name, u := range left {
		if err := u.member.end(ctx); err != nil {
			return err
		}
		a.metrics.forgetTenant(name)
	}
	for name, u := range receivers {
		if err := u.member.end(ctx); err != nil {
			return err
		}
		a.metrics.Notify.Forget(name)
	}
	return nil
}

// swapTenants replaces the tenants that changed, and gives those that are left
// over.
func (a *App) swapTenants(ctx context.Context, b *Built, old, next *setup) (left map[string]*tenantUnit, err error) {
	left = map[string]*tenantUnit{}
	for _, u := range old.tenants {
		left[u.Name] = u
	}
	for _, t := range b.Tenants {
		u, kept := left[t.Name]
		delete(left, t.Name)
		if kept && reflect.DeepEqual(u.Tenant.Tenant, t.Tenant) {
			next.tenants = append(next.tenants, u)
			continue
		}
		if kept { // the new watcher starts from what the old one committed last
			if err := u.member.end(ctx); err != nil {
				return nil, err
			}
		}
		if u, err = a.startTenant(t); err != nil {
			return nil, fmt.Errorf("start tenant %s: %w", t.Name, err)
		}
		next.tenants = append(next.tenants, u)
	}
	return left, nil
}
