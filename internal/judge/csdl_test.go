package judge_test

import (
	"strings"
	"testing"

	"github.com/cadrift/cadrift/internal/canon"
	"github.com/cadrift/cadrift/internal/csdl"
	"github.com/cadrift/cadrift/internal/diff"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/judge"
)

// TestEveryDocumentedPropertyHasWords: whatever property of the documented tree
// moves, and to whatever documented value, is told in the portal's words.
func TestEveryDocumentedPropertyHasWords(t *testing.T) {
	s := schema{csdl.Read(t)}
	told := 0
	for _, root := range []struct {
		kind drift.Kind
		typ  string
	}{
		{drift.Policy, "conditionalAccessPolicy"},
		{drift.NamedLocation, "ipNamedLocation"},
		{drift.NamedLocation, "countryNamedLocation"},
		{drift.AuthenticationStrength, "authenticationStrengthPolicy"},
		{drift.AuthenticationContext, "authenticationContextClassReference"},
		{drift.SecurityDefaults, "identitySecurityDefaultsEnforcementPolicy"},
	} {
		bare := tree{"id": publishedID, "@odata.type": "#microsoft.graph." + root.typ}
		for _, leaf := range s.leaves(root.typ) {
			full, base := merge(bare, leaf.body), merge(bare, leaf.base)
			for _, edit := range [...][2]tree{{bare, full}, {full, bare}, {base, full}, {full, base}, {nil, full}, {full, nil}} {
				told += tellLeaf(t, root.kind, root.typ+" "+leaf.path, edit[0], edit[1])
			}
		}
	}
	if told < 500 {
		t.Errorf("only %d lines were told: the schema was not read", told)
	}
	t.Logf("%d lines", told)
}

// tellLeaf judges a change between two bodies and counts the lines.
func tellLeaf(t *testing.T, kind drift.Kind, name string, before, after tree) int {
	t.Helper()
	old, new := readTree(t, kind, before), readTree(t, kind, after)
	var forms [2][]byte
	for i, o := range [...]*drift.Object{old, new} {
		if o != nil {
			forms[i] = o.Canonical
		}
	}
	changes, _, err := diff.Objects(forms[0], forms[1])
	if err != nil {
		t.Fatal(err)
	}
	v := world(judge.Emergency{}, nil).Judge(judge.Case{Old: old, New: new, Changes: changes})
	if len(changes) > 1 || old != nil && new != nil && len(changes) > 0 { // not an object that is its name
		checkWords(t, changes, v)
	}
	for _, c := range v.Changes {
		switch {
		case c.Unknown, strings.HasPrefix(c.Field, "Unknown setting"):
			t.Errorf("%s: %s is not known: %q", name, c.Path, c.Text)
		case old == nil || new == nil:
			if strings.ContainsAny(c.Text, "→") || strings.Contains(c.Text, ": + ") || strings.Contains(c.Text, ": - ") || c.Direction != drift.Neutral {
				t.Errorf("%s: %s is no plain statement: %s %q", name, c.Path, c.Direction, c.Text)
			}
		}
	}
	return len(v.Changes)
}

func readTree(t *testing.T, kind drift.Kind, body tree) *drift.Object {
	t.Helper()
	if body == nil {
		return nil
	}
	o, err := canon.Object(kind, encode(body))
	if err != nil || o.Odd != "" {
		t.Fatalf("%v, odd %q: %s", err, o.Odd, encode(body))
	}
	return &o
}

// schema makes bodies by the model.
type schema struct{ *csdl.Model }

// leaf is a body with one property set, to one of its documented values, and
// the body without it: with no more than what stands around it.
type leaf struct {
	path       string
	body, base tree
}

// around is what a value of the type always holds: half a filter, or a control
// that is off, says nothing in Graph.
var around = map[string]tree{
	"conditionalAccessFilter":                       {"mode": "include", "rule": "device.model -eq 7"},
	"conditionalAccessGuestsOrExternalUsers":        {"guestOrExternalUserTypes": "b2bCollaborationGuest"},
	"conditionalAccessAllExternalTenants":           {"membershipKind": "all", "@odata.type": "#microsoft.graph.conditionalAccessAllExternalTenants"},
	"conditionalAccessEnumeratedExternalTenants":    {"membershipKind": "enumerated", "@odata.type": "#microsoft.graph.conditionalAccessEnumeratedExternalTenants"},
	"signInFrequencySessionControl":                 {"isEnabled": true, "value": 4, "type": "hours", "frequencyInterval": "timeBased", "authenticationType": "primaryAndSecondaryAuthentication"},
	"persistentBrowserSessionControl":               {"isEnabled": true, "mode": "always"},
	"cloudAppSecuritySessionControl":                {"isEnabled": true, "cloudAppSecurityType": "mcasConfigured"},
	"applicationEnforcedRestrictionsSessionControl": {"isEnabled": true},
	"secureSignInSessionControl":                    {"isEnabled": true},
	"authenticationStrengthPolicy":                  {"id": "00000000-0000-0000-0000-000000000004"},
	"fido2CombinationConfiguration":                 {"@odata.type": "#microsoft.graph.fido2CombinationConfiguration", "appliesToCombinations": []any{"fido2"}},
	"x509CertificateCombinationConfiguration":       {"@odata.type": "#microsoft.graph.x509CertificateCombinationConfiguration", "appliesToCombinations": []any{"x509CertificateSingleFactor"}},
	"iPv4CidrRange":                                 {"@odata.type": "#microsoft.graph.iPv4CidrRange", "cidrAddress": "203.0.113.0/24"},
	"iPv6CidrRange":                                 {"@odata.type": "#microsoft.graph.iPv6CidrRange", "cidrAddress": "2001:db8::/48"},
	"iPv4Range":                                     {"@odata.type": "#microsoft.graph.iPv4Range", "lowerAddress": "198.51.100.1", "upperAddress": "198.51.100.9"},
	"iPv6Range":                                     {"@odata.type": "#microsoft.graph.iPv6Range", "lowerAddress": "2001:db8::1", "upperAddress": "2001:db8::9"},
}

// leaves lists the properties below a type, each with each of its values.
func (s schema) leaves(name string) []leaf {
	var out []leaf
	for _, typ := range s.Concrete(name) {
		for _, p := range s.PropertiesOf(typ) {
			element, list := p.Element()
			if p.Name == "membershipKind" { // the type says it
				continue
			}
			wrap := func(v any) any {
				if list {
					return []any{v}
				}
				return v
			}
			base := around[typ.Name]
			for _, v := range s.values(p.Name, element) {
				out = append(out, leaf{p.Name, merge(base, tree{p.Name: wrap(v)}), base})
			}
			if _, enum, ok := s.Find(element); !ok || enum {
				continue
			}
			for _, inner := range s.leaves(element) {
				out = append(out, leaf{
					p.Name + "/" + inner.path,
					merge(base, tree{p.Name: wrap(inner.body)}), merge(base, tree{p.Name: wrap(inner.base)}),
				})
			}
		}
	}
	return out
}

// values are the values to try of a type without members: every documented
// word, and for text something of the property's kind.
func (s schema) values(property, typ string) []any {
	switch typ {
	case "Edm.String":
		return []any{sample(property)}
	case "Edm.Boolean":
		return []any{true}
	case "Edm.Int32":
		return []any{3}
	case "Edm.DateTimeOffset":
		return []any{"2026-01-01T00:00:00Z"}
	}
	var out []any
	if enum, is, ok := s.Find(typ); ok && is {
		for _, m := range enum.Members {
			if m.Name != "unknownFutureValue" {
				out = append(out, m.Name)
			}
		}
	}
	return out
}

// sample is a value that a property of that name may hold.
func sample(property string) string {
	switch property {
	case "cidrAddress":
		return "198.51.100.0/24"
	case "lowerAddress", "upperAddress":
		return "198.51.100.7"
	case "operator":
		return "AND"
	case "includeUserActions":
		return "urn:user:registerdevice"
	case "rule":
		return "device.isCompliant -eq True"
	case "countriesAndRegions":
		return "NZ"
	case "displayName", "description":
		return "Something"
	case "includeAuthenticationContextClassReferences":
		return "c7"
	}
	return "5a000000-0000-4000-8000-000000000001"
}
