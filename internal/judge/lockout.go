package judge

import (
	"slices"
	"strings"
)

// lockout says how this edit of an acting policy may lock the company or its
// emergency accounts out: it came to be at risk, or it lost a configured id
// from its exclusions. It is about the edit: a policy that was at risk before
// is no news.
func (w *World) lockout(c subject) []string {
	old, new := c.before, c.after
	var reasons []string
	if !old.acts() || len(w.atRisk(old)) == 0 {
		reasons = w.atRisk(new)
	}
	forms := []*policy{old}
	if c.LastActing != nil && !old.acts() { // lost while it was off
		forms = append(forms, w.policy(c.LastActing))
	}
	return append(reasons, w.lostExcuses(new, forms...)...)
}

// lostExcuses names the configured ids that one of the earlier forms excluded
// and the new one does not.
func (w *World) lostExcuses(new *policy, earlier ...*policy) []string {
	lost := w.configured(func(m member) bool {
		_, is := new.excused[m.id]
		return !is && slices.ContainsFunc(earlier, func(p *policy) bool { _, was := p.excused[m.id]; return was })
	})
	if len(lost) == 0 {
		return nil
	}
	return []string{w.accounts(lost) + " no longer excluded"}
}

// configured are the configured emergency ids for which f holds.
func (w *World) configured(f func(member) bool) []member {
	var out []member
	for _, id := range w.emergency.Users {
		if m := (member{kind: user, id: id}); f(m) {
			out = append(out, m)
		}
	}
	for _, id := range w.emergency.Groups {
		if m := (member{kind: group, id: id}); f(m) {
			out = append(out, m)
		}
	}
	return out
}

// accounts names configured ids for a reason: "emergency accounts a, b and
// emergency group c".
func (w *World) accounts(ids []member) string {
	var parts []string
	for _, k := range [...]struct {
		kind kind
		word string
	}{{user, "emergency account"}, {group, "emergency group"}} {
		var names []string
		for _, m := range ids {
			if m.kind == k.kind {
				names = append(names, w.directory(m.id))
			}
		}
		switch len(names) {
		case 0:
		case 1:
			parts = append(parts, k.word+" "+names[0])
		default:
			parts = append(parts, k.word+"s "+strings.Join(names, ", "))
		}
	}
	return strings.Join(parts, " and ")
}

// atRisk says how a policy would lock out, were it on; empty when it would not.
// All of these hold:
//
//	who      it can hit an emergency account, which it does not exclude
//	what     All apps, the admin portals, Azure management or Microsoft Graph
//	clients  the browser is among them
//	where    anywhere: exclusions do not help an account abroad
//	narrowed by no risk, flow, included platform or included device
//	grant    cannot be met by an account without a device of the company
//
// Without configured accounts: everybody, all apps, and nobody excluded.
func (w *World) atRisk(p *policy) []string {
	if !opensAdministration(p) || !appliesAnywhere(p) || !unmeetable(&p.grant) {
		return nil
	}
	act := "asks for " + w.grantText(&p.grant) + " on " + w.whatText(p)
	if p.blocks() {
		act = "blocks " + w.whatText(p)
	}
	if len(w.emergency.Users)+len(w.emergency.Groups) == 0 {
		alone := p.includes(who, member{kind: everyone}) && p.includes(what, member{kind: everyApp}) &&
			!slices.ContainsFunc(p.reach[who].exclude, func(e element) bool { return e.kind == user || e.kind == group })
		if !alone {
			return nil
		}
		return []string{act + " for all users and excludes nobody"}
	}
	hit := w.configured(func(m member) bool { return p.hits(m) && !w.excusedHere(p, m.id) })
	if len(hit) == 0 {
		return nil
	}
	return []string{act + " for " + w.accounts(hit)}
}

// hits tells whether a policy can hit an emergency account.
func (p *policy) hits(account member) bool {
	return p.includes(who, member{kind: everyone}) || p.includes(who, account) ||
		p.includes(who, member{kind: role, id: globalAdministrator})
}

// excusedHere tells whether the account is excluded by its id or by a
// configured group.
func (w *World) excusedHere(p *policy, id string) bool {
	if _, ok := p.excused[id]; ok {
		return true
	}
	return slices.ContainsFunc(w.emergency.Groups, func(group string) bool { _, ok := p.excused[group]; return ok })
}

func opensAdministration(p *policy) bool {
	for _, m := range [...]member{{kind: everyApp}, keyApp(adminPortals), keyApp(azureManagement), keyApp(microsoftGraph)} {
		if p.includes(what, m) {
			return true
		}
	}
	return false
}

func appliesAnywhere(p *policy) bool {
	for _, d := range [...]dimension{device, signInRisk, userRisk, principalRisk, agentRisk, insiderRisk, flow} {
		if !p.includes(d, member{kind: anything}) {
			return false
		}
	}
	return p.includes(clientApps, member{kind: clientApp, id: "browser"}) &&
		p.includes(locations, member{kind: anyLocation}) && p.includes(platforms, member{kind: anyPlatform})
}

// unmeetable tells whether an emergency account could not satisfy the grant.
// MFA, strengths and terms of use it can.
func unmeetable(g *grant) bool {
	hard := func(a atom) bool {
		return a.kind == customFactor || a.kind == builtIn && grantWords[a.id].hard
	}
	switch g.shape() {
	case nobody:
		return true
	case everything:
		return slices.ContainsFunc(g.atoms, hard)
	case either:
		return !slices.ContainsFunc(g.atoms, func(a atom) bool { return !hard(a) })
	}
	return false
}
