package guard

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// Verdict is where a policy stands.
type Verdict string

// The verdicts of the contract.
const (
	Covered       Verdict = "covered"
	Missing       Verdict = "missing"
	Refused       Verdict = "refused"
	Exempt        Verdict = "exempt"
	NotApplicable Verdict = "not_applicable"
)

// IDs are ids by the list of a policy that they belong to.
type IDs struct {
	Users  []string `json:"users"`
	Groups []string `json:"groups"`
}

func (i IDs) empty() bool { return len(i.Users)+len(i.Groups) == 0 }

func (i IDs) all() []string { return slices.Concat(i.Users, i.Groups) }

// Row is the verdict on one policy.
type Row struct {
	Object  drift.Ref `json:"object"`
	State   string    `json:"state"`
	Verdict Verdict   `json:"verdict"`
	Reason  string    `json:"reason"`
	// Add is what a write would add; empty where nothing would be written.
	Add IDs `json:"add"`
	// Write tells that nothing but mode, budgets and brakes keeps the guard
	// from writing.
	Write bool `json:"write"`
}

// Counts tells whether the row is one of the missing exclusions of status and
// metrics: a policy that is off harms nobody yet.
func (r *Row) Counts() bool { return r.Verdict == Missing && r.State != stateOff }

// Facts are what a verdict depends on besides the policy and the settings.
type Facts struct {
	Now time.Time
	// Bad are ids that are never written, and why: Graph does not know them,
	// or the account is disabled.
	Bad map[string]string
	// Since is when each id was armed; an id that was not is never written.
	Since map[string]time.Time
	// Undone, Stopped and Pending are policies to leave alone, and why.
	Undone, Stopped, Pending map[string]string
	// Spent are policies whose own budget is spent, and until when.
	Spent map[string]string
}

const (
	stateOn         = "enabled"
	stateOff        = "disabled"
	stateReportOnly = "enabledForReportingButNotEnforced"

	allGuests     = "GuestsOrExternalUsers"
	nobody        = "None"
	unknownMember = "unknownFutureValue"
)

// subject is a policy as far as the guard looks at it.
type subject struct {
	State      string `json:"state"`
	Conditions *struct {
		Users     *people `json:"users"`
		Workloads *struct {
			Principals []string `json:"includeServicePrincipals"`
			Agents     []string `json:"includeAgentIdServicePrincipals"`
		} `json:"clientApplications"`
	} `json:"conditions"`
}

type people struct {
	IncludeUsers  []string        `json:"includeUsers"`
	IncludeGroups []string        `json:"includeGroups"`
	IncludeRoles  []string        `json:"includeRoles"`
	IncludeGuests json.RawMessage `json:"includeGuestsOrExternalUsers"`
	ExcludeUsers  []string        `json:"excludeUsers"`
	ExcludeGroups []string        `json:"excludeGroups"`
}

// Plan is the verdict on every policy, by name.
func Plan(policies []drift.Object, s Settings, f Facts) []Row {
	rows := make([]Row, 0, len(policies))
	for i := range policies {
		rows = append(rows, decide(&policies[i], s, f))
	}
	slices.SortFunc(rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(a.Object.Name, b.Object.Name), cmp.Compare(a.Object.ID, b.Object.ID))
	})
	return rows
}

// decide is the verdict on one policy; the first line that fits:
//
//	exempt by configuration                          exempt
//	cannot be read                                   refused
//	reaches no user of the directory                 not applicable
//	names a configured id in its includes            refused, targets_account
//	excludes all (any: one) of the configured ids    covered
//	its exclusions hold Graph's placeholder          refused, unknown_enum
//	a write was undone by a person                   exempt
//	every missing id is unknown or disabled          refused, unknown_account
//	otherwise                                        missing
func decide(o *drift.Object, s Settings, f Facts) Row {
	r := Row{Object: o.Ref, Add: IDs{Users: []string{}, Groups: []string{}}}
	say := func(v Verdict, format string, args ...any) Row {
		r.Verdict, r.Reason = v, fmt.Sprintf(format, args...)
		return r
	}
	var p subject
	err := json.Unmarshal(o.Raw, &p)
	r.State = p.State
	if why, ok := s.Exempt[fold(o.ID)]; ok {
		return say(Exempt, "exempt by configuration: %s", why)
	}
	if err != nil || o.Odd != "" {
		return say(Refused, "the policy could not be understood")
	}
	if why := p.unreachable(); why != "" {
		return say(NotApplicable, "%s", why)
	}
	u := p.Conditions.Users
	if hit := cmp.Or(first(u.IncludeUsers, s.Users), first(u.IncludeGroups, s.Groups)); hit != "" {
		return say(Refused, "targets_account: the policy includes %s itself: it is made for the account", hit)
	}
	lacking := IDs{Users: without(s.Users, u.ExcludeUsers), Groups: without(s.Groups, u.ExcludeGroups)}
	listed := len(s.Users) + len(s.Groups)
	if lacking.empty() || s.Any && len(lacking.all()) < listed {
		return say(Covered, "%d of %d emergency ids are excluded", listed-len(lacking.all()), listed)
	}
	if slices.Contains(u.ExcludeUsers, unknownMember) || slices.Contains(u.ExcludeGroups, unknownMember) {
		return say(Refused, "unknown_enum: Graph hides a member of the exclusions; such a list is never written back")
	}
	if why, ok := f.Undone[fold(o.ID)]; ok {
		return say(Exempt, "%s", why)
	}
	return missing(r, lacking, s, f)
}

// missing sorts the lacking ids into those to write and those to leave, and
// finds what holds a write up.
func missing(r Row, lacking IDs, s Settings, f Facts) Row {
	var bad, held, fresh []string
	sift := func(ids []string) []string {
		out := []string{}
		for _, id := range ids {
			since, armed := f.Since[id]
			switch {
			case f.Bad[id] != "":
				bad = append(bad, id+" ("+f.Bad[id]+")")
			case !armed:
				fresh = append(fresh, id)
			case since.Add(s.Hold).After(f.Now):
				held = append(held, fmt.Sprintf("%s until %s", id, since.Add(s.Hold).UTC().Format("2006-01-02 15:04 UTC")))
			default:
				out = append(out, id)
			}
		}
		return out
	}
	add := IDs{Users: sift(lacking.Users), Groups: sift(lacking.Groups)}
	if len(bad) == len(lacking.all()) {
		r.Verdict, r.Reason = Refused, "unknown_account: "+strings.Join(bad, ", ")+"; such an id is never written"
		return r
	}
	r.Verdict = Missing
	text := fmt.Sprintf("%d of %d emergency ids are not excluded", len(lacking.all()), len(s.Users)+len(s.Groups))
	for _, note := range []struct {
		what string
		ids  []string
	}{{"never written", bad}, {"on hold", held}, {"not armed", fresh}} {
		if len(note.ids) > 0 {
			text += "; " + note.what + ": " + strings.Join(note.ids, ", ")
		}
	}
	id := fold(r.Object.ID)
	switch {
	case r.State == stateOff:
		text = "missing if turned on: the policy is off and is not written"
	case r.State != stateOn && r.State != stateReportOnly:
		text += "; its state is not known to this version, so it is not written"
	case f.Stopped[id] != "":
		text += "; stopped: " + f.Stopped[id]
	case f.Pending[id] != "":
		text += "; " + f.Pending[id]
	default:
		r.Add, r.Write = add, !add.empty()
		if f.Spent[id] != "" {
			text += "; " + f.Spent[id]
		}
	}
	r.Reason = text
	return r
}

// unreachable says why no user of the directory comes under the policy; empty
// if some may.
func (p *subject) unreachable() string {
	if p.Conditions == nil || p.Conditions.Users == nil {
		return "the policy applies to no users"
	}
	u := p.Conditions.Users
	users := slices.DeleteFunc(slices.Clone(u.IncludeUsers), func(id string) bool { return id == nobody || id == allGuests })
	guests := len(u.IncludeGuests) > 0 && string(u.IncludeGuests) != "null" || slices.Contains(u.IncludeUsers, allGuests)
	w := p.Conditions.Workloads
	switch {
	case len(users)+len(u.IncludeGroups)+len(u.IncludeRoles) > 0:
		return ""
	case guests:
		return "guests and external users only"
	case w != nil && len(w.Principals)+len(w.Agents) > 0:
		return "workload or agent identities only"
	}
	return "the policy applies to nobody"
}

// Spent are the writes that count against the budgets.
type Spent struct {
	// Hour counts the writes of the last hour, Day those of the last day by
	// policy.
	Hour int
	Day  map[string]int
}

// Choice is what the budgets leave of a plan.
type Choice struct {
	// Writes are to be carried out, in this order. Waiting need a write that
	// the hour's budget does not allow, Fought one that the policy's own
	// budget does not: somebody takes away what the guard puts in.
	Writes, Waiting, Fought []Row
}

// Choose spends the budgets: enforced policies before those in report-only
// mode, each in the order of the plan. Hourly is what may be written now in
// all.
func Choose(rows []Row, spent Spent, hourly int, s Settings) Choice {
	var c Choice
	wanted := slices.DeleteFunc(slices.Clone(rows), func(r Row) bool { return !r.Write })
	slices.SortStableFunc(wanted, func(a, b Row) int {
		return cmp.Compare(rank(a.State), rank(b.State))
	})
	for _, r := range wanted {
		switch {
		case spent.Day[fold(r.Object.ID)] >= s.PerPolicyDay:
			c.Fought = append(c.Fought, r)
		case len(c.Writes) >= hourly:
			c.Waiting = append(c.Waiting, r)
		default:
			c.Writes = append(c.Writes, r)
		}
	}
	return c
}

func rank(state string) int {
	if state == stateOn {
		return 0
	}
	return 1
}

// compose is the body that adds ids to the lists of a fresh read: exactly the
// lists that grow, whole, in their order, the new ids at the end.
func compose(fresh []byte, add IDs) ([]byte, error) {
	users, err := usersOf(fresh)
	if err != nil {
		return nil, err
	}
	lists := map[string][]string{}
	if len(add.Users) > 0 {
		lists["excludeUsers"] = slices.Concat(users.ExcludeUsers, add.Users)
	}
	if len(add.Groups) > 0 {
		lists["excludeGroups"] = slices.Concat(users.ExcludeGroups, add.Groups)
	}
	return encodeLists(lists)
}

// usersOf are the people whom a fresh read is about.
func usersOf(fresh []byte) (*people, error) {
	var p subject
	if err := json.Unmarshal(fresh, &p); err != nil {
		return nil, fmt.Errorf("read policy: %w", err)
	}
	if p.Conditions == nil || p.Conditions.Users == nil {
		return nil, fmt.Errorf("read policy: it has no users")
	}
	return p.Conditions.Users, nil
}

// withdraw is the reverse of compose: the lists without the ids.
func withdraw(fresh []byte, remove IDs) ([]byte, error) {
	users, err := usersOf(fresh)
	if err != nil {
		return nil, err
	}
	lists := map[string][]string{}
	for name, part := range map[string]struct{ have, remove []string }{
		"excludeUsers":  {users.ExcludeUsers, remove.Users},
		"excludeGroups": {users.ExcludeGroups, remove.Groups},
	} {
		if left := without(part.have, part.remove); len(left) < len(part.have) {
			lists[name] = left
		}
	}
	return encodeLists(lists)
}

func encodeLists(lists map[string][]string) ([]byte, error) {
	body, err := json.Marshal(map[string]any{"conditions": map[string]any{"users": lists}})
	if err != nil {
		return nil, fmt.Errorf("encode lists: %w", err)
	}
	return body, nil
}

// fold is the form in which ids compare.
func fold(id string) string { return strings.ToLower(strings.TrimSpace(id)) }

// holds tells whether the list has the id.
func holds(list []string, id string) bool {
	return slices.ContainsFunc(list, func(have string) bool { return fold(have) == fold(id) })
}

// first is the first id of wanted that the list has.
func first(list, wanted []string) string {
	for _, id := range wanted {
		if holds(list, id) {
			return id
		}
	}
	return ""
}

// without are the ids that the list does not have, never nil.
func without(ids, list []string) []string {
	out := []string{}
	for _, id := range ids {
		if !holds(list, id) {
			out = append(out, id)
		}
	}
	return out
}
