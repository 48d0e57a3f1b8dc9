package judge

import (
	"slices"

	"github.com/cadrift/cadrift/internal/drift"
)

// grade joins effects into one verdict: directions by union, severities by
// max. Without an effect there is nothing to be severe about.
func grade(effects []effect) (drift.Direction, drift.Severity) {
	dir, severity := drift.Neutral, drift.Low
	for _, e := range effects {
		dir = dir.Join(e.dir)
		severity = max(severity, e.severity)
	}
	return dir, severity
}

// weakerPart is the severity of the weaker effects; ok is false when there is
// none.
func weakerPart(effects []effect) (severity drift.Severity, ok bool) {
	for _, e := range effects {
		if e.dir.Has(drift.Weaker) {
			severity, ok = max(severity, e.severity), true
		}
	}
	return severity, ok
}

// loss is what a policy no longer reaches, in one dimension.
type loss struct {
	dim dimension
	// lost left the included set, excluded joined the excluded one.
	lost, excluded []element
	old, new       *policy
}

// byPath splits a loss into the properties it came about in.
func (l loss) byPath() []loss {
	var out []loss
	for _, path := range paths(slices.Concat(l.lost, l.excluded)) {
		here := func(elements []element) []element {
			var kept []element
			for _, e := range elements {
				if e.path == path {
					kept = append(kept, e)
				}
			}
			return kept
		}
		part := l
		part.lost, part.excluded = here(l.lost), here(l.excluded)
		out = append(out, part)
	}
	return out
}

func (l loss) path() string {
	if len(l.lost) > 0 {
		return l.lost[0].path
	}
	return l.excluded[0].path
}

// effect is the loss judged: the first row that fits.
func (l loss) effect() effect {
	e := effect{path: l.path(), dir: drift.Weaker, severity: drift.High, lost: l.lost, excluded: l.excluded}
	for _, row := range losses {
		if row.fits(l) {
			e.severity, e.note = row.severity, row.note
			break
		}
	}
	return e
}

// losses is the severity of a policy that reaches less, the first row that
// fits. Any other loss of reach is high.
var losses = []struct {
	severity drift.Severity
	note     string
	fits     func(l loss) bool
}{
	{drift.Critical, "", lostEverybody},
	{drift.Critical, "", lostKeyApp},
	{drift.Critical, "privileged role", freedPrivilegedRole},
	{drift.Critical, "", excludedEverybody},
	{drift.Critical, "", excludedKeyApp},
	{drift.Critical, "all guests are excluded", excludedAllGuests},
	{drift.Critical, "legacy authentication is no longer blocked", freedLegacyClients},
	{drift.Critical, "device code flow is no longer blocked", freedDeviceCode},
}

// lostEverybody: who or what lost a whole-dimension token.
func lostEverybody(l loss) bool {
	return (l.dim == who || l.dim == what) && slices.ContainsFunc(l.lost, element.whole)
}

// lostKeyApp: what lost an explicit Office 365, admin portals or Azure
// management.
func lostKeyApp(l loss) bool { return slices.ContainsFunc(l.lost, element.keyApp) }

func freedPrivilegedRole(l loss) bool {
	return slices.ContainsFunc(l.lost, element.privileged) || slices.ContainsFunc(l.excluded, element.privileged)
}

// excludedEverybody: an exclusion that takes a whole dimension away.
func excludedEverybody(l loss) bool { return slices.ContainsFunc(l.excluded, element.whole) }

func excludedKeyApp(l loss) bool { return slices.ContainsFunc(l.excluded, element.keyApp) }

// excludedAllGuests: the exclusions came to cover all guests, in one step or
// in the last of several.
func excludedAllGuests(l loss) bool {
	if l.dim != who || !slices.ContainsFunc(l.excluded, func(e element) bool { return e.kind == guest }) {
		return false
	}
	for _, g := range userTokens["GuestsOrExternalUsers"] {
		if !l.new.excludes(who, g) {
			return false
		}
	}
	return true
}

// freedLegacyClients: a block policy stopped blocking the clients that cannot
// do multifactor authentication.
func freedLegacyClients(l loss) bool {
	return l.dim == clientApps && l.old.blocks() && l.new.blocks() && slices.ContainsFunc(l.lost, func(e element) bool {
		return e.member == otherClients || slices.Contains(exchangeActiveSync, e.member)
	})
}

// freedDeviceCode: a block policy stopped blocking device code flow, named or
// not. Phishing by device code is common.
func freedDeviceCode(l loss) bool {
	if l.dim != flow || !l.old.blocks() || !l.new.blocks() {
		return false
	}
	reaches := func(p *policy) bool {
		return p.includes(flow, member{kind: anything}) || p.includes(flow, member{kind: level, id: "deviceCodeFlow"})
	}
	return reaches(l.old) && !reaches(l.new)
}

// whole tells of the tokens that stand for a whole dimension.
func (e element) whole() bool {
	switch e.kind {
	case everyone, ownedPrincipals, everyAgent, everyAgentUser, everyApp, anyPlatform, anyLocation, anything:
		return true
	}
	return false
}

func (e element) keyApp() bool {
	return e.kind == app && (e.id == office365 || e.id == adminPortals || e.id == azureManagement)
}

func (e element) privileged() bool { return e.kind == role && roles[e.id].privileged }
