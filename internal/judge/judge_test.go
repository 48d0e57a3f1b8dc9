package judge_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/judge"
)

func TestActs(t *testing.T) {
	fx := loadFixture(t)
	w := fx.standing(fx.Emergency)
	for _, tt := range []struct {
		patch string
		want  bool
	}{
		{``, true},
		{`null`, false},
		{`{"state":"disabled"}`, false},
		{`{"state":"enabledForReportingButNotEnforced"}`, false},
		{`{"state":"teapot"}`, false},
		{`{"conditions":{"users":{"includeUsers":["None"]}}}`, false},
		{`{"conditions":{"users":null}}`, false},
		{`{"conditions":{"applications":{"includeApplications":["None"]}}}`, false},
		{`{"conditions":{"applications":{"includeApplications":null,"includeUserActions":["urn:user:registerdevice"]}}}`, true},
		{`{"conditions":{"users":null,"clientApplications":{"includeServicePrincipals":["ServicePrincipalsInMyTenant"]}}}`, true},
		{`{"grantControls":null}`, false},
		{`{"grantControls":null,"sessionControls":{"persistentBrowser":{"isEnabled":false,"mode":"never"}}}`, false},
		{`{"grantControls":null,"sessionControls":{"persistentBrowser":{"isEnabled":true,"mode":"never"}}}`, true},
		{`{"grantControls":null,"sessionControls":{"teapot":{"isEnabled":true}}}`, true},
		{`{"conditions":{"applications":{"includeApplications":null,"includeTeapots":["All"]}}}`, true},
		{`{"conditions":{"users":{"includeUsers":null,"includeTeapots":["All"]}}}`, true},
	} {
		o := fx.object(t, "", "mfa", []byte(tt.patch))
		if got := w.Acts(o); got != tt.want {
			t.Errorf("acts(%s) is %v, want %v", tt.patch, got, tt.want)
		}
	}
	if w.Acts(fx.object(t, "", "hq", nil)) {
		t.Error("a location acts")
	}
}

// TestOddObjects: what could not be understood is mixed, medium at least, and
// never passes for harmless while it is on.
func TestOddObjects(t *testing.T) {
	fx := loadFixture(t)
	w := fx.standing(fx.Emergency)
	odd := func(form string) *drift.Object {
		return &drift.Object{
			Ref: drift.Ref{Kind: drift.Policy, ID: fx.Bases["mfa"].ID, Name: "Odd"}, Canonical: []byte(form), Odd: "conditions is a string",
		}
	}
	on, other := odd(`{"conditions":"x","state":"enabled"}`), odd(`{"conditions":"y","state":"enabled"}`)
	idle := odd(`{"conditions":"x","state":"disabled"}`)
	plain := fx.object(t, "", "mfa", nil)
	for _, tt := range []struct {
		name     string
		old, new *drift.Object
		want     string
	}{
		{"stays odd", on, other, "mixed medium"},
		{"becomes odd", plain, odd(`{"conditions":"x","state":"enabled","grantControls":{"operator":"OR","builtInControls":["mfa"]}}`), "mixed medium"},
		{"becomes odd and loses its grant", plain, on, "mixed critical"},
		{"is switched off", on, idle, "mixed critical"},
		{"is switched on", idle, on, "mixed high"},
		{"is deleted", on, nil, "mixed critical"},
		{"stays off", idle, odd(`{"conditions":"y","state":"disabled"}`), "neutral low"},
		{"broken", plain, odd(`{`), "weaker critical"},
	} {
		v := verdictOfBytes(w, tt.old, tt.new)
		if got := v.Direction.String() + " " + v.Severity.String(); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
	location := object(drift.NamedLocation, fx.Aliases["branch"], tree{"displayName": "Branch", "ipRanges": []any{tree{"cidrAddress": "10.0.0.0/8"}}})
	broken := *location
	broken.Odd, broken.Canonical = "ipRanges is a string", []byte(`{"displayName":"Branch","ipRanges":"x"}`)
	if v := verdict(w, location, &broken); v.Direction != drift.Mixed || v.Severity < drift.Medium {
		t.Errorf("an odd location: %s", show(v))
	}
}

// verdictOfBytes judges without changes, for forms that may be no JSON.
func verdictOfBytes(w *judge.World, old, new *drift.Object) drift.Verdict {
	return w.Judge(judge.Case{Old: old, New: new})
}

func TestAffects(t *testing.T) {
	fx := loadFixture(t)
	policy := func(name string) *drift.Object { return fx.object(t, "", name, nil) }
	off := off(t, policy("context"))
	for _, tt := range []struct {
		base string
		want []string
	}{
		{"hq", []string{"CA003 - Block outside the offices", "CA010 - Register security info", "CA013 - MFA inside as well", "CA014 - MFA at HQ"}},
		{"branch", []string{"CA003 - Block outside the offices"}},
		{"lab", []string{"CA010 - Register security info", "CA013 - MFA inside as well"}},
		{"s-phish", []string{"CA004 - Administrators"}},
		{"s-keys", nil}, // its policy is off
		{"group-ops", []string{"CA015 - Staff"}},
		{"group-emergency", []string{"CA001 - Require MFA", "CA003 - Block outside the offices", "CA004 - Administrators"}},
		{"mfa", nil},
	} {
		old := fx.object(t, "", tt.base, nil)
		w := fx.standing(fx.Emergency, policy("block-abroad"), policy("register"), policy("trusted-only"), policy("at-hq"),
			policy("admins"), policy("staff"), policy("mfa"), off)
		v := verdict(w, old, nil)
		var got []string
		for _, r := range v.Affects {
			got = append(got, r.Name)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s affects (-want +got):\n%s", tt.base, diff)
		}
	}
}

func TestOnlyExcuses(t *testing.T) {
	fx := loadFixture(t)
	w := fx.standing(fx.Emergency)
	const users, groups = "/conditions/users/excludeUsers", "/conditions/users/excludeGroups"
	set := func(path string, added, removed []string) drift.Change {
		c := drift.Change{Path: path}
		for _, a := range added {
			c.Added = append(c.Added, encode(fx.Aliases[a]))
		}
		for _, r := range removed {
			c.Removed = append(c.Removed, encode(fx.Aliases[r]))
		}
		return c
	}
	for _, tt := range []struct {
		name    string
		changes []drift.Change
		want    bool
	}{
		{"user", []drift.Change{set(users, []string{"bg1"}, nil)}, true},
		{"user and group", []drift.Change{set(users, []string{"bg1", "bg2"}, nil), set(groups, []string{"bgg"}, nil)}, true},
		{"nothing", nil, false},
		{"somebody else too", []drift.Change{set(users, []string{"bg1", "alex"}, nil)}, false},
		{"lost", []drift.Change{set(users, nil, []string{"bg1"})}, false},
		{"swapped", []drift.Change{set(users, []string{"bg1"}, []string{"bg2"})}, false},
		{"group id as a user", []drift.Change{set(users, []string{"bgg"}, nil)}, false},
		{"included", []drift.Change{set("/conditions/users/includeUsers", []string{"bg1"}, nil)}, false},
		{"state as well", []drift.Change{set(users, []string{"bg1"}, nil), {Path: "/state", New: json.RawMessage(`"disabled"`)}}, false},
	} {
		if got := w.OnlyExcuses(tt.changes); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestEmergencyIDsInAnyCase: people paste ids from the portal in either case.
func TestEmergencyIDsInAnyCase(t *testing.T) {
	fx := loadFixture(t)
	em := judge.Emergency{Users: []string{" E0000000-0000-4000-8000-000000000001 "}}
	w := fx.standing(em)
	old := fx.object(t, "", "mfa", nil)
	new := fx.object(t, "", "mfa", expand([]byte(`{"conditions":{"users":{"excludeUsers":["@bg2"]}}}`), fx.Aliases))
	if v := verdict(w, old, new); !v.Lockout || v.Severity != drift.Critical {
		t.Errorf("losing the configured account: %s", show(v))
	}
}

func TestBears(t *testing.T) {
	want := map[drift.Kind]bool{
		drift.Policy: true, drift.NamedLocation: true, drift.AuthenticationStrength: true, drift.AuthenticationContext: true,
	}
	for _, kind := range drift.Kinds() {
		if judge.Bears(kind) != want[kind] {
			t.Errorf("bears(%s) is %v, want %v", kind, judge.Bears(kind), want[kind])
		}
	}
}

// TestWorldBearsOnPolicies: the same edit is another verdict when a location
// became trusted or a strength was widened.
func TestWorldBearsOnPolicies(t *testing.T) {
	fx := loadFixture(t)
	old := fx.object(t, "", "register", nil)
	new := fx.object(t, "", "register", expand([]byte(`{"conditions":{"locations":{"excludeLocations":["AllTrusted","@branch"]}}}`), fx.Aliases))
	if v := verdict(world(fx.Emergency, nil, fx.object(t, "", "branch", nil)), old, new); v.Direction != drift.Weaker {
		t.Errorf("an untrusted location escapes: %s", show(v))
	}
	if v := verdict(world(fx.Emergency, nil, fx.object(t, "", "branch", []byte(`{"isTrusted":true}`))), old, new); v.Direction != drift.Neutral {
		t.Errorf("a trusted location is covered by the trusted ones: %s", show(v))
	}
	narrow := fx.object(t, "", "mfa", expand([]byte(`{"grantControls":{"builtInControls":null,"authenticationStrength":"@s-keys"}}`), fx.Aliases))
	mfa := fx.object(t, "", "mfa", nil)
	if v := verdict(fx.standing(fx.Emergency), mfa, narrow); v.Direction != drift.Stronger {
		t.Errorf("keys imply MFA: %s", show(v))
	}
	builtIn := fx.object(t, "", "s-mfa", nil)
	if v := verdict(world(fx.Emergency, nil, builtIn), mfa, narrow); v.Direction != drift.Mixed {
		t.Errorf("a strength that is not in the world implies nothing: %s", show(v))
	}
}

func TestByMicrosoft(t *testing.T) {
	for _, tt := range []struct {
		in   drift.Verdict
		want drift.Severity
	}{
		{drift.Verdict{Direction: drift.Stronger, Severity: drift.Medium}, drift.Low},
		{drift.Verdict{Direction: drift.Neutral, Severity: drift.Medium}, drift.Low},
		{drift.Verdict{Direction: drift.Weaker, Severity: drift.Critical}, drift.Critical},
		{drift.Verdict{Direction: drift.Mixed, Severity: drift.High}, drift.High},
		{drift.Verdict{Direction: drift.Stronger, Severity: drift.Critical, Lockout: true}, drift.Critical},
	} {
		if got := judge.ByMicrosoft(tt.in); got.Severity != tt.want || got.Direction != tt.in.Direction {
			t.Errorf("%s %s written by Microsoft: got %s %s, want %s", tt.in.Direction, tt.in.Severity, got.Direction, got.Severity, tt.want)
		}
	}
}

// TestAddressSets compares the verdict on random ranges with plain sets of
// addresses, counted one by one.
func TestAddressSets(t *testing.T) {
	fx := loadFixture(t)
	w := fx.standing(fx.Emergency, fx.object(t, "", "block-abroad", nil))
	ranges := []string{
		"10.0.0.0/30", "10.0.0.2/31", "10.0.0.4/30", "10.0.0.0/29", "10.0.0.7/32", "10.0.0.3-10.0.0.5", "10.0.0.0-10.0.0.7",
		"2001:db8::/126", "2001:db8::2/127", "2001:0db8:0:0::3/128",
	}
	members := map[string][]string{}
	for _, r := range ranges {
		members[r] = addressesOf(r)
	}
	location := func(bits int) (*drift.Object, map[string]bool) {
		set := map[string]bool{}
		var list []any
		for i, r := range ranges {
			if bits&(1<<i) == 0 {
				continue
			}
			for _, a := range members[r] {
				set[a] = true
			}
			list = append(list, rangeForm(r))
		}
		return object(drift.NamedLocation, fx.Aliases["branch"], tree{"displayName": "Branch", "ipRanges": list}), set
	}
	for a := 0; a < 1<<len(ranges); a += 17 {
		for b := 0; b < 1<<len(ranges); b += 23 {
			old, was := location(a)
			new, is := location(b)
			want := drift.Neutral
			if !within(is, was) {
				want |= drift.Weaker
			}
			if !within(was, is) {
				want |= drift.Stronger
			}
			if v := w.Judge(judge.Case{Old: old, New: new}); v.Direction != want {
				t.Fatalf("%s → %s is %s, want %s", old.Canonical, new.Canonical, v.Direction, want)
			}
		}
	}
}

func within(a, b map[string]bool) bool {
	for v := range a {
		if !b[v] {
			return false
		}
	}
	return true
}

func rangeForm(r string) tree {
	if i := slices.Index([]byte(r), '-'); i > 0 {
		return tree{"lowerAddress": r[:i], "upperAddress": r[i+1:]}
	}
	return tree{"cidrAddress": r}
}

// addressesOf lists the addresses of the ranges above by their last group.
func addressesOf(r string) []string {
	span := map[string][3]int{ // family, first, last
		"10.0.0.0/30": {4, 0, 3}, "10.0.0.2/31": {4, 2, 3}, "10.0.0.4/30": {4, 4, 7}, "10.0.0.0/29": {4, 0, 7}, "10.0.0.7/32": {4, 7, 7},
		"10.0.0.3-10.0.0.5": {4, 3, 5}, "10.0.0.0-10.0.0.7": {4, 0, 7},
		"2001:db8::/126": {6, 0, 3}, "2001:db8::2/127": {6, 2, 3}, "2001:0db8:0:0::3/128": {6, 3, 3},
	}[r]
	var out []string
	for i := span[1]; i <= span[2]; i++ {
		out = append(out, fmt.Sprintf("%d:%d", span[0], i))
	}
	return out
}
