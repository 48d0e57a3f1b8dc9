package canon_test

import (
	"encoding/xml"
	"errors"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cadrift/cadrift/internal/canon"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/google/go-cmp/cmp"
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
	s := readSchema(t)
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

type schema struct {
	Enums     []schemaType `xml:"EnumType"`
	Complexes []schemaType `xml:"ComplexType"`
	Entities  []schemaType `xml:"EntityType"`
}

type schemaType struct {
	Name       string         `xml:"Name,attr"`
	Base       string         `xml:"BaseType,attr"`
	Abstract   bool           `xml:"Abstract,attr"`
	Members    []schemaMember `xml:"Member"`
	Properties []schemaMember `xml:"Property"`
	Navigation []schemaMember `xml:"NavigationProperty"`
}

type schemaMember struct {
	Name string `xml:"Name,attr"`
	Type string `xml:"Type,attr"`
}

func readSchema(t *testing.T) *schema {
	t.Helper()
	b, err := os.ReadFile("../../../shared/schemas/graph-v1.0-conditional-access.csdl.xml")
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("the Graph schema is not beside the repository")
	}
	if err != nil {
		t.Fatal(err)
	}
	var s schema
	if err := xml.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	return &s
}

// find is the type of that name, and its kind of element.
func (s *schema) find(name string) (typ schemaType, enum bool) {
	name = strings.TrimPrefix(name, "graph.")
	is := func(t schemaType) bool { return t.Name == name }
	if i := slices.IndexFunc(s.Enums, is); i >= 0 {
		return s.Enums[i], true
	}
	types := slices.Concat(s.Complexes, s.Entities)
	if i := slices.IndexFunc(types, is); i >= 0 {
		return types[i], false
	}
	panic("the schema has no " + name)
}

// concrete lists the types that a value of the named type may have.
func (s *schema) concrete(name string) []schemaType {
	typ, _ := s.find(name)
	if !typ.Abstract {
		return []schemaType{typ}
	}
	var out []schemaType
	for _, t := range slices.Concat(s.Complexes, s.Entities) {
		if strings.TrimPrefix(t.Base, "graph.") == typ.Name {
			out = append(out, s.concrete(t.Name)...)
		}
	}
	return out
}

// properties are those of the type and its bases.
func (s *schema) properties(typ schemaType) []schemaMember {
	own := slices.Concat(typ.Properties, typ.Navigation)
	if typ.Base == "" || typ.Base == "graph.directoryObject" {
		if typ.Base != "" {
			own = append(own, schemaMember{"id", "Edm.String"})
		}
		return own
	}
	base, _ := s.find(typ.Base)
	for _, p := range s.properties(base) {
		if !slices.ContainsFunc(own, func(o schemaMember) bool { return o.Name == p.Name }) {
			own = append(own, p)
		}
	}
	return own
}

// schemaCase is one body before and after a change of the property at path.
type schemaCase struct {
	path          string
	before, after any
}

// cases changes every property below the type, one at a time, in a body that has
// all of them.
func (s *schema) cases(name string) []schemaCase {
	var out []schemaCase
	for _, typ := range s.concrete(name) {
		props := s.properties(typ)
		full := object{"@odata.type": "#microsoft.graph." + typ.Name}
		for _, p := range props {
			full[p.Name] = s.value(p.Type)
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

func (s *schema) memberCases(p schemaMember) []schemaCase {
	element, isList := strings.CutPrefix(p.Type, "Collection(")
	element = strings.TrimSuffix(element, ")")
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
func (s *schema) scalars(typ string) (one, two any, ok bool) {
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
	if t, enum := s.find(typ); enum {
		return t.Members[0].Name, t.Members[1].Name, true
	}
	return nil, nil, false
}

// value is some value of the type.
func (s *schema) value(typ string) any {
	element, isList := strings.CutPrefix(typ, "Collection(")
	element = strings.TrimSuffix(element, ")")
	v, _, ok := s.scalars(element)
	if !ok {
		t := s.concrete(element)[0]
		o := object{"@odata.type": "#microsoft.graph." + t.Name}
		for _, p := range s.properties(t) {
			o[p.Name] = s.value(p.Type)
		}
		v = o
	}
	if isList {
		return []any{v}
	}
	return v
}
