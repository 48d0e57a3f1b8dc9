package api

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/cadrift/cadrift/internal/canon"
	"github.com/cadrift/cadrift/internal/diff"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/judge"
	"github.com/cadrift/cadrift/internal/store"
)

// The two states that have a name.
const (
	stateBaseline = "baseline"
	stateCurrent  = "current"
)

// side is one of the two states of a diff.
type side struct {
	name    string
	objects map[drift.Key]drift.Object
	// holds tells whether the state says anything about a kind.
	holds func(drift.Kind) bool
}

// newSide makes a side of objects as stored, which earlier versions of the
// canonicaliser may have written.
func newSide(name string, objects map[drift.Key]drift.Object, holds func(drift.Kind) bool) side {
	for key, o := range objects {
		objects[key] = canon.Current(o)
	}
	return side{name, objects, holds}
}

// diff answers /api/v1/diff. From is by default the baseline, or the revision
// before the newest where there is none.
func (a *API) diff(r *http.Request) (any, error) {
	q := r.URL.Query()
	s, t, err := a.recorded(q.Get("tenant"))
	if err != nil {
		return nil, err
	}
	state, err := s.Load(t.ID)
	if err != nil {
		return nil, fmt.Errorf("read tenant %s: %w", t.Name, err)
	}
	from, err := sideOf(s, t, state, cmp.Or(q.Get("from"), defaultFrom(state)))
	if err != nil {
		return nil, err
	}
	to, err := sideOf(s, t, state, cmp.Or(q.Get("to"), stateCurrent))
	if err != nil {
		return nil, err
	}
	objects, err := compare(t, from, to)
	if err != nil {
		return nil, err
	}
	return Diff{From: from.name, To: to.name, Objects: objects}, nil
}

func defaultFrom(state drift.State) string {
	if state.Baseline != nil {
		return stateBaseline
	}
	return strconv.FormatUint(max(1, state.Revision-min(state.Revision, 1)), 10)
}

// sideOf finds the state that a word means.
func sideOf(s *store.Store, t TenantName, state drift.State, word string) (side, error) {
	everything := func(drift.Kind) bool { return true }
	switch {
	case state.Revision == 0 && word != stateBaseline:
		return side{}, notFound("wait for the first good pass: cadrift status", "%s: nothing has been recorded yet", t.Name)
	case word == stateCurrent:
		return newSide(word, state.Objects, everything), nil
	case word == stateBaseline && state.Baseline == nil:
		return side{}, noBaseline(t)
	case word == stateBaseline:
		return newSide(word, state.Baseline.Objects, state.Baseline.Holds), nil
	}
	revision, err := revisionAt(s, t, word)
	if err != nil {
		return side{}, err
	}
	objects, _, err := s.Snapshot(t.ID, revision)
	if errors.Is(err, drift.ErrNotFound) {
		return side{}, notFound("", "%s: there is no revision %d any more", t.Name, revision)
	}
	if err != nil {
		return side{}, fmt.Errorf("read snapshot: %w", err)
	}
	return newSide(strconv.FormatUint(revision, 10), objects, everything), nil
}

// compare judges every object that differs, most severe first, in the world
// of the later state. A kind that a baseline does not hold is not compared.
func compare(t TenantName, from, to side) ([]ObjectChange, error) {
	keys := maps.Clone(from.objects)
	maps.Copy(keys, to.objects)
	world := judge.NewWorld(maps.Values(to.objects), t.Emergency, t.Names)
	changed := []ObjectChange{}
	for key := range keys {
		if !from.holds(key.Kind) || !to.holds(key.Kind) {
			continue
		}
		c, err := compareObject(world, lookup(from.objects, key), lookup(to.objects, key))
		if err != nil {
			return nil, fmt.Errorf("compare %s: %w", key, err)
		}
		if c != nil {
			changed = append(changed, *c)
		}
	}
	slices.SortFunc(changed, func(x, y ObjectChange) int {
		return cmp.Or(cmp.Compare(y.Severity, x.Severity), x.Object.Key().Compare(y.Object.Key()))
	})
	return changed, nil
}

func lookup(objects map[drift.Key]drift.Object, key drift.Key) *drift.Object {
	if o, ok := objects[key]; ok {
		return &o
	}
	return nil
}

// compareObject is nil for two forms that are the same.
func compareObject(world *judge.World, before, after *drift.Object) (*ObjectChange, error) {
	var c ObjectChange
	switch {
	case before == nil:
		c.Action, c.Object = drift.Created, after.Ref
	case after == nil:
		c.Action, c.Object = drift.Deleted, before.Ref
	case before.Digest == after.Digest:
		return nil, nil
	default:
		c.Action, c.Object = drift.Updated, after.Ref
	}
	changes, patch, err := diff.Objects(before.Form(), after.Form())
	if err != nil {
		return nil, err
	}
	if len(patch) == 0 {
		return nil, nil
	}
	v := world.Judge(judge.Case{Old: before, New: after, Changes: changes})
	c.Direction, c.Severity, c.Lockout, c.Summary = v.Direction, v.Severity, v.Lockout, v.Summary
	c.Changes, c.Patch = list(v.Changes), patch
	return &c, nil
}
