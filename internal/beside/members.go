package beside

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
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
// groups watched at all, and read in one pass. The rest is read in the next
// ones.
const (
	maxGroups        = 200
	maxGroupsAtATime = 25
)

// Groups is a reading of groups. Nobody lists them: they are asked for by id.
type Groups struct {
	Asked   map[string]bool
	Objects map[string]drift.Object
}

// Excluded are the ids of the groups that the enforced ones of the policies
// exclude, sorted; empty and not nil when there are none.
func Excluded(policies iter.Seq[drift.Object]) []string {
	ids := map[string]bool{}
	for p := range policies {
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
	out := slices.AppendSeq([]string{}, maps.Keys(ids))
	slices.Sort(out)
	return out
}

// Groups reads groups; known are the objects as they were read last, for those
// whose turn it is not. What cannot be read is a limit of the view and fails
// nothing; ok is false when there is no reading at all.
func (v *View) Groups(ctx context.Context, ids []string, known map[drift.Key]drift.Object) (g Groups, ok bool) {
	if v.o.Members == nil || v.o.Directory == nil {
		return g, false
	}
	limits := []string{}
	if len(ids) > maxGroups {
		limits = append(limits, fmt.Sprintf("policies exclude %d groups, of which the first %d are watched", len(ids), maxGroups))
		ids = ids[:maxGroups]
	}
	g = Groups{Asked: map[string]bool{}, Objects: map[string]drift.Object{}}
	for _, id := range ids {
		g.Asked[id] = true
	}
	found := map[string]graph.Principal{}
	if len(ids) > 0 {
		var err error
		if found, err = v.o.Directory.Objects(ctx, ids); err != nil {
			v.setback(drift.ReasonGroups, "the members of excluded groups are not watched: ", err)
			return g, false
		}
	}
	var dangling []string
	for _, id := range v.nextGroups(ids) {
		old, was := known[groupKey(id)]
		p, there := found[id]
		if !there {
			if !was {
				dangling = append(dangling, id)
			}
			continue
		}
		if err := v.readGroup(ctx, &g, p, old); err != nil {
			limits = append(limits, "members of the group "+drift.Visible(cmp.Or(p.Name, p.ID))+" are not watched: "+graph.Plain(err))
			if !errors.Is(err, context.Canceled) && graph.ReasonOf(err) != drift.ReasonIncomplete {
				break // it would be the same with the next group
			}
		}
	}
	g.carry(found, known)
	if len(dangling) > 0 {
		limits = append(limits, "policies exclude ids that are no group, or of a deleted one: "+strings.Join(dangling, ", "))
	}
	if len(limits) > 0 {
		v.limit(drift.ReasonGroups, strings.Join(limits, "; "))
	} else {
		v.unlimit(drift.ReasonGroups)
	}
	return g, true
}

func groupKey(id string) drift.Key { return drift.Key{Kind: drift.Group, ID: id} }

// readGroup adds one group to the reading.
func (v *View) readGroup(ctx context.Context, g *Groups, p graph.Principal, old drift.Object) error {
	members, err := v.o.Members.Members(ctx, p.ID)
	if errors.Is(err, drift.ErrNotFound) {
		return nil // deleted a moment ago: absent from this reading
	}
	if err != nil {
		return err
	}
	obj, err := groupObject(p.ID, p.Name, members, old)
	g.Objects[p.ID] = obj
	return err
}

// carry takes over what this reading did not get to, as it was.
func (g *Groups) carry(found map[string]graph.Principal, known map[drift.Key]drift.Object) {
	for id := range g.Asked {
		_, read := g.Objects[id]
		_, there := found[id]
		if old, was := known[groupKey(id)]; was && there && !read {
			g.Objects[id] = old
		}
	}
}

// nextGroups are those whose turn it is.
func (v *View) nextGroups(ids []string) []string {
	if len(ids) <= maxGroupsAtATime {
		return ids
	}
	from := v.groupTurn % len(ids)
	v.groupTurn = from + maxGroupsAtATime
	return slices.Concat(ids[from:], ids[:from])[:maxGroupsAtATime]
}

// groupObject is a group as an object of ours: Graph has no such body. A name
// that may not be read any more stays what it was.
func groupObject(id, name string, members []string, old drift.Object) (drift.Object, error) {
	raw, err := json.Marshal(struct {
		DisplayName string   `json:"displayName,omitempty"`
		ID          string   `json:"id"`
		Members     []string `json:"members"`
	}{cmp.Or(name, old.Name), id, members})
	if err != nil {
		return drift.Object{}, fmt.Errorf("encode group %s: %w", id, err)
	}
	if bytes.Equal(old.Raw, raw) {
		return old, nil
	}
	return canon.Object(drift.Group, raw)
}

// Group reads one group by id; old is its last form, empty when there is none.
func (v *View) Group(ctx context.Context, id string, old drift.Object) (drift.Object, error) {
	if v.o.Members == nil {
		return drift.Object{}, errors.New("get group: groups are not watched any more")
	}
	members, err := v.o.Members.Members(ctx, id)
	if err != nil {
		return drift.Object{}, err
	}
	return groupObject(id, "", members, old)
}

// Movers are the ids of those who joined or left, if what changed is a group.
func Movers(kind drift.Kind, changes []drift.Change) []string {
	var out []string
	for _, ch := range changes {
		if kind != drift.Group || ch.Path != "/members" {
			continue
		}
		for _, list := range [][]json.RawMessage{ch.Added, ch.Removed} {
			for _, raw := range list {
				var id string
				if json.Unmarshal(raw, &id) == nil {
					out = append(out, id)
				}
			}
		}
	}
	return out
}
