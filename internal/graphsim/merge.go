package graphsim

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// merge is what a PATCH does: complex objects are merged member by member, to
// any depth; arrays are replaced as a whole; null removes. The old body is
// left as it was. A blank body as old makes it a POST.
func (s *shape) merge(old, patch map[string]any, api version) (map[string]any, *Refusal) {
	own := s.of(old)
	if own == nil {
		return nil, schemaMismatch("there is no type %q of %s.", old[typeTag], s.name)
	}
	merged := make(map[string]any, len(old))
	maps.Copy(merged, old)
	for _, name := range slices.Sorted(maps.Keys(patch)) {
		if name == typeTag {
			continue // settled by the caller for polymorphic types, noise elsewhere
		}
		p := own.find(name, api)
		if p == nil {
			return nil, schemaMismatch("%s has no property '%s'.", own.name, name)
		}
		if p.readOnly {
			return nil, readOnly(name)
		}
		value, refusal := p.accept(old[name], patch[name], api)
		if refusal != nil {
			return nil, refusal
		}
		merged[name] = value
	}
	return merged, nil
}

// readOnly: templateId is refused even when it is null; for the others the
// real answer is not known, and refusing makes clients strip them.
func readOnly(name string) *Refusal {
	if name == "templateId" {
		return badRequest(numReadOnlyOrigin, "TemplateId is read-only and cannot be set.")
	}
	return badRequest(0, "The property '%s' is read-only.", name)
}

// accept turns a value from a request into the one that is stored.
func (p *property) accept(old, given any, api version) (any, *Refusal) {
	if given == nil {
		return p.clear()
	}
	switch p.form {
	case objectForm:
		return p.acceptObject(old, given, api)
	case objectsForm:
		return p.acceptObjects(given, api)
	case textsForm, enumsForm, flagSetForm:
		return p.acceptList(given)
	case refForm:
		return p.acceptRef(given)
	}
	return p.acceptScalar(given)
}

func (p *property) clear() (any, *Refusal) {
	if p.form.list() {
		return []any{}, nil
	}
	if !p.nullable {
		return nil, schemaMismatch("'%s' cannot be null.", p.name)
	}
	return nil, nil
}

func (p *property) acceptScalar(given any) (any, *Refusal) {
	switch v := given.(type) {
	case string:
		switch p.form {
		case textForm:
			return v, nil
		case enumForm:
			if p.enum.has(v) {
				return v, nil
			}
		case flagsForm:
			if joined, ok := p.enum.flags(v); ok {
				return joined, nil
			}
		}
	case bool:
		if p.form == boolForm {
			return v, nil
		}
	case json.Number:
		if _, err := v.Int64(); p.form == intForm && err == nil {
			return v, nil
		}
	}
	return nil, schemaMismatch("'%s' cannot be %v.", p.name, given)
}

func (p *property) acceptObject(old, given any, api version) (any, *Refusal) {
	patch, ok := given.(map[string]any)
	if !ok {
		return nil, schemaMismatch("'%s' is not an object.", p.name)
	}
	base, ok := old.(map[string]any)
	if p.shape.variants != nil {
		// One variant cannot be merged into another, so the whole is replaced.
		variant := p.shape.of(patch)
		if variant == nil {
			return nil, schemaMismatch("'%s' has no type %q.", p.name, patch[typeTag])
		}
		base, ok = variant.blank(), true
		base[typeTag] = patch[typeTag]
	}
	if !ok {
		base = p.shape.blank()
	}
	merged, refusal := p.shape.merge(base, patch, api)
	if refusal != nil {
		return nil, refusal
	}
	return merged, p.shape.complete(merged)
}

// complete refuses an object that lacks a member which cannot be null.
func (s *shape) complete(body map[string]any) *Refusal {
	own := s.of(body)
	for i := range own.props {
		p := &own.props[i]
		if !p.nullable && !p.form.list() && body[p.name] == nil {
			return schemaMismatch("%s needs '%s'.", own.name, p.name)
		}
	}
	return nil
}

func (p *property) acceptObjects(given any, api version) (any, *Refusal) {
	list, ok := given.([]any)
	if !ok {
		return nil, schemaMismatch("'%s' is not an array.", p.name)
	}
	out := make([]any, 0, len(list))
	for _, member := range list {
		one := property{name: p.name, form: objectForm, shape: p.shape}
		value, refusal := one.accept(nil, member, api)
		if refusal != nil {
			return nil, refusal
		}
		out = append(out, value)
	}
	return out, nil
}

func (p *property) acceptList(given any) (any, *Refusal) {
	list, ok := given.([]any)
	if !ok {
		return nil, schemaMismatch("'%s' is not an array.", p.name)
	}
	out := make([]any, 0, len(list))
	for _, member := range list {
		text, ok := member.(string)
		switch {
		case !ok:
		case p.form == enumsForm:
			ok = p.enum.has(text)
		case p.form == flagSetForm:
			text, ok = p.enum.flags(text)
		case isGUID(text):
			// Whatever the portal or a script typed, ids come back in lower case.
			text = strings.ToLower(text)
		}
		if !ok {
			return nil, schemaMismatch("'%s' cannot hold %v.", p.name, member)
		}
		out = append(out, text)
	}
	return out, nil
}

// acceptRef takes {"id": …} and nothing beside it: whether the service would
// swallow the expanded object of a GET is not known, so clients must not send it.
func (p *property) acceptRef(given any) (any, *Refusal) {
	object, _ := given.(map[string]any)
	id, ok := object["id"].(string)
	if !ok || len(object) != 1 {
		return nil, schemaMismatch("'%s' takes an object with an id and nothing else.", p.name)
	}
	return map[string]any{"id": strings.ToLower(id)}, nil
}

// isGUID tells whether the text looks like 8-4-4-4-12 hexadecimal digits.
func isGUID(text string) bool {
	if len(text) != 36 {
		return false
	}
	for i, c := range []byte(text) {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash != (c == '-') || !dash && !strings.ContainsRune("0123456789abcdefABCDEF", rune(c)) {
			return false
		}
	}
	return true
}
