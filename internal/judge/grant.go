package judge

import (
	"slices"
	"strings"

	"github.com/cadrift/cadrift/internal/drift"
)

const grantPath = "/grantControls"

// atomKind is what an atom of a grant formula is.
type atomKind uint8

const (
	builtIn atomKind = iota
	strengthAtom
	termsOfUse
	customFactor
)

// atom is one thing that a policy may ask for.
type atom struct {
	kind atomKind
	id   string
}

// grant is a policy's grant formula: all of, or any of, its atoms. Without
// atoms anyone passes (⊤), with block nobody does (⊥). The operator counts only
// with two atoms or more.
type grant struct {
	operator string
	atoms    []atom
}

// take reads one member of grantControls.
func (g *grant) take(at string, v any) bool {
	switch strings.TrimPrefix(at, grantPath) {
	case "/operator":
		op, ok := v.(string)
		g.operator = strings.ToUpper(op)
		return ok
	case "/builtInControls":
		return g.add(builtIn, v)
	case "/termsOfUse":
		return g.add(termsOfUse, v)
	case "/customAuthenticationFactors":
		return g.add(customFactor, v)
	case "/authenticationStrength":
		if obj, expanded := v.(map[string]any); expanded {
			v = obj["id"]
		}
		id, ok := v.(string)
		if ok {
			g.atoms = append(g.atoms, atom{strengthAtom, fold(id)})
		}
		return ok
	}
	return false
}

func (g *grant) add(k atomKind, v any) bool {
	ids, ok := texts(v)
	for _, id := range ids {
		g.atoms = append(g.atoms, atom{k, id})
	}
	return ok
}

// blocks tells whether nobody passes.
func (g *grant) blocks() bool { return slices.Contains(g.atoms, atom{builtIn, "block"}) }

// shape is how the atoms are joined.
type shape uint8

const (
	nothingAsked shape = iota // ⊤
	everything                // all of
	either                    // any of
	unreadable                // an operator this version does not know
	nobody                    // ⊥
)

func (g *grant) shape() shape {
	switch {
	case len(g.atoms) == 0:
		return nothingAsked
	case g.blocks():
		return nobody
	case len(g.atoms) == 1, g.operator == "AND":
		return everything
	case g.operator == "OR":
		return either
	}
	return unreadable
}

// implies tells whether whoever passes a passes b.
//
//	a       b       when
//	⊥       any     always
//	any     ⊤       always
//	all of  all of  every b has an a that implies it
//	any of  any of  every a has a b that it implies
//	all of  any of  some a implies some b
//	any of  all of  every a implies every b
func (w *World) implies(a, b *grant) bool {
	sa, sb := a.shape(), b.shape()
	switch {
	case sa == nobody, sb == nothingAsked:
		return true
	case sb == nobody, sa == nothingAsked:
		return false
	case sa == unreadable, sb == unreadable:
		return a.same(b)
	}
	some := slices.ContainsFunc[[]atom]
	every := func(list []atom, f func(atom) bool) bool {
		return !some(list, func(x atom) bool { return !f(x) })
	}
	switch {
	case sa == everything && sb == everything:
		return every(b.atoms, func(y atom) bool { return some(a.atoms, func(x atom) bool { return w.atomImplies(x, y) }) })
	case sa == either && sb == either:
		return every(a.atoms, func(x atom) bool { return some(b.atoms, func(y atom) bool { return w.atomImplies(x, y) }) })
	case sa == everything:
		return some(a.atoms, func(x atom) bool { return some(b.atoms, func(y atom) bool { return w.atomImplies(x, y) }) })
	}
	return every(a.atoms, func(x atom) bool { return every(b.atoms, func(y atom) bool { return w.atomImplies(x, y) }) })
}

// same tells whether two formulas are written the same, the order of their
// atoms aside.
func (g *grant) same(o *grant) bool {
	return g.operator == o.operator && len(g.atoms) == len(o.atoms) &&
		!slices.ContainsFunc(g.atoms, func(x atom) bool { return !slices.Contains(o.atoms, x) })
}

// mfaStrength is the built-in strength "Multifactor authentication", which is
// what the control mfa asks for.
const mfaStrength = "00000000-0000-0000-0000-000000000002"

// atomImplies tells whether whoever satisfies a satisfies b: the same, or two
// strengths of which a's combinations are among b's. The control mfa is the
// built-in strength. Everything else says nothing about anything else:
// approved app and app protection included.
func (w *World) atomImplies(a, b atom) bool {
	a, b = a.asStrength(), b.asStrength()
	if a == b {
		return true
	}
	if a.kind != strengthAtom || b.kind != strengthAtom {
		return false
	}
	sa, sb := w.strengths[a.id], w.strengths[b.id]
	return sa != nil && sb != nil && sa.implies(sb)
}

func (a atom) asStrength() atom {
	if a == (atom{builtIn, "mfa"}) {
		return atom{strengthAtom, mfaStrength}
	}
	return a
}

// compareGrant judges a change of what a policy asks for.
//
//	new ⇒ old  old ⇒ new  direction
//	yes        yes        neutral
//	yes        no         stronger
//	no         yes        weaker
//	no         no         mixed
func (w *World) compareGrant(old, new *policy) []effect {
	a, b := &old.grant, &new.grant
	e := effect{path: grantPath, severity: drift.Medium}
	if !w.implies(b, a) {
		e.dir = e.dir.Join(drift.Weaker)
	}
	if !w.implies(a, b) {
		e.dir = e.dir.Join(drift.Stronger)
	}
	switch {
	case e.dir == drift.Neutral:
		return nil
	case e.dir.Has(drift.Weaker):
		e.severity, e.note = grantLoss(a, b)
		e.unseen = e.dir == drift.Mixed && a.guesses(b)
		if e.unseen {
			e.severity = drift.Medium
		}
	case b.blocks():
		e.note = "now blocks"
	}
	return []effect{e}
}

// grantLoss is the severity of a weaker grant: what is left of it decides.
func grantLoss(old, new *grant) (drift.Severity, string) {
	switch {
	case old.blocks():
		return drift.Critical, "no longer blocks" // however strong what replaces it is
	case len(new.atoms) == 0:
		return drift.Critical, "no grant control is left"
	}
	return drift.High, ""
}

// guesses tells whether the two formulas differ by something this version does
// not know, so that their order is a guess.
func (g *grant) guesses(o *grant) bool {
	strange := func(a, b *grant) bool {
		return slices.ContainsFunc(a.atoms, func(x atom) bool {
			return x.kind == builtIn && !knownControl(x.id) && !slices.Contains(b.atoms, x)
		})
	}
	return strange(g, o) || strange(o, g) || g.shape() == unreadable || o.shape() == unreadable
}

func knownControl(id string) bool {
	_, known := grantWords[id]
	return known
}
