package guard

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/graph"
)

// Passed takes in what a good pass saw: it settles the writes whose outcome is
// open, plans, and in enforce mode writes what the brakes allow. Its error is
// that of the journal; everything Graph may do is told by events instead.
func (g *Guard) Passed(ctx context.Context, s Sight) error {
	g.mu.Lock()
	g.sight = s
	g.mu.Unlock()
	if g.s.Mode == Off {
		return g.Arm(s.Time) // switching the guard off is told as well
	}
	if err := g.Arm(s.Time); err != nil {
		return err
	}
	g.countAnew(s.Time)
	g.lookAtAccounts(ctx, s.Time)
	if err := g.settle(s); err != nil {
		return err
	}
	rows := g.plan(s.Time)
	if g.s.Mode != Enforce || g.o.Journal == nil {
		return nil
	}
	if may, err := g.permitted(ctx, s.Time); err != nil || !may {
		return err
	}
	if err := g.tellRefusals(rows, s.Time); err != nil || g.blocked() != "" {
		return err
	}
	spent := g.spent(s.Time)
	choice := Choose(rows, spent, g.s.PerHour-spent.Hour, g.s)
	if err := g.trip(choice.Fought, s.Time); err != nil {
		return err
	}
	for _, r := range choice.Writes {
		if more, err := g.write(ctx, order{row: r}); err != nil || !more {
			return err
		}
	}
	return g.tellWaiting(choice.Waiting, s.Time)
}

// plan makes and keeps the plan.
func (g *Guard) plan(now time.Time) []Row {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.replan(now)
	return slices.Clone(g.rows)
}

// The times after which an open outcome is settled without having been seen.
const (
	// settleTime is how long replicas may show a policy as it was before.
	settleTime = 2 * time.Minute
	// patience is how long a write that Graph accepted may stay invisible.
	patience = 15 * time.Minute
)

// settle compares the open writes with a pass.
//
//	the pass shows            outcome was          then
//	what was written          any                  verified, unless it is from before the write
//	not, and a write after    read-back had it     taken away since
//	the one that had it
//	not, no newer write       unknown, < 2 min     wait: it may be under way or unseen
//	not                       unknown, later       failed: it did not take place
//	not, but a newer write    sent, > 2 min        taken away since, or never won
//	not                       sent, > 15 min       unverified
//	no such policy            any                  failed: the policy is gone
func (g *Guard) settle(s Sight) error {
	seen := map[string]*drift.Object{}
	for i := range s.Policies {
		seen[fold(s.Policies[i].ID)] = &s.Policies[i]
	}
	g.mu.Lock()
	var open []intent
	for _, id := range slices.Sorted(maps.Keys(g.intents)) {
		if in := g.intents[id]; in.open() {
			open = append(open, *in)
		}
	}
	g.mu.Unlock()
	for _, in := range open {
		next, note := outcome(in, seen[fold(in.Policy.ID)], s.Time)
		if next == in.Stage {
			continue
		}
		in.Stage, in.Note = next, note
		if err := g.conclude(in, seen[fold(in.Policy.ID)], s.Time); err != nil {
			return err
		}
	}
	return nil
}

// outcome is the table of settle.
func outcome(in intent, o *drift.Object, now time.Time) (stage, string) {
	age := now.Sub(in.Time)
	switch {
	case o == nil && age < settleTime:
		return in.Stage, ""
	case o == nil:
		return failed, "the policy is gone"
	case in.effect(o.Raw) && !o.Written().Before(in.Before) && !o.Written().Before(in.Seen):
		return verified, "an ordinary pass saw it"
	case !in.Seen.IsZero() && o.Written().After(in.Seen):
		return overtaken, "it was there, and somebody wrote after it"
	case age < settleTime:
		return in.Stage, ""
	case in.Stage != sent:
		return failed, "no answer came, and it did not take place"
	case !in.Before.IsZero() && o.Written().After(in.Before) && in.Seen.IsZero():
		return overtaken, "Graph accepted it, and somebody wrote after it"
	case age < patience:
		return in.Stage, ""
	}
	return unverified, "Graph accepted it 15 minutes ago and does not show it"
}

// effect tells whether a form of the policy shows what the intent wrote.
func (in *intent) effect(raw []byte) bool {
	users, groups := exclusions(raw)
	if in.Undo != "" {
		return first(users, in.Add.Users) == "" && first(groups, in.Add.Groups) == ""
	}
	return len(without(in.Add.Users, users)) == 0 && len(without(in.Add.Groups, groups)) == 0
}

// conclude records a settled outcome and tells what has not been told.
func (g *Guard) conclude(in intent, o *drift.Object, now time.Time) error {
	var events []drift.Event
	var edit *drift.Edit
	switch in.Stage {
	case verified, overtaken:
		if !in.Told { // the answer was lost: this is the first anybody hears of it
			events = append(events, g.writtenEvent(in, in.Policy, nil, now))
			edit = in.edit(o)
			in.Told = true
		}
		g.o.Metrics.wrote(g.o.Tenant, verified)
	case unverified:
		e := g.event(drift.GuardFailed, drift.High, now)
		e.Policy, e.Added, e.Result, e.Reason = &in.Policy, in.Add.all(), string(unverified), in.Note
		e.Summary = drift.Visible(in.Policy.Name) + ": the guard's write does not show"
		events = append(events, e)
		g.o.Metrics.wrote(g.o.Tenant, unverified)
	case failed:
		g.o.Metrics.wrote(g.o.Tenant, failed)
		g.o.Logger.Warn("guard write did not take place", "tenant", g.o.Tenant, "policy", in.Policy.ID, "note", in.Note)
	}
	return g.keep(in, events, edit)
}

// permitted tells whether writing is permitted at all, and names the missing
// permission once per process.
func (g *Guard) permitted(ctx context.Context, now time.Time) (bool, error) {
	may, known, err := g.o.Graph.MayWrite(ctx)
	why := ""
	switch {
	case err != nil:
		why = "no token for writes: " + graph.Plain(err)
	case known && !may:
		why = "the application permission " + graph.WritePermission + " is missing"
	}
	g.mu.Lock()
	g.denied = why
	g.mu.Unlock()
	if why == "" {
		g.permissionTold = false
		return true, nil
	}
	if g.permissionTold {
		return false, nil
	}
	g.o.Logger.Error("guard cannot write", "tenant", g.o.Tenant, "reason", why)
	e := g.event(drift.GuardFailed, drift.High, now)
	e.Result, e.Reason = string(refused), why
	e.Summary = "mode enforce cannot write: " + why
	if _, err := g.o.Journal.Record(nil, []drift.Event{e}, nil); err != nil {
		return false, fmt.Errorf("record missing permission: %w", err)
	}
	g.o.Metrics.wrote(g.o.Tenant, refused)
	g.permissionTold = true
	return false, nil
}

// tellRefusals tells each policy that is refused, once per reason.
func (g *Guard) tellRefusals(rows []Row, now time.Time) error {
	for i := range rows {
		r := &rows[i]
		id := fold(r.Object.ID)
		g.mu.Lock()
		before := g.told[id]
		g.mu.Unlock()
		if r.Verdict != Refused && before == "" || r.Verdict == Refused && before == r.Reason {
			continue
		}
		var events []drift.Event
		var record any
		text := ""
		if r.Verdict == Refused && r.State != stateOff {
			text = r.Reason
			record = toldRecord{Text: text, Time: now}
			e := g.event(drift.GuardRefused, drift.Medium, now)
			e.Policy, e.Result, e.Reason = &r.Object, string(refused), r.Reason
			e.Summary = drift.Visible(r.Object.Name) + ": not written: " + r.Reason
			events = append(events, e)
		}
		if text == before {
			continue
		}
		told, err := entry(kindTold, id, record)
		if err != nil {
			return err
		}
		if _, err := g.o.Journal.Record([]drift.Entry{told}, events, nil); err != nil {
			return fmt.Errorf("record refusal: %w", err)
		}
		if text != "" {
			g.o.Metrics.wrote(g.o.Tenant, refused)
		}
		g.mu.Lock()
		g.told[id] = text
		g.mu.Unlock()
	}
	return nil
}

// tellWaiting tells, once an hour, that the hour's budget is spent.
func (g *Guard) tellWaiting(rows []Row, now time.Time) error {
	g.mu.Lock()
	recent := now.Sub(g.hourTold) < time.Hour
	g.mu.Unlock()
	if len(rows) == 0 || recent {
		return nil
	}
	e := g.event(drift.GuardRefused, drift.Medium, now)
	e.Result = string(refused)
	e.Reason = g.s.hourSpent()
	e.Summary = fmt.Sprintf("%d policies still lack an emergency exclusion: %s; cadrift guard apply --max N grants more", len(rows), e.Reason)
	told, err := entry(kindTold, hourID, toldRecord{Time: now})
	if err != nil {
		return err
	}
	if _, err := g.o.Journal.Record([]drift.Entry{told}, []drift.Event{e}, nil); err != nil {
		return fmt.Errorf("record spent budget: %w", err)
	}
	g.o.Metrics.wrote(g.o.Tenant, refused)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.hourTold = now
	return nil
}

// trip stops the policies that somebody else keeps changing back.
func (g *Guard) trip(rows []Row, now time.Time) error {
	for _, r := range rows {
		who := g.blame(r.Object.ID, r.Add)
		why := fmt.Sprintf("a fight: %d writes in a day, and the exclusion is gone again", g.s.PerPolicyDay)
		if who.event != "" {
			why += "; last taken away in " + who.event
		}
		e := g.event(drift.GuardFailed, drift.High, now)
		e.Policy, e.Result, e.Reason, e.Actor = &r.Object, string(refused), why, who.actor
		e.Summary = drift.Visible(r.Object.Name) + ": the guard gives up, another automation removes the emergency exclusion each time"
		if who.actor != nil {
			e.Summary += ", the last time " + actorWords(who.actor)
		}
		e.About = who.event
		if err := g.stop(r.Object, stopRecord{Policy: r.Object, Why: why, Time: now}, e); err != nil {
			return err
		}
	}
	return nil
}

// stop ends the writes to a policy, and says so.
func (g *Guard) stop(policy drift.Ref, s stopRecord, e drift.Event) error {
	record, err := entry(kindStop, fold(policy.ID), s)
	if err != nil {
		return err
	}
	if _, err := g.o.Journal.Record([]drift.Entry{record}, []drift.Event{e}, nil); err != nil {
		return fmt.Errorf("record stop: %w", err)
	}
	g.o.Metrics.wrote(g.o.Tenant, refused)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stops[fold(policy.ID)] = s
	g.replan(e.Time)
	return nil
}
