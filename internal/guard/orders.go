package guard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// ErrNot reports an order of a person that cannot be followed now; its text
// says why.
var ErrNot = errors.New("not now")

func not(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrNot, fmt.Sprintf(format, args...))
}

// Order is what a person asks for, and who it is.
type Order struct {
	Reason, By string
}

// Remark is what an order says of one policy.
type Remark struct {
	Object drift.Ref
	Text   string
}

// Amnesty ends stops and undone writes, as guard apply does: a person looked
// at the plan and wants it carried out. It tells which. A policy whose own
// budget is spent keeps them: nothing could be written, and the next pass would
// have to stop it again.
func (g *Guard) Amnesty(now time.Time) ([]Remark, error) {
	if why := g.blocked(); why != "" {
		return nil, not("%s", why)
	}
	g.mu.Lock()
	entries, ended := g.amnesty(g.exhausted(now))
	g.mu.Unlock()
	if len(entries) == 0 {
		return nil, nil
	}
	if _, err := g.o.Journal.Record(entries, nil, nil); err != nil {
		return nil, fmt.Errorf("record amnesty: %w", err)
	}
	g.mu.Lock()
	for _, e := range entries {
		switch e.Kind {
		case kindUndone:
			delete(g.undone, e.ID)
		case kindStop:
			delete(g.stops, e.ID)
		}
	}
	g.mu.Unlock()
	g.plan(now)
	return ended, nil
}

// Apply carries out the next write of the plan on a budget that a person
// granted instead of the hour's. Done tells that nothing is left to write, or
// that nothing more should be tried now. The caller asks again while its
// budget lasts; in between, passes get their turn. Errors: ErrNot, and those of
// the journal.
func (g *Guard) Apply(ctx context.Context, o Order) (wrote *drift.Ref, done bool, err error) {
	if why := g.blocked(); why != "" {
		return nil, true, not("%s", why)
	}
	now := time.Now().UTC()
	g.lookAtAccounts(ctx, now)
	if may, err := g.permitted(ctx, now); err != nil || !may {
		g.mu.Lock()
		defer g.mu.Unlock()
		return nil, true, errors.Join(err, not("%s", g.denied))
	}
	choice := Choose(g.plan(now), g.spent(now), 1, g.s)
	if len(choice.Writes) == 0 {
		return nil, true, nil
	}
	row := choice.Writes[0]
	more, err := g.write(ctx, order{row: row, granted: true, by: o.By, why: "guard apply: " + o.Reason})
	if err != nil || !g.wroteLast(row.Object.ID) {
		return nil, true, err
	}
	return &row.Object, !more, nil
}

// Unwritten are the policies that lack an exclusion, and were not written
// since, with what stood against it. Those that merely wait for their turn are
// left out when the order's own budget is used up.
func (g *Guard) Unwritten(since time.Time, usedUp bool) []Remark {
	g.mu.Lock()
	defer g.mu.Unlock()
	exhausted := g.exhausted(since)
	var out []Remark
	for i := range g.rows {
		r := &g.rows[i]
		id := fold(r.Object.ID)
		_, undone := g.undone[id]
		in := g.lastIntent(id)
		tried := in != nil && !in.Time.Before(since)
		switch {
		case !r.Counts() && !undone, tried && in.wrote():
		case tried && in.open():
			out = append(out, Remark{r.Object, in.waiting()})
		case tried:
			out = append(out, Remark{r.Object, in.Note})
		case r.Write && exhausted[id] == "" && usedUp:
		default:
			out = append(out, Remark{r.Object, r.Reason})
		}
	}
	return out
}

// wroteLast tells whether the newest intent of a policy led to a write.
func (g *Guard) wroteLast(policyID string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	in := g.lastIntent(fold(policyID))
	return in != nil && in.wrote()
}

// lastIntent is the newest intent of a policy, nil without one; mu is held.
func (g *Guard) lastIntent(id string) *intent {
	var newest *intent
	for _, in := range g.intents {
		if fold(in.Policy.ID) == id && (newest == nil || in.Time.After(newest.Time)) {
			newest = in
		}
	}
	return newest
}

// Reversal is the plan of an undo: what will be taken away from which policy.
type Reversal struct {
	Event  string    `json:"event"`
	Policy drift.Ref `json:"policy"`
	Remove IDs       `json:"remove"`
	// Gone are ids of the write that are not there any more.
	Gone IDs `json:"gone"`
}

// PlanUndo plans the exact reverse of a guard.written event. Errors: ErrNot.
func (g *Guard) PlanUndo(e drift.Event) (Reversal, error) {
	r := Reversal{Event: e.ID}
	if e.Type != drift.GuardWritten || e.Policy == nil || e.TenantID != g.o.TenantID {
		return r, not("%s is no write of this tenant's guard", e.ID)
	}
	if why := g.blocked(); why != "" {
		return r, not("%s", why)
	}
	r.Policy = *e.Policy
	var added IDs
	for _, c := range e.Changes {
		switch c.Path {
		case "/conditions/users/excludeUsers":
			added.Users = texted(c.Added)
		case "/conditions/users/excludeGroups":
			added.Groups = texted(c.Added)
		}
	}
	if added.empty() {
		return r, not("%s does not say what it added", e.ID)
	}
	if why := g.pending(e.Policy.ID); why != "" {
		return r, not("%s", why)
	}
	known := g.known(e.Policy.ID)
	if known == nil {
		return r, not("the policy %s is gone", drift.Visible(e.Policy.Name))
	}
	users, groups := exclusions(known.Raw)
	r.Remove = IDs{Users: both(added.Users, users), Groups: both(added.Groups, groups)}
	r.Gone = IDs{Users: without(added.Users, users), Groups: without(added.Groups, groups)}
	if r.Remove.empty() {
		return r, not("nothing of it is left in %s", drift.Visible(known.Name))
	}
	return r, nil
}

// pending says why nothing is written to a policy until a pass was there; empty
// if it may be.
func (g *Guard) pending(policyID string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if in := g.lastIntent(fold(policyID)); in != nil && in.unseen() {
		return in.waiting()
	}
	return ""
}

func texted(list []json.RawMessage) []string {
	var out []string
	for _, raw := range list {
		var id string
		if json.Unmarshal(raw, &id) == nil {
			out = append(out, id)
		}
	}
	return out
}

// Undo carries a reversal out, and leaves the policy alone from then on.
// Errors: ErrNot, and those of the journal.
func (g *Guard) Undo(ctx context.Context, r Reversal, o Order) error {
	if why := g.pending(r.Policy.ID); why != "" {
		return not("%s", why)
	}
	now := time.Now().UTC()
	undone := undoneRecord{Event: r.Event, By: o.By, Reason: o.Reason, Time: now}
	record, err := entry(kindUndone, fold(r.Policy.ID), undone)
	if err != nil {
		return err
	}
	// The exemption first: a process that dies after the write must not write
	// it back.
	if _, err := g.o.Journal.Record([]drift.Entry{record}, nil, nil); err != nil {
		return fmt.Errorf("record undo: %w", err)
	}
	g.mu.Lock()
	g.undone[fold(r.Policy.ID)] = undone
	g.mu.Unlock()
	row := Row{Object: r.Policy, Add: r.Remove}
	_, err = g.write(ctx, order{row: row, by: o.By, why: "guard undo: " + o.Reason, undo: r.Event})
	if err != nil {
		return err
	}
	if !g.wroteLast(r.Policy.ID) {
		return not("the write did not take place; the log says why")
	}
	return nil
}

// reverse makes the body of an undo.
func (g *Guard) reverse(in intent, fresh drift.Object) (body []byte, stop string) {
	body, err := withdraw(fresh.Raw, in.Add)
	if err == nil {
		err = checkWithdrawal(fresh.Raw, body, in.Add.Users, in.Add.Groups)
	}
	if err != nil {
		return nil, secondCheck + err.Error()
	}
	if hidden := strings.Contains(string(body), unknownMember); hidden {
		return nil, "unknown_enum: Graph hides a member of the exclusions"
	}
	return body, ""
}
