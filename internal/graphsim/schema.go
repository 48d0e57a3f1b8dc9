package graphsim

import "slices"

import "strings"

// version is a version of the Graph API.
type version string

const (
	v1   version = "v1.0"
	beta version = "beta"
)

// form is how the value of a property looks on the wire.
type form uint8

const (
	textForm    form = iota
	boolForm         //
	intForm          //
	enumForm         // one member
	flagsForm        // members of a flag enum, joined by commas
	objectForm       // a nested object
	textsForm        // array of strings
	enumsForm        // array of members
	flagSetForm      // array of flag strings
	objectsForm      // array of objects
	refForm          // the authentication strength: a reference in, the whole object out
)

// list tells whether the form is an array: never null, [] when empty.
func (f form) list() bool {
	return f == textsForm || f == enumsForm || f == flagSetForm || f == objectsForm
}

// enum is an enumeration in the order of its values.
type enum struct {
	members []string
	// late are the members that Microsoft added after the sentinel
	// unknownFutureValue: a client sees them only when it sends
	// Prefer: include-unknown-enum-members.
	late []string
}

// property is one member of a shape.
type property struct {
	name     string
	form     form
	nullable bool
	readOnly bool
	// standing objects are there from birth although the model lets them be
	// null (conditions.applications, conditions.users).
	standing bool
	// betaOnly properties do not exist in v1.0.
	betaOnly bool
	// sparse properties are left out of beta bodies while null or empty; v1.0
	// always shows them.
	sparse bool
	enum   *enum
	shape  *shape
}

// shape is a complex or entity type. A polymorphic one has variants instead
// of properties, told apart by @odata.type.
type shape struct {
	name     string
	props    []property
	byName   map[string]*property
	variants map[string]*shape
}

const typeTag = "@odata.type"

func newShape(name string, props ...property) *shape {
	s := &shape{name: name, props: props, byName: make(map[string]*property, len(props))}
	for i := range s.props {
		s.byName[s.props[i].name] = &s.props[i]
	}
	return s
}

func newUnion(name string, variants ...*shape) *shape {
	s := &shape{name: name, variants: make(map[string]*shape, len(variants))}
	for _, v := range variants {
		s.variants["#microsoft.graph."+v.name] = v
	}
	return s
}

// of is the shape of this very body: the variant that its type tag names.
// Nil when there is no such variant.
func (s *shape) of(body map[string]any) *shape {
	if s.variants == nil {
		return s
	}
	tag, _ := body[typeTag].(string)
	return s.variants[tag]
}

// blank is the body of an object of which nothing was said yet.
func (s *shape) blank() map[string]any {
	body := make(map[string]any, len(s.props))
	for i := range s.props {
		body[s.props[i].name] = s.props[i].blank()
	}
	return body
}

func (p *property) blank() any {
	switch {
	case p.form.list():
		return []any{}
	case p.form == objectForm && (p.standing || !p.nullable):
		return p.shape.blank()
	}
	return nil
}

// find is the property of that name that exists in the API version.
func (s *shape) find(name string, api version) *property {
	p := s.byName[name]
	if p == nil || p.betaOnly && api == v1 {
		return nil
	}
	return p
}

func (e *enum) has(member string) bool {
	if slices.Contains(e.members, member) {
		return true
	}
	return e.isLate(member)
}

func (e *enum) isLate(member string) bool {
	return slices.Contains(e.late, member)
}

// flags reads a comma-joined flag string and writes it in the order of the
// enum's values, as the service does. An empty or unknown member is refused.
func (e *enum) flags(joined string) (string, bool) {
	given := make(map[string]bool)
	for part := range strings.SplitSeq(joined, ",") {
		part = strings.TrimSpace(part)
		if !e.has(part) {
			return "", false
		}
		given[part] = true
	}
	var out []string
	for _, m := range append(append([]string{}, e.members...), e.late...) {
		if given[m] {
			out = append(out, m)
		}
	}
	return strings.Join(out, ","), true
}

// The constructors below keep the model readable as a table.

func text(name string) property   { return property{name: name, form: textForm, nullable: true} }
func flag(name string) property   { return property{name: name, form: boolForm, nullable: true} }
func number(name string) property { return property{name: name, form: intForm, nullable: true} }
func texts(name string) property  { return property{name: name, form: textsForm} }

func one(name string, e *enum) property {
	return property{name: name, form: enumForm, nullable: true, enum: e}
}
func many(name string, e *enum) property { return property{name: name, form: enumsForm, enum: e} }
func flags(name string, e *enum) property {
	return property{name: name, form: flagsForm, nullable: true, enum: e}
}

func flagSets(name string, e *enum) property {
	return property{name: name, form: flagSetForm, enum: e}
}

func object(name string, s *shape) property {
	return property{name: name, form: objectForm, nullable: true, shape: s}
}

func objects(name string, s *shape) property {
	return property{name: name, form: objectsForm, shape: s}
}
func ref(name string) property { return property{name: name, form: refForm, nullable: true} }

func (p property) required() property { p.nullable = false; return p }
func (p property) sealed() property   { p.readOnly = true; return p }
func (p property) stands() property   { p.standing = true; return p }
func (p property) beta() property     { p.betaOnly = true; return p }
func (p property) thin() property     { p.sparse = true; return p }

func values(members ...string) *enum { return &enum{members: members} }

func (e *enum) then(late ...string) *enum { e.late = late; return e }
