package judge

import (
	"github.com/cadrift/cadrift/internal/drift"
)

// Emergency is the configured list of emergency-access accounts: object ids of
// users, and of groups that hold such users.
type Emergency struct{ Users, Groups []string }

// Names gives the directory's name of a user, group, application (by appId) or
// service principal. It may be nil when names are not resolved. ok is false
// for an id that the directory does not know.
type Names func(id string) (name string, ok bool)

// Case is one change to be judged.
type Case struct {
	// Old and New are the forms before and after; nil is absent.
	Old, New *drift.Object
	// LastActing is the form in which the object acted last, for an object
	// that acts now and did not before; nil when history knows none.
	LastActing *drift.Object
	// Baseline is the approved form, which stands in for LastActing.
	Baseline *drift.Object
	// Changes are the changed fields as package diff found them.
	Changes []drift.Change
}

// kind is the kind of the object that changed.
func (c Case) kind() drift.Kind { return c.ref().Kind }

// ref names the object by its newest form.
func (c Case) ref() drift.Ref {
	switch {
	case c.New != nil:
		return c.New.Ref
	case c.Old != nil:
		return c.Old.Ref
	}
	return drift.Ref{}
}

// subject is a case with its policies read, where it is about a policy.
type subject struct {
	Case
	before, after *policy
}

// effect is what one field of one object does to the tenant's defences.
type effect struct {
	// path is the JSON pointer of the field, or of what holds it.
	path string
	dir  drift.Direction
	// severity is that of the weaker part where there is one.
	severity drift.Severity
	// note is said beside the field, empty where the field says it all.
	note string
	// unseen marks a property or value that this version does not know.
	unseen bool
	// lost and excluded are the members by which a policy reaches less.
	lost, excluded []element
}

// outcome is a verdict before it has words.
type outcome struct {
	dir      drift.Direction
	severity drift.Severity
	// effects are what the fields do, or would do if the object acted.
	effects []effect
	lockout bool
	reasons []string
	// tail are remarks for the end of the summary.
	tail    []string
	affects []drift.Ref
}

// settle joins the effects into the outcome's verdict.
func (o *outcome) settle() { o.dir, o.severity = grade(o.effects) }

// Judge says what a change does.
func (w *World) Judge(in Case) drift.Verdict {
	c := subject{Case: in}
	var o outcome
	switch c.kind() {
	case drift.Policy:
		c.before, c.after = w.policy(in.Old), w.policy(in.New)
		o = w.judgePolicy(c)
	case drift.NamedLocation:
		o = w.judgeLocation(c)
	case drift.AuthenticationStrength:
		o = w.judgeStrength(c)
	case drift.AuthenticationContext:
		o = w.judgeContext(c)
	case drift.SecurityDefaults:
		o = w.judgeDefaults(c)
	case drift.Group:
		o = w.judgeGroup(c)
	}
	changes := w.word(c, o.effects)
	v := drift.Verdict{
		Direction: o.dir, Severity: o.severity,
		Lockout: o.lockout, Reasons: o.reasons,
		Affects: o.affects,
		Summary: w.summary(c, changes, o),
	}
	for i := range changes {
		v.Changes = append(v.Changes, changes[i].Change)
	}
	return v
}

// Acts tells whether a policy is enforced and does something: it exists, is
// on, reaches somebody and something, and has a grant or session control.
// Objects of other kinds do not act by themselves.
func (w *World) Acts(o *drift.Object) bool {
	return o != nil && o.Kind == drift.Policy && w.policy(o).acts()
}

// Bears tells whether a change of an object of this kind can change the
// verdict on other objects, so that open findings must be judged again:
//
//	policy      says whether locations, strengths, contexts, groups and the
//	            security defaults are used
//	location    belongs to the trusted ones, or not; and names
//	strength    implies another grant control, or not; and names
//	context     names only
func Bears(kind drift.Kind) bool {
	switch kind {
	case drift.Policy, drift.NamedLocation, drift.AuthenticationStrength, drift.AuthenticationContext:
		return true
	}
	return false
}

// ByMicrosoft lowers a verdict on a change that the audit log ascribes to a
// Microsoft service principal: a strengthening or a move without meaning is
// low, a weakening stays what it is (detection law §3.9).
func ByMicrosoft(v drift.Verdict) drift.Verdict {
	if !v.Direction.Has(drift.Weaker) && !v.Lockout {
		v.Severity = drift.Low
	}
	v.Summary += " (written by Microsoft)"
	return v
}

// OnlyExcuses tells whether the changes do nothing but add configured
// emergency ids to a policy's exclusions, as the guard does. Such a change
// never opens drift (detection law §3.3).
func (w *World) OnlyExcuses(changes []drift.Change) bool {
	for i := range changes {
		c := &changes[i]
		if len(c.Removed) > 0 || len(c.Added) == 0 {
			return false
		}
		for _, raw := range c.Added {
			id, ok := scalar(raw)
			switch {
			case ok && c.Path == excludeUsersPath && w.emergencyUser[fold(id)]:
			case ok && c.Path == excludeGroupsPath && w.emergencyGroup[fold(id)]:
			default:
				return false
			}
		}
	}
	return len(changes) > 0
}
