package guard

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/words"
)

// writtenEvent tells a write: what was there, what was added, and who had
// taken it away. A person's name stands in the summary only, from where the
// store can erase it together with the actor's. Fresh is the policy as it was
// read for the write; nil when the process died in between and nobody knows
// any more.
func (g *Guard) writtenEvent(in intent, policy drift.Ref, fresh *drift.Object, now time.Time) drift.Event {
	e := g.event(drift.GuardWritten, drift.Medium, now)
	e.Policy, e.Added, e.Result, e.By = &policy, in.Add.all(), string(in.Stage), in.By
	names := strings.Join(g.nameAll(in.Add.all()), ", ")
	e.Summary = drift.Visible(policy.Name) + ": emergency exclusion added: " + names
	if in.Undo != "" {
		e.Added, e.About = nil, in.Undo
		e.Summary = drift.Visible(policy.Name) + ": write of " + in.Undo + " undone, exclusion taken away: " + names
	}
	var notes []string
	if in.Why != "" {
		notes = append(notes, in.Why)
	}
	if fresh == nil {
		e.Reason = strings.Join(append(notes, "the answer to the write was lost, and it took place"), "; ")
		return e
	}
	users, groups := exclusions(fresh.Raw)
	e.Changes = append(g.change("/conditions/users/excludeUsers", "Excluded users", users, in.Add.Users, in.Undo != ""),
		g.change("/conditions/users/excludeGroups", "Excluded groups", groups, in.Add.Groups, in.Undo != "")...)
	notes = append(notes, fmt.Sprintf("before: %s and %s excluded; they stay", words.Count(len(users), "user", "users"), words.Count(len(groups), "group", "groups")))
	if who := g.blame(policy.ID, in.Add); in.Undo == "" && who.event != "" {
		e.Summary = drift.Visible(policy.Name) + ": emergency exclusion put back: " + names + "; taken away by " + actorWords(who.actor)
		e.About, e.Actor = who.event, who.actor
		notes = append(notes, "taken away in "+who.event)
	}
	e.Reason = strings.Join(notes, "; ")
	return e
}

// change is one list before and after.
func (g *Guard) change(path, field string, before, moved []string, removed bool) []drift.Change {
	if len(moved) == 0 {
		return nil
	}
	after, sign := slices.Concat(before, without(moved, before)), "+ "
	c := drift.Change{Path: path, Field: field, Added: raws(moved), Removed: []json.RawMessage{}}
	if removed {
		after, sign = without(before, moved), "- "
		c.Added, c.Removed = c.Removed, c.Added
	}
	c.Old, c.New = raw(nonNil(before)), raw(after)
	var texts []string
	for _, name := range g.nameAll(moved) {
		texts = append(texts, sign+name)
	}
	c.Text = field + ": " + strings.Join(texts, ", ")
	return []drift.Change{c}
}

func nonNil(ids []string) []string {
	if ids == nil {
		return []string{}
	}
	return ids
}

func raw(v any) json.RawMessage {
	text, err := json.Marshal(v)
	if err != nil {
		return json.RawMessage("null") // strings and their lists always encode
	}
	return text
}

func raws(ids []string) []json.RawMessage {
	out := make([]json.RawMessage, len(ids))
	for i, id := range ids {
		out[i] = raw(id)
	}
	return out
}

// nameAll are the accounts by name where the directory told it.
func (g *Guard) nameAll(ids []string) []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = id
		if name := g.accounts[id].name; name != "" {
			out[i] = drift.Visible(name)
		}
	}
	return out
}

// culprit is who took an exclusion away.
type culprit struct {
	event string
	actor *drift.Actor // nil: the history does not know
}

// blame looks in the history of a policy for the newest event that took one of
// the ids away, and for its actor.
func (g *Guard) blame(policyID string, ids IDs) culprit {
	events, err := g.o.Journal.History(policyID, 50)
	if err != nil {
		g.o.Logger.Warn("history of a policy not read", "tenant", g.o.Tenant, "policy", policyID, "err", err)
		return culprit{}
	}
	return whoRemoved(events, ids.all())
}

func whoRemoved(events []drift.Event, ids []string) culprit {
	attributed := map[string]*drift.Actor{}
	for i := range events {
		e := &events[i]
		switch e.Type {
		case drift.EventAttributed:
			if e.Actor != nil && attributed[e.About] == nil {
				attributed[e.About] = e.Actor
			}
		case drift.DriftChanged:
			if removesAny(e.Changes, ids) {
				return culprit{e.ID, cmp.Or(e.Actor, attributed[e.ID])}
			}
		case drift.GuardWritten:
			if removesAny(e.Changes, ids) {
				return culprit{} // an undo: nobody is to blame
			}
		}
	}
	return culprit{}
}

func removesAny(changes []drift.Change, ids []string) bool {
	for _, c := range changes {
		if c.Path != "/conditions/users/excludeUsers" && c.Path != "/conditions/users/excludeGroups" {
			continue
		}
		for _, gone := range c.Removed {
			var id string
			if json.Unmarshal(gone, &id) == nil && holds(ids, id) {
				return true
			}
		}
	}
	return false
}

func actorWords(a *drift.Actor) string {
	if a == nil || a.Kind == "unknown" {
		return "somebody not known yet"
	}
	return a.Words()
}

// armedWords say what the list was and is.
func armedWords(old, next armedRecord, s Settings) (summary, reason string, added []string) {
	summary = fmt.Sprintf("emergency-access guard: mode %s, %s and %s", next.Mode, words.Count(len(next.Users), "account", "accounts"), words.Count(len(next.Groups), "group", "groups"))
	had, has := slices.Concat(old.Users, old.Groups), slices.Concat(next.Users, next.Groups)
	var notes []string
	if old.Mode == "" {
		notes = append(notes, "armed for the first time")
	} else if old.Mode != next.Mode {
		notes = append(notes, fmt.Sprintf("mode %s → %s", old.Mode, next.Mode))
	}
	added = without(has, had)
	if len(added) > 0 {
		notes = append(notes, "new: "+strings.Join(added, ", "))
	}
	if gone := without(had, has); len(gone) > 0 {
		notes = append(notes, "gone: "+strings.Join(gone, ", "))
	}
	if old.Mode != "" && old.Any != next.Any {
		notes = append(notes, "how many of them a policy must exclude changed")
	}
	if s.Hold > 0 && len(added) > 0 {
		notes = append(notes, fmt.Sprintf("new ids are written after %s", s.Hold))
	}
	return summary, strings.Join(notes, "; "), added
}
