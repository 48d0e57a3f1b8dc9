package guard

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cadrift/cadrift/internal/canon"
	"github.com/cadrift/cadrift/internal/drift"
)

const (
	userA  = "33333333-0000-4000-8000-00000000000a"
	userB  = "33333333-0000-4000-8000-00000000000b"
	groupG = "44444444-0000-4000-8000-000000000001"
	kim    = "55555555-0000-4000-8000-000000000001"
	polID  = "11111111-0000-4000-8000-000000000001"
)

func armedSettings() Settings {
	return Settings{Mode: Enforce, Users: []string{userA, userB}, Groups: []string{groupG}, Exempt: map[string]string{}, PerHour: 10, PerPolicyDay: 3}
}

func armedFacts(s Settings) Facts {
	f := Facts{Now: time.Unix(1000, 0), Since: map[string]time.Time{}}
	for _, id := range append(append([]string{}, s.Users...), s.Groups...) {
		f.Since[id] = time.Unix(0, 0)
	}
	return f
}

func policyOf(t testing.TB, state, conditions string) drift.Object {
	t.Helper()
	o, err := canon.Object(drift.Policy, fmt.Appendf(nil, `{"id":%q,"displayName":"CA001","state":%q,"conditions":%s}`, polID, state, conditions))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// TestVerdicts is the table of decide, a row or more per line.
func TestVerdicts(t *testing.T) {
	everybody := func(more string) string { return `{"users":{"includeUsers":["All"]` + more + `}}` }
	all := fmt.Sprintf(`,"excludeUsers":[%q,%q],"excludeGroups":[%q]`, userA, userB, groupG)
	for name, tt := range map[string]struct {
		state, conditions string
		settings          func(*Settings)
		facts             func(*Facts)
		verdict           Verdict
		users, groups     int
		write, counts     bool
	}{
		"nothing excluded":             {stateOn, everybody(""), nil, nil, Missing, 2, 1, true, true},
		"report-only is written":       {stateReportOnly, everybody(""), nil, nil, Missing, 2, 1, true, true},
		"off is not":                   {stateOff, everybody(""), nil, nil, Missing, 0, 0, false, false},
		"a state of tomorrow is not":   {"enabledOnTuesdays", everybody(""), nil, nil, Missing, 0, 0, false, true},
		"all excluded":                 {stateOn, everybody(all), nil, nil, Covered, 0, 0, false, false},
		"in another case":              {stateOn, everybody(fmt.Sprintf(`,"excludeUsers":["33333333-0000-4000-8000-00000000000A",%q],"excludeGroups":[%q]`, userB, groupG)), nil, nil, Covered, 0, 0, false, false},
		"one of three is not enough":   {stateOn, everybody(fmt.Sprintf(`,"excludeUsers":[%q]`, userA)), nil, nil, Missing, 1, 1, true, true},
		"unless any will do":           {stateOn, everybody(fmt.Sprintf(`,"excludeUsers":[%q]`, userA)), func(s *Settings) { s.Any = true }, nil, Covered, 0, 0, false, false},
		"any with nobody adds all":     {stateOn, everybody(""), func(s *Settings) { s.Any = true }, nil, Missing, 2, 1, true, true},
		"a user id among the groups":   {stateOn, everybody(fmt.Sprintf(`,"excludeGroups":[%q,%q,%q]`, userA, userB, groupG)), nil, nil, Missing, 2, 0, true, true},
		"no conditions":                {stateOn, `null`, nil, nil, NotApplicable, 0, 0, false, false},
		"no users":                     {stateOn, `{"users":null}`, nil, nil, NotApplicable, 0, 0, false, false},
		"None":                         {stateOn, `{"users":{"includeUsers":["None"]}}`, nil, nil, NotApplicable, 0, 0, false, false},
		"empty":                        {stateOn, `{"users":{"includeUsers":[]}}`, nil, nil, NotApplicable, 0, 0, false, false},
		"workloads":                    {stateOn, `{"users":{"includeUsers":["None"]},"clientApplications":{"includeServicePrincipals":["x"]}}`, nil, nil, NotApplicable, 0, 0, false, false},
		"guests only":                  {stateOn, `{"users":{"includeGuestsOrExternalUsers":{"guestOrExternalUserTypes":"b2bCollaborationGuest"}}}`, nil, nil, NotApplicable, 0, 0, false, false},
		"guests, the old way":          {stateOn, `{"users":{"includeUsers":["GuestsOrExternalUsers"]}}`, nil, nil, NotApplicable, 0, 0, false, false},
		"guests and a group":           {stateOn, `{"users":{"includeUsers":["GuestsOrExternalUsers"],"includeGroups":["g"]}}`, nil, nil, Missing, 2, 1, true, true},
		"roles":                        {stateOn, `{"users":{"includeRoles":["r"]}}`, nil, nil, Missing, 2, 1, true, true},
		"made for the account":         {stateOn, fmt.Sprintf(`{"users":{"includeUsers":[%q]}}`, userA), nil, nil, Refused, 0, 0, false, false},
		"made for the group":           {stateOn, fmt.Sprintf(`{"users":{"includeUsers":["All"],"includeGroups":[%q]}}`, groupG), nil, nil, Refused, 0, 0, false, false},
		"a hidden member":              {stateOn, everybody(`,"excludeGroups":["unknownFutureValue"]`), nil, nil, Refused, 0, 0, false, false},
		"exempt":                       {stateOn, everybody(""), func(s *Settings) { s.Exempt[polID] = "drill" }, nil, Exempt, 0, 0, false, false},
		"undone":                       {stateOn, everybody(""), nil, func(f *Facts) { f.Undone = map[string]string{polID: "undone by root"} }, Exempt, 0, 0, false, false},
		"stopped counts and waits":     {stateOn, everybody(""), nil, func(f *Facts) { f.Stopped = map[string]string{polID: "a fight"} }, Missing, 0, 0, false, true},
		"an open outcome waits":        {stateOn, everybody(""), nil, func(f *Facts) { f.Pending = map[string]string{polID: "x"} }, Missing, 0, 0, false, true},
		"a disabled account is left":   {stateOn, everybody(""), nil, func(f *Facts) { f.Bad = map[string]string{userA: "disabled"} }, Missing, 1, 1, true, true},
		"nothing but bad accounts":     {stateOn, everybody(fmt.Sprintf(`,"excludeUsers":[%q],"excludeGroups":[%q]`, userB, groupG)), nil, func(f *Facts) { f.Bad = map[string]string{userA: "unknown"} }, Refused, 0, 0, false, false},
		"a new id is held":             {stateOn, everybody(""), func(s *Settings) { s.Hold = time.Hour }, func(f *Facts) { f.Since[userA] = f.Now; f.Now = f.Now.Add(59 * time.Minute) }, Missing, 1, 0, true, true},
		"an id that was not armed":     {stateOn, everybody(""), nil, func(f *Facts) { delete(f.Since, groupG) }, Missing, 2, 0, true, true},
		"nothing armed writes nothing": {stateOn, everybody(""), nil, func(f *Facts) { clear(f.Since) }, Missing, 0, 0, false, true},
		"not a policy as we know it":   {stateOn, `{"users":{"includeUsers":"All"}}`, nil, nil, Refused, 0, 0, false, false},
	} {
		s := armedSettings()
		if tt.settings != nil {
			tt.settings(&s)
		}
		f := armedFacts(s)
		if name == "a new id is held" {
			f.Since[userB], f.Since[groupG] = f.Now.Add(-30*time.Minute), f.Now
		}
		if tt.facts != nil {
			tt.facts(&f)
		}
		o := policyOf(t, tt.state, tt.conditions)
		r := Plan([]drift.Object{o}, s, f)[0]
		if r.Verdict != tt.verdict || len(r.Add.Users) != tt.users || len(r.Add.Groups) != tt.groups || r.Write != tt.write || r.Counts() != tt.counts {
			t.Errorf("%s: got %+v (counts %t)", name, r, r.Counts())
		}
		if r.Reason == "" {
			t.Errorf("%s: no reason", name)
		}
	}
}

func TestChooseSpendsEnforcedPoliciesFirst(t *testing.T) {
	row := func(id, state string) Row {
		return Row{Object: drift.Ref{ID: id, Name: id}, State: state, Verdict: Missing, Write: true}
	}
	rows := []Row{row("a", stateReportOnly), row("b", stateOn), row("c", stateOn), {Object: drift.Ref{ID: "d"}}, row("e", stateOn)}
	c := Choose(rows, Spent{Day: map[string]int{"c": 3}}, 2, Settings{PerPolicyDay: 3})
	names := func(rows []Row) (out []string) {
		for _, r := range rows {
			out = append(out, r.Object.ID)
		}
		return out
	}
	got := [][]string{names(c.Writes), names(c.Waiting), names(c.Fought)}
	if diff := cmp.Diff([][]string{{"b", "e"}, {"a"}, {"c"}}, got); diff != "" {
		t.Error(diff)
	}
}

func TestWhoRemoved(t *testing.T) {
	robot := &drift.Actor{Kind: "app", Name: "pipeline"}
	removal := drift.Event{ID: "e1", Type: drift.DriftChanged, Changes: []drift.Change{{Path: "/conditions/users/excludeUsers", Removed: raws([]string{userA})}}}
	named := removal
	named.Actor = robot
	for name, tt := range map[string]struct {
		events []drift.Event
		want   culprit
	}{
		"nobody":     {nil, culprit{}},
		"unnamed":    {[]drift.Event{removal}, culprit{event: "e1"}},
		"named":      {[]drift.Event{named}, culprit{"e1", robot}},
		"told later": {[]drift.Event{{Type: drift.EventAttributed, About: "e1", Actor: robot}, removal}, culprit{"e1", robot}},
		"other ids":  {[]drift.Event{{ID: "e2", Type: drift.DriftChanged, Changes: []drift.Change{{Path: "/conditions/users/excludeUsers", Removed: raws([]string{kim})}}}}, culprit{}},
	} {
		if got := whoRemoved(tt.events, []string{userA}); got != tt.want {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}
