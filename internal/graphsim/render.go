package graphsim

import (
	"maps"
	"strings"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// lens is everything but the stored body that decides how an object looks in
// an answer.
type lens struct {
	api    version
	origin string // scheme and host of the request
	future bool   // Prefer: include-unknown-enum-members was sent
	path   string // of the collection, as asked for
}

// metadata is the OData context of a path.
func (l lens) metadata(path string) string {
	return l.origin + "/" + string(l.api) + "/$metadata#" + path
}

// object renders one stored body of a collection.
func (t *Tenant) object(l lens, s *shape, body map[string]any, at time.Time) map[string]any {
	id, _ := body["id"].(string)
	out := l.render(s, body)
	if grant, ok := out["grantControls"].(map[string]any); ok {
		t.expand(l, grant, l.path+"('"+id+"')/grantControls/authenticationStrength", at)
	}
	if _, ok := out["combinationConfigurations"]; ok {
		l.configurations(out, l.path+"('"+id+"')/combinationConfigurations", t.behaviour.BareStrengths)
	}
	return out
}

// render copies what this lens shows of a body.
func (l lens) render(s *shape, body map[string]any) map[string]any {
	own := s.of(body)
	out := make(map[string]any, len(body))
	if s.variants != nil {
		out[typeTag] = body[typeTag]
	}
	for i := range own.props {
		p := &own.props[i]
		value := body[p.name]
		if p.betaOnly && l.api == v1 || p.sparse && l.api == beta && empty(value) {
			continue
		}
		out[p.name] = l.value(p, value)
	}
	return out
}

func (l lens) value(p *property, value any) any {
	switch v := value.(type) {
	case map[string]any:
		if p.form == objectForm {
			return l.render(p.shape, v)
		}
		return maps.Clone(v)
	case []any:
		out := make([]any, len(v))
		for i, member := range v {
			if object, ok := member.(map[string]any); ok {
				out[i] = l.render(p.shape, object)
			} else {
				out[i] = l.member(p, member)
			}
		}
		return out
	}
	return l.member(p, value)
}

// member hides enum members younger than the sentinel from clients that did
// not ask for them.
func (l lens) member(p *property, value any) any {
	text, ok := value.(string)
	if !ok || p.enum == nil || l.future {
		return value
	}
	for flag := range strings.SplitSeq(text, ",") {
		if p.enum.isLate(flag) {
			return "unknownFutureValue"
		}
	}
	return value
}

func empty(value any) bool {
	list, ok := value.([]any)
	return value == nil || ok && len(list) == 0
}

// expand replaces the reference to an authentication strength by the strength
// itself, as every answer does although nobody asked for it.
func (t *Tenant) expand(l lens, grant map[string]any, path string, at time.Time) {
	grant["authenticationStrength@odata.context"] = l.metadata(path + "/$entity")
	reference, ok := grant["authenticationStrength"].(map[string]any)
	if !ok {
		return
	}
	id, _ := reference["id"].(string)
	rec := t.sets[drift.AuthenticationStrength].records[id]
	if rec == nil {
		return
	}
	if rev := rec.at(at); rev != nil && rev.body != nil {
		strength := l.render(t.model.strength, rev.body)
		l.configurations(strength, path+"/combinationConfigurations", t.behaviour.BareStrengths)
		grant["authenticationStrength"] = strength
	}
}

func (l lens) configurations(strength map[string]any, path string, bare bool) {
	if bare {
		delete(strength, "combinationConfigurations")
		return
	}
	strength["combinationConfigurations@odata.context"] = l.metadata(path)
}

// wire is the encoded object, made once per lens while nothing changes.
func (t *Tenant) wire(l lens, s *shape, rev *revision, at time.Time) []byte {
	if done, ok := rev.wire[l]; ok && at.IsZero() {
		return done
	}
	raw := encode(t.object(l, s, rev.body, at))
	if at.IsZero() {
		rev.wire[l] = raw
	}
	return raw
}
