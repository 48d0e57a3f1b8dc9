package canon_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cadrift/cadrift/internal/canon"
	"github.com/cadrift/cadrift/internal/csdl"
	"github.com/cadrift/cadrift/internal/drift"
)

// volatile is every documented property, by the root type and path, that is no
// part of the canonical form, and why.
var volatile = map[string]string{
	"conditionalAccessPolicy id":                    "the key",
	"conditionalAccessPolicy createdDateTime":       "metadata",
	"conditionalAccessPolicy modifiedDateTime":      "metadata",
	"conditionalAccessPolicy deletedDateTime":       "metadata",
	"conditionalAccessPolicy templateId":            "where it came from, read-only",
	"ipNamedLocation id":                            "the key",
	"ipNamedLocation createdDateTime":               "metadata",
	"ipNamedLocation modifiedDateTime":              "metadata",
	"ipNamedLocation deletedDateTime":               "metadata",
	"countryNamedLocation id":                       "the key",
	"countryNamedLocation createdDateTime":          "metadata",
	"countryNamedLocation modifiedDateTime":         "metadata",
	"countryNamedLocation deletedDateTime":          "metadata",
	"authenticationStrengthPolicy id":               "the key",
	"authenticationStrengthPolicy createdDateTime":  "metadata",
	"authenticationStrengthPolicy modifiedDateTime": "metadata",
	"authenticationContextClassReference id":        "the key",
	"identitySecurityDefaultsEnforcementPolicy id":  "the key",
	"conditionalAccessPolicy " + strengthPath + "*": "the strength is an object of its own",
}

const strengthPath = "grantControls/authenticationStrength/"

// Every property of the v1.0 schema is watched: another value of it is another
// digest, unless it is on the list above; and what is on the list is not.
func TestEveryDocumentedPropertyIsWatched(t *testing.T) {
	s := schema{csdl.Read(t)}
	roots := []struct {
		kind drift.Kind
		typ  string
	}{
		{drift.Policy, "conditionalAccessPolicy"},
		{drift.NamedLocation, "ipNamedLocation"},
		{drift.NamedLocation, "countryNamedLocation"},
		{drift.AuthenticationStrength, "authenticationStrengthPolicy"},
		{drift.AuthenticationContext, "authenticationContextClassReference"},
		{drift.SecurityDefaults, "identitySecurityDefaultsEnforcementPolicy"},
	}
	var ignored []string
	watched := 0
	for _, root := range roots {
		for _, c := range s.cases(root.typ) {
			before := digestOf(t, root.kind, c.before)
			if digestOf(t, root.kind, c.after) != before {
				watched++
				continue
			}
			name := root.typ + " " + c.path
			if strings.HasPrefix(c.path, strengthPath) && c.path != strengthPath+"id" {
				name = "conditionalAccessPolicy " + strengthPath + "*"
			}
			ignored = append(ignored, name)
		}
	}
	slices.Sort(ignored)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(volatile)), slices.Compact(ignored)); diff != "" {
		t.Errorf("properties whose change is not seen (-want +got):\n%s", diff)
	}
	if watched < 80 {
		t.Errorf("only %d properties were tried: the schema was not read", watched)
	}
	t.Logf("%d properties watched, %d not", watched, len(ignored))
}

func digestOf(t *testing.T, kind drift.Kind, body any) drift.Digest {
	t.Helper()
	o, err := canon.Object(kind, marshal(body))
	if err != nil {
		t.Fatal(err)
	}
	if o.Odd != "" {
		t.Fatalf("odd: %s\n%s", o.Odd, marshal(body))
	}
	return o.Digest
}

// schema makes bodies by the model.
type schema struct{ *csdl.Model }

// schemaCase is one body before and after a change of the property at path.
type schemaCase struct {
	path          string
	before, after any
}

// cases changes every property below the type, one at a time, in a body that has
// all of them.
func (s schema) cases(name string) []schemaCase {
	var out []schemaCase
	for _, typ := range s.Concrete(name) {
		props := s.PropertiesOf(typ)
		full := object{"@odata.type": "#microsoft.graph." + typ.Name}
		for _, p := range props {
			full[p.Name] = s.value(p)
		}
		for _, p := range props {
			for _, c := range s.memberCases(p) {
				before, after := maps.Clone(full), maps.Clone(full)
				before[p.Name], after[p.Name] = c.before, c.after
				out = append(out, schemaCase{p.Name + c.path, before, after})
			}
		}
	}
	return out
}

func (s schema) memberCases(p csdl.Property) []schemaCase {
	element, isList := p.Element()
	var inner []schemaCase
	if one, two, ok := s.scalars(element); ok {
		inner = []schemaCase{{"", one, two}}
	} else {
		for _, c := range s.cases(element) {
			inner = append(inner, schemaCase{"/" + c.path, c.before, c.after})
		}
	}
	if !isList {
		return inner
	}
	for i, c := range inner {
		inner[i].before, inner[i].after = []any{c.before}, []any{c.after}
	}
	return append(inner, schemaCase{"[]", inner[0].before, append(slices.Clone(inner[0].before.([]any)), inner[0].after.([]any)...)})
}

// scalars are two values of a type that has no members.
func (s schema) scalars(typ string) (one, two any, ok bool) {
	switch typ {
	case "Edm.String":
		return "one", "two", true
	case "Edm.Boolean":
		return true, false, true
	case "Edm.Int32":
		return 1, 2, true
	case "Edm.DateTimeOffset":
		return "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", true
	}
	if t, enum, _ := s.Find(typ); enum {
		return t.Members[0].Name, t.Members[1].Name, true
	}
	return nil, nil, false
}

// value is some value of the property.
func (s schema) value(p csdl.Property) any {
	element, isList := p.Element()
	v, _, ok := s.scalars(element)
	if !ok {
		t := s.Concrete(element)[0]
		o := object{"@odata.type": "#microsoft.graph." + t.Name}
		for _, p := range s.PropertiesOf(t) {
			o[p.Name] = s.value(p)
		}
		v = o
	}
	if isList {
		return []any{v}
	}
	return v
}
