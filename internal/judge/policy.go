package judge

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/cadrift/cadrift/internal/drift"
)

// The states of a policy. Only the first is enforced.
const (
	stateOn         = "enabled"
	stateOff        = "disabled"
	stateReportOnly = "enabledForReportingButNotEnforced"
)

// policy is a policy as the rules see it.
type policy struct {
	ref   drift.Ref
	state string
	// odd marks a policy that could not be understood as a whole.
	odd bool

	reach   [dimensions]extent
	grant   grant
	session [len(controls)]place

	// excused are the configured emergency ids among the exclusions, by the
	// field they stand in; they are no part of reach.
	excused map[string]string

	// unknown holds the properties and shapes this version does not know: JSON
	// pointer → JSON text. Objects are taken apart down to their leaves.
	unknown map[string]string
}

// enforced tells whether the policy is on.
func (p *policy) enforced() bool { return p.state == stateOn }

// acts is the law's acts(p). An odd policy that is on is taken to act: what
// cannot be read must not pass for harmless.
func (p *policy) acts() bool { return p.enforced() && (p.odd || p.idle() == "") }

// idle says why a policy would do nothing even when it is on, empty if it
// would do something. A target in a property that this version does not know is
// a target: new kinds of identities and resources arrive that way.
func (p *policy) idle() string {
	switch {
	case len(p.reach[who].include) == 0 && !p.strangeUnder(whoPaths[:]...):
		return "applies to nobody"
	case len(p.reach[what].include) == 0 && !p.strangeUnder("/conditions/applications") && !p.evaluates():
		return "applies to no app"
	case len(p.grant.atoms) == 0 && !p.limitsSessions():
		return "has no controls"
	}
	return ""
}

// evaluates tells whether the policy sets continuous access evaluation. Graph
// stores such policies with includeApplications ["None"] (seen in an export of
// a real tenant), and nothing documents that they do nothing then: apps that
// take part ask for the evaluation themselves. What may act is taken to act.
func (p *policy) evaluates() bool { return p.session[evaluationControl].there() }

var whoPaths = [...]string{"/conditions/users", "/conditions/clientApplications", "/conditions/agents", "/conditions/agentContext"}

// limitsSessions tells whether the policy has any session control.
func (p *policy) limitsSessions() bool {
	for i := range p.session {
		if p.session[i].there() {
			return true
		}
	}
	return p.strangeUnder(sessionPath)
}

// strangeUnder tells whether there is an unknown property at one of the paths.
func (p *policy) strangeUnder(paths ...string) bool {
	for path := range p.unknown {
		if slices.ContainsFunc(paths, func(at string) bool { return under(path, at) }) {
			return true
		}
	}
	return false
}

// blocks tells whether nobody passes the policy.
func (p *policy) blocks() bool { return p.grant.blocks() }

// sense is what a policy does to those it reaches: it strengthens by asking for
// something or tightening sessions, and weakens where it loosens sessions.
// surely tells whether the weaker part is known rather than undecided.
func (p *policy) sense() (dir drift.Direction, surely bool) {
	if p.odd {
		return drift.Mixed, true
	}
	if len(p.grant.atoms) > 0 {
		dir = drift.Stronger
	}
	if p.blocks() { // no session arises
		return dir, false
	}
	for i := range p.session {
		d := p.session[i].sense()
		dir = dir.Join(d)
		surely = surely || d == drift.Weaker
	}
	if p.strangeUnder(sessionPath) {
		dir = drift.Mixed
	}
	return dir, surely
}

// readPolicy reads a canonical form. It cannot fail: what it does not
// understand is kept as unknown.
func (w *World) readPolicy(o *drift.Object) *policy {
	p := &policy{ref: o.Ref, odd: o.Odd != ""}
	var root any
	if err := json.Unmarshal(o.Canonical, &root); err != nil {
		p.odd = true
	} else {
		p.take("", root)
	}
	p.excuse(w)
	p.fill()
	return p
}

// take hands a value to the row that knows its path, and goes into objects
// that no row knows as a whole.
func (p *policy) take(at string, v any) {
	known := true
	switch src, reaching := sources[at]; {
	case reaching:
		known = p.takeReach(src, at, v)
	case controlAt[at] != 0:
		known = p.takeControl(controlAt[at]-1, at, v)
	case under(at, grantPath) && at != grantPath:
		known = p.grant.take(at, v)
	case at == "/state":
		p.state, known = v.(string)
	case at == "/displayName", at == "/description":
	default:
		known = false
	}
	if !known {
		p.strange(at, v)
	}
}

// strange keeps what no row takes, leaf by leaf.
func (p *policy) strange(at string, v any) {
	if obj, ok := v.(map[string]any); ok {
		for name, value := range obj {
			p.take(at+"/"+escape(name), value)
		}
		return
	}
	if p.unknown == nil {
		p.unknown = map[string]string{}
	}
	p.unknown[at] = compact(v)
}

// excuse takes the configured emergency ids out of the exclusions (detection
// law §3.3): a policy with and without them reaches the same people, and losing
// one is told by a rule of its own.
func (p *policy) excuse(w *World) {
	if len(w.emergencyUser)+len(w.emergencyGroup) == 0 {
		return
	}
	x := &p.reach[who].exclude
	kept := (*x)[:0]
	for _, e := range *x {
		if e.kind == user && w.emergencyUser[e.id] || e.kind == group && w.emergencyGroup[e.id] {
			if p.excused == nil {
				p.excused = map[string]string{}
			}
			p.excused[e.id] = e.path
			continue
		}
		kept = append(kept, e)
	}
	*x = kept
}

// under tells whether path is at, or inside of, at.
func under(path, at string) bool {
	return strings.HasPrefix(path, at) && (len(path) == len(at) || path[len(at)] == '/')
}

// escape writes a member name as a part of a JSON pointer (RFC 6901).
func escape(name string) string {
	if !strings.ContainsAny(name, "~/") {
		return name
	}
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

// compact is the JSON text of a decoded value, members sorted.
func compact(v any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil { // values come from JSON, so they go back
		return "?"
	}
	return strings.TrimSpace(b.String())
}

// texts reads a list of strings; a lone string is a list of one.
func texts(v any) ([]string, bool) {
	switch v := v.(type) {
	case string:
		return []string{v}, true
	case []any:
		out := make([]string, 0, len(v))
		for _, item := range v {
			s, ok := item.(string)
			if !ok {
				return nil, false
			}
			out = append(out, s)
		}
		return out, true
	}
	return nil, false
}

// flags reads a flag enum, which comes as an array or as one comma-joined
// string; "none" is the empty set.
func flags(v any) ([]string, bool) {
	list, ok := texts(v)
	if !ok {
		return nil, false
	}
	var out []string
	for _, item := range list {
		for part := range strings.SplitSeq(item, ",") {
			if part = strings.TrimSpace(part); part != "" && part != "none" {
				out = append(out, part)
			}
		}
	}
	return out, true
}
