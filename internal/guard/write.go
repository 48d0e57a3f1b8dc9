package guard

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/cadrift/cadrift/internal/canon"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/graph"
)

// order is one write that the plan, or a person, asks for.
type order struct {
	row     Row
	granted bool
	by, why string
	// undo is the event whose write is to be reversed; the row's Add holds the
	// ids to take away.
	undo string
}

// write carries one order out. More is false when nothing else should be tried
// now; the error is that of the journal.
func (g *Guard) write(ctx context.Context, o order) (more bool, err error) {
	defer func() { g.plan(time.Now().UTC()) }()
	now := time.Now().UTC()
	in := intent{
		ID: fold(o.row.Object.ID) + "/" + now.Format("20060102T150405.000000000"), Policy: o.row.Object, Time: now,
		Add: o.row.Add, Undo: o.undo, Granted: o.granted, By: o.by, Why: o.why, Stage: stored,
	}
	if err := g.keep(in, nil, nil); err != nil {
		return false, err // no intent, no write
	}
	fresh, body, stop := g.prepare(ctx, &in)
	if stop != "" {
		in.Stage, in.Note = void, stop
		g.o.Logger.Info("guard did not write", "tenant", g.o.Tenant, "policy", in.Policy.ID, "reason", stop)
		if err := g.keep(in, nil, nil); err != nil || !strings.HasPrefix(stop, secondCheck) || in.Undo != "" {
			return ctx.Err() == nil, err
		}
		return ctx.Err() == nil, g.refusedByCheck(in, fresh)
	}
	fault := g.patch(ctx, in, body)
	if again(fault) {
		// Somebody was at it at the same moment: nothing was written. Read
		// once more, write once more.
		if fresh, body, stop = g.prepare(ctx, &in); stop == "" {
			fault = g.patch(ctx, in, body)
		}
	}
	return g.result(ctx, in, fresh, fault)
}

// again tells of the refusals that a second reading may cure.
func again(fault *graph.Error) bool {
	return fault != nil && (fault.Status == http.StatusConflict || fault.Status == http.StatusPreconditionFailed)
}

// prepare reads the policy anew, plans once more on what it read, and makes
// the body. What stands against a write comes back in words.
func (g *Guard) prepare(ctx context.Context, in *intent) (fresh drift.Object, body []byte, stop string) {
	item, err := g.o.Graph.Get(ctx, drift.Policy, in.Policy.ID)
	if err != nil {
		return fresh, nil, "the policy could not be read: " + graph.Plain(err)
	}
	if fresh, err = canon.Object(drift.Policy, item.Raw); err != nil {
		return fresh, nil, "the policy could not be understood: " + err.Error()
	}
	if fresh.Written().Before(g.newest(in.Policy.ID)) || fresh.Written().Before(in.Before) {
		return fresh, nil, "the reading is older than an earlier one"
	}
	in.Before, in.Policy.Name = fresh.Written(), fresh.Name
	if in.Undo != "" {
		body, stop = g.reverse(*in, fresh)
	} else {
		body, stop = g.grow(in, fresh)
	}
	switch {
	case stop != "":
	case time.Since(in.Time) >= carryTime:
		stop = "reading the policy took too long"
	default:
		stop = g.stopFile()
	}
	return fresh, body, stop
}

// newest is the last write to a policy that any reading showed: the pass, or
// one of the guard's own. A replica that is behind it would cost what came
// since.
func (g *Guard) newest(policyID string) time.Time {
	var at time.Time
	if known := g.known(policyID); known != nil {
		at = known.Written()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, in := range g.intents {
		if fold(in.Policy.ID) != fold(policyID) {
			continue
		}
		for _, seen := range []time.Time{in.Before, in.Seen} {
			if seen.After(at) {
				at = seen
			}
		}
	}
	return at
}

// known is the policy as the pass saw it, with the guard's own writes since.
func (g *Guard) known(id string) *drift.Object {
	g.mu.Lock()
	defer g.mu.Unlock()
	policies := g.view()
	for i := range policies {
		if fold(policies[i].ID) == fold(id) {
			return &policies[i]
		}
	}
	return nil
}

// secondCheck begins the words of a body that [checkAdds] or [checkWithdrawal]
// refused.
const secondCheck = "refused by the second check: "

// grow makes the body of an ordinary write: what the intent announced and the
// fresh reading still lacks.
func (g *Guard) grow(in *intent, fresh drift.Object) (body []byte, stop string) {
	g.mu.Lock()
	f := g.facts(time.Now())
	g.mu.Unlock()
	delete(f.Pending, fold(in.Policy.ID)) // this very intent
	row := decide(&fresh, g.s, f)
	add := IDs{Users: both(in.Add.Users, row.Add.Users), Groups: both(in.Add.Groups, row.Add.Groups)}
	if !row.Write || add.empty() {
		return nil, "nothing to write any more: " + row.Reason
	}
	in.Add = add
	body, err := compose(fresh.Raw, add)
	if err == nil {
		err = checkAdds(fresh.Raw, body, g.s.Users, g.s.Groups)
	}
	if err != nil {
		g.o.Logger.Error("guard body refused by the second check", "tenant", g.o.Tenant, "policy", in.Policy.ID, "err", err)
		return nil, secondCheck + err.Error()
	}
	return body, ""
}

// both are the ids of a that are in b as well.
func both(a, b []string) []string {
	out := []string{}
	for _, id := range a {
		if holds(b, id) {
			out = append(out, id)
		}
	}
	return out
}

// patchTime is how long Graph may take to answer a PATCH.
const patchTime = 15 * time.Second

// patch sends the body. A shutdown does not cut it off: the answer is worth
// the wait, and graph bounds it.
func (g *Guard) patch(ctx context.Context, in intent, body []byte) *graph.Error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patchTime)
	defer cancel()
	err := g.o.Graph.Patch(ctx, in.Policy.ID, body)
	if err == nil {
		return nil
	}
	var fault *graph.Error
	if errors.As(err, &fault) {
		return fault
	}
	return &graph.Error{Op: "change policy", Message: err.Error(), Unknown: true}
}

// result records what became of a PATCH.
//
//	answer                       stage     then
//	2xx                          sent      told as written; a later pass verifies it
//	none, 408, 5xx               unknown   read at once; a later pass settles it
//	400, 403                     refused   the policy is stopped, and that is told
//	404, 409, 412, 429, others   void      the next pass plans anew
func (g *Guard) result(ctx context.Context, in intent, fresh drift.Object, fault *graph.Error) (more bool, err error) {
	now := time.Now().UTC()
	switch {
	case fault == nil:
		in.Stage = sent
	case fault.Unknown:
		in.Stage, in.Note = unknown, fault.Error()
		g.o.Metrics.wrote(g.o.Tenant, unknown)
	case fault.Status == http.StatusBadRequest || fault.Status == http.StatusForbidden:
		in.Stage, in.Note = refused, fault.Error()
		return false, g.refusedByGraph(in, fresh, now)
	default:
		in.Stage, in.Note = void, fault.Error()
		g.o.Logger.Warn("guard write did not take place", "tenant", g.o.Tenant, "policy", in.Policy.ID, "err", fault)
		return false, g.keep(in, nil, nil)
	}
	after := g.readBack(ctx, &in)
	if in.Stage == unknown && in.Seen.IsZero() {
		return false, g.keep(in, nil, nil)
	}
	in.Stage, in.Told = sent, true
	if after == nil { // what it must have become
		after = in.apply(fresh)
	}
	err = g.keep(in, []drift.Event{g.writtenEvent(in, in.Policy, &fresh, now)}, in.edit(after))
	return err == nil && ctx.Err() == nil, err
}

// readBack looks once whether the write shows. Not seeing it proves nothing:
// replicas lag.
func (g *Guard) readBack(ctx context.Context, in *intent) *drift.Object {
	limit := 15 * time.Second
	if ctx.Err() != nil { // a shutdown has waited for the PATCH already; the next life looks as well
		limit = 3 * time.Second
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	item, err := g.o.Graph.Get(ctx, drift.Policy, in.Policy.ID)
	if err != nil {
		g.o.Logger.Warn("guard write not read back", "tenant", g.o.Tenant, "policy", in.Policy.ID, "err", err)
		return nil
	}
	o, err := canon.Object(drift.Policy, item.Raw)
	if err != nil {
		return nil
	}
	if !in.effect(o.Raw) {
		if o.Written().After(in.Before) {
			in.Before = o.Written()
		}
		return nil
	}
	in.Seen = o.Written()
	return &o
}

// refusedByGraph stops the policy and says why.
func (g *Guard) refusedByGraph(in intent, fresh drift.Object, now time.Time) error {
	if err := g.keep(in, nil, nil); err != nil {
		return err
	}
	e := g.event(drift.GuardFailed, drift.High, now)
	e.Policy, e.Added, e.Result, e.Reason = &in.Policy, in.Add.all(), string(refused), in.Note
	e.Summary = fmt.Sprintf("%s: Graph refused the emergency exclusion; this policy is not written again until it changes", drift.Visible(in.Policy.Name))
	return g.stop(in.Policy, stopRecord{Policy: in.Policy, Why: "Graph refused the write: " + in.Note, Time: now, Digest: fresh.Digest}, e)
}

// refusedByCheck stops the policy in the form for which the guard would have
// sent a body that does more than it may.
func (g *Guard) refusedByCheck(in intent, fresh drift.Object) error {
	now := time.Now().UTC()
	e := g.event(drift.GuardRefused, drift.Medium, now)
	e.Policy, e.Added, e.Result, e.Reason = &in.Policy, in.Add.all(), string(refused), in.Note
	e.Summary = drift.Visible(in.Policy.Name) + ": not written: " + in.Note
	return g.stop(in.Policy, stopRecord{Policy: in.Policy, Why: in.Note, Time: now, Digest: fresh.Digest}, e)
}

// exclusions are the two lists of a policy; empty where it cannot be read.
func exclusions(raw []byte) (users, groups []string) {
	var p subject
	if json.Unmarshal(raw, &p) != nil || p.Conditions == nil || p.Conditions.Users == nil {
		return nil, nil
	}
	return p.Conditions.Users.ExcludeUsers, p.Conditions.Users.ExcludeGroups
}

// apply is the form that a write makes of a policy: the body it sent, merged.
func (in *intent) apply(o drift.Object) *drift.Object { return reshaped(o, in.Add, in.Undo != "") }

// edit is what the write did to a policy that is of this form since; nil when
// that cannot be told.
func (in *intent) edit(after *drift.Object) *drift.Edit {
	if after == nil {
		return nil
	}
	before := after
	if in.effect(after.Raw) {
		before = reshaped(*after, in.Add, in.Undo == "")
	}
	if before == nil {
		return nil
	}
	return &drift.Edit{Before: *before, After: *after}
}

// reshaped is a policy with ids among its exclusions, or without them.
func reshaped(o drift.Object, ids IDs, gone bool) *drift.Object {
	var err error
	var body []byte
	if gone {
		body, err = withdraw(o.Raw, ids)
	} else {
		users, groups := exclusions(o.Raw)
		body, err = compose(o.Raw, IDs{Users: without(ids.Users, users), Groups: without(ids.Groups, groups)})
	}
	if err != nil {
		return nil
	}
	return merged(o, body)
}

// merged puts the lists of a body into a policy, as Graph does.
func merged(o drift.Object, body []byte) *drift.Object {
	var policy map[string]any
	var lists struct {
		Conditions struct {
			Users map[string]any `json:"users"`
		} `json:"conditions"`
	}
	d := json.NewDecoder(bytes.NewReader(o.Raw))
	d.UseNumber() // a number must come out as it went in
	if d.Decode(&policy) != nil || json.Unmarshal(body, &lists) != nil {
		return nil
	}
	conditions, _ := policy["conditions"].(map[string]any)
	users, ok := conditions["users"].(map[string]any)
	if !ok {
		return nil
	}
	maps.Copy(users, lists.Conditions.Users)
	raw, err := json.Marshal(policy)
	if err != nil {
		return nil
	}
	out, err := canon.Object(drift.Policy, raw)
	if err != nil {
		return nil
	}
	return &out
}

// Writes are the writes to a policy that took place, or may have, each as the
// span in which it was made: a single moment where a reading showed it.
func (g *Guard) Writes(policyID string) []drift.Window {
	g.mu.Lock()
	defer g.mu.Unlock()
	var out []drift.Window
	for _, in := range g.intents {
		switch {
		case in.Stage == void, in.Stage == refused, fold(in.Policy.ID) != fold(policyID):
		case !in.Seen.IsZero():
			out = append(out, drift.Window{From: in.Seen, To: in.Seen})
		default:
			out = append(out, drift.Window{From: in.Time, To: in.Time.Add(carryTime + patchTime)})
		}
	}
	return out
}

// Expect gives the form that old has after the guard's own open writes, as far
// as new shows them, or a later one that was made on top of them: what else
// differs is somebody else's. Nil when there are none.
func (g *Guard) Expect(old, new drift.Object) *drift.Object {
	g.mu.Lock()
	defer g.mu.Unlock()
	var own []*intent
	for _, id := range slices.Sorted(maps.Keys(g.intents)) {
		if in := g.intents[id]; in.open() && fold(in.Policy.ID) == fold(old.ID) {
			own = append(own, in)
		}
	}
	var out *drift.Object
	from := &old
	for i, in := range own {
		shown := slices.ContainsFunc(own[i:], func(later *intent) bool { return later.effect(new.Raw) })
		if !shown || in.effect(from.Raw) {
			continue
		}
		if out = in.apply(*from); out == nil {
			return nil
		}
		from = out
	}
	return out
}
