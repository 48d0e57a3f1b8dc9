package judge

import (
	"slices"
	"strings"

	"github.com/cadrift/cadrift/internal/drift"
)

// judgePolicy chooses the comparison (detection law §3.2).
func (w *World) judgePolicy(c subject) outcome {
	old, new := c.before, c.after
	o := outcome{effects: w.compare(old, new)}
	if state, moved := stateEffect(c); moved { // then one of them does not act
		o.effects = append(o.effects, state)
	}
	switch {
	case !old.acts() && !new.acts():
		o.idle(w, old, new)
	case old.acts() && !new.acts():
		dir, _ := old.sense()
		o.dir, o.severity = dir.Swap(), drift.Medium
		if o.dir.Has(drift.Weaker) {
			o.severity = drift.Critical
		}
	case !old.acts():
		o.begins(w, c)
	default:
		o.settle()
		if old.odd || new.odd {
			_, severity := grade(decided(o.effects, old, new))
			o.dir, o.severity = drift.Mixed, max(severity, drift.Medium)
		}
	}
	if !new.acts() || new.odd { // whom an odd policy excludes is out of sight, not gone
		return o
	}
	if o.reasons = w.lockout(c); len(o.reasons) > 0 {
		o.lockout, o.severity = true, drift.Critical
	}
	return o
}

// idle judges a change of a policy that does nothing, before and after. Nothing
// changed at the door; what would lock people out when it is turned on deserves
// a look before somebody does.
func (o *outcome) idle(w *World, old, new *policy) {
	o.dir, o.severity = drift.Neutral, drift.Low
	if old.state != new.state && (strangeState(old) || strangeState(new)) || old.odd != new.odd {
		o.dir, o.severity = drift.Mixed, drift.Medium // who knows what it enforces, or did
	}
	if new == w.nothing || new.idle() != "" {
		return
	}
	risk := w.lostExcuses(new, old)
	if len(w.atRisk(old)) == 0 {
		risk = append(risk, w.atRisk(new)...)
	}
	if len(risk) > 0 {
		o.severity = max(o.severity, drift.Medium)
		o.tail = append(o.tail, "would lock out when turned on: "+strings.Join(risk, ", "))
	}
}

// strangeState tells of a state that this version does not know.
func strangeState(p *policy) bool {
	_, known := stateWords[p.state]
	return p.state != "" && !known
}

// begins judges a policy that acts now and did not before. What it does is
// stronger than nothing; but an attacker who switches a policy off, weakens it
// and switches it on again must not be told as an improvement, so what it lost
// since it last acted counts as well.
func (o *outcome) begins(w *World, c subject) {
	new := c.after
	dir, loosens := new.sense()
	o.dir, o.severity = dir, drift.Medium
	if loosens {
		o.severity = drift.High
	}
	before, since := w.reference(c.Case)
	if before == nil {
		if c.Old != nil {
			o.tail = append(o.tail, "no earlier enforced form known")
		}
		return
	}
	lost := w.compare(before, new)
	severity, weaker := weakerPart(lost)
	if before.odd || new.odd {
		severity, weaker = max(severity, drift.Medium), true
	}
	if !weaker {
		return
	}
	o.dir = o.dir.Join(drift.Weaker)
	o.severity = max(o.severity, severity)
	remark := "weaker than " + since
	if what := w.differences(lost); what != "" {
		remark += ": " + what
	}
	o.tail = append(o.tail, remark)
}

// decided are the effects that do not come from a property which could not be
// read on one side: what went out of sight is not gone.
func decided(effects []effect, old, new *policy) []effect {
	return slices.DeleteFunc(slices.Clone(effects), func(e effect) bool {
		for _, p := range [...]*policy{old, new} {
			for path := range p.unknown {
				if concerns(e.path, path) {
					return true
				}
			}
		}
		return false
	})
}

// reference is the form that a policy which begins to act is measured by: its
// last acting form, else the baseline's if that acts.
func (w *World) reference(c Case) (p *policy, words string) {
	if p := w.policy(c.LastActing); p.acts() {
		return p, "when it was last enforced"
	}
	if p := w.policy(c.Baseline); p.acts() {
		return p, "the baseline"
	}
	return nil, ""
}

// differences names what weakens, most severe first.
func (w *World) differences(effects []effect) string {
	weaker := slices.DeleteFunc(slices.Clone(effects), func(e effect) bool { return !e.dir.Has(drift.Weaker) })
	slices.SortStableFunc(weaker, func(a, b effect) int { return int(b.severity) - int(a.severity) })
	var names []string
	for _, e := range weaker {
		name := lowerFirst(label(drift.Policy, e.path))
		if moved := setText(w.elementTexts(e.excluded), w.elementTexts(e.lost)); moved != "" {
			name += " " + moved
		}
		if e.note != "" {
			name += " (" + e.note + ")"
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return capped(names, maxNamed)
}

// compare is everything that changed between two forms of a policy, judged as
// if both acted. Name, description and template decide nothing.
func (w *World) compare(old, new *policy) []effect {
	return slices.Concat(
		w.compareReach(old, new),
		compareExcuses(old, new),
		w.compareGrant(old, new),
		compareSession(old, new),
		compareUnknown(old, new),
	)
}

// compareExcuses judges the emergency ids: adding one is neutral, since a guard
// must be able to write without alarm; losing one means that the policy
// reaches more.
func compareExcuses(old, new *policy) []effect {
	var out []effect
	if new.ref.ID == "" { // deleted: there is nothing left to be excluded from
		return nil
	}
	for id, path := range old.excused {
		if _, kept := new.excused[id]; !kept {
			out = append(out, effect{path: path, dir: drift.Stronger, severity: drift.Medium, note: "emergency account"})
		}
	}
	return out
}

// compareUnknown judges what this version does not know: mixed, medium.
func compareUnknown(old, new *policy) []effect {
	var out []effect
	tell := func(path string) {
		if under(path, sessionPath) && (old.blocks() || new.blocks()) {
			return // no session arises
		}
		out = append(out, effect{path: path, dir: drift.Mixed, severity: drift.Medium, unseen: true})
	}
	for path, value := range old.unknown {
		if now, there := new.unknown[path]; !there || now != value {
			tell(path)
		}
	}
	for path := range new.unknown {
		if _, there := old.unknown[path]; !there {
			tell(path)
		}
	}
	return out
}

// stateEffect is what the state's own change does, or would do if the rest of
// the policy acted.
func stateEffect(c subject) (effect, bool) {
	old, new := c.before, c.after
	e := effect{path: "/state", severity: drift.Medium}
	switch {
	case c.Old == nil || c.New == nil:
		return e, false
	case old.enforced() == new.enforced():
		e.dir = drift.Mixed
		return e, old.state != new.state && (strangeState(old) || strangeState(new))
	case new.enforced():
		e.dir, _ = new.sense()
	default:
		dir, _ := old.sense()
		if e.dir = dir.Swap(); e.dir.Has(drift.Weaker) {
			e.severity = drift.Critical
		}
	}
	return e, true
}
