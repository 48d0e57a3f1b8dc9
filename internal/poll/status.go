package poll

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// Status is what a watcher knows of its tenant now.
type Status struct {
	Tenant, TenantID string
	LastGood         time.Time
	LastResult       Result
	// EverGood tells of a good pass since the process started.
	EverGood bool
	Objects  map[drift.Kind]int
	Baseline *drift.Baseline
	// Uncompared are watched kinds that the baseline does not hold.
	Uncompared []drift.Kind
	// BaselineProblem says why the files of baseline.dir cannot be read, empty
	// when they can.
	BaselineProblem string
	Findings        []drift.Finding
	Blind           []drift.Blind
	Head            drift.Head
	Revision        uint64
	// Absent are objects whose deletion is not confirmed.
	Absent []drift.Ref
	// Degraded tells that the store takes no writes.
	Degraded bool
}

// Status returns a copy that stays valid.
func (w *Watcher) Status() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := Status{
		Tenant: w.o.Tenant, TenantID: w.o.TenantID,
		LastGood: w.lastGood, LastResult: w.result, EverGood: w.everGood, Objects: map[drift.Kind]int{},
		Baseline: w.state.Baseline, Findings: SortedFindings(maps.Values(w.state.Findings)),
		Head: w.state.Head, Revision: w.state.Revision, Degraded: w.degraded,
		BaselineProblem: w.dir.problem,
	}
	for _, kind := range w.o.Kinds {
		s.Objects[kind] = 0
		if s.Baseline != nil && !s.Baseline.Holds(kind) {
			s.Uncompared = append(s.Uncompared, kind)
		}
	}
	for key := range w.state.Objects {
		s.Objects[key.Kind]++
	}
	for _, reason := range drift.Reasons() {
		if c, ok := w.blind[reason]; ok {
			s.Blind = append(s.Blind, c.Blind)
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(w.state.Absences), drift.Key.Compare) {
		s.Absent = append(s.Absent, w.state.Objects[key].Ref)
	}
	return s
}

// SortedFindings orders open drift as people read it: lockout first, then the
// most severe, weaker before stronger, then by name.
func SortedFindings(findings iter.Seq[drift.Finding]) []drift.Finding {
	out := slices.Collect(findings)
	slices.SortFunc(out, func(a, b drift.Finding) int {
		return cmp.Or(
			-compareBool(a.Lockout, b.Lockout),
			-cmp.Compare(a.Severity, b.Severity),
			-compareBool(a.Direction.Has(drift.Weaker), b.Direction.Has(drift.Weaker)),
			cmp.Compare(a.Object.Name, b.Object.Name),
			a.Key().Compare(b.Key()),
		)
	})
	return out
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}
