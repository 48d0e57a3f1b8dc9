package poll

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cadrift/cadrift/internal/canon"
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
		if base, ok := based[c.key]; ok {
			based[c.key] = takeOver(base, c, paths, other)
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
		drift.Visible(strings.Join(paths, ", ")), most, of, plural(kind))
	if a.baseline != nil {
		moved := *a.baseline
		moved.Objects, moved.Digest = based, digestOf(based)
		a.baseline, a.out.commit.Baseline = &moved, &moved
		e.Digest = moved.Digest.String()
		e.Summary += "; the baseline takes it over"
	}
	a.out.commit.Events = append(a.out.commit.Events, a.w.route(e, nil))
}

// takeOver is a baseline's object with the values that were rolled out, and
// nothing else of the new form. An object that cannot take them stays: it
// drifts visibly.
func takeOver(base drift.Object, c change, paths []string, other bool) drift.Object {
	if !other && base.Digest == c.old.Digest {
		return *c.new
	}
	into, ok := decodeTree(base.Raw)
	from, okToo := decodeTree(c.new.Raw)
	if !ok || !okToo {
		return base
	}
	for _, path := range paths {
		graft(into, from, strings.Split(strings.TrimPrefix(path, "/"), "/"))
	}
	raw, err := json.Marshal(into)
	if err != nil {
		return base
	}
	obj, err := canon.Object(base.Kind, raw)
	if err != nil {
		return base
	}
	return obj
}

func decodeTree(raw []byte) (map[string]any, bool) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var tree map[string]any
	return tree, d.Decode(&tree) == nil && tree != nil
}

// graft makes one member of into what it is in from.
func graft(into, from map[string]any, path []string) {
	name := strings.NewReplacer("~1", "/", "~0", "~").Replace(path[0])
	value, there := from[name]
	switch {
	case len(path) == 1 && there:
		into[name] = value
	case len(path) == 1:
		delete(into, name)
	default:
		below, _ := value.(map[string]any)
		at, ok := into[name].(map[string]any)
		if !ok && into[name] != nil {
			return // a list or a scalar on the way: not the same shape
		}
		if !ok {
			at = map[string]any{}
			into[name] = at
		}
		graft(at, below, path[1:])
	}
}

// shared cuts two forms, read through different versions of Graph, down to
// what both versions know (detection law §1.9). Version 1.0 names every
// property it has, with null where nothing is set; what it does not name, only
// beta knows.
func shared(baseVersion string, base, current *drift.Object) (*drift.Object, *drift.Object) {
	narrow, wide := base, current
	if baseVersion != "v1.0" {
		narrow, wide = current, base
	}
	known, ok := decodeTree(narrow.Raw)
	all, okToo := decodeTree(wide.Raw)
	if !ok || !okToo {
		return base, current
	}
	prune(all, known)
	raw, err := json.Marshal(all)
	if err != nil {
		return base, current
	}
	cut, err := canon.Object(wide.Kind, raw)
	if err != nil {
		return base, current
	}
	if narrow == base {
		return base, &cut
	}
	return &cut, current
}

func prune(all, known map[string]any) {
	for name, value := range all {
		says, there := known[name]
		if !there {
			delete(all, name)
			continue
		}
		below, ok := value.(map[string]any)
		if inner, is := says.(map[string]any); ok && is {
			prune(below, inner)
		}
	}
}
