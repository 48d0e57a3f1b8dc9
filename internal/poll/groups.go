package poll

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cadrift/cadrift/internal/canon"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/graph"
)

// Members reads the members of a group, of groups below it too: a Graph
// client. The error is drift.ErrNotFound when there is no such group.
type Members interface {
	Members(ctx context.Context, group string) ([]string, error)
}

// Caps, so that a tenant with many large groups does not hold up the passes:
// groups watched at all, and read in one pass. The rest of a pass's groups is
// read in the next.
const (
	maxGroups        = 200
	maxGroupsAtATime = 25
)

// readGroups reads the groups that enforced policies exclude. Nobody lists
// them: they are found in the policies, and one that no policy excludes any
// more is dropped without a word. What cannot be read is a limit of the view
// and fails nothing; ok is false when there is no reading at all.
func (w *Watcher) readGroups(ctx context.Context, readings []reading) (r reading, ok bool) {
	if w.o.Members == nil || w.o.Directory == nil {
		return r, false
	}
	ids := w.excludedGroups(readings)
	limits := []string{}
	if len(ids) > maxGroups {
		limits = append(limits, fmt.Sprintf("policies exclude %d groups, of which the first %d are watched", len(ids), maxGroups))
		ids = ids[:maxGroups]
	}
	r = reading{kind: drift.Group, objects: map[string]drift.Object{}, asked: map[string]bool{}}
	for _, id := range ids {
		r.asked[id] = true
	}
	found := map[string]graph.Principal{}
	if len(ids) > 0 {
		var err error
		if found, err = w.o.Directory.Objects(ctx, ids); err != nil {
			w.setback(drift.ReasonGroups, "the members of excluded groups are not watched: ", err)
			return r, false
		}
	}
	var dangling []string
	for _, id := range w.nextGroups(ids) {
		_, known := w.state.Objects[drift.Key{Kind: drift.Group, ID: id}]
		p, there := found[id]
		if !there {
			if !known {
				dangling = append(dangling, id)
			}
			continue
		}
		if err := w.readGroup(ctx, &r, p); err != nil {
			limits = append(limits, "members of the group "+drift.Visible(cmp.Or(p.Name, p.ID))+" are not watched: "+graph.Plain(err))
			if !errors.Is(err, context.Canceled) && graph.ReasonOf(err) != drift.ReasonIncomplete {
				break // it would be the same with the next group
			}
		}
	}
	w.carryGroups(&r, found)
	if len(dangling) > 0 {
		limits = append(limits, "policies exclude ids that are no group, or of a deleted one: "+strings.Join(dangling, ", "))
	}
	if len(limits) > 0 {
		w.limit(drift.ReasonGroups, strings.Join(limits, "; "))
	} else {
		w.unlimit(drift.ReasonGroups)
	}
	return r, true
}

// readGroup adds one group to the reading.
func (w *Watcher) readGroup(ctx context.Context, r *reading, p graph.Principal) error {
	members, err := w.o.Members.Members(ctx, p.ID)
	if errors.Is(err, drift.ErrNotFound) {
		return nil // deleted a moment ago: absent from this reading
	}
	if err != nil {
		return err
	}
	obj, err := w.groupObject(p.ID, p.Name, members)
	r.objects[p.ID] = obj
	return err
}

// carryGroups takes over what this pass did not get to, as it was.
func (w *Watcher) carryGroups(r *reading, found map[string]graph.Principal) {
	for id := range r.asked {
		_, read := r.objects[id]
		_, there := found[id]
		if old, known := w.state.Objects[drift.Key{Kind: drift.Group, ID: id}]; known && there && !read {
			r.objects[id] = old
		}
	}
}

// nextGroups are those whose turn it is.
func (w *Watcher) nextGroups(ids []string) []string {
	if len(ids) <= maxGroupsAtATime {
		return ids
	}
	from := w.groupTurn % len(ids)
	w.groupTurn = from + maxGroupsAtATime
	return slices.Concat(ids[from:], ids[:from])[:maxGroupsAtATime]
}

// groupObject is a group as an object of ours: Graph has no such body. A name
// that may not be read any more stays what it was.
func (w *Watcher) groupObject(id, name string, members []string) (drift.Object, error) {
	old, known := w.state.Objects[drift.Key{Kind: drift.Group, ID: id}]
	if name == "" {
		name = old.Name
	}
	raw, err := json.Marshal(struct {
		DisplayName string   `json:"displayName,omitempty"`
		ID          string   `json:"id"`
		Members     []string `json:"members"`
	}{name, id, members})
	if err != nil {
		return drift.Object{}, fmt.Errorf("encode group %s: %w", id, err)
	}
	if known && bytes.Equal(old.Raw, raw) {
		return old, nil
	}
	return canon.Object(drift.Group, raw)
}

// getGroup reads one group by id, as [Watcher.get] does other objects.
func (w *Watcher) getGroup(ctx context.Context, id string) (drift.Object, error) {
	if w.o.Members == nil {
		return drift.Object{}, errors.New("get group: groups are not watched any more")
	}
	members, err := w.o.Members.Members(ctx, id)
	if err != nil {
		return drift.Object{}, err
	}
	return w.groupObject(id, "", members)
}

// excludedGroups are the ids that enforced policies exclude, sorted. A listing
// that did not change excludes the same ones.
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
	ids := map[string]bool{}
	for _, p := range policies {
		var form struct {
			State      string
			Conditions struct {
				Users struct{ ExcludeGroups []string }
			}
		}
		if json.Unmarshal(p.Canonical, &form) == nil && form.State == "enabled" {
			collect(ids, form.Conditions.Users.ExcludeGroups)
		}
	}
	w.excluded = slices.AppendSeq([]string{}, maps.Keys(ids))
	slices.Sort(w.excluded)
	return w.excluded
}
