package poll

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cadrift/cadrift/internal/baseline"
	"github.com/cadrift/cadrift/internal/diff"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/judge"
)

// appearance is one property of one kind that this version does not know and
// that comes or goes in this pass.
type appearance struct {
	objects int
	// written tells that somebody wrote one of the objects: then it may be an
	// administrator's doing.
	written bool
	change  drift.Change
}

// rollOuts finds what Microsoft rolled out (detection law §1.10): one unknown
// path that comes, or goes, in at least max(3, 20 %) of a kind's objects while
// none of them was written. Each is one schema.changed; the baseline takes the
// values over, and objects with nothing else to tell have no event.
func (a *assessor) rollOuts() error {
	found := map[drift.Kind]map[string]*appearance{}
	changed := map[drift.Key][]drift.Change{}
	for _, c := range a.pending {
		if c.action != drift.Updated {
			continue
		}
		changes, _, err := diff.Objects(c.old.Canonical, c.new.Canonical)
		if err != nil {
			return fmt.Errorf("assess %s: %w", c.key, err)
		}
		v := a.theWorld().Judge(judge.Case{Old: c.old, New: c.new, Changes: changes})
		changed[c.key] = v.Changes
		a.count(found, c, v.Changes)
	}
	for _, kind := range drift.Kinds() {
		of := 0
		for key := range a.next {
			if key.Kind == kind {
				of++
			}
		}
		rolled := map[string]bool{}
		for path, s := range found[kind] {
			if !s.written && s.objects >= 3 && 5*s.objects >= of {
				rolled[path] = true
			}
		}
		if len(rolled) > 0 {
			a.rollOut(kind, rolled, found[kind], changed, of)
		}
	}
	return nil
}

func (a *assessor) count(found map[drift.Kind]map[string]*appearance, c change, changes []drift.Change) {
	for _, ch := range changes {
		if !ch.Unknown || len(ch.Old) > 0 == (len(ch.New) > 0) {
			continue
		}
		if found[c.key.Kind] == nil {
			found[c.key.Kind] = map[string]*appearance{}
		}
		s := found[c.key.Kind][ch.Path]
		if s == nil {
			s = &appearance{change: ch}
			found[c.key.Kind][ch.Path] = s
		}
		s.objects++
		s.written = s.written || !c.new.Written().Equal(c.old.Written())
	}
}

// rollOut records the rolled-out paths of one kind.
func (a *assessor) rollOut(kind drift.Kind, rolled map[string]bool, found map[string]*appearance, changed map[drift.Key][]drift.Change, of int) {
	paths := slices.Sorted(maps.Keys(rolled))
	var based map[drift.Key]drift.Object
	if b := a.baseline; b != nil {
		based = maps.Clone(b.Objects)
	}
	a.pending = slices.DeleteFunc(a.pending, func(c change) bool {
		if c.key.Kind != kind || c.action != drift.Updated {
			return false
		}
		other := false
		for _, ch := range changed[c.key] {
			other = other || !rolled[ch.Path]
		}
		switch base, ok := based[c.key]; {
		case ok && !other && base.Digest == c.old.Digest:
			based[c.key] = *c.new
		case ok:
			based[c.key] = baseline.TakeOver(base, *c.new, paths)
		}
		return !other && len(changed[c.key]) > 0
	})
	e := drift.Event{
		Time: a.now, Type: drift.SchemaChanged, Window: a.w.window(kind, a.now), Tenant: a.w.o.Tenant, TenantID: a.w.o.TenantID,
		Direction: new(drift.Neutral), Severity: drift.Low, Kinds: []drift.Kind{kind},
	}
	most := 0
	for _, path := range paths {
		ch := found[path].change
		ch.Direction = drift.Neutral
		e.Changes = append(e.Changes, ch)
		most = max(most, found[path].objects)
	}
	e.Summary = fmt.Sprintf("Graph shows %s differently in %d of %d %s, none of which was written: Microsoft's roll-out",
		drift.Visible(strings.Join(paths, ", ")), most, of, kind.Plural())
	if a.baseline != nil {
		moved := *a.baseline
		moved.Objects, moved.Digest = based, baseline.Digest(based)
		a.baseline, a.out.commit.Baseline = &moved, &moved
		e.Digest = moved.Digest.String()
		e.Summary += "; the baseline takes it over"
	}
	a.out.commit.Events = append(a.out.commit.Events, a.w.route(e, nil))
}
