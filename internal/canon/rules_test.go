package canon_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cadrift/cadrift/internal/drift"
)

// form canonicalises the members given as the inside of an object.
func form(t testing.TB, kind drift.Kind, members string) string {
	t.Helper()
	if members != "" {
		members = "," + members
	}
	o := mustObject(t, kind, fmt.Appendf(nil, `{"id":"a0000000-0000-4000-8000-000000000001"%s}`, members))
	if o.Odd != "" {
		t.Fatalf("odd: %s\n%s", o.Odd, members)
	}
	return string(o.Canonical)
}

const (
	guidUpper = `"ABCDEF00-0000-4000-8000-00000000000A"`
	guidLower = `"abcdef00-0000-4000-8000-00000000000a"`
)

// Each row is one stored state in the encodings that Graph and its exports use
// for it, as the insides of an object; the first one is the canonical form.
var oneState = []struct {
	name string
	kind drift.Kind
	same []string
}{
	{"empties are absent", drift.Policy, []string{
		``,
		`"description":null`,
		`"conditions":{"users":{"includeUsers":[]},"locations":[],"platforms":{"includePlatforms":[],"excludePlatforms":[]}}`,
		`"grantControls":null,"sessionControls":{"signInFrequency":null}`,
		`"later":[null,[],{},{"a":[{"b":null}]}]`,
	}},
	{"annotations and volatile properties go at every depth", drift.Policy, []string{
		`"conditions":{"users":{"includeUsers":["All"]}},"later":{"a":1}`,
		`"@odata.etag":"W/1","@odata.type":"#microsoft.graph.conditionalAccessPolicy","@microsoft.graph.tips":"Use $select",
			 "#microsoft.graph.restore":{"title":"restore"},"templateId":"x","createdDateTime":"2026-01-01T00:00:00Z",
			 "conditions":{"@odata.type":"#microsoft.graph.conditionalAccessConditionSet","users@odata.context":"x",
			   "users":{"includeUsers@odata.type":"#Collection(String)","includeUsers":["All"]}},
			 "later":{"a":1,"modifiedDateTime":"2026-01-01T00:00:00Z","deletedDateTime":null,"a@odata.type":"#Int64"}`,
	}},
	{"lists are sets", drift.Policy, []string{
		`"conditions":{"clientAppTypes":["browser","other"]},"later":["1",1,true,{"a":[1,2]}]`,
		`"conditions":{"clientAppTypes":["other","browser","other"]},"later":[{"a":[2,1,2]},true,"1",1,1]`,
	}},
	{"ids are lower-cased", drift.Policy, []string{
		`"conditions":{"users":{"excludeUsers":[` + guidLower + `]}},"grantControls":{"authenticationStrength":` + guidLower + `}`,
		`"conditions":{"users":{"excludeUsers":[` + guidUpper + `,` + guidLower + `]}},"grantControls":{"authenticationStrength":{"id":` + guidUpper + `}}`,
		`"conditions":{"users":{"excludeUsers":[` + guidUpper + `]}},"grantControls":{"authenticationStrength":` + guidUpper + `}`,
	}},
	{"a strength in a policy is its id", drift.Policy, []string{
		`"grantControls":{"authenticationStrength":` + guidLower + `,"operator":"OR"}`,
		`"grantControls":{"operator":"OR","authenticationStrength@odata.context":"x","authenticationStrength":
			 {"id":` + guidLower + `,"displayName":"MFA","allowedCombinations":["password,sms"],"policyType":"builtIn"}}`,
	}},
	{"an operator alone is no grant block", drift.Policy, []string{
		`"state":"enabled"`,
		`"state":"enabled","grantControls":{"operator":"OR","builtInControls":[],"authenticationStrength":null}`,
	}},
	{"session controls that are off", drift.Policy, []string{
		`"sessionControls":{"persistentBrowser":{"isEnabled":true,"mode":"never"}}`,
		`"sessionControls":{"persistentBrowser":{"isEnabled":true,"mode":"never"},"disableResilienceDefaults":false,
			 "signInFrequency":{"isEnabled":false,"value":4,"type":"hours"},"brandNewControl":{"isEnabled":false,"strictness":9}}`,
	}},
	{"flag enums", drift.Policy, []string{
		`"conditions":{"agentIdRiskLevels":["high","low"],"authenticationFlows":{"transferMethods":["deviceCodeFlow"]},"insiderRiskLevels":["elevated","minor"]}`,
		`"conditions":{"agentIdRiskLevels":"low,high","authenticationFlows":{"transferMethods":"deviceCodeFlow"},"insiderRiskLevels":"minor, elevated,minor"}`,
		`"conditions":{"agentIdRiskLevels":["low","high"],"authenticationFlows":{"transferMethods":["deviceCodeFlow"]},"insiderRiskLevels":["elevated,minor"]}`,
	}},
	{"external tenants by membershipKind", drift.Policy, []string{
		tenants(`"members":[` + guidLower + `],"membershipKind":"enumerated"`),
		tenants(`"@odata.type":"#microsoft.graph.conditionalAccessEnumeratedExternalTenants","members":[` + guidUpper + `]`),
		tenants(`"@odata.type":"#microsoft.graph.conditionalAccessEnumeratedExternalTenants","membershipKind":"enumerated","members":[` + guidLower + `]`),
	}},
	{"all external tenants", drift.Policy, []string{
		tenants(`"membershipKind":"all"`),
		tenants(`"@odata.type":"#microsoft.graph.conditionalAccessAllExternalTenants"`),
	}},
	{"prefixes", drift.NamedLocation, []string{
		`"ipRanges":[{"@odata.type":"#microsoft.graph.iPv4CidrRange","cidrAddress":"12.34.220.0/22"},{"@odata.type":"#microsoft.graph.iPv6CidrRange","cidrAddress":"2001:db8::/32"}]`,
		`"ipRanges":[{"@odata.type":"#microsoft.graph.iPv6CidrRange","cidrAddress":"2001:0DB8:0:0:0:0:0:1/32"},{"@odata.type":"#microsoft.graph.iPv4CidrRange","cidrAddress":"12.34.221.11/22"}]`,
		`"ipRanges":[{"cidrAddress":"12.34.221.11/22"},{"cidrAddress":"12.34.220.0/22"},{"cidrAddress":"2001:db8:ffff::/32"}]`,
	}},
	{"bounds", drift.NamedLocation, []string{
		`"ipRanges":[{"@odata.type":"#microsoft.graph.iPv6Range","lowerAddress":"2001:db8::1","upperAddress":"2001:db8::ff"}]`,
		`"ipRanges":[{"lowerAddress":"2001:0db8:0::1","upperAddress":"2001:DB8::00FF"}]`,
	}},
	{"switches of locations", drift.NamedLocation, []string{
		`"@odata.type":"#microsoft.graph.countryNamedLocation","countriesAndRegions":["DE","NL"]`,
		`"@odata.type":"#microsoft.graph.countryNamedLocation","countriesAndRegions":["NL","DE"],"includeUnknownCountriesAndRegions":false,"isTrusted":false`,
	}},
	{"combinations", drift.AuthenticationStrength, []string{
		`"allowedCombinations":["fido2","password,sms"],"combinationConfigurations":[{"appliesToCombinations":["fido2"],"id":` + guidLower + `}],"requirementsSatisfied":"mfa"`,
		`"allowedCombinations":["sms, password","fido2","password,sms"],"createdDateTime":"x","requirementsSatisfied":"mfa",
			 "combinationConfigurations":[{"@odata.type":"#microsoft.graph.fido2CombinationConfiguration","id":` + guidUpper + `,"modifiedDateTime":"x","appliesToCombinations":["fido2"],"allowedAAGUIDs":[]}]`,
	}},
	{"members of a group as objects", drift.Group, []string{
		`"displayName":"Break glass","members":[{"id":` + guidLower + `}]`,
		`"members":[{"@odata.type":"#microsoft.graph.user","id":` + guidUpper + `},{"id":` + guidLower + `}],"displayName":"Break glass"`,
	}},
	{"members of a group as ids", drift.Group, []string{
		`"members":["a",` + guidLower + `]`,
		`"members":[` + guidUpper + `,"a"]`,
	}},
	{"escapes", drift.Policy, []string{
		`"displayName":"\b\f\n\r\t\u0000\u001f\"\\/` + "\u007f\u2028\ufffd" + `"`,
		`"displayName":"\u0008\u000C\u000a\u000D\u0009\u0000\u001F\u0022\u005c\/\u007f\u2028\uFFFD"`,
	}},
	{"spelling of strings", drift.Policy, []string{
		`"displayName":"a/b ü 😀 <&>\u0001"`,
		`"\u0064isplayName" : "a\/b \u00fc \uD83D\ude00 \u003c\u0026\u003E\u0001"`,
	}},
}

func TestOneStateOneForm(t *testing.T) {
	for _, row := range oneState {
		t.Run(row.name, func(t *testing.T) {
			for _, s := range row.same {
				if diff := cmp.Diff("{"+row.same[0]+"}", form(t, row.kind, s)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", s, diff)
				}
			}
		})
	}
}

func tenants(inside string) string {
	return `"conditions":{"users":{"includeGuestsOrExternalUsers":{"externalTenants":{` + inside + `},"guestOrExternalUserTypes":["b2bCollaborationGuest"]}}}`
}

// Each row is a list of states that look alike and are not the same.
var differentStates = []struct {
	name  string
	kind  drift.Kind
	apart []string
}{
	{"types", drift.Policy, []string{`"later":1`, `"later":1.0`, `"later":"1"`, `"later":true`, `"later":"true"`, `"later":[1]`, `"later":["1"]`, `"later":[[1]]`, `"later":"[1]"`}},
	{"big numbers", drift.Policy, []string{`"later":9007199254740993`, `"later":9007199254740992`, `"later":1e400`, `"later":1e401`}},
	{"structure", drift.Policy, []string{`"a":{"b":"c"}`, `"a":"b","c":"c"`, `"a":[{"b":"c"}]`, `"a":[{"b":"c"},{"d":"e"}]`, `"a":[{"b":"c","d":"e"}]`}},
	{"escapes", drift.Policy, []string{`"displayName":"\\u0041"`, `"displayName":"A"`, `"displayName":"\\"`, `"displayName":"\""`, `"displayName":"\n"`, `"displayName":"\\n"`}},
	{"case of names and tokens", drift.Policy, []string{
		`"displayName":` + guidLower, `"displayName":` + guidUpper,
		`"conditions":{"users":{"includeUsers":["All"]}}`, `"conditions":{"users":{"includeUsers":["all"]}}`,
		`"later":` + guidLower, `"later":` + guidUpper,
	}},
	{"empty text is text", drift.Policy, []string{``, `"description":""`}},
	{"false is a value elsewhere", drift.SecurityDefaults, []string{``, `"isEnabled":false`, `"isEnabled":true`}},
	{"false is a value in contexts", drift.AuthenticationContext, []string{``, `"isAvailable":false`, `"isAvailable":true`}},
	{"an id is content below the root", drift.Policy, []string{``, `"later":{"id":"x"}`, `"later":{"id":"y"}`}},
	{"session controls without a switch", drift.Policy, []string{``, `"sessionControls":{"persistentBrowser":{"mode":"never"}}`, `"sessionControls":{"persistentBrowser":{"mode":"never","isEnabled":true}}`}},
	{"operators count beside a control", drift.Policy, []string{
		`"grantControls":{"operator":"OR","builtInControls":["mfa"]}`,
		`"grantControls":{"operator":"AND","builtInControls":["mfa"]}`,
		`"grantControls":{"builtInControls":["mfa"]}`,
		`"grantControls":{"operator":"OR","brandNew":"x"}`,
	}},
	{"external tenants that contradict themselves", drift.Policy, []string{
		tenants(`"membershipKind":"all"`),
		tenants(`"membershipKind":"enumerated"`),
		tenants(`"membershipKind":"all","@odata.type":"#microsoft.graph.conditionalAccessEnumeratedExternalTenants"`),
		tenants(`"membershipKind":"enumerated","@odata.type":"#microsoft.graph.conditionalAccessAllExternalTenants"`),
		tenants(`"@odata.type":"#microsoft.graph.brandNewExternalTenants"`),
		tenants(`"membershipKind":"all","@odata.type":"#microsoft.graph.brandNewExternalTenants"`),
	}},
	{"ranges", drift.NamedLocation, []string{
		`"ipRanges":[{"cidrAddress":"10.0.0.0/8"}]`, `"ipRanges":[{"cidrAddress":"10.0.0.0/9"}]`,
		`"ipRanges":[{"cidrAddress":"10.0.0.0"}]`, `"ipRanges":[{"cidrAddress":"::ffff:10.0.0.0/104"}]`,
		`"ipRanges":[{"cidrAddress":"10.0.0.0/8","@odata.type":"#microsoft.graph.brandNewRange"}]`,
		`"ipRanges":[{"lowerAddress":"10.0.0.0","upperAddress":"10.255.255.255"}]`,
		`"ipRanges":[{"lowerAddress":"10.0.0.0"}]`,
		`"ipRanges":[{"cidrAddress":"010.0.0.0/8"}]`,
	}},
	{"the type of a location", drift.NamedLocation, []string{
		``, `"@odata.type":"#microsoft.graph.ipNamedLocation"`, `"@odata.type":"#microsoft.graph.countryNamedLocation"`,
	}},
	{"combinations", drift.AuthenticationStrength, []string{
		`"allowedCombinations":["password,sms"]`, `"allowedCombinations":["password","sms"]`, `"allowedCombinations":["sms"]`,
	}},
}

func TestDifferentStatesDifferentForms(t *testing.T) {
	for _, row := range differentStates {
		t.Run(row.name, func(t *testing.T) {
			seen := map[string]string{}
			for _, s := range row.apart {
				got := form(t, row.kind, s)
				if other, ok := seen[got]; ok {
					t.Errorf("%s and %s share the form %s", other, s, got)
				}
				seen[got] = s
			}
		})
	}
}

func TestUnknownFutureValue(t *testing.T) {
	rows := []struct {
		name, members string
		kind          drift.Kind
		want          []string
	}{
		{"members of sets, flags and single values", `
			"state":"unknownFutureValue",
			"conditions":{"clientAppTypes":["browser","unknownFutureValue"],"insiderRiskLevels":"minor,unknownFutureValue",
			  "users":{"excludeGuestsOrExternalUsers":{"externalTenants":{"membershipKind":"unknownFutureValue"}}}},
			"a/b~c":[[{"d":"unknownFutureValue"}],"unknownFutureValue"]`, drift.Policy, []string{
			"/a~1b~0c", "/conditions/clientAppTypes", "/conditions/insiderRiskLevels",
			"/conditions/users/excludeGuestsOrExternalUsers/externalTenants/membershipKind", "/state",
		}},
		{"not in what people write", `
			"displayName":"unknownFutureValue","description":"unknownFutureValue",
			"conditions":{"devices":{"deviceFilter":{"mode":"include","rule":"unknownFutureValue"}}}`, drift.Policy, nil},
		{"not a part of a word", `"later":"myunknownFutureValue"`, drift.Policy, nil},
		{"not in a strength that the policy only names", `
			"grantControls":{"authenticationStrength":{"id":"x","policyType":"unknownFutureValue"}}`, drift.Policy, nil},
		{
			"combinations", `"allowedCombinations":["password,unknownFutureValue"],"policyType":"unknownFutureValue"`,
			drift.AuthenticationStrength,
			[]string{"/allowedCombinations", "/policyType"},
		},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			o := mustObject(t, row.kind, []byte(`{"id":"x",`+row.members+`}`))
			if diff := cmp.Diff(row.want, o.UnknownEnum); diff != "" {
				t.Errorf("unknown enums (-want +got):\n%s", diff)
			}
		})
	}
}

func TestObjectRefuses(t *testing.T) {
	for _, raw := range []string{
		``, `null`, `[]`, `"x"`, `7`, `{`, `{"id":"x"}{}`, "\ufeff{\"id\":\"x\"}", strings.Repeat(`{"id":`, 20000),
		`{}`, `{"id":null}`, `{"id":""}`, `{"id":7}`, `{"Id":"x"}`, `{"id":{"id":"x"}}`,
	} {
		if o, err := canonObject(raw); err == nil {
			t.Errorf("%.40q was accepted as %v", raw, o.Ref)
		}
	}
}
