package app

import (
	"context"
	"slices"
	"time"

	"github.com/cadrift/cadrift/internal/config"
)

const (
	// firstPruning waits until the first passes are over: they are why the
	// daemon was started.
	firstPruning = 2 * time.Minute
	prunedAtMost = 24 * time.Hour
)

// prunedEvery is a day, or less for those who keep things for days only.
func prunedEvery(r config.Retention) time.Duration {
	return max(time.Hour, min(prunedAtMost, r.History/5, r.People/5))
}

// housekeep removes what retention no longer keeps, soon after a start and
// once a day: a daemon that is restarted every night prunes as well.
func (a *App) housekeep(ctx context.Context) error {
	wait := firstPruning
	for {
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		now, s := time.Now().UTC(), a.setup.Load()
		if !s.believes(now) {
			a.log.Warn("nothing pruned: no good pass within a day says that the clock is right")
			wait = time.Hour
			continue
		}
		a.prune(ctx, now)
		wait = prunedEvery(s.config.Retention)
	}
}

// believes tells whether some tenant was read within a day. A clock that is
// years ahead must not cost the history, and under such a clock no certificate
// is valid and no pass is good.
func (s *setup) believes(now time.Time) bool {
	return slices.ContainsFunc(s.tenants, func(u *tenantUnit) bool {
		return now.Sub(u.watcher.Status().LastGood).Abs() < 24*time.Hour
	})
}

// prune does it once. What fails is logged and tried again the next day: a
// store that takes no writes is told by those who have something to write.
func (a *App) prune(ctx context.Context, now time.Time) {
	cfg := a.setup.Load().config
	erased, err := a.store.ErasePeople(now.Add(-cfg.Retention.People))
	if err != nil {
		a.log.Error("people not erased", "err", err)
	} else if erased > 0 {
		a.log.Info("people erased", "events", erased, "older_than", cfg.Retention.People.String())
	}
	a.pruneStrays(now.Add(-cfg.Retention.History))
	for _, t := range cfg.Tenants {
		if ctx.Err() != nil {
			return
		}
		r, err := a.store.Prune(t.TenantID, now.Add(-cfg.Retention.History))
		switch {
		case err != nil:
			a.log.Error("history not pruned", "tenant", t.Name, "err", err)
		case r.Records+r.Revisions+r.Versions+r.Blobs > 0:
			a.log.Info("history pruned", "tenant", t.Name, "records", r.Records, "revisions", r.Revisions,
				"checkpoint_seq", r.Checkpoint.Seq, "checkpoint", r.Checkpoint.Hash.String())
		}
	}
}
