package judge

import (
	"encoding/json"
	"slices"

	"github.com/cadrift/cadrift/internal/drift"
)

// readFields reads the members of a canonical form; an absent or unreadable
// object has none.
func readFields(o *drift.Object) (f fields, odd bool) {
	if o == nil {
		return nil, false
	}
	if err := json.Unmarshal(o.Canonical, &f); err != nil {
		return nil, true
	}
	return f, o.Odd != ""
}

// strange are the members that the table of fields does not know.
func (f fields) strange(kind drift.Kind) map[string]string {
	out := map[string]string{}
	for name, v := range f {
		if at := "/" + escape(name); !knownField(kind, at) {
			out[at] = compact(v)
		}
	}
	return out
}

// judgeContext judges an authentication context: deleted or taken out of
// publication while an acting policy covers it, apps can no longer ask for it,
// and what then applies depends on the app. The way back is as open.
func (w *World) judgeContext(c subject) outcome {
	old, oddBefore := readFields(c.Old)
	new, oddAfter := readFields(c.New)
	id := c.ref().ID
	users := w.users(func(p *policy) bool { return p.includes(what, member{kind: context, id: id}) })
	o := outcome{affects: refs(users), tail: []string{usedText(users)}}
	if len(users) > 0 {
		const path = "/isAvailable"
		if old["isAvailable"] == true != (new["isAvailable"] == true) {
			o.add(effect{path: path, dir: drift.Mixed, severity: drift.Medium, note: "apps that ask for it depend on it"})
		}
		o.addUnknown(old.strange(drift.AuthenticationContext), new.strange(drift.AuthenticationContext))
	}
	o.settle()
	o.doubt(oddBefore || oddAfter)
	return o
}

// doubt makes a verdict on an object that could not be understood mixed.
func (o *outcome) doubt(odd bool) {
	if odd {
		o.dir, o.severity = drift.Mixed, max(o.severity, drift.Medium)
	}
}

// judgeDefaults judges the security defaults. Off is critical, unless an acting
// policy asks everybody for MFA everywhere, as a tenant does that moves from
// the one to the other.
func (w *World) judgeDefaults(c subject) outcome {
	old, oddBefore := readFields(c.Old)
	new, oddAfter := readFields(c.New)
	var o outcome
	was, is := old["isEnabled"] == true, new["isEnabled"] == true
	switch {
	case was && !is:
		e := effect{path: "/isEnabled", dir: drift.Weaker, severity: drift.Critical, note: "no policy requires MFA of everybody"}
		if replaced := w.users(w.asksEverybodyForMFA); len(replaced) > 0 {
			e.severity, e.note = drift.Medium, "MFA for everybody stays required by "+drift.Visible(replaced[0].ref.Name)
		}
		o.add(e)
	case is && !was:
		o.add(effect{
			path: "/isEnabled", dir: drift.Stronger, severity: drift.Medium,
			note: "no exclusions possible, emergency accounts included",
		})
	}
	o.addUnknown(old.strange(drift.SecurityDefaults), new.strange(drift.SecurityDefaults))
	o.settle()
	o.doubt(oddBefore || oddAfter)
	return o
}

// asksEverybodyForMFA tells whether a policy has All users, All apps, a grant
// that implies MFA, and no other dimension narrowed. Single users and groups
// may be excluded, as every tenant excludes some.
func (w *World) asksEverybodyForMFA(p *policy) bool {
	for d := range dimensions {
		x := p.reach[d]
		excused := d == who && !slices.ContainsFunc(x.exclude, func(e element) bool { return e.kind != user && e.kind != group })
		if len(x.exclude) > 0 && !excused {
			return false
		}
		if d == who || d == what || d == clientApps {
			continue
		}
		if !slices.ContainsFunc(x.include, element.whole) {
			return false
		}
	}
	return p.includes(who, member{kind: everyone}) && p.includes(what, member{kind: everyApp}) &&
		len(w.uncovered(w.nothing.reach[clientApps].include, p.reach[clientApps].include)) == 0 &&
		w.implies(&p.grant, &grant{atoms: []atom{{builtIn, "mfa"}}})
}

// judgeGroup judges the membership of a group that acting policies exclude (X)
// or include (I):
//
//	          X         I
//	joined    W high    S
//	left      S         W medium
//
// The weaker part is critical for an emergency group, and for a policy that
// names a privileged role.
func (w *World) judgeGroup(c subject) outcome {
	old, oddBefore := readFields(c.Old)
	new, oddAfter := readFields(c.New)
	id := fold(c.ref().ID)
	_, emergency := w.emergencyGroup[id]
	excluding := w.users(func(p *policy) bool {
		_, excused := p.excused[id]
		return excused || p.excludes(who, member{kind: group, id: id})
	})
	including := w.users(func(p *policy) bool { return p.includes(who, member{kind: group, id: id}) })

	o := outcome{affects: refs(excluding, including), tail: []string{usageText(excluding, including)}}
	before, after := old.members(), new.members()
	if !subset(after, before) { // joined
		o.addMembers(drift.Weaker, drift.High, excluding, emergency)
		o.addMembers(drift.Stronger, drift.Medium, including, emergency)
	}
	if !subset(before, after) { // left
		o.addMembers(drift.Stronger, drift.Medium, excluding, emergency)
		o.addMembers(drift.Weaker, drift.Medium, including, emergency)
	}
	if len(o.affects) > 0 {
		o.addUnknown(old.strange(drift.Group), new.strange(drift.Group))
	}
	o.settle()
	o.doubt(oddBefore || oddAfter)
	return o
}

const membersPath = "/members"

func (o *outcome) addMembers(dir drift.Direction, severity drift.Severity, users []*policy, emergency bool) {
	if len(users) == 0 {
		return
	}
	e := effect{path: membersPath, dir: dir, severity: severity}
	if dir == drift.Weaker && (emergency || slices.ContainsFunc(users, (*policy).namesPrivilegedRole)) {
		e.severity = drift.Critical
		if emergency {
			e.note = "emergency group"
		} else {
			e.note = "a policy for privileged roles uses it"
		}
	}
	o.add(e)
}

func (p *policy) namesPrivilegedRole() bool {
	x := p.reach[who]
	return slices.ContainsFunc(x.include, element.privileged) || slices.ContainsFunc(x.exclude, element.privileged)
}

// members are the ids of a group's members, which come as ids or as objects
// that have one.
func (f fields) members() map[string]bool {
	out := map[string]bool{}
	list, _ := f["members"].([]any)
	for _, item := range list {
		switch item := item.(type) {
		case string:
			out[fold(item)] = true
		case map[string]any:
			if id, ok := item["id"].(string); ok {
				out[fold(id)] = true
			}
		}
	}
	return out
}
