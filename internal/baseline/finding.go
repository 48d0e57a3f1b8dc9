package baseline

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/cadrift/cadrift/internal/diff"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/judge"
)

// Comparison compares one tenant's objects with a baseline.
type Comparison struct {
	Tenant string
	// GraphVersion is what objects are read through now.
	GraphVersion string
	Baseline     *drift.Baseline
	// World is made when first asked for, since most passes judge nothing.
	World func() *judge.World
	Now   time.Time
}

// Finding is the drift of one object from the baseline, nil when there is
// none. An object of a kind that the baseline holds and that it lacks is
// drift, and so is one that is missing.
func (c Comparison) Finding(key drift.Key, current *drift.Object) (*drift.Finding, error) {
	if !c.Baseline.Holds(key.Kind) {
		return nil, nil
	}
	var base *drift.Object
	if obj, ok := c.Baseline.Objects[key]; ok {
		base = &obj
	}
	if key.Kind == drift.Group && (base == nil || current == nil) {
		return nil, nil // which groups are watched follows from the policies, and is their drift
	}
	if base == nil && current == nil || base != nil && current != nil && base.Digest == current.Digest {
		return nil, nil
	}
	if base != nil && current != nil && c.Baseline.GraphVersion != "" && c.Baseline.GraphVersion != c.GraphVersion {
		if base, current = shared(c.Baseline.GraphVersion, base, current); base.Digest == current.Digest {
			return nil, nil
		}
	}
	changes, patch, err := diff.Objects(base.Form(), current.Form())
	if err != nil {
		return nil, err
	}
	if key.Kind == drift.Policy && base != nil && current != nil && c.World().OnlyExcuses(changes) {
		return nil, nil // as the guard writes: no drift, and never opened
	}
	v := c.World().Judge(judge.Case{Old: base, New: current, Changes: changes})
	ref := drift.Ref{Kind: key.Kind, ID: key.ID}
	if current != nil {
		ref.Name = current.Name
	} else {
		ref.Name = base.Name
	}
	return &drift.Finding{
		Tenant: c.Tenant, Object: ref, Since: c.Now,
		Direction: v.Direction, Severity: v.Severity, Lockout: v.Lockout,
		Summary: v.Summary, Changes: append([]drift.Change{}, v.Changes...), BaselinePatch: patch,
	}, nil
}

// Closing says why there is no finding of an object any more.
func (c Comparison) Closing(key drift.Key, current *drift.Object) string {
	base, based := c.Baseline.Objects[key]
	switch {
	case !c.Baseline.Holds(key.Kind):
		return "no longer compared, the baseline holds no " + key.Kind.Words()
	case current == nil && key.Kind == drift.Group:
		return "no longer compared, no policy excludes it"
	case current == nil:
		return "deleted, and no longer in the baseline"
	case !based:
		return "no longer compared, it is not in the baseline"
	case base.Digest == current.Digest:
		return "matches the baseline"
	}
	return "no drift from the baseline any more"
}

// Step says what became of a finding. Opened keeps now as its beginning;
// updated keeps the beginning and who was told, and ends what is for exactly
// one form: an acknowledgement, and being covered by an announcement. The cover
// ends as well when the same form is judged graver, or of another direction: then
// something else changed, and that was not announced for this object.
func Step(old, new *drift.Finding) drift.DriftStep {
	switch {
	case old == nil && new == nil:
		return drift.DriftNone
	case old == nil:
		return drift.DriftOpened
	case new == nil:
		return drift.DriftResolved
	}
	new.Since, new.Told = old.Since, old.Told
	if SamePatch(old.BaselinePatch, new.BaselinePatch) {
		new.Ack, new.LastEvent = old.Ack, old.LastEvent
		if new.Direction == old.Direction && new.Severity <= old.Severity {
			new.Expected = old.Expected
		}
	}
	return drift.DriftUpdated
}

// SamePatch tells whether two patches are the same operations.
func SamePatch(a, b drift.Patch) bool {
	return slices.EqualFunc(a, b, func(x, y drift.PatchOp) bool {
		return x.Op == y.Op && x.Path == y.Path && bytes.Equal(x.Value, y.Value)
	})
}

// Fill writes the drift fields of an event.
func Fill(e *drift.Event, s drift.DriftStep, f *drift.Finding) {
	e.Drift = s
	switch s {
	case drift.DriftNone:
	case drift.DriftResolved:
		e.DriftDirection, e.DriftSeverity = new(drift.Neutral), new(drift.Low)
	default:
		e.DriftDirection, e.DriftSeverity = new(f.Direction), new(f.Severity)
		e.BaselinePatch = f.BaselinePatch
	}
}

// SameVerdict tells whether two findings say the same of the same difference.
func SameVerdict(a, b *drift.Finding) bool {
	return a.Direction == b.Direction && a.Severity == b.Severity && a.Lockout == b.Lockout &&
		a.Summary == b.Summary && SamePatch(a.BaselinePatch, b.BaselinePatch)
}

// Digest is the digest of a set of objects: of its keys and their digests in
// key order.
func Digest(objects map[drift.Key]drift.Object) drift.Digest {
	h := sha256.New()
	for _, key := range slices.SortedFunc(maps.Keys(objects), drift.Key.Compare) {
		fmt.Fprintf(h, "%s\x00%s\x00%s\n", key.Kind, key.ID, objects[key].Digest)
	}
	var d drift.Digest
	h.Sum(d[:0])
	return d
}
