// Package csdl reads Microsoft's model of Conditional Access, for the tests
// that hold our rules and our simulator against it. Only tests import it.
package csdl

import (
	"encoding/xml"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
)

// Model is the cut of Graph's v1.0 model that Conditional Access lies in.
type Model struct {
	Enums     []Type `xml:"EnumType"`
	Complexes []Type `xml:"ComplexType"`
	Entities  []Type `xml:"EntityType"`
}

// Type is an enumeration with its members, or a structure with its properties.
type Type struct {
	Name       string     `xml:",attr"`
	Base       string     `xml:"BaseType,attr"`
	Abstract   bool       `xml:",attr"`
	IsFlags    bool       `xml:",attr"`
	Members    []Property `xml:"Member"`
	Properties []Property `xml:"Property"`
	Navigation []Property `xml:"NavigationProperty"`
}

// Property is a property, or a member of an enumeration, which has no type.
type Property struct {
	Name     string `xml:",attr"`
	Type     string `xml:",attr"`
	Nullable string `xml:",attr"`
}

// Element is the type of one value of the property.
func (p Property) Element() (typ string, list bool) {
	typ, list = strings.CutPrefix(p.Type, "Collection(")
	return strings.TrimSuffix(typ, ")"), list
}

// Read reads the model; the test is skipped where it is not beside the
// repository. It is for packages of internal.
func Read(t testing.TB) *Model {
	t.Helper()
	raw, err := os.ReadFile("../../../shared/schemas/graph-v1.0-conditional-access.csdl.xml")
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("Microsoft's model is not beside the repository")
	}
	if err != nil {
		t.Fatal(err)
	}
	var m Model
	if err := xml.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	if len(m.Enums) == 0 || len(m.Complexes) == 0 || len(m.Entities) == 0 {
		t.Fatal("the model is empty")
	}
	return &m
}

// Find is the type of that name, with or without its namespace.
func (m *Model) Find(name string) (typ Type, enum, ok bool) {
	name = strings.TrimPrefix(name, "graph.")
	is := func(t Type) bool { return t.Name == name }
	if i := slices.IndexFunc(m.Enums, is); i >= 0 {
		return m.Enums[i], true, true
	}
	all := slices.Concat(m.Complexes, m.Entities)
	if i := slices.IndexFunc(all, is); i >= 0 {
		return all[i], false, true
	}
	return Type{}, false, false
}

// Concrete lists the types that a value of the named type may have.
func (m *Model) Concrete(name string) []Type {
	typ, _, _ := m.Find(name)
	if !typ.Abstract {
		return []Type{typ}
	}
	var out []Type
	for _, t := range slices.Concat(m.Complexes, m.Entities) {
		if strings.TrimPrefix(t.Base, "graph.") == typ.Name {
			out = append(out, m.Concrete(t.Name)...)
		}
	}
	return out
}

// PropertiesOf are those of the type and its bases. Directory objects are not
// in this cut of the model: of them a type has its id.
func (m *Model) PropertiesOf(typ Type) []Property {
	own := slices.Concat(typ.Properties, typ.Navigation)
	if typ.Base == "graph.directoryObject" {
		return append(own, Property{Name: "id", Type: "Edm.String", Nullable: "false"})
	}
	base, _, ok := m.Find(typ.Base)
	if typ.Base == "" || !ok {
		return own
	}
	for _, p := range m.PropertiesOf(base) {
		if !slices.ContainsFunc(own, func(o Property) bool { return o.Name == p.Name }) {
			own = append(own, p)
		}
	}
	return own
}
