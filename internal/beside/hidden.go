package beside

import (
	"context"
	"strings"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/schedule"
)

// Hidden lists the policies that the beta version has: a Graph client. The
// error is graph.ErrUnavailable where Graph refuses.
type Hidden interface {
	HiddenIDs(ctx context.Context) ([]string, error)
}

const (
	hiddenEvery = time.Hour
	hiddenNamed = 10 // more are not looked for: one is reason enough to look
)

// LookForHidden compares, once an hour, the ids that beta lists with what is
// watched (detection law §1.11).
func (v *View) LookForHidden(ctx context.Context, now time.Time, watched func(ctx context.Context, id string) bool) {
	if v.o.Hidden == nil || v.o.GraphVersion == "beta" || !schedule.Lapsed(v.hiddenAt, hiddenEvery, now) {
		return
	}
	v.hiddenAt = now
	ids, err := v.o.Hidden.HiddenIDs(ctx)
	if err != nil {
		v.o.Logger.Debug("beta listing not available", "tenant", v.o.Tenant, "err", err)
		return
	}
	var hidden []string
	for _, id := range ids {
		if watched(ctx, strings.ToLower(id)) {
			continue
		}
		if hidden = append(hidden, id); len(hidden) == hiddenNamed {
			break
		}
	}
	if len(hidden) == 0 {
		v.unlimit(drift.ReasonHidden)
		return
	}
	v.limit(drift.ReasonHidden, "Graph "+v.o.GraphVersion+" does not show these policies, which are not watched: "+strings.Join(hidden, ", "))
}
