package judge

import (
	"slices"
	"strings"

	"github.com/cadrift/cadrift/internal/drift"
)

// dimension is one thing a policy asks of a sign-in before it applies. A policy
// applies where all dimensions match, so a condition that appears narrows it.
type dimension uint8

const (
	who dimension = iota
	what
	platforms
	locations
	clientApps
	device
	signInRisk
	userRisk
	principalRisk
	agentRisk
	insiderRisk
	flow
	dimensions // how many there are
)

// unset says what a dimension includes when the policy does not say: nobody and
// nothing for who and what (no row), anything for the rest. path is where the
// condition would stand.
var unset = [dimensions]struct {
	includes []member
	path     string
}{
	platforms:     {[]member{{kind: anyPlatform}}, "/conditions/platforms/includePlatforms"},
	locations:     {[]member{{kind: anyLocation}}, "/conditions/locations/includeLocations"},
	clientApps:    {allClientApps, "/conditions/clientAppTypes"}, // today's server default; before 2020 it meant browser and modern clients
	device:        {[]member{{kind: anything}}, "/conditions/devices"},
	signInRisk:    {[]member{{kind: anything}}, "/conditions/signInRiskLevels"},
	userRisk:      {[]member{{kind: anything}}, "/conditions/userRiskLevels"},
	principalRisk: {[]member{{kind: anything}}, "/conditions/servicePrincipalRiskLevels"},
	agentRisk:     {[]member{{kind: anything}}, "/conditions/agentIdRiskLevels"},
	insiderRisk:   {[]member{{kind: anything}}, "/conditions/insiderRiskLevels"},
	flow:          {[]member{{kind: anything}}, "/conditions/authenticationFlows"},
}

const (
	excludeUsersPath  = "/conditions/users/excludeUsers"
	excludeGroupsPath = "/conditions/users/excludeGroups"
	includeGuestsPath = "/conditions/users/includeGuestsOrExternalUsers"
	excludeGuestsPath = "/conditions/users/excludeGuestsOrExternalUsers"
)

// side is the set of a dimension that a property feeds.
type side uint8

const (
	include side = iota
	exclude
	byMode // a filter says itself
)

// source is a property that feeds a dimension.
type source struct {
	dim  dimension
	side side
	read reader
}

// sources are the properties that decide a policy's reach.
var sources = map[string]source{
	"/conditions/users/includeUsers":                                 {who, include, list(user, userTokens)},
	excludeUsersPath:                                                 {who, exclude, list(user, userTokens)},
	"/conditions/users/includeGroups":                                {who, include, list(group, nil)},
	excludeGroupsPath:                                                {who, exclude, list(group, nil)},
	"/conditions/users/includeRoles":                                 {who, include, list(role, nil)},
	"/conditions/users/excludeRoles":                                 {who, exclude, list(role, nil)},
	includeGuestsPath:                                                {who, include, guests},
	excludeGuestsPath:                                                {who, exclude, guests},
	"/conditions/clientApplications/includeServicePrincipals":        {who, include, list(principal, principalTokens)},
	"/conditions/clientApplications/excludeServicePrincipals":        {who, exclude, list(principal, principalTokens)},
	"/conditions/clientApplications/servicePrincipalFilter":          {who, byMode, filter(principalFilter)},
	"/conditions/clientApplications/includeAgentIdServicePrincipals": {who, include, list(agent, agentTokens)},
	"/conditions/clientApplications/excludeAgentIdServicePrincipals": {who, exclude, list(agent, agentTokens)},
	"/conditions/clientApplications/agentIdServicePrincipalFilter":   {who, byMode, filter(agentFilter)},
	"/conditions/agents/includeAgentUsers":                           {who, include, list(agentUser, agentUserTokens)},
	"/conditions/agents/excludeAgentUsers":                           {who, exclude, list(agentUser, agentUserTokens)},
	"/conditions/agents/agentFilter":                                 {who, byMode, filter(agentUserFilter)},

	"/conditions/applications/includeApplications":                         {what, include, list(app, appTokens)},
	"/conditions/applications/excludeApplications":                         {what, exclude, list(app, appTokens)},
	"/conditions/applications/includeUserActions":                          {what, include, list(action, nil)},
	"/conditions/applications/includeAuthenticationContextClassReferences": {what, include, list(context, nil)},
	"/conditions/applications/applicationFilter":                           {what, byMode, filter(appFilter)},

	"/conditions/platforms/includePlatforms": {platforms, include, list(platform, platformTokens)},
	"/conditions/platforms/excludePlatforms": {platforms, exclude, list(platform, platformTokens)},
	"/conditions/locations/includeLocations": {locations, include, list(site, locationTokens)},
	"/conditions/locations/excludeLocations": {locations, exclude, list(site, locationTokens)},
	"/conditions/clientAppTypes":             {clientApps, include, list(clientApp, clientAppTokens)},

	"/conditions/devices/deviceFilter":        {device, byMode, filter(deviceFilter)},
	"/conditions/devices/includeDevices":      {device, include, list(deviceList, deviceIncludeTokens)},
	"/conditions/devices/excludeDevices":      {device, exclude, list(deviceList, deviceExcludeTokens)},
	"/conditions/devices/includeDeviceStates": {device, include, list(deviceList, deviceIncludeTokens)},
	"/conditions/devices/excludeDeviceStates": {device, exclude, list(deviceList, deviceExcludeTokens)},

	"/conditions/signInRiskLevels":                    {signInRisk, include, levels},
	"/conditions/userRiskLevels":                      {userRisk, include, levels},
	"/conditions/servicePrincipalRiskLevels":          {principalRisk, include, levels},
	"/conditions/agentIdRiskLevels":                   {agentRisk, include, levels},
	"/conditions/insiderRiskLevels":                   {insiderRisk, include, levels},
	"/conditions/authenticationFlows/transferMethods": {flow, include, transfers},
}

// element is a member and the property it stands in.
type element struct {
	member
	path string
}

// extent is the reach of a policy in one dimension: included, without excluded.
type extent struct{ include, exclude []element }

// takeReach puts the members of one property into their set.
func (p *policy) takeReach(src source, at string, v any) bool {
	members, ok := src.read(v, func(name string, v any) { p.strange(at+"/"+escape(name), v) })
	if !ok {
		return false
	}
	x := &p.reach[src.dim]
	for _, m := range members {
		if src.side == include || src.side == byMode && m.of == "include" {
			x.include = append(x.include, element{m, at})
		} else {
			x.exclude = append(x.exclude, element{m, at})
		}
	}
	return true
}

// fill gives the dimensions that the policy is silent about what they include.
func (p *policy) fill() {
	for d := range p.reach {
		if len(p.reach[d].include) == 0 {
			for _, m := range unset[d].includes {
				p.reach[d].include = append(p.reach[d].include, element{m, unset[d].path})
			}
		}
	}
}

// includes tells whether the included set of a dimension has the member itself.
func (p *policy) includes(d dimension, m member) bool {
	return slices.ContainsFunc(p.reach[d].include, func(e element) bool { return e.member == m })
}

// excludes tells the same of the excluded set.
func (p *policy) excludes(d dimension, m member) bool {
	return slices.ContainsFunc(p.reach[d].exclude, func(e element) bool { return e.member == m })
}

// reader takes the members out of a property's value. Properties inside of it
// that it does not know go to strange; ok is false when the value is no such
// thing at all.
type reader func(v any, strange func(name string, v any)) (members []member, ok bool)

// list reads a list of ids or words of one kind; tokens stand for other members.
func list(k kind, tokens map[string][]member) reader {
	return func(v any, _ func(string, any)) ([]member, bool) {
		values, ok := texts(v)
		members := make([]member, 0, len(values))
		for _, value := range values {
			if meaning, token := tokens[value]; token {
				members = append(members, meaning...)
			} else {
				members = append(members, member{kind: k, id: idOrWord(k, value)})
			}
		}
		return members, ok
	}
}

// idOrWord folds the case of ids; the words of other kinds keep theirs.
func idOrWord(k kind, value string) string {
	switch k {
	case user, group, role, principal, agent, agentUser, app, site:
		return fold(value)
	}
	return value
}

// transfers reads the transfer methods, a flag enum: its "none" is no condition.
func transfers(v any, _ func(string, any)) ([]member, bool) {
	values, ok := flags(v)
	var members []member
	for _, value := range values {
		members = append(members, member{kind: level, id: value})
	}
	return members, ok
}

// levels reads risk levels, which come as lists or flags.
func levels(v any, _ func(string, any)) ([]member, bool) {
	values, ok := flagsOrLevels(v)
	var members []member
	for _, value := range values {
		members = append(members, member{kind: level, id: value})
	}
	return members, ok
}

// flagsOrLevels keeps the word "none" of a list, where it is a risk level, and
// drops it from a flag string, where it says nothing.
func flagsOrLevels(v any) ([]string, bool) {
	if _, text := v.(string); text {
		return flags(v)
	}
	return texts(v)
}

// filter reads a filter rule: one opaque member, its rule text and mode.
func filter(k kind) reader {
	return func(v any, strange func(string, any)) ([]member, bool) {
		obj, ok := v.(map[string]any)
		if !ok {
			return nil, false
		}
		mode, _ := obj["mode"].(string)
		rule, ok := obj["rule"].(string)
		if !ok || mode != "include" && mode != "exclude" {
			return nil, false
		}
		for name, value := range obj {
			if name != "mode" && name != "rule" {
				strange(name, value)
			}
		}
		return []member{{kind: k, id: rule, of: mode}}, true
	}
}

// guests reads guests and external users: every type times every tenant.
func guests(v any, strange func(string, any)) ([]member, bool) {
	obj, ok := v.(map[string]any)
	if !ok {
		return nil, false
	}
	types, ok := flags(obj["guestOrExternalUserTypes"])
	if !ok {
		return nil, false
	}
	tenants := []string{everyTenant} // absent for internal guests, who have none
	for name, value := range obj {
		switch name {
		case "guestOrExternalUserTypes":
		case "externalTenants":
			if tenants, ok = externalTenants(value, strange); !ok {
				return nil, false
			}
		default:
			strange(name, value)
		}
	}
	var members []member
	for _, t := range types {
		for _, tenant := range tenants {
			members = append(members, member{kind: guest, id: t, of: tenant})
		}
	}
	return members, true
}

func externalTenants(v any, strange func(string, any)) ([]string, bool) {
	obj, ok := v.(map[string]any)
	if !ok {
		return nil, false
	}
	for name, value := range obj {
		switch name {
		case "@odata.type", "membershipKind", "members":
		default:
			strange("externalTenants/"+name, value)
		}
	}
	kind, _ := obj["membershipKind"].(string)
	if kind == "" {
		typeTag, _ := obj["@odata.type"].(string)
		kind = strings.TrimPrefix(typeTag, "#microsoft.graph.conditionalAccess")
	}
	switch {
	case strings.HasPrefix(strings.ToLower(kind), "all"):
		return []string{everyTenant}, true
	case strings.HasPrefix(strings.ToLower(kind), "enumerated"):
		if obj["members"] == nil {
			return nil, true
		}
		ids, ok := texts(obj["members"])
		return foldAll(ids), ok
	}
	return nil, false
}

// compareReach says in which dimensions a policy came to reach more or less.
//
//	lost from the included   W    gained in the included   S
//	gained in the excluded   W    lost from the excluded   S
//
// Lost and gained are members that nothing on the other side covers: a group
// added beside All users moves nothing.
func (w *World) compareReach(old, new *policy) []effect {
	var out []effect
	for d := range dimensions {
		a, b := old.reach[d], new.reach[d]
		less := loss{
			dim: d, old: old, new: new,
			lost:     w.uncovered(a.include, b.include),
			excluded: w.uncovered(b.exclude, a.exclude),
		}
		for _, part := range less.byPath() {
			out = append(out, part.effect())
		}
		more := append(w.uncovered(b.include, a.include), w.uncovered(a.exclude, b.exclude)...)
		for _, path := range paths(more) {
			e := effect{path: path, dir: drift.Stronger, severity: drift.Medium}
			if old.blocks() && new.blocks() {
				e.note = "blocks more sign-ins"
			}
			out = append(out, e)
		}
	}
	return out
}

// uncovered are the elements that nothing on the other side covers.
func (w *World) uncovered(elements, by []element) []element {
	if len(elements) == 0 {
		return nil
	}
	same := make(map[member]bool, len(by))
	var wide []member
	for _, b := range by {
		same[b.member] = true
		if b.wide() {
			wide = append(wide, b.member)
		}
	}
	var out []element
	for _, e := range elements {
		covered := same[e.member] || slices.ContainsFunc(wide, func(b member) bool { return w.covers(b, e.member) })
		if !covered {
			out = append(out, e)
		}
	}
	return out
}

// paths are the properties that the elements stand in, each once, sorted.
func paths(elements []element) []string {
	var out []string
	for _, e := range elements {
		out = append(out, e.path)
	}
	slices.Sort(out)
	return slices.Compact(out)
}
