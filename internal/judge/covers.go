package judge

import "slices"

// kind is what a member of a reach set is.
type kind uint8

const (
	_ kind = iota

	everyone // All users
	user
	group
	role
	guest // id: the type; of: the tenant
	ownedPrincipals
	principal
	principalFilter // filters: id: the rule; of: the mode
	everyAgent
	agent
	agentFilter
	everyAgentUser
	agentUser
	agentUserFilter

	everyApp // All apps
	app      // an app, or a family of apps such as Office 365
	agentApps
	appFilter
	action
	context

	anyPlatform
	platform
	anyLocation
	trustedLocations
	site // one named location
	clientApp
	deviceFilter
	deviceList

	anything // a condition that is not set
	level    // a risk level or an authentication flow
)

// member is one element of a reach set, comparable.
type member struct {
	kind kind
	// id is the id or word; of narrows it (a guest's tenant, a filter's mode).
	id, of string
}

// covered are the kinds that a whole-dimension token covers. What is not here
// is covered by itself only: the six platforms together are not any platform,
// since unknown user agents are a platform too; Office 365 covers no single
// app, since Microsoft does not publish the list; All apps covers neither user
// actions nor authentication contexts.
var covered = map[kind][]kind{
	everyone:        {user, group, role, guest},
	ownedPrincipals: {principal},
	everyAgent:      {agent},
	everyAgentUser:  {agentUser},
	everyApp:        {app, appFilter},
	anyPlatform:     {platform},
	anyLocation:     {trustedLocations, site},
	anything:        {deviceFilter, deviceList, level},
}

// mfaTrustedIPs is the pseudo-location of the legacy per-user MFA service: it
// is in no list, and counts as trusted.
const mfaTrustedIPs = "00000000-0000-0000-0000-000000000000"

// everyTenant is the tenant of guests from anywhere.
const everyTenant = "*"

// wide tells whether the member can cover others than itself.
func (m member) wide() bool {
	return covered[m.kind] != nil || m.kind == trustedLocations || m.kind == guest && m.of == everyTenant
}

// covers is the law's "b covers a": whoever or whatever is in a is in b.
func (w *World) covers(b, a member) bool {
	switch {
	case a == b:
		return true
	case b.kind == trustedLocations:
		return a.kind == site && (a.id == mfaTrustedIPs || w.trusts(a.id))
	case b.kind == guest:
		return a.kind == guest && a.id == b.id && b.of == everyTenant
	}
	return slices.Contains(covered[b.kind], a.kind)
}

// trusts tells whether a named location is trusted in the newest snapshot.
func (w *World) trusts(id string) bool {
	l := w.locations[id]
	return l != nil && l.trusted
}

// The tokens of Graph that stand for more than one id, or for none.
var (
	userTokens = map[string][]member{
		"All":                   {{kind: everyone}},
		"None":                  {},
		"GuestsOrExternalUsers": allGuests(),
	}
	principalTokens     = map[string][]member{"ServicePrincipalsInMyTenant": {{kind: ownedPrincipals}}, "None": {}}
	agentTokens         = map[string][]member{"All": {{kind: everyAgent}}, "None": {}}
	agentUserTokens     = map[string][]member{"All": {{kind: everyAgentUser}}, "None": {}}
	appTokens           = map[string][]member{"All": {{kind: everyApp}}, "None": {}, office365: {keyApp(office365)}, adminPortals: {keyApp(adminPortals)}, "AllAgentIdResources": {{kind: agentApps}}}
	platformTokens      = map[string][]member{"all": {{kind: anyPlatform}}}
	locationTokens      = map[string][]member{"All": {{kind: anyLocation}}, "AllTrusted": {{kind: trustedLocations}}}
	clientAppTokens     = map[string][]member{"all": allClientApps, "exchangeActiveSync": exchangeActiveSync}
	deviceIncludeTokens = map[string][]member{"All": {}} // says no more than an absent list
	deviceExcludeTokens = map[string][]member{"All": {{kind: anything}}}
)

// exchangeActiveSync is both halves that Graph used to tell apart, and all
// client apps are exactly these.
var (
	exchangeActiveSync = []member{{kind: clientApp, id: "easSupported"}, {kind: clientApp, id: "easUnsupported"}}
	otherClients       = member{kind: clientApp, id: "other"}
	allClientApps      = append([]member{
		{kind: clientApp, id: "browser"}, {kind: clientApp, id: "mobileAppsAndDesktopClients"}, otherClients,
	}, exchangeActiveSync...)
)

// allGuests is the old token GuestsOrExternalUsers: all types from all tenants.
func allGuests() []member {
	types := [...]string{
		"internalGuest", "b2bCollaborationGuest", "b2bCollaborationMember",
		"b2bDirectConnectUser", "otherExternalUser", "serviceProvider",
	}
	var out []member
	for _, t := range types {
		out = append(out, member{kind: guest, id: t, of: everyTenant})
	}
	return out
}

// Apps that open the doors to administration.
const (
	office365       = "Office365"
	adminPortals    = "MicrosoftAdminPortals"
	azureManagement = "797f4846-ba00-4fd7-ba43-dac1f8f63013"
	microsoftGraph  = "00000003-0000-0000-c000-000000000000"
)

func keyApp(id string) member { return member{kind: app, id: id} }
