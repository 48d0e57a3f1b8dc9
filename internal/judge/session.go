package judge

import (
	"slices"

	"github.com/cadrift/cadrift/internal/drift"
)

const sessionPath = "/sessionControls"

// place is where a session control stands against its absence. The zero value
// is absence.
type place struct {
	// height above absence tightens, below loosens. A second height is for
	// controls that are tight in two ways at once.
	height, depth int
	// branch tells apart values of the same height that do not compare.
	branch string
	// unseen marks a value that this version does not know: it compares with
	// nothing.
	unseen bool
}

// there tells whether the control is set.
func (p place) there() bool { return p != place{} }

// sense is what the control does against its absence.
func (p place) sense() drift.Direction {
	switch {
	case p.unseen:
		return drift.Mixed
	case p.height > 0:
		return drift.Stronger
	case p.height < 0:
		return drift.Weaker
	}
	return drift.Neutral
}

// compare is the direction of the move from a to b.
func (a place) compare(b place) drift.Direction {
	switch {
	case a == b:
		return drift.Neutral
	case a.unseen, b.unseen, a.branch != b.branch && a.height > 0 && b.height > 0:
		return drift.Mixed
	}
	return along(a.height, b.height).Join(along(a.depth, b.depth))
}

func along(a, b int) drift.Direction {
	switch {
	case b < a:
		return drift.Weaker
	case b > a:
		return drift.Stronger
	}
	return drift.Neutral
}

// control is a session control.
type control struct {
	name string
	// parts are the members of its object, none for a plain switch.
	parts []string
	// place reads its value; it is not asked about a control that is off.
	place func(v fields) place
	// high is the severity of a loss that is more than an ordinary one, with
	// the words for it; given the place that the control came to.
	high func(now place) string
	// note is said whenever the control changes.
	note string
}

// fields are the members of a control's object.
type fields map[string]any

func (f fields) text(name string) string { s, _ := f[name].(string); return s }

// controls is the table of the session controls, tightest first:
//
//	signInFrequency                 every time > shorter > longer > absent;
//	                                primary and secondary > secondary only
//	persistentBrowser               never > absent > always
//	cloudAppSecurity                block downloads > monitor only > absent; custom policy > absent
//	applicationEnforcedRestrictions on > absent
//	secureSignInSession             on > absent
//	continuousAccessEvaluation      strict location, strict enforcement > absent > disabled
//	disableResilienceDefaults       true > absent
//	filtering profile, network      any > absent, no order among them
var controls = [...]control{
	{name: "signInFrequency", parts: []string{"isEnabled", "value", "type", "authenticationType", "frequencyInterval"}, place: frequency},
	{name: "persistentBrowser", parts: []string{"isEnabled", "mode"}, place: ranked("mode", map[string]place{
		"never":  {height: 1},
		"always": {height: -1},
	})},
	{name: "cloudAppSecurity", parts: []string{"isEnabled", "cloudAppSecurityType"}, place: ranked("cloudAppSecurityType", map[string]place{
		"blockDownloads": {height: 2},
		"monitorOnly":    {height: 1},
		"mcasConfigured": {height: 1, branch: "custom"},
	})},
	{name: "applicationEnforcedRestrictions", parts: []string{"isEnabled"}, place: on},
	{
		name: "secureSignInSession", parts: []string{"isEnabled"}, place: on,
		high: func(now place) string { return "token protection is gone" },
	},
	{name: "continuousAccessEvaluation", parts: []string{"mode"}, place: ranked("mode", map[string]place{
		"strictLocation":    {height: 1, branch: "location"},
		"strictEnforcement": {height: 1, branch: "enforcement"},
		"disabled":          {height: -1},
	}), high: func(now place) string {
		if now.height < 0 {
			return "revoked sessions go on until their token expires"
		}
		return ""
	}},
	{
		name: "disableResilienceDefaults", place: on,
		note: "during an Entra outage these sessions end",
	},
	{name: "globalSecureAccessFilteringProfile", parts: []string{"isEnabled", "profileId"}, place: one("profileId")},
	{name: "networkAccessSecurity", parts: []string{"isEnabled", "policyId"}, place: one("policyId")},
}

// controlAt finds a control by its path: its place in the table, plus one.
var controlAt = func() map[string]int {
	m := map[string]int{}
	for i := range controls {
		m[controls[i].path()] = i + 1
	}
	return m
}()

// evaluationControl is the place of continuous access evaluation in the table.
var evaluationControl = controlAt[sessionPath+"/continuousAccessEvaluation"] - 1

func (c *control) path() string { return sessionPath + "/" + c.name }

// takeControl reads one session control. Members of it that the table does not
// have are strange; a control that is switched off is absent.
func (p *policy) takeControl(i int, at string, v any) bool {
	c := &controls[i]
	if len(c.parts) == 0 {
		set, ok := v.(bool)
		if set {
			p.session[i] = c.place(nil)
		}
		return ok
	}
	obj, ok := v.(map[string]any)
	if !ok {
		return false
	}
	for name, value := range obj {
		if !has(c.parts, name) {
			p.strange(at+"/"+escape(name), value)
		}
	}
	if enabled, given := obj["isEnabled"].(bool); !given || enabled {
		p.session[i] = c.place(obj)
	}
	return true
}

func has(list []string, s string) bool {
	return slices.Contains(list, s)
}

func on(fields) place { return place{height: 1} }

// ranked reads a control whose one word decides.
func ranked(name string, places map[string]place) func(fields) place {
	return func(f fields) place {
		if p, ok := places[f.text(name)]; ok {
			return p
		}
		return place{unseen: true, branch: f.text(name)}
	}
}

// one reads a control that points at something whose content is not watched.
func one(name string) func(fields) place {
	return func(f fields) place { return place{height: 1, branch: f.text(name)} }
}

// everyTime is the height of a sign-in frequency of every time; a period of h
// hours is h below it.
const everyTime = 1 << 30

// frequency reads a sign-in frequency: how often, and for which factors.
func frequency(f fields) place {
	p := place{height: everyTime, depth: 2}
	switch f.text("authenticationType") {
	case "primaryAndSecondaryAuthentication", "": // older bodies say nothing
	case "secondaryAuthentication":
		p.depth = 1
	default:
		return unreadFrequency(f)
	}
	hours, _ := f["value"].(float64)
	if f.text("type") == "days" {
		hours *= 24
	}
	switch interval := f.text("frequencyInterval"); {
	case interval == "everyTime":
		return p
	case (interval == "timeBased" || interval == "") && hours >= 1 && hours < everyTime/2 &&
		(f.text("type") == "hours" || f.text("type") == "days"):
		p.height -= int(hours)
		return p
	}
	return unreadFrequency(f)
}

func unreadFrequency(f fields) place {
	return place{unseen: true, branch: compact(map[string]any(f))}
}

// compareSession judges the session controls. They do not count where nobody
// passes: no session arises.
func compareSession(old, new *policy) []effect {
	if old.blocks() || new.blocks() {
		return nil
	}
	var out []effect
	for i := range controls {
		c := &controls[i]
		e := effect{
			path: c.path(), note: c.note, severity: drift.Medium,
			dir:    old.session[i].compare(new.session[i]),
			unseen: old.session[i].unseen || new.session[i].unseen,
		}
		if e.dir == drift.Neutral {
			continue
		}
		if e.dir == drift.Weaker && c.high != nil {
			if why := c.high(new.session[i]); why != "" {
				e.severity, e.note = drift.High, why
			}
		}
		out = append(out, e)
	}
	return out
}
