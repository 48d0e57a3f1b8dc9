package graphsim_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cadrift/cadrift/internal/csdl"
	"github.com/cadrift/cadrift/internal/drift"
)

// walker checks answers against the model and remembers what it has seen.
type walker struct {
	*csdl.Model
	*testing.T
	seen   map[string]bool // type.property
	filled map[string]bool // type.property with a value that is not null or []
}

// absentLive: the model has it, no live body of a policy does.
func absentLive(typ, name string) bool {
	return typ == "conditionalAccessPolicy" && name == "description"
}

func (w *walker) object(path, typ string, body map[string]any) {
	if tag, ok := body["@odata.type"].(string); ok {
		typ = strings.TrimPrefix(tag, "#microsoft.")
	}
	t, _, ok := w.Find(typ)
	if !ok {
		w.Errorf("%s: the model has no type %s", path, typ)
		return
	}
	if t.Abstract {
		w.Errorf("%s: %s is abstract and the body has no @odata.type", path, t.Name)
	}
	documented := map[string]csdl.Property{}
	for _, p := range w.PropertiesOf(t) {
		documented[p.Name] = p
	}
	for name := range documented {
		if _, ok := body[name]; !ok && !absentLive(t.Name, name) {
			w.Errorf("%s: documented property %s.%s is missing", path, t.Name, name)
		}
	}
	for name, value := range body {
		if strings.Contains(name, "@") {
			continue
		}
		p, ok := documented[name]
		if !ok {
			w.Errorf("%s: %s is no property of %s", path, name, t.Name)
			continue
		}
		w.seen[t.Name+"."+name] = true
		w.value(path+"."+name, t.Name+"."+name, p, value)
	}
}

func (w *walker) value(path, property string, p csdl.Property, value any) {
	element, isList := p.Element()
	list, ok := value.([]any)
	switch {
	case isList != ok:
		w.Errorf("%s: got %v, want the model's %s", path, value, p.Type)
	case isList:
		for i, member := range list {
			w.filled[property] = true
			w.scalar(fmt.Sprintf("%s[%d]", path, i), element, member)
		}
	case value == nil:
		if p.Nullable == "false" {
			w.Errorf("%s is null, which the model forbids", path)
		}
	default:
		w.filled[property] = true
		w.scalar(path, element, value)
	}
}

func (w *walker) scalar(path, typ string, value any) {
	if t, enum, _ := w.Find(typ); enum {
		text, _ := value.(string)
		parts := []string{text}
		if t.IsFlags {
			parts = strings.Split(text, ",")
		}
		for _, part := range parts {
			if !slices.ContainsFunc(t.Members, func(m csdl.Property) bool { return m.Name == part }) {
				w.Errorf("%s: %q is no member of %s", path, value, typ)
			}
		}
		return
	}
	ok := true
	switch typ {
	case "Edm.String", "Edm.DateTimeOffset":
		_, ok = value.(string)
	case "Edm.Boolean":
		_, ok = value.(bool)
	case "Edm.Int32":
		_, ok = value.(float64)
	default:
		body, isObject := value.(map[string]any)
		if isObject {
			w.object(path, typ, body)
		}
		ok = isObject
	}
	if !ok {
		w.Errorf("%s: %v is no %s", path, value, typ)
	}
}

// everything is one object of each shape, with every documented property set.
func everything(c *cloud) {
	hq := c.must(c.admin.CreateLocation(`{"@odata.type":"#microsoft.graph.ipNamedLocation","displayName":"HQ","isTrusted":true,"ipRanges":[
		{"@odata.type":"#microsoft.graph.iPv4CidrRange","cidrAddress":"192.0.2.0/24"},
		{"@odata.type":"#microsoft.graph.iPv6CidrRange","cidrAddress":"2001:db8::/48"},
		{"@odata.type":"#microsoft.graph.iPv4Range","lowerAddress":"198.51.100.1","upperAddress":"198.51.100.9"},
		{"@odata.type":"#microsoft.graph.iPv6Range","lowerAddress":"2001:db8::1","upperAddress":"2001:db8::9"}]}`))
	c.must(c.admin.CreateLocation(`{"@odata.type":"#microsoft.graph.countryNamedLocation","displayName":"Home","countriesAndRegions":["NL"],
		"countryLookupMethod":"authenticatorAppGps","includeUnknownCountriesAndRegions":true}`))
	c.must(c.admin.Create(drift.AuthenticationContext, `{"id":"c1","displayName":"Payments","description":"Pay","isAvailable":true}`))
	keys := c.must(c.admin.Create(drift.AuthenticationStrength, `{"displayName":"Keys","description":"Our keys","allowedCombinations":["fido2","x509CertificateMultiFactor"],
		"combinationConfigurations":[
			{"@odata.type":"#microsoft.graph.fido2CombinationConfiguration","appliesToCombinations":["fido2"],"allowedAAGUIDs":["11111111-2222-4333-8444-555555555555"]},
			{"@odata.type":"#microsoft.graph.x509CertificateCombinationConfiguration","appliesToCombinations":["x509CertificateMultiFactor"],
			 "allowedIssuerSkis":["9A4248C6AC8C2931AB2A86537818E92E7B6C97B6"],"allowedPolicyOIDs":["1.2.3"]}]}`))
	c.must(c.admin.CreatePolicy(plain("Plain")))
	c.must(c.admin.CreatePolicy(fmt.Sprintf(fullPolicy, hq, hq, keys)))
	c.must(c.admin.CreatePolicy(`{"displayName":"Session and workload","state":"enabledForReportingButNotEnforced",
		"conditions":{"applications":{"includeUserActions":["urn:user:registersecurityinfo"]},"users":null,"servicePrincipalRiskLevels":["high"],
			"clientApplications":{"includeServicePrincipals":["ServicePrincipalsInMyTenant"],"excludeServicePrincipals":["11111111-0000-4000-8000-00000000000a"],
				"servicePrincipalFilter":{"mode":"exclude","rule":"CustomSecurityAttribute.A_B -eq \"x\""}}},
		"sessionControls":{"applicationEnforcedRestrictions":{"isEnabled":true},"cloudAppSecurity":{"isEnabled":true,"cloudAppSecurityType":"blockDownloads"},
			"disableResilienceDefaults":true,"persistentBrowser":{"isEnabled":true,"mode":"never"},"secureSignInSession":{"isEnabled":true},
			"signInFrequency":{"isEnabled":true,"type":"hours","value":4,"authenticationType":"primaryAndSecondaryAuthentication","frequencyInterval":"timeBased"}}}`))
	c.must(c.admin.CreatePolicy(`{"displayName":"Context","state":"disabled",
		"conditions":{"applications":{"includeAuthenticationContextClassReferences":["c1"]},"users":{"includeGroups":["11111111-0000-4000-8000-00000000000b"]}},
		"grantControls":{"operator":"AND","builtInControls":["mfa","compliantDevice"]}}`))
}

const fullPolicy = `{"displayName":"Full","state":"enabled",
	"conditions":{
		"applications":{"includeApplications":["All"],"excludeApplications":["Office365"],"applicationFilter":{"mode":"include","rule":"CustomSecurityAttribute.A_B -eq \"x\""}},
		"authenticationFlows":{"transferMethods":"authenticationTransfer,deviceCodeFlow"},
		"clientAppTypes":["browser","mobileAppsAndDesktopClients"],
		"devices":{"deviceFilter":{"mode":"exclude","rule":"device.isCompliant -eq True"}},
		"insiderRiskLevels":"elevated,moderate",
		"locations":{"includeLocations":["All","%s"],"excludeLocations":["AllTrusted","%s"]},
		"platforms":{"includePlatforms":["all"],"excludePlatforms":["linux","iOS"]},
		"signInRiskLevels":["high","medium"],"userRiskLevels":["high"],
		"users":{"includeUsers":["None"],"excludeUsers":["11111111-0000-4000-8000-0000000000AA"],
			"includeGroups":["11111111-0000-4000-8000-00000000000b"],"excludeGroups":["11111111-0000-4000-8000-00000000000c"],
			"includeRoles":["62e90394-69f5-4237-9190-012177145e10"],"excludeRoles":["f2ef992c-3afb-46b9-b7cf-a126ee74c451"],
			"includeGuestsOrExternalUsers":{"guestOrExternalUserTypes":"serviceProvider,internalGuest","externalTenants":{"@odata.type":"#microsoft.graph.conditionalAccessAllExternalTenants","membershipKind":"all"}},
			"excludeGuestsOrExternalUsers":{"guestOrExternalUserTypes":"b2bCollaborationGuest","externalTenants":{"@odata.type":"#microsoft.graph.conditionalAccessEnumeratedExternalTenants","membershipKind":"enumerated","members":["11111111-0000-4000-8000-00000000000d"]}}}},
	"grantControls":{"operator":"OR","builtInControls":["compliantDevice","riskRemediation"],"customAuthenticationFactors":["Duo"],
		"termsOfUse":["11111111-0000-4000-8000-00000000000e"],"authenticationStrength":{"id":"%s"}}}`

// TestAnswersMatchTheModel reads everything the simulator can store and
// compares it with Microsoft's model: every documented property, its
// nullability, its enum members, and nothing that is not documented.
func TestAnswersMatchTheModel(t *testing.T) {
	w := &walker{Model: csdl.Read(t), T: t, seen: make(map[string]bool), filled: make(map[string]bool)}
	c := newCloud(t)
	everything(c)
	c.ok(c.tenant.Seed(drift.Policy, strings.Replace(plain("From a template"), "{", `{"templateId":"11111111-0000-4000-8000-00000000000f",`, 1)))
	c.ok(c.admin.PatchPolicy(c.tenant.IDs(drift.Policy)[0], `{"state":"disabled"}`)) // a modifiedDateTime
	c.ok(c.admin.DeletePolicy(c.must(c.admin.CreatePolicy(plain("Gone")))))          // a deletedDateTime
	for target, typ := range map[string]string{
		policies: "conditionalAccessPolicy", places: "namedLocation", strength: "authenticationStrengthPolicy",
		contexts: "authenticationContextClassReference", deleted: "conditionalAccessPolicy",
	} {
		list := c.get(target, "Prefer", "include-unknown-enum-members").want(200).json()
		for i, member := range list["value"].([]any) {
			w.object(fmt.Sprintf("%s[%d]", target, i), typ, member.(map[string]any))
		}
	}
	w.object("defaults", "identitySecurityDefaultsEnforcementPolicy", c.get(defaults).want(200).json())

	// Every property of the types that were met was met with a value too, so
	// that its rendering was really looked at.
	unfilled := map[string]bool{
		// Only deleted locations have one; policies stand for them.
		"ipNamedLocation.deletedDateTime": true, "countryNamedLocation.deletedDateTime": true,
	}
	for property := range w.seen {
		if !w.filled[property] && !unfilled[property] {
			t.Errorf("%s never had a value", property)
		}
	}
	if got := len(w.filled); got < 100 {
		t.Errorf("looked at %d properties, which is too few to mean anything", got)
	}
}

// TestLiveShape compares the keys and the nulls with a real listing.
func TestLiveShape(t *testing.T) {
	for target, file := range map[string]string{
		policies: "../../../shared/graph-examples/shape-ca-policies-list.v10.response.json",
		places:   "../../../shared/graph-examples/shape-named-locations-list.v10.response.json",
	} {
		raw, err := os.ReadFile(file)
		if os.IsNotExist(err) {
			t.Skipf("real bodies are not here: %v", err)
		}
		var live struct{ Value []map[string]any }
		if err != nil || json.Unmarshal(raw, &live) != nil {
			t.Fatal(err)
		}
		c := newCloud(t)
		kind := drift.Policy
		if target == places {
			kind = drift.NamedLocation
		}
		for _, body := range live.Value {
			// A seeded object comes out as it went in, so the shape is exact.
			if strength, ok := at(body, "grantControls.authenticationStrength").(map[string]any); ok {
				given, _ := json.Marshal(prune(strength))
				c.ok(c.tenant.Seed(drift.AuthenticationStrength, string(given)))
			}
			given, _ := json.Marshal(prune(body))
			c.ok(c.tenant.Seed(kind, string(given)))
		}
		got := c.get(target).want(200).raw
		want, _ := json.Marshal(map[string]any{"@odata.context": graphURL + "/v1.0/$metadata#identity/conditionalAccess" + target[strings.LastIndex(target, "/"):], "value": live.Value})
		if got != string(want) {
			t.Errorf("%s:\n got %s\nwant %s", target, got, want)
		}
	}
}

// prune takes out what a client never sends: annotations and defaults.
func prune(value any) any {
	body, ok := value.(map[string]any)
	if !ok {
		return value
	}
	out := make(map[string]any)
	for name, member := range body {
		if list, isList := member.([]any); member == nil || isList && len(list) == 0 || strings.HasSuffix(name, "@odata.context") {
			continue
		}
		if strength, ok := member.(map[string]any); ok && name == "authenticationStrength" {
			member = map[string]any{"id": strength["id"]}
		}
		out[name] = prune(member)
	}
	return out
}
