package judge

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/cadrift/cadrift/internal/drift"
)

// summary is the one line that lets a person on call decide: the object, what
// happened to it, whether it is enforced, and what makes it worse.
func (w *World) summary(c subject, changes []worded, o outcome) string {
	name := named(c.ref())
	var b strings.Builder
	switch {
	case c.Old == nil && c.New == nil:
		return "nothing changed"
	case c.Old == nil:
		b.WriteString(name + " created (" + w.describe(c.New, c.after) + ")")
	case c.New == nil:
		b.WriteString(name + " deleted (was " + w.describe(c.Old, c.before) + ")")
	case len(changes) == 0:
		b.WriteString(name + ": written, no visible change: put back, or a setting that Graph does not show")
	default:
		what, state := happened(changes)
		b.WriteString(name + ": " + what)
		if !state {
			b.WriteString(standing(c.after))
		}
	}
	for _, remark := range o.tail {
		if remark != "" {
			b.WriteString("; " + remark)
		}
	}
	if len(o.reasons) > 0 {
		b.WriteString("; lockout risk: " + strings.Join(o.reasons, ", "))
	}
	return b.String()
}

// happened tells the changes, most severe first, parts of told settings left
// out; state tells that the policy's state is among those told.
func happened(changes []worded) (text string, state bool) {
	whole := slices.DeleteFunc(slices.Clone(changes), func(x worded) bool { return x.Part })
	slices.SortStableFunc(whole, func(a, b worded) int {
		return cmp.Or(
			-cmp.Compare(a.severity, b.severity),
			-cmp.Compare(a.Direction&drift.Weaker, b.Direction&drift.Weaker),
			-cmp.Compare(a.Direction, b.Direction),
		)
	})
	var parts []string
	for _, x := range whole[:min(maxSummed, len(whole))] {
		parts = append(parts, lowerFirst(x.Field)+" "+x.rest)
		state = state || x.Path == "/state"
	}
	text = strings.Join(parts, "; ")
	if more := len(whole) - maxSummed; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text, state
}

// standing says whether a policy is enforced, in brackets.
func standing(p *policy) string {
	if p == nil {
		return ""
	}
	switch why := p.idle(); {
	case !p.enforced():
		return " (" + stateText(p) + ", not enforced)"
	case p.odd:
		return " (on, not understood)"
	case why != "":
		return " (on, but " + why + ")"
	}
	return " (enforced)"
}

func stateText(p *policy) string {
	if words, ok := stateWords[p.state]; ok {
		return words
	}
	return "state " + drift.Visible(p.state)
}

// Describe is one short line: an object's state and what it does.
func (w *World) Describe(o *drift.Object) string {
	if o != nil && o.Kind == drift.Policy {
		return w.describe(o, w.policy(o))
	}
	return w.describe(o, nil)
}

// describe is Describe of an object whose policy, if it is one, was read.
func (w *World) describe(o *drift.Object, p *policy) string {
	switch {
	case o == nil:
		return "absent"
	case o.Odd != "":
		return "not understood: " + drift.Visible(o.Odd)
	}
	switch o.Kind {
	case drift.Policy:
		return w.describePolicy(p)
	case drift.NamedLocation:
		return describeLocation(readLocation(o))
	case drift.AuthenticationStrength:
		return counted(len(readStrength(o).combos), "allowed combination")
	case drift.AuthenticationContext:
		if f, _ := readFields(o); f["isAvailable"] == true {
			return "published to apps"
		}
		return "not published to apps"
	case drift.SecurityDefaults:
		if f, _ := readFields(o); f["isEnabled"] == true {
			return "on"
		}
		return "off"
	case drift.Group:
		f, _ := readFields(o)
		return counted(len(f.members()), "member")
	}
	return o.Kind.Words()
}

// describePolicy: "on: requires MFA for all users on all apps under 1
// condition".
func (w *World) describePolicy(p *policy) string {
	act := "requires " + w.grantText(&p.grant) + " for"
	switch {
	case p.blocks():
		act = "blocks"
	case len(p.grant.atoms) == 0 && p.limitsSessions():
		act = "limits sessions of"
	case len(p.grant.atoms) == 0:
		return stateText(p) + ", has no controls"
	}
	text := stateText(p) + ": " + act + " " + w.whoText(p)
	if n := len(p.reach[who].exclude) + len(p.excused); n > 0 {
		text += " (" + counted(n, "exclusion") + ")"
	}
	text += " on " + w.whatText(p)
	if n := len(p.reach[what].exclude); n > 0 {
		text += " (" + counted(n, "exclusion") + ")"
	}
	narrowed := len(p.unknown)
	for d := platforms; d < dimensions; d++ {
		if len(p.reach[d].exclude) > 0 || len(w.uncovered(w.nothing.reach[d].include, p.reach[d].include)) > 0 {
			narrowed++
		}
	}
	if narrowed > 0 {
		text += " under " + counted(narrowed, "condition")
	}
	return text
}

func describeLocation(l *location) string {
	var parts []string
	if l.trusted {
		parts = append(parts, "trusted")
	}
	if len(l.ips) > 0 {
		parts = append(parts, counted(len(l.ips), "IP range"))
	}
	if n := len(l.areas); n > 0 {
		parts = append(parts, counted(n, "area"))
	}
	if len(parts) == 0 {
		return "empty"
	}
	return strings.Join(parts, ", ")
}

func counted(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// maxNamed is how many names a description shows of whom and what.
const maxNamed = 3

func (w *World) whoText(p *policy) string {
	return w.elementsText(p.reach[who].include, "nobody")
}

func (w *World) whatText(p *policy) string {
	return w.elementsText(p.reach[what].include, "no app")
}

func (w *World) elementsText(elements []element, none string) string {
	names := w.elementTexts(elements)
	if len(names) == 0 {
		return none
	}
	return capped(names, maxNamed)
}

// elementTexts words members of a reach set, each text once, sorted.
func (w *World) elementTexts(elements []element) []string {
	var names []string
	for _, e := range elements {
		names = append(names, w.elementText(e))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// wholeWords are the members that are no ids.
var wholeWords = map[kind]string{
	everyone:         "all users",
	everyApp:         "all apps",
	ownedPrincipals:  "all owned service principals",
	everyAgent:       "all agents",
	everyAgentUser:   "all agent users",
	agentApps:        "all agent resources",
	anyPlatform:      "any platform",
	anyLocation:      "any location",
	trustedLocations: "trusted locations",
	anything:         "any",
	guest:            "guests",
	principalFilter:  "a filter",
	agentFilter:      "a filter",
	agentUserFilter:  "a filter",
	appFilter:        "a filter",
	deviceFilter:     "a filter",
}

// elementText words one member.
func (w *World) elementText(e element) string {
	if words, ok := wholeWords[e.kind]; ok {
		return words
	}
	words := fieldsOf[drift.Policy][e.path].words
	if words == nil {
		words = plain
	}
	text, _ := words(w, e.id)
	return text
}

// grantText is a grant formula: "all of MFA, compliant device".
func (w *World) grantText(g *grant) string {
	var names []string
	for _, a := range g.atoms {
		names = append(names, w.atomText(a))
	}
	slices.Sort(names)
	switch g.shape() {
	case nothingAsked:
		return noneText
	case nobody:
		return "block access"
	case either:
		return anyOf + strings.Join(names, ", ")
	case unreadable:
		return drift.Visible(g.operator) + " of " + strings.Join(names, ", ")
	}
	if len(names) == 1 {
		return names[0]
	}
	return allOf + strings.Join(names, ", ")
}

func (w *World) atomText(a atom) string {
	var text string
	switch a.kind {
	case builtIn:
		text, _ = grantControls(w, a.id)
	case strengthAtom:
		text, _ = strengths(w, a.id)
	case termsOfUse:
		text = "terms of use " + short(a.id)
	case customFactor:
		text = "custom control " + drift.Visible(a.id)
	}
	return text
}

// guestsOf words the guests that one property names: types, then tenants.
func guestsOf(path string) func(w *World, p *policy) string {
	return func(_ *World, p *policy) string {
		var types, tenants []string
		for _, e := range slices.Concat(p.reach[who].include, p.reach[who].exclude) {
			if e.kind != guest || e.path != path {
				continue
			}
			words, _ := closed(guestWords)(nil, e.id)
			if !slices.Contains(types, words) {
				types = append(types, words)
			}
			if e.of != everyTenant && !slices.Contains(tenants, short(e.of)) {
				tenants = append(tenants, short(e.of))
			}
		}
		slices.Sort(types)
		switch {
		case len(types) == 0:
			return noneText
		case len(types) == len(allGuests()):
			types = []string{"all types"}
		}
		if len(tenants) > 0 {
			return strings.Join(types, ", ") + " of tenants " + capped(tenants, maxNamed)
		}
		return strings.Join(types, ", ")
	}
}

// filterOf words a filter: "exclude where device.isCompliant -eq True".
func filterOf(d dimension, k kind) func(w *World, p *policy) string {
	return func(_ *World, p *policy) string {
		for _, e := range slices.Concat(p.reach[d].include, p.reach[d].exclude) {
			if e.kind == k {
				return e.of + " where " + cut(drift.Visible(e.id), maxValue)
			}
		}
		return noneText
	}
}

// frequencyText words a sign-in frequency: "every 4 hours".
func frequencyText(_ *World, p *policy) string {
	at := p.session[controlAt[sessionPath+"/signInFrequency"]-1]
	text := ""
	switch hours := everyTime - at.height; {
	case !at.there():
		return noneText
	case at.unseen:
		var f fields
		if json.Unmarshal([]byte(at.branch), &f) != nil { // it was written by unreadFrequency
			return drift.Visible(at.branch)
		}
		return cut(statement(f), maxValue)
	case hours == 0:
		text = "every time"
	case hours%24 == 0:
		text = "every " + counted(hours/24, "day")
	default:
		text = "every " + counted(hours, "hour")
	}
	if at.depth == 1 {
		text += ", second factor only"
	}
	return strings.Replace(text, "every 1 ", "every ", 1)
}
