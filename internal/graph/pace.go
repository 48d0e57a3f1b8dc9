package graph

import (
	"context"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Pacer spaces the requests of one tenant. Graph allows one request a second
// and tenant for Conditional Access, all applications together; other paths
// have ampler limits of their own. Every client of a tenant should share one.
type Pacer struct {
	access    lane // /identity/conditionalAccess/*
	audit     lane // /auditLogs/*
	directory lane // users, groups, service principals, roles
	other     lane
}

// NewPacer allows perSecond requests for Conditional Access paths (1 where it
// is not positive) and at least 5 for others, never two at once. Graph allows
// 5 requests in 10 seconds for audit records: two at once, and 3 in the rest.
func NewPacer(perSecond float64) *Pacer {
	if perSecond <= 0 {
		perSecond = 1
	}
	return &Pacer{
		access: newLane(perSecond, 1), audit: newLane(0.3*perSecond, 2),
		directory: newLane(max(5, perSecond), 1), other: newLane(max(5, perSecond), 1),
	}
}

// lane is the queue that a path belongs to. Services that Graph throttles by
// themselves have lanes of their own: a pause that the directory asked for
// must not hold up the listing of security defaults.
func (p *Pacer) lane(path string) *lane {
	switch {
	case strings.Contains(path, "/identity/conditionalAccess/"):
		return &p.access
	case strings.Contains(path, "/auditLogs/"):
		return &p.audit
	}
	for _, part := range [...]string{"/directoryObjects/", "/groups/", "/servicePrincipals", "/directoryRoleTemplates"} {
		if strings.Contains(path, part) {
			return &p.directory
		}
	}
	return &p.other
}

// lane is one queue of requests. The mutex is never held across a wait.
type lane struct {
	limit *rate.Limiter

	mu    sync.Mutex
	until time.Time // no request before this
	shut  bool      // and nobody waits for it: calls fail until then
}

// newLane leaves one percent of the rate unused, because requests spaced
// exactly arrive closer together than they were sent as often as not.
func newLane(perSecond float64, burst int) lane {
	return lane{limit: rate.NewLimiter(rate.Limit(perSecond*0.99), burst)}
}

// enter returns when a request may be sent. It returns a positive duration
// instead when the server asked for a pause that is too long to sit out, and
// an error only from ctx.
func (l *lane) enter(ctx context.Context) (time.Duration, error) {
	for {
		left, shut := l.paused()
		if left > 0 && shut {
			return left, nil
		}
		if left > 0 {
			if err := sleep(ctx, left); err != nil {
				return 0, err
			}
			continue
		}
		if err := l.limit.Wait(ctx); err != nil {
			if ctx.Err() != nil {
				return 0, ctx.Err()
			}
			// The limiter saw that the deadline comes first.
			return 0, context.DeadlineExceeded
		}
		// While this caller queued, another may have been told to pause. The
		// ticket is spent then: after the pause all queue again.
		if left, _ := l.paused(); left <= 0 {
			return 0, nil
		}
	}
}

func (l *lane) paused() (left time.Duration, shut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Until(l.until), l.shut
}

// pause keeps the lane still for d. A later end wins over an earlier one; shut
// says that the caller gave up rather than wait.
func (l *lane) pause(d time.Duration, shut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if until := time.Now().Add(d); until.After(l.until) {
		l.until, l.shut = until, shut
	}
}

// sleep waits for d or for the end of ctx.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
