package judge

import (
	"strings"
	"unicode"

	"github.com/cadrift/cadrift/internal/drift"
)

// field is one property of the canonical form in the portal's words.
type field struct {
	label string
	words vocabulary
}

// vocabulary turns a value into words; known is false for a value that this
// version has never heard of.
type vocabulary func(w *World, value string) (words string, known bool)

// fieldsOf are the properties that this version knows, by kind and path. What
// is not here reads "Unknown setting …".
var fieldsOf = map[drift.Kind]map[string]field{
	drift.Policy: {
		"/displayName": {"Name", plain},
		"/description": {"Description", plain},
		"/state":       {"State", closed(stateWords)},

		"/conditions/users/includeUsers":  {"Included users", people},
		"/conditions/users/excludeUsers":  {"Excluded users", people},
		"/conditions/users/includeGroups": {"Included groups", people},
		"/conditions/users/excludeGroups": {"Excluded groups", people},
		"/conditions/users/includeRoles":  {"Included roles", directoryRoles},
		"/conditions/users/excludeRoles":  {"Excluded roles", directoryRoles},

		"/conditions/users/includeGuestsOrExternalUsers/guestOrExternalUserTypes":       {"Included guest types", closed(guestWords)},
		"/conditions/users/includeGuestsOrExternalUsers/externalTenants/membershipKind": {"Tenants of included guests", closed(tenantWords)},
		"/conditions/users/includeGuestsOrExternalUsers/externalTenants/members":        {"Tenants of included guests", shortID},
		"/conditions/users/includeGuestsOrExternalUsers/externalTenants/@odata.type":    {"Tenants of included guests", closed(tenantTypeWords)},
		"/conditions/users/excludeGuestsOrExternalUsers/guestOrExternalUserTypes":       {"Excluded guest types", closed(guestWords)},
		"/conditions/users/excludeGuestsOrExternalUsers/externalTenants/membershipKind": {"Tenants of excluded guests", closed(tenantWords)},
		"/conditions/users/excludeGuestsOrExternalUsers/externalTenants/members":        {"Tenants of excluded guests", shortID},
		"/conditions/users/excludeGuestsOrExternalUsers/externalTenants/@odata.type":    {"Tenants of excluded guests", closed(tenantTypeWords)},

		"/conditions/clientApplications/includeServicePrincipals":           {"Included workload identities", people},
		"/conditions/clientApplications/excludeServicePrincipals":           {"Excluded workload identities", people},
		"/conditions/clientApplications/servicePrincipalFilter/mode":        {"Workload identity filter mode", closed(modeWords)},
		"/conditions/clientApplications/servicePrincipalFilter/rule":        {"Workload identity filter rule", plain},
		"/conditions/clientApplications/includeAgentIdServicePrincipals":    {"Included agent identities", agents},
		"/conditions/clientApplications/excludeAgentIdServicePrincipals":    {"Excluded agent identities", agents},
		"/conditions/clientApplications/agentIdServicePrincipalFilter/mode": {"Agent identity filter mode", closed(modeWords)},
		"/conditions/clientApplications/agentIdServicePrincipalFilter/rule": {"Agent identity filter rule", plain},
		"/conditions/agents/includeAgentUsers":                              {"Included agent users", agents},
		"/conditions/agents/excludeAgentUsers":                              {"Excluded agent users", agents},
		"/conditions/agents/agentFilter/mode":                               {"Agent filter mode", closed(modeWords)},
		"/conditions/agents/agentFilter/rule":                               {"Agent filter rule", plain},

		"/conditions/applications/includeApplications":                         {"Included apps", applications},
		"/conditions/applications/excludeApplications":                         {"Excluded apps", applications},
		"/conditions/applications/includeUserActions":                          {"User actions", closed(actionWords)},
		"/conditions/applications/includeAuthenticationContextClassReferences": {"Authentication contexts", contexts},
		"/conditions/applications/applicationFilter/mode":                      {"App filter mode", closed(modeWords)},
		"/conditions/applications/applicationFilter/rule":                      {"App filter rule", plain},

		"/conditions/platforms/includePlatforms":          {"Included device platforms", closed(platformWords)},
		"/conditions/platforms/excludePlatforms":          {"Excluded device platforms", closed(platformWords)},
		"/conditions/locations/includeLocations":          {"Included locations", namedLocations},
		"/conditions/locations/excludeLocations":          {"Excluded locations", namedLocations},
		"/conditions/clientAppTypes":                      {"Client apps", closed(clientWords)},
		"/conditions/devices/deviceFilter/mode":           {"Device filter mode", closed(modeWords)},
		"/conditions/devices/deviceFilter/rule":           {"Device filter rule", plain},
		"/conditions/devices/includeDevices":              {"Included devices", closed(deviceWords)},
		"/conditions/devices/excludeDevices":              {"Excluded devices", closed(deviceWords)},
		"/conditions/devices/includeDeviceStates":         {"Included device states", closed(deviceWords)},
		"/conditions/devices/excludeDeviceStates":         {"Excluded device states", closed(deviceWords)},
		"/conditions/signInRiskLevels":                    {"Sign-in risk", closed(riskWords)},
		"/conditions/userRiskLevels":                      {"User risk", closed(riskWords)},
		"/conditions/servicePrincipalRiskLevels":          {"Workload identity risk", closed(riskWords)},
		"/conditions/agentIdRiskLevels":                   {"Agent risk", closed(riskWords)},
		"/conditions/insiderRiskLevels":                   {"Insider risk", closed(insiderWords)},
		"/conditions/authenticationFlows/transferMethods": {"Authentication flows", closed(flowWords)},

		"/grantControls/operator":                    {"Grant operator", closed(operatorWords)},
		"/grantControls/builtInControls":             {"Grant controls", grantControls},
		"/grantControls/authenticationStrength":      {"Authentication strength", strengths},
		"/grantControls/termsOfUse":                  {"Terms of use", shortID},
		"/grantControls/customAuthenticationFactors": {"Custom controls", plain},

		"/sessionControls/signInFrequency/isEnabled":                    {"Sign-in frequency switch", closed(switchWords)},
		"/sessionControls/signInFrequency/value":                        {"Sign-in frequency value", plain},
		"/sessionControls/signInFrequency/type":                         {"Sign-in frequency unit", closed(unitWords)},
		"/sessionControls/signInFrequency/frequencyInterval":            {"Sign-in frequency interval", closed(intervalWords)},
		"/sessionControls/signInFrequency/authenticationType":           {"Sign-in frequency factors", closed(factorWords)},
		"/sessionControls/persistentBrowser/isEnabled":                  {"Persistent browser switch", closed(switchWords)},
		"/sessionControls/persistentBrowser/mode":                       {"Persistent browser session", closed(browserWords)},
		"/sessionControls/cloudAppSecurity/isEnabled":                   {"Conditional Access App Control switch", closed(switchWords)},
		"/sessionControls/cloudAppSecurity/cloudAppSecurityType":        {"Conditional Access App Control", closed(cloudAppWords)},
		"/sessionControls/applicationEnforcedRestrictions/isEnabled":    {"App enforced restrictions", closed(switchWords)},
		"/sessionControls/secureSignInSession/isEnabled":                {"Token protection", closed(switchWords)},
		"/sessionControls/continuousAccessEvaluation/mode":              {"Continuous access evaluation", closed(evaluationWords)},
		"/sessionControls/disableResilienceDefaults":                    {"Disable resilience defaults", closed(switchWords)},
		"/sessionControls/globalSecureAccessFilteringProfile/isEnabled": {"Security profile switch", closed(switchWords)},
		"/sessionControls/globalSecureAccessFilteringProfile/profileId": {"Security profile", shortID},
		"/sessionControls/networkAccessSecurity/isEnabled":              {"Network access security switch", closed(switchWords)},
		"/sessionControls/networkAccessSecurity/policyId":               {"Network access security", shortID},
	},
	drift.NamedLocation: {
		"/displayName": {"Name", plain},
		"/@odata.type": {"Type", closed(locationWords)},
		rangesPath:     {"IP ranges", plain},
		countriesPath:  {"Countries", plain},
		nowherePath:    {"Unknown countries and regions", closed(includedWords)},
		networkPath:    {"Compliant network", plain},
		trustedPath:    {"Trusted", closed(yesWords)},
		lookupPath:     {"Country lookup", closed(lookupWords)},
	},
	drift.AuthenticationStrength: {
		"/displayName":           {"Name", plain},
		"/description":           {"Description", plain},
		"/policyType":            {"Type", closed(strengthTypeWords)},
		"/requirementsSatisfied": {"Satisfies", closed(satisfiedWords)},
		combosPath:               {"Allowed combinations", combinations},
		configsPath:              {"Combination settings", plain},
	},
	drift.AuthenticationContext: {
		"/displayName": {"Name", plain},
		"/description": {"Description", plain},
		"/isAvailable": {"Published to apps", closed(yesWords)},
	},
	drift.SecurityDefaults: {
		"/displayName": {"Name", plain},
		"/description": {"Description", plain},
		"/isEnabled":   {"State", closed(switchWords)},
	},
	drift.Group: {
		"/displayName": {"Name", plain},
		"/description": {"Description", plain},
		membersPath:    {"Members", people},
	},
}

// composite is a setting that the canonical form spreads over several fields.
// The first changed field tells the whole, so that a reader is not left to put
// "operator" and "controls" together; the others tell their part.
type composite struct {
	path, label string
	text        func(w *World, p *policy) string
	// always: the parts alone never make sense. Otherwise the whole is told
	// only when it comes or goes.
	always bool
}

var composites = [...]composite{
	{grantPath, "Grant", func(w *World, p *policy) string { return w.grantText(&p.grant) }, true},
	{includeGuestsPath, "Included guests", guestsOf(includeGuestsPath), false},
	{excludeGuestsPath, "Excluded guests", guestsOf(excludeGuestsPath), false},
	{"/conditions/clientApplications/servicePrincipalFilter", "Workload identity filter", filterOf(who, principalFilter), false},
	{"/conditions/clientApplications/agentIdServicePrincipalFilter", "Agent identity filter", filterOf(who, agentFilter), false},
	{"/conditions/agents/agentFilter", "Agent filter", filterOf(who, agentUserFilter), false},
	{"/conditions/applications/applicationFilter", "App filter", filterOf(what, appFilter), false},
	{"/conditions/devices/deviceFilter", "Device filter", filterOf(device, deviceFilter), false},
	{sessionPath + "/signInFrequency", "Sign-in frequency", frequencyText, true},
}

// compositeOf finds the composite that a path belongs to.
func compositeOf(kind drift.Kind, path string) *composite {
	if kind != drift.Policy {
		return nil
	}
	for i := range composites {
		if under(path, composites[i].path) {
			return &composites[i]
		}
	}
	return nil
}

func knownField(kind drift.Kind, path string) bool {
	_, ok := fieldsOf[kind][path]
	return ok
}

// label is the setting at a path in the portal's words.
func label(kind drift.Kind, path string) string {
	if f, ok := fieldsOf[kind][path]; ok {
		return f.label
	}
	if c := compositeOf(kind, path); c != nil && path == c.path {
		return c.label
	}
	if kind == drift.Policy {
		if i := controlAt[path]; i > 0 {
			return controlLabel(&controls[i-1])
		}
		if path == "/conditions/devices" {
			return "Device condition"
		}
		if path == "/conditions/authenticationFlows" {
			return "Authentication flows"
		}
	}
	return "Unknown setting " + trail(path)
}

// controlLabel is the label of the part of a session control that says most.
func controlLabel(c *control) string {
	best := c.path()
	for _, part := range c.parts {
		if f, ok := fieldsOf[drift.Policy][best+"/"+part]; ok && (part != "isEnabled" || len(c.parts) == 1) {
			return strings.TrimSuffix(f.label, " value")
		}
	}
	return fieldsOf[drift.Policy][best].label
}

// trail writes a JSON pointer the way people tell where a setting is:
// "conditions › users › include everything".
func trail(path string) string {
	var steps []string
	for step := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		steps = append(steps, spaced(strings.NewReplacer("~1", "/", "~0", "~").Replace(step)))
	}
	return strings.Join(steps, " › ")
}

// spaced takes the name of a property apart into words. Capitals that stand
// together are an abbreviation and stay so.
func spaced(name string) string {
	var b strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		starts := i > 0 && unicode.IsUpper(r) && !unicode.IsUpper(runes[i-1])
		if starts {
			b.WriteByte(' ')
			if i+1 == len(runes) || !unicode.IsUpper(runes[i+1]) {
				r = unicode.ToLower(r)
			}
		}
		b.WriteRune(r)
	}
	return drift.Visible(b.String())
}
