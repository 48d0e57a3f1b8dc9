package poll

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/cadrift/cadrift/internal/beside"
	"github.com/cadrift/cadrift/internal/canon"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/graph"
	"github.com/cadrift/cadrift/internal/schedule"
)

// reading is one kind as one pass saw it.
type reading struct {
	kind drift.Kind
	// err says why the collection does not count; its last good state is
	// carried over.
	err error
	// same tells that the content is that of the last reading that was taken
	// over, and that it left nothing open: there is nothing to look at.
	same bool
	// version is the client's number of this content.
	version uint64
	// objects are the listed ones by id.
	objects map[string]drift.Object
	// ahead is how far our clock is ahead of Graph's; dated tells that the
	// answer said Graph's time.
	ahead time.Duration
	dated bool
	// asked are, of groups, the ids that were asked for: a group that nobody
	// excludes any more is not missing.
	asked map[string]bool
}

// good tells whether the collection was read completely.
func (r *reading) good() bool { return r.err == nil }

// read lists every watched kind. A failure that would repeat for every kind
// (no token, no network, throttled) is not tried again for the rest: three
// kinds times the retries would outlast the interval. An error that Graph, or
// a proxy, answered with is about one collection, and the others go on; the
// second one in a pass is taken for an outage.
func (w *Watcher) read(ctx context.Context) []reading {
	out := make([]reading, 0, len(w.o.Kinds))
	var shared error
	outages := 0
	for _, kind := range w.o.Kinds {
		if kind == drift.Group {
			continue // found in the policies, read after them
		}
		if shared != nil {
			out = append(out, reading{kind: kind, err: shared})
			continue
		}
		listing, err := w.o.Source.List(ctx, kind)
		if err != nil {
			out = append(out, reading{kind: kind, err: err})
			if graph.ReasonOf(err) == drift.ReasonUnreachable {
				outages++
			}
			if sharesFate(err) || outages > 1 {
				shared = err
			}
			continue
		}
		r := w.understand(listing)
		if !listing.Date.IsZero() {
			r.ahead, r.dated = schedule.Wall(listing.At).Sub(listing.Date), true
		}
		out = append(out, r)
	}
	if slices.Contains(w.o.Kinds, drift.Group) && shared == nil {
		if r, ok := w.readGroups(ctx, out); ok {
			out = append(out, r)
		}
	}
	return out
}

func sharesFate(err error) bool {
	switch graph.ReasonOf(err) {
	case drift.ReasonCredential, drift.ReasonThrottled:
		return true
	case drift.ReasonUnreachable:
		var ge *graph.Error
		return !errors.As(err, &ge) || ge.Status == 0
	}
	return false
}

// understand turns a listing into objects through the gates: same pages, same
// raw bytes, and only then the canonical form.
func (w *Watcher) understand(l graph.Listing) reading {
	if v, ok := w.settled[l.Kind]; ok && v == l.Version {
		return reading{kind: l.Kind, same: true, version: v}
	}
	r := reading{kind: l.Kind, version: l.Version, objects: make(map[string]drift.Object, len(l.Items))}
	for _, item := range l.Items {
		if old, ok := w.state.Objects[drift.Key{Kind: l.Kind, ID: item.ID}]; ok && bytes.Equal(old.Raw, item.Raw) {
			old.Raw = item.Raw // one copy in memory: the client keeps its pages
			r.objects[item.ID] = old
			continue
		}
		obj, err := canon.Object(l.Kind, item.Raw)
		if err != nil {
			return reading{kind: l.Kind, err: fmt.Errorf("read %s %s: %w", l.Kind.Words(), drift.Visible(item.ID), err)}
		}
		r.objects[obj.ID] = obj
	}
	return r
}

// readGroups reads the groups that enforced policies exclude. They are found
// in the policies, and one that no policy excludes any more is dropped without
// a word.
func (w *Watcher) readGroups(ctx context.Context, readings []reading) (r reading, ok bool) {
	g, ok := w.o.Beside.Groups(ctx, w.excludedGroups(readings), w.state.Objects)
	return reading{kind: drift.Group, objects: g.Objects, asked: g.Asked}, ok
}

// excludedGroups are the ids that enforced policies exclude. A listing that
// did not change excludes the same ones.
func (w *Watcher) excludedGroups(readings []reading) []string {
	if w.excluded != nil && slices.ContainsFunc(readings, func(r reading) bool { return r.kind == drift.Policy && (r.same || !r.good()) }) {
		return w.excluded
	}
	policies := map[string]drift.Object{}
	for key, obj := range w.state.Objects {
		if key.Kind == drift.Policy {
			policies[key.ID] = obj
		}
	}
	for i := range readings {
		if r := &readings[i]; r.kind == drift.Policy && r.good() && !r.same {
			maps.Copy(policies, r.objects) // one that is merely absent goes on counting
		}
	}
	w.excluded = beside.Excluded(maps.Values(policies))
	return w.excluded
}
