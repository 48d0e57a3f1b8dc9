package judge

import (
	"encoding/json"
	"slices"

	"github.com/cadrift/cadrift/internal/drift"
)

// strength is an authentication strength as the rules see it: the combinations
// of methods that satisfy it, and what narrows some of them.
type strength struct {
	ref     drift.Ref
	odd     bool
	builtIn bool
	combos  map[string]bool
	// narrowed holds, per combination and list (allowedAAGUIDs …), the only
	// values that are let through.
	narrowed map[narrowing]map[string]bool
	// opaque are configurations that this version cannot read: compared as
	// text.
	opaque  map[string]bool
	unknown map[string]string
}

// narrowing is one list of allowed values for one combination.
type narrowing struct{ combination, list string }

const (
	combosPath  = "/allowedCombinations"
	configsPath = "/combinationConfigurations"
)

func readStrength(o *drift.Object) *strength {
	s := &strength{
		combos: map[string]bool{}, narrowed: map[narrowing]map[string]bool{},
		opaque: map[string]bool{}, unknown: map[string]string{},
	}
	if o == nil {
		return s
	}
	s.ref, s.odd = o.Ref, o.Odd != ""
	var root map[string]any
	if err := json.Unmarshal(o.Canonical, &root); err != nil {
		s.odd = true
		return s
	}
	for name, v := range root {
		if at := "/" + escape(name); !s.take(at, v) {
			s.unknown[at] = compact(v)
		}
	}
	return s
}

func (s *strength) take(at string, v any) bool {
	switch at {
	case "/displayName", "/description", "/requirementsSatisfied":
		return true
	case "/policyType":
		kind, ok := v.(string)
		s.builtIn = kind == "builtIn"
		return ok
	case combosPath:
		combos, ok := texts(v)
		for _, c := range combos {
			s.combos[c] = true
		}
		return ok
	case configsPath:
		configs, ok := v.([]any)
		for _, config := range configs {
			if !s.narrow(config) {
				s.opaque[compact(config)] = true
			}
		}
		return ok
	}
	return false
}

// narrow reads one combination configuration. A second list for the same
// combination, or a member that is not known, makes it opaque.
func (s *strength) narrow(config any) bool {
	f, ok := config.(map[string]any)
	combos, read := texts(f["appliesToCombinations"])
	if !ok || !read {
		return false
	}
	lists := map[string]map[string]bool{}
	for name, v := range f {
		switch name {
		case "id", "appliesToCombinations":
		case "allowedAAGUIDs", "allowedIssuerSkis", "allowedPolicyOIDs":
			values, ok := texts(v)
			if !ok {
				return false
			}
			lists[name] = map[string]bool{}
			for _, value := range values {
				lists[name][fold(value)] = true
			}
		default:
			return false
		}
	}
	for _, c := range combos {
		for name, values := range lists {
			if s.narrowed[narrowing{c, name}] != nil {
				return false
			}
			s.narrowed[narrowing{c, name}] = values
		}
	}
	return true
}

// implies tells whether whoever satisfies s satisfies o: all its combinations
// are among o's, and it is at least as narrow where o narrows them. A strength
// without combinations was not understood and says nothing.
func (s *strength) implies(o *strength) bool {
	if len(s.combos) == 0 || len(o.combos) == 0 {
		return false
	}
	return len(s.combosBeyond(o)) == 0 && !s.widerThan(o)
}

// combosBeyond are the combinations of s that o does not allow.
func (s *strength) combosBeyond(o *strength) []string {
	var out []string
	for c := range s.combos {
		if !o.combos[c] {
			out = append(out, c)
		}
	}
	return out
}

// widerThan tells whether s lets through values, for a combination that both
// allow, that o does not; a configuration that cannot be read and is not in s
// counts as narrower.
func (s *strength) widerThan(o *strength) bool {
	for n, allowed := range o.narrowed {
		if !s.combos[n.combination] || !o.combos[n.combination] {
			continue
		}
		mine, there := s.narrowed[n]
		if !there || !subset(mine, allowed) {
			return true
		}
	}
	return !subset(o.opaque, s.opaque)
}

func subset(a, b map[string]bool) bool {
	for v := range a {
		if !b[v] {
			return false
		}
	}
	return true
}

// judgeStrength judges a strength that acting policies ask for: a combination
// gained, or an allow list widened or gone, is weaker. A strength that nobody
// uses is neutral. Nobody in the tenant can edit a built-in one, so its weaker
// part is medium at most.
func (w *World) judgeStrength(c subject) outcome {
	old, new := readStrength(c.Old), readStrength(c.New)
	wanted := atom{strengthAtom, fold(c.ref().ID)}
	users := w.users(func(p *policy) bool { return slices.Contains(p.grant.atoms, wanted) })
	o := outcome{affects: refs(users), tail: []string{usedText(users)}}
	if len(users) == 0 {
		o.settle()
		return o
	}
	if c.Old == nil || c.New == nil { // a used strength cannot be deleted in the portal: nobody knows what then applies
		o.add(effect{path: combosPath, dir: drift.Mixed, severity: drift.Medium})
	} else {
		o.add(strengthEffect(combosPath, len(new.combosBeyond(old)) > 0, len(old.combosBeyond(new)) > 0))
		o.add(strengthEffect(configsPath, new.widerThan(old), old.widerThan(new)))
		o.addUnknown(old.unknown, new.unknown)
	}
	o.settle()
	if old.odd || new.odd {
		o.dir, o.severity = drift.Mixed, max(o.severity, drift.Medium)
	}
	if old.builtIn || new.builtIn {
		o.severity = min(o.severity, drift.Medium)
	}
	return o
}

func strengthEffect(path string, wider, narrower bool) effect {
	e := effect{path: path, severity: drift.Medium}
	if wider {
		e.dir, e.severity = drift.Weaker, drift.High
	}
	if narrower {
		e.dir = e.dir.Join(drift.Stronger)
	}
	return e
}

// usedText says who uses an object, for the end of a summary.
func usedText(users []*policy) string {
	if len(users) == 0 {
		return unusedText
	}
	return "used by " + policiesText(users)
}
