package guard

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/words"
)

// The kinds of entries that the guard keeps in the store.
const (
	kindArmed  = "guard_armed"
	kindIntent = "guard_intent"
	kindUndone = "guard_undone"
	kindStop   = "guard_stop"
	kindTold   = "guard_told"

	onlyID = "list" // of the one armed record
	hourID = "hour" // of the told record about the spent hour
)

// armedRecord is the list as it was armed last.
type armedRecord struct {
	Mode   Mode     `json:"mode"`
	Users  []string `json:"users"`
	Groups []string `json:"groups"`
	Any    bool     `json:"any,omitempty"`
	// Since is when each id became part of the list.
	Since map[string]time.Time `json:"since"`
}

// stage is how far an intent came.
//
//	stored     the write may be under way, or the process died with it
//	unknown    the PATCH got no answer
//	sent       Graph said 204; nobody has seen it yet, or only the read-back
//	verified   an ordinary pass saw it
//	unverified nobody saw it in time
//	undone     seen, and taken away since by somebody else
//	refused    Graph refused it for good
//	failed     it did not take place
//	void       no PATCH was sent
type stage string

const (
	stored     stage = "stored"
	unknown    stage = "unknown"
	sent       stage = "sent"
	verified   stage = "verified"
	unverified stage = "unverified"
	overtaken  stage = "undone"
	refused    stage = "refused"
	failed     stage = "failed"
	void       stage = "void"
)

// intent is one write, from before its PATCH on.
type intent struct {
	ID     string    `json:"id"`
	Policy drift.Ref `json:"policy"`
	Time   time.Time `json:"time"`
	Add    IDs       `json:"add"`
	// Undo takes the ids away instead: a person asked for the reverse.
	Undo string `json:"undo,omitempty"`
	// Granted tells that guard apply paid for it, not the hour's budget.
	Granted bool   `json:"granted,omitempty"`
	By      string `json:"by,omitempty"`
	Why     string `json:"why,omitempty"`
	Stage   stage  `json:"stage"`
	Note    string `json:"note,omitempty"`
	// Before is the last write that Graph admitted to when the policy was read
	// for the PATCH; Seen that of the read-back that showed the ids.
	Before time.Time `json:"before,omitzero"`
	Seen   time.Time `json:"seen,omitzero"`
	// Told tells that a guard.written told it, which one transaction records.
	Told bool `json:"told,omitempty"`
}

// open tells that the outcome is not settled.
func (in *intent) open() bool { return in.Stage == stored || in.Stage == unknown || in.Stage == sent }

// unseen tells that nobody knows what became of it, not even by the read-back:
// nothing is written to the policy until somebody does.
func (in *intent) unseen() bool { return in.open() && in.Seen.IsZero() }

// holds tells that an open write is taken for done before a pass saw it: the
// read-back showed it, or it took an exclusion away, which is missing rather
// than there while nobody knows.
func (in *intent) holds() bool { return in.Stage == sent && (in.Undo != "" || !in.Seen.IsZero()) }

// wrote tells that Graph took the write, as far as anybody knows.
func (in *intent) wrote() bool { return in.Stage == sent || in.Stage == verified }

// counts tells that the intent is paid for by the budgets: it led to a PATCH,
// or may have.
func (in *intent) counts() bool { return in.Stage != void }

func (in *intent) waiting() string {
	switch {
	case in.Stage == sent && in.Undo != "":
		return "taken away at " + in.Time.UTC().Format("15:04:05 UTC") + ", not seen by a pass yet"
	case in.Stage == sent:
		return "written at " + in.Time.UTC().Format("15:04:05 UTC") + ", not seen by a pass yet"
	}
	return "a write of " + in.Time.UTC().Format("15:04:05 UTC") + " has an unknown outcome; looking first"
}

type undoneRecord struct {
	Event  string    `json:"event"`
	By     string    `json:"by"`
	Reason string    `json:"reason"`
	Time   time.Time `json:"time"`
}

func (u undoneRecord) text() string {
	return fmt.Sprintf("undone by %s on %s: %s; until guard apply or a changed list", u.By, u.Time.UTC().Format(time.DateOnly), u.Reason)
}

// stopRecord is a policy that is written no more.
type stopRecord struct {
	Policy drift.Ref `json:"policy"`
	Why    string    `json:"why"`
	Time   time.Time `json:"time"`
	// Digest is the form that Graph refused to change: another form is tried
	// anew. Zero for a fight, which only a person ends.
	Digest drift.Digest `json:"digest,omitzero"`
}

type toldRecord struct {
	Text string    `json:"text,omitempty"`
	Time time.Time `json:"time"`
}

// load reads everything back.
func (g *Guard) load() error {
	armed := map[string]*armedRecord{}
	undone, stops, told := map[string]*undoneRecord{}, map[string]*stopRecord{}, map[string]*toldRecord{}
	for _, step := range []func() error{
		func() error { return read(g.o.Journal, kindArmed, armed) },
		func() error { return read(g.o.Journal, kindIntent, g.intents) },
		func() error { return read(g.o.Journal, kindUndone, undone) },
		func() error { return read(g.o.Journal, kindStop, stops) },
		func() error { return read(g.o.Journal, kindTold, told) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	if a := armed[onlyID]; a != nil {
		g.armed, g.isArmed = *a, a.same(g.s)
	}
	for id, u := range undone {
		g.undone[id] = *u
	}
	for id, s := range stops {
		g.stops[id] = *s
	}
	for id, t := range told {
		if id == hourID {
			g.hourTold = t.Time
			continue
		}
		g.told[id] = t.Text
	}
	return nil
}

func read[T any](j Journal, kind string, into map[string]*T) error {
	entries, err := j.Entries(kind)
	if err != nil {
		return fmt.Errorf("read %s: %w", kind, err)
	}
	for _, e := range entries {
		v := new(T)
		if err := json.Unmarshal(e.Value, v); err != nil {
			return fmt.Errorf("read %s %s: %w", kind, e.ID, err)
		}
		into[e.ID] = v
	}
	return nil
}

func (a *armedRecord) same(s Settings) bool {
	return a.Mode == s.Mode && a.Any == s.Any &&
		slices.Equal(sorted(a.Users), sorted(s.Users)) && slices.Equal(sorted(a.Groups), sorted(s.Groups))
}

func sorted(ids []string) []string { return slices.Sorted(slices.Values(ids)) }

// Arm makes the list of this start the one that counts. A changed list or mode
// is chained and committed to every outbox; until that worked nothing is
// written. Undone writes and stops end with it. It does nothing when the list
// is what it was.
func (g *Guard) Arm(now time.Time) error {
	g.mu.Lock()
	old, done := g.armed, g.isArmed
	silent := old.Mode == "" && g.s.Mode == Off
	g.mu.Unlock()
	if done || silent || g.o.Journal == nil {
		return nil
	}
	next := armedRecord{Mode: g.s.Mode, Users: sorted(g.s.Users), Groups: sorted(g.s.Groups), Any: g.s.Any, Since: map[string]time.Time{}}
	for _, id := range slices.Concat(next.Users, next.Groups) {
		next.Since[id] = now
		if since, ok := old.Since[id]; ok {
			next.Since[id] = since
		}
	}
	record, err := entry(kindArmed, onlyID, next)
	if err != nil {
		return err
	}
	e := g.event(drift.GuardArmed, drift.Medium, now)
	e.Summary, e.Reason, e.Added = armedWords(old, next, g.s)
	g.mu.Lock()
	entries, _ := g.amnesty(nil)
	g.mu.Unlock()
	if _, err := g.o.Journal.Record(append(entries, record), []drift.Event{e}, nil); err != nil {
		return fmt.Errorf("arm guard of %s: %w", g.o.Tenant, err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.armed, g.isArmed = next, true
	clear(g.undone)
	clear(g.stops)
	return nil
}

// amnesty are the entries that end every stop and every undone write, and what
// they were, but for the policies to be kept; mu is held.
func (g *Guard) amnesty(keep map[string]string) (entries []drift.Entry, ended []Remark) {
	end := func(kind, id string, policy drift.Ref, text string) {
		if keep[id] == "" {
			entries, ended = append(entries, drift.Entry{Kind: kind, ID: id}), append(ended, Remark{policy, text})
		}
	}
	for _, id := range slices.Sorted(maps.Keys(g.undone)) {
		policy := drift.Ref{Kind: drift.Policy, ID: id, Name: id}
		for i := range g.sight.Policies {
			if fold(g.sight.Policies[i].ID) == id {
				policy = g.sight.Policies[i].Ref
			}
		}
		end(kindUndone, id, policy, g.undone[id].text())
	}
	for _, id := range slices.Sorted(maps.Keys(g.stops)) {
		end(kindStop, id, g.stops[id].Policy, g.stops[id].Why)
	}
	return entries, ended
}

// keep writes an intent's new stage, with the events that tell it and the
// removal of intents that no budget asks for any more. Memory follows the
// store, and what a PATCH came to even when the store failed: what happened in
// Graph happened. A settled outcome that could not be recorded is settled
// again by the next pass.
func (g *Guard) keep(in intent, events []drift.Event, edit *drift.Edit) error {
	record, err := entry(kindIntent, in.ID, in)
	if err != nil {
		return err
	}
	entries := []drift.Entry{record}
	g.mu.Lock()
	for _, id := range slices.Sorted(maps.Keys(g.intents)) {
		if old := g.intents[id]; id != in.ID && !old.open() && in.Time.Sub(old.Time) > 2*day {
			entries = append(entries, drift.Entry{Kind: kindIntent, ID: id})
		}
	}
	g.mu.Unlock()
	_, err = g.o.Journal.Record(entries, events, edit)
	g.mu.Lock()
	defer g.mu.Unlock()
	if err != nil {
		switch in.Stage {
		case sent, unknown, refused, void:
			in.Told = false
			g.intents[in.ID] = &in
		}
		return fmt.Errorf("record write: %w", err)
	}
	for _, e := range entries {
		if e.Kind == kindIntent && e.Value == nil {
			delete(g.intents, e.ID)
		}
	}
	g.intents[in.ID] = &in
	return nil
}

const (
	day = 24 * time.Hour
	// carryTime is how long after its intent a write may begin. The budgets
	// count that much longer, because the PATCH is what they are about and
	// only the intent's time survives a crash.
	carryTime = time.Minute
)

// countAnew lets what was recorded ahead of now, before the clock was set back,
// be of now: budgets and holds are kept at their full length, and no outcome
// stays open until the old time comes again.
func (g *Guard) countAnew(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, in := range g.intents {
		if in.Time.After(now) {
			in.Time = now
		}
	}
	for id, since := range g.armed.Since {
		if since.After(now) {
			g.armed.Since[id] = now
		}
	}
	if g.hourTold.After(now) {
		g.hourTold = time.Time{}
	}
}

// spent counts what the budgets have paid for.
func (g *Guard) spent(now time.Time) Spent {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.spentLocked(now)
}

func (g *Guard) spentLocked(now time.Time) Spent {
	s := Spent{Day: map[string]int{}}
	for _, in := range g.intents {
		if !in.counts() || in.Undo != "" {
			continue
		}
		age := now.Sub(in.Time)
		if age < day+carryTime {
			s.Day[fold(in.Policy.ID)]++
		}
		if age < time.Hour+carryTime && !in.Granted {
			s.Hour++
		}
	}
	return s
}

// exhausted are the policies whose own budget is spent, and until when, in
// words that round up to the minute; mu is held.
func (g *Guard) exhausted(now time.Time) map[string]string {
	paid := map[string][]time.Time{}
	for _, in := range g.intents {
		if in.counts() && in.Undo == "" && now.Sub(in.Time) < day+carryTime {
			id := fold(in.Policy.ID)
			paid[id] = append(paid[id], in.Time)
		}
	}
	out := map[string]string{}
	for id, times := range paid {
		if over := len(times) - g.s.PerPolicyDay; over >= 0 {
			slices.SortFunc(times, time.Time.Compare)
			out[id] = fmt.Sprintf("its budget of %s a day is spent until %s",
				words.Count(g.s.PerPolicyDay, "write", "writes"), times[over].Add(day+carryTime+time.Minute).UTC().Format("2006-01-02 15:04 UTC"))
		}
	}
	return out
}

// hourSpent says that the hour's budget is spent.
func (s *Settings) hourSpent() string {
	return fmt.Sprintf("the hour's budget of %s is spent", words.Count(s.PerHour, "write", "writes"))
}
