package judge_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/judge"
)

// TestWords pins what people read, as line and as summary.
func TestWords(t *testing.T) {
	fx := loadFixture(t)
	for _, tt := range []struct {
		name, base   string
		old, new     string
		world        []string
		summary, say string
	}{
		{
			name: "a person escapes", base: "mfa",
			new:     `{"conditions":{"users":{"excludeUsers":["@alex","@bg1","@bg2"]}}}`,
			summary: "CA001 - Require MFA: excluded users + alex@contoso.example (Alex) (enforced)",
			say:     "Excluded users: + alex@contoso.example (Alex)",
		},
		{
			name: "a dead id", base: "mfa",
			old:     `{"state":"enabledForReportingButNotEnforced"}`,
			new:     `{"state":"enabledForReportingButNotEnforced","conditions":{"users":{"excludeUsers":["@ghost","@bg1","@bg2"]}}}`,
			summary: "CA001 - Require MFA: excluded users + deleted or unknown (dead0000…) (report-only, not enforced)",
			say:     "Excluded users: + deleted or unknown (dead0000…)",
		},
		{
			name: "switched off", base: "mfa", new: `{"state":"disabled"}`,
			summary: "CA001 - Require MFA: state on → off",
			say:     "State: on → off",
		},
		{
			name: "operator", base: "device", new: `{"grantControls":{"operator":"OR"}}`,
			summary: "CA005 - Managed devices: grant all of MFA, compliant device → any of them (enforced)",
			say:     "Grant: all of MFA, compliant device → any of them",
		},
		{
			name: "strength", base: "mfa",
			new:     `{"grantControls":{"builtInControls":null,"authenticationStrength":"@s-keys"}}`,
			summary: "CA001 - Require MFA: grant MFA → Company keys (enforced)",
			say:     "Grant: MFA → Company keys",
		},
		{
			name: "block gone", base: "block-legacy", new: `{"grantControls":{"builtInControls":["mfa"]}}`,
			summary: "CA002 - Block legacy authentication: grant block access → MFA (no longer blocks) (enforced)",
			say:     "Grant: block access → MFA (no longer blocks)",
		},
		{
			name: "block widens", base: "block-abroad", new: `{"conditions":{"locations":{"excludeLocations":["@hq"]}}}`,
			summary: "CA003 - Block outside the offices: excluded locations - Branch (blocks more sign-ins) (enforced)",
			say:     "Excluded locations: - Branch (blocks more sign-ins)",
		},
		{
			name: "tokens", base: "register",
			old:     `{"conditions":{"locations":{"excludeLocations":["@hq"]}}}`,
			new:     `{"conditions":{"locations":{"excludeLocations":["AllTrusted","@mfaips","@s-gone"]}}}`,
			summary: "CA010 - Register security info: excluded locations + MFA trusted IPs, Trusted locations, deleted or unknown (57000000…); - HQ (enforced)",
			say:     "Excluded locations: + MFA trusted IPs, Trusted locations, deleted or unknown (57000000…); - HQ",
		},
		{
			name: "resilience", base: "session", new: `{"sessionControls":{"disableResilienceDefaults":true}}`,
			summary: "CA006 - Sessions: disable resilience defaults off → on (during an Entra outage these sessions end) (enforced)",
			say:     "Disable resilience defaults: off → on (during an Entra outage these sessions end)",
		},
		{
			name: "frequency", base: "session", new: `{"sessionControls":{"signInFrequency":{"value":1,"type":"days"}}}`,
			summary: "CA006 - Sessions: sign-in frequency every 8 hours → every day (enforced)",
			say:     "Sign-in frequency: every 8 hours → every day",
		},
		{
			name: "filter", base: "mfa", new: `{"conditions":{"devices":{"deviceFilter":{"mode":"exclude","rule":"device.isCompliant -eq True"}}}}`,
			summary: "CA001 - Require MFA: device filter none → exclude where device.isCompliant -eq True (enforced)",
			say:     "Device filter: none → exclude where device.isCompliant -eq True",
		},
		{
			name: "unknown setting", base: "mfa", new: `{"conditions":{"foo":{"a~b/c":["x"]}}}`,
			summary: "CA001 - Require MFA: unknown setting conditions › foo › a~b/c + x (enforced)",
			say:     "Unknown setting conditions › foo › a~b/c: + x",
		},
		{
			name: "most severe first", base: "mfa",
			new:     `{"displayName":"CA001","description":"x","conditions":{"users":{"includeUsers":null,"includeGroups":["@staff"]},"signInRiskLevels":["high"]}}`,
			summary: "CA001: included users - All users; sign-in risk + high and 3 more (enforced)",
			say:     "Sign-in risk: + high",
		},
		{
			name: "created", base: "risk", old: `null`,
			summary: "CA009 - Risky sign-ins created (on: requires MFA for all users (3 exclusions) on all apps under 1 condition)",
			say:     "Grant: MFA",
		},
		{
			name: "deleted", base: "session", new: `null`,
			summary: "CA006 - Sessions deleted (was on: limits sessions of all users (3 exclusions) on Office 365)",
			say:     "Sign-in frequency: every 8 hours",
		},
		{
			name: "on for nobody", base: "mfa", new: `{"conditions":{"users":{"includeUsers":["None"]}}}`,
			summary: "CA001 - Require MFA: included users + None; - All users (on, but applies to nobody)",
			say:     "Included users: + None; - All users",
		},
		{
			name: "location", base: "branch", world: []string{"block-abroad"},
			new:     `{"ipRanges":[{"cidrAddress":"198.51.100.0/24"},{"cidrAddress":"10.0.0.0/8"}]}`,
			summary: "Branch: IP ranges + 10.0.0.0/8 (16,777,216 more IPv4 addresses); excluded by enforced policy CA003 - Block outside the offices",
			say:     "IP ranges: + 10.0.0.0/8 (16,777,216 more IPv4 addresses)",
		},
		{
			name: "location in IPv6", base: "hq", world: []string{"block-abroad"},
			new:     `{"ipRanges":[{"cidrAddress":"203.0.113.0/26"},{"cidrAddress":"2001:db8::/31"}]}`,
			summary: "HQ: IP ranges + 2001:db8::/31, 203.0.113.0/26; - 2001:db8:1::/48, 203.0.113.0/25 (64 fewer IPv4 addresses; at least 1 more IPv6 /32 network); excluded by enforced policy CA003 - Block outside the offices",
			say:     "IP ranges: + 2001:db8::/31, 203.0.113.0/26; - 2001:db8:1::/48, 203.0.113.0/25 (64 fewer IPv4 addresses; at least 1 more IPv6 /32 network)",
		},
		{
			name: "key models", base: "s-keys", world: []string{"context"},
			new: `{"combinationConfigurations":[{"id":"c0000000-0000-4000-8000-000000000001","appliesToCombinations":["fido2"],"allowedAAGUIDs":["bbbbbbbb-0000-4000-8000-000000000001"]},
				{"id":"c0000000-0000-4000-8000-000000000002","appliesToCombinations":["x509CertificateMultiFactor"],"allowedIssuerSkis":["1A","2B"]}]}`,
			summary: "Company keys: combination settings + passkey (FIDO2): allowed key models bbbbbbbb…; - passkey (FIDO2): allowed key models aaaaaaaa…; used by enforced policy CA012 - Confidential data",
			say:     "Combination settings: + passkey (FIDO2): allowed key models bbbbbbbb…; - passkey (FIDO2): allowed key models aaaaaaaa…",
		},
		{
			name: "trust", base: "branch", new: `{"isTrusted":true}`,
			summary: "Branch: trusted no → yes (also feeds sign-in risk); used by no enforced policy",
			say:     "Trusted: no → yes (also feeds sign-in risk)",
		},
		{
			name: "security defaults", base: "defaults", new: `{"isEnabled":true}`,
			summary: "Security Defaults: state off → on (no exclusions possible, emergency accounts included)",
			say:     "State: off → on (no exclusions possible, emergency accounts included)",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := labelled{Base: tt.base}
			old := fx.object(t, "", tt.base, expand([]byte(tt.old), fx.Aliases))
			new := fx.object(t, "", tt.base, expand([]byte(tt.new), fx.Aliases))
			for _, base := range tt.world {
				c.World = append(c.World, struct {
					Base  string
					Patch tree
				}{Base: base})
			}
			v := fx.judge(t, c, old, new)
			if v.Summary != tt.summary {
				t.Errorf("summary\n got %s\nwant %s", v.Summary, tt.summary)
			}
			for _, c := range v.Changes {
				if c.Text == tt.say {
					return
				}
			}
			t.Errorf("no line %q in\n%s", tt.say, show(v))
		})
	}
}

// TestStagedWords: the summary names what was lost since the policy last acted.
func TestStagedWords(t *testing.T) {
	fx := loadFixture(t)
	on := fx.object(t, "", "mfa", expand([]byte(`{"conditions":{"users":{"excludeUsers":["@alex","@bg1","@bg2"]}}}`), fx.Aliases))
	last := fx.object(t, "", "mfa", nil)
	v := fx.standing(fx.Emergency, on).Judge(judge.Case{Old: off(t, on), New: on, LastActing: last, Changes: changes(off(t, on), on)})
	want := "CA001 - Require MFA: state off → on; weaker than when it was last enforced: excluded users + alex@contoso.example (Alex)"
	if v.Summary != want {
		t.Errorf("summary\n got %s\nwant %s", v.Summary, want)
	}
}

func TestUnknownIsFlagged(t *testing.T) {
	fx := loadFixture(t)
	for _, tt := range []struct {
		patch string
		path  string
		want  bool
	}{
		{`{"conditions":{"foo":true}}`, "/conditions/foo", true},
		{`{"conditions":{"users":{"includeEverything":true}}}`, "/conditions/users/includeEverything", true},
		{`{"conditions":{"clientAppTypes":["all","teapot"]}}`, "/conditions/clientAppTypes", true},
		{`{"conditions":{"platforms":{"excludePlatforms":["unknownFutureValue"]}}}`, "/conditions/platforms/excludePlatforms", true},
		{`{"grantControls":{"builtInControls":["mfa","teapot"]}}`, "/grantControls/builtInControls", true},
		{`{"grantControls":{"operator":"XOR"}}`, "/grantControls/operator", true},
		{`{"sessionControls":{"teapot":{"isEnabled":true}}}`, "/sessionControls/teapot/isEnabled", true},
		{`{"sessionControls":{"persistentBrowser":{"isEnabled":true,"mode":"teapot"}}}`, "/sessionControls/persistentBrowser/mode", true},
		{`{"state":"teapot"}`, "/state", true},
		{`{"conditions":{"users":{"excludeUsers":["@ghost"]}}}`, "/conditions/users/excludeUsers", false},
		{`{"conditions":{"applications":{"includeApplications":["@payroll"]}}}`, "/conditions/applications/includeApplications", false},
		{`{"conditions":{"applications":{"includeApplications":["AllNewThings"]}}}`, "/conditions/applications/includeApplications", true},
	} {
		old := fx.object(t, "", "mfa", nil)
		new := fx.object(t, "", "mfa", expand([]byte(tt.patch), fx.Aliases))
		v := verdict(fx.standing(fx.Emergency), old, new)
		found := false
		for _, c := range v.Changes {
			if c.Path == tt.path {
				found = true
				if c.Unknown != tt.want {
					t.Errorf("%s: unknown is %v, want %v", tt.patch, c.Unknown, tt.want)
				}
			}
		}
		if !found {
			t.Errorf("%s: no change of %s in %s", tt.patch, tt.path, show(v))
		}
	}
}

// TestHostileNames: a name chosen by an attacker cannot break or forge a line.
func TestHostileNames(t *testing.T) {
	evil := "All clear\n\u202eCA002: state on → off\u200b"
	fx := loadFixture(t)
	names := func(id string) (string, bool) { return evil, true }
	location := object(drift.NamedLocation, fx.Aliases["hq"], tree{"displayName": evil, "ipRanges": []any{tree{"cidrAddress": "10.0.0.0/8"}}})
	old := fx.object(t, "", "mfa", nil)
	new := fx.object(t, "", "mfa", expand([]byte(`{"displayName":`+string(encode(evil))+`,"description":`+string(encode(evil))+`,
		"conditions":{"users":{"excludeUsers":["@alex"]},"locations":{"excludeLocations":["@hq"]},
		"devices":{"deviceFilter":{"mode":"exclude","rule":`+string(encode(evil))+`}},
		"applications":{"includeApplications":["`+"x\u202ey"+`"]},`+`"`+"bad\u202ename"+`":{"x\ny":`+string(encode(evil))+`}},
		"grantControls":{"builtInControls":[`+string(encode(evil))+`],"customAuthenticationFactors":[`+string(encode(evil))+`]}}`), fx.Aliases))
	w := world(fx.Emergency, names, location, new)
	v := verdict(w, old, new)
	lines := append([]string{v.Summary, w.Describe(new), w.Describe(location)}, v.Reasons...)
	for _, c := range v.Changes {
		lines = append(lines, c.Text, c.Field)
	}
	for _, line := range lines {
		if strings.ContainsAny(line, "\n\r\u202e\u200b") {
			t.Errorf("a hostile name came through: %q", line)
		}
	}
	if len(lines) < 15 {
		t.Errorf("only %d lines were looked at", len(lines))
	}
}

func TestNamesAreOptional(t *testing.T) {
	fx := loadFixture(t)
	old := fx.object(t, "", "mfa", nil)
	new := fx.object(t, "", "mfa", expand([]byte(`{"conditions":{"users":{"excludeUsers":["@alex"],"excludeGroups":null},"applications":{"excludeApplications":["@payroll","@exchange"]},"locations":{"excludeLocations":["@hq"]}},"grantControls":{"authenticationStrength":"@s-gone","builtInControls":null}}`), fx.Aliases))
	v := verdict(world(judge.Emergency{}, nil), old, new)
	got := show(v)
	for _, want := range []string{
		"Excluded users: + a1000000…; - e0000000…, e0000000…",
		"Excluded apps: + Exchange Online, d1000000…",
		"Excluded locations: + 10ca0000…",
		"Grant: MFA → 57000000…",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "deleted or unknown") {
		t.Errorf("without names nobody can say who is deleted:\n%s", got)
	}
}

// TestWholeObjectChange: package diff may tell an object that appears or goes
// as one change of the root.
func TestWholeObjectChange(t *testing.T) {
	fx := loadFixture(t)
	o := fx.object(t, "", "mfa", nil)
	root := []drift.Change{{Path: "", New: o.Canonical, Added: []json.RawMessage{}, Removed: []json.RawMessage{}}}
	v := fx.standing(fx.Emergency, o).Judge(judge.Case{New: o, Changes: root})
	want := "Policy: created: on: requires MFA for all users (3 exclusions) on all apps"
	if len(v.Changes) != 1 || v.Changes[0].Text != want || v.Changes[0].Unknown {
		t.Errorf("got %+v, want one change %q", v.Changes, want)
	}
}

// TestPartsAndStatements: of a setting that is spread over several fields one
// change tells the whole, and a created or deleted object is told in plain
// statements.
func TestPartsAndStatements(t *testing.T) {
	fx := loadFixture(t)
	for _, tt := range []struct {
		name, base, old, new string
		want                 []string // the lines people read, by path
	}{
		{"operator and controls", "device", "{}", `{"grantControls":{"operator":"OR","builtInControls":["mfa","domainJoinedDevice"]}}`, []string{
			"weaker Grant: all of MFA, compliant device → any of MFA, hybrid joined device",
		}},
		{"an unknown control is not hidden in a part", "mfa", "{}", `{"grantControls":{"authenticationStrength":"@s-keys","builtInControls":["mfa","teapot"]}}`, []string{
			"weaker Grant: MFA → any of Company keys, MFA, teapot (unknown)",
		}},
		{"frequency", "session", "{}", `{"sessionControls":{"signInFrequency":{"value":1,"type":"days","authenticationType":"secondaryAuthentication"}}}`, []string{
			"weaker Sign-in frequency: every 8 hours → every day, second factor only",
		}},
		{"switch", "mfa", "{}", `{"sessionControls":{"persistentBrowser":{"isEnabled":true,"mode":"never"}}}`, []string{
			"stronger Persistent browser session: none → never persistent",
		}},
		{"created", "risk", "null", "{}", []string{
			"neutral Included apps: All apps",
			"neutral Client apps: All client apps",
			"neutral Sign-in risk: high, medium",
			"neutral Excluded groups: Emergency access",
			"neutral Excluded users: emergency1@contoso.example, emergency2@contoso.example",
			"neutral Included users: All users",
			"neutral Grant: MFA",
			"neutral State: on",
		}},
		{"deleted", "hq", "{}", "null", []string{
			"neutral Type: IP ranges",
			"neutral IP ranges: 2001:db8:1::/48, 203.0.113.0/25",
			"neutral Trusted: yes",
		}},
		{"deleted with guests and terms", "guests", "{}", "null", []string{
			"neutral Included apps: Office 365, Payroll",
			"neutral Client apps: All client apps",
			"neutral Included guests: B2B collaboration guests, B2B collaboration members",
			"neutral Grant: any of MFA, terms of use 70000000…",
			"neutral State: on",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			old := fx.object(t, "", tt.base, expand([]byte(tt.old), fx.Aliases))
			new := fx.object(t, "", tt.base, expand([]byte(tt.new), fx.Aliases))
			v := verdict(fx.standing(fx.Emergency), old, new)
			var got []string
			for _, c := range v.Changes {
				line := c.Direction.String() + " " + c.Text
				if c.Unknown {
					line += " (unknown)"
				}
				if !c.Part {
					got = append(got, line)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got:\n%s\n%s", diff, show(v))
			}
		})
	}
}
