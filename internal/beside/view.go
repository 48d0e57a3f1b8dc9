package beside

import (
	"log/slog"
	"maps"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/graph"
)

// Options are a view's settings and sources.
type Options struct {
	Tenant       string
	GraphVersion string
	// Directory, Members, Audit and Hidden are nil where names, groups, actors
	// and hidden policies are not asked for.
	Directory Directory
	Members   Members
	Audit     Auditor
	Hidden    Hidden
	// ResolveNames asks the Directory for names, and for those of Always with
	// whatever else is looked up.
	ResolveNames bool
	Always       []string
	// ActorIPs keeps the addresses of actors; ClientIDs are our own
	// applications, by which our own writes are recognised.
	ActorIPs  bool
	ClientIDs []string
	Logger    *slog.Logger
}

// View is what one tenant shows beside its readings.
type View struct {
	o         Options
	names     *book // nil when names are not resolved; has a lock of its own
	audits    audits
	groupTurn int
	hiddenAt  time.Time
	warmed    struct {
		revision uint64
		at       time.Time
	}
	limits   map[drift.Reason]string
	setbacks map[drift.Reason]int // questions that failed in a row
}

// New asks nothing yet. A view without sources knows nothing and is not
// limited by that.
func New(o Options) *View {
	v := &View{o: o, audits: newAudits(), limits: map[drift.Reason]string{}, setbacks: map[drift.Reason]int{}}
	if o.Directory != nil && o.ResolveNames {
		v.names = newBook(o.Directory)
	}
	return v
}

// Attributes tells whether anybody is asked who makes changes.
func (v *View) Attributes() bool { return v.o.Audit != nil }

// Limits are what would be good to know and cannot be known now, in words.
func (v *View) Limits() map[drift.Reason]string { return maps.Clone(v.limits) }

// limit notes that something good to know cannot be known. It is told by
// gauge, in status and with one line of log, never with an event (contract §3).
func (v *View) limit(reason drift.Reason, text string) {
	if _, was := v.limits[reason]; !was {
		v.o.Logger.Warn("limited view", "tenant", v.o.Tenant, "reason", string(reason), "text", text)
	}
	v.limits[reason] = text
}

// setback notes a failed question. A refusal is a limit at once; a timeout or
// a busy service only when it goes on.
func (v *View) setback(reason drift.Reason, text string, err error) {
	v.setbacks[reason]++
	if graph.ReasonOf(err) == drift.ReasonPermission || v.setbacks[reason] >= 3 {
		v.limit(reason, text+graph.Plain(err))
	}
}

func (v *View) unlimit(reason drift.Reason) {
	delete(v.setbacks, reason)
	if _, was := v.limits[reason]; was {
		v.o.Logger.Info("view no longer limited", "tenant", v.o.Tenant, "reason", string(reason))
	}
	delete(v.limits, reason)
}

var (
	_ Directory = (*graph.Client)(nil)
	_ Members   = (*graph.Client)(nil)
	_ Auditor   = (*graph.Client)(nil)
	_ Hidden    = (*graph.Client)(nil)
)
