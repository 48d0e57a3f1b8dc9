package canon

import (
	"strings"

	"github.com/cadrift/cadrift/internal/drift"
)

// place is a spot in Graph's schema to which more than the general rules
// applies. Everything this version does not know is elsewhere.
type place uint8

const (
	elsewhere place = iota

	// Roots.
	policyRoot
	locationRoot
	strengthRoot
	groupRoot
	plainRoot // contexts, security defaults: the general rules do

	// Objects.
	conditions
	applications
	users
	guests
	externalTenants
	platforms
	locations
	devices
	flows
	clientApplications
	agents
	filter
	grantControls
	sessionControls
	control        // a session control that v1.0 documents
	unknownControl // any other member of sessionControls
	strengthRef    // authenticationStrength inside a policy
	ipRange
	configuration // of an authentication strength
	groupMember

	// Lists.
	words          // enum values and other tokens: case is kept
	ids            // GUIDs among tokens: GUIDs are lower-cased
	flags          // a flag enum: one comma-joined string, or an array
	combinations   // each member is a combination
	ipRanges       // keyed by prefix
	configurations // keyed by content
	groupMembers   // ids, or objects that have one

	// Strings and switches.
	word        // an enum value or free text
	identifier  // a GUID or a token
	combination // a comma-joined enum value that stays one string
	falseAbsent // a boolean whose false is what Graph also writes as null
)

func rootOf(k drift.Kind) place {
	switch k {
	case drift.Policy:
		return policyRoot
	case drift.NamedLocation:
		return locationRoot
	case drift.AuthenticationStrength:
		return strengthRoot
	case drift.Group:
		return groupRoot
	}
	return plainRoot
}

func (p place) isRoot() bool { return policyRoot <= p && p <= plainRoot }

// dropped tells whether a member is no part of the canonical form of an object
// at this place, whatever its value.
func (p place) dropped(name []byte) bool {
	switch string(name) {
	case "createdDateTime", "modifiedDateTime", "deletedDateTime", "templateId":
		return true
	case "id":
		return p.isRoot()
	case typeTag:
		return p != locationRoot && p != ipRange && p != externalTenants
	}
	s := string(name)
	return strings.Contains(s, "@odata.") || strings.Contains(s, "@microsoft.graph.") ||
		strings.HasPrefix(s, "#microsoft.graph.")
}

const typeTag = "@odata.type"

// admits tells whether a value of type k is what the schema has at this place.
// Nothing and empty values are admitted everywhere and never asked about.
func (p place) admits(k kind) bool {
	switch {
	case p == elsewhere || p == unknownControl:
		return true
	case p == flags:
		return k == str || k == array
	case p == strengthRef || p == groupMember:
		return k == str || k == object
	case p == falseAbsent:
		return k == scalar
	case p >= word:
		return k == str
	case p >= words:
		return k == array
	}
	return k == object
}

// item is the place of the members of a list at this place.
func (p place) item() place {
	switch p {
	case words, flags:
		return word
	case ids:
		return identifier
	case combinations:
		return combination
	case ipRanges:
		return ipRange
	case configurations:
		return configuration
	case groupMembers:
		return groupMember
	}
	return elsewhere
}

// member is the place of the member of that name of an object at this place.
func (p place) member(name []byte) place {
	switch p {
	case policyRoot, conditions, grantControls, sessionControls, control, unknownControl:
		return p.policyMember(string(name))
	case applications, users, guests, externalTenants, platforms, locations, devices, flows, clientApplications, agents, filter:
		return p.conditionMember(string(name))
	case elsewhere:
		return elsewhere
	}
	return p.otherMember(string(name))
}

// policyMember knows the upper levels of a policy.
func (p place) policyMember(name string) place {
	switch p {
	case policyRoot:
		switch name {
		case "displayName", "description", "state":
			return word
		case "conditions":
			return conditions
		case "grantControls":
			return grantControls
		case "sessionControls":
			return sessionControls
		}
	case conditions:
		return conditionPlace(name)
	case grantControls:
		switch name {
		case "operator":
			return word
		case "builtInControls", "customAuthenticationFactors":
			return words
		case "termsOfUse":
			return ids
		case "authenticationStrength":
			return strengthRef
		}
	case sessionControls:
		switch name {
		case "disableResilienceDefaults":
			return falseAbsent
		case "applicationEnforcedRestrictions", "cloudAppSecurity", "persistentBrowser",
			"signInFrequency", "secureSignInSession", "continuousAccessEvaluation":
			return control
		}
		return unknownControl
	case control, unknownControl:
		switch name {
		case "mode", "type", "cloudAppSecurityType", "authenticationType", "frequencyInterval":
			return word
		case "profileId", "policyId":
			return identifier
		}
	}
	return elsewhere
}

func conditionPlace(name string) place {
	switch name {
	case "applications":
		return applications
	case "users":
		return users
	case "platforms":
		return platforms
	case "locations":
		return locations
	case "devices":
		return devices
	case "authenticationFlows":
		return flows
	case "clientApplications":
		return clientApplications
	case "agents":
		return agents
	case "clientAppTypes", "signInRiskLevels", "userRiskLevels", "servicePrincipalRiskLevels":
		return words
	case "insiderRiskLevels", "agentIdRiskLevels":
		return flags
	}
	return elsewhere
}

// conditionMember knows what stands inside the conditions. Several of them
// share a shape, and no name means two things.
func (p place) conditionMember(name string) place {
	switch name {
	case "includeApplications", "excludeApplications",
		"includeUsers", "excludeUsers", "includeGroups", "excludeGroups", "includeRoles", "excludeRoles",
		"includeLocations", "excludeLocations",
		"includeServicePrincipals", "excludeServicePrincipals",
		"includeAgentIdServicePrincipals", "excludeAgentIdServicePrincipals",
		"includeAgentUsers", "excludeAgentUsers",
		"members":
		return ids
	case "includeUserActions", "includeAuthenticationContextClassReferences",
		"includePlatforms", "excludePlatforms",
		"includeDevices", "excludeDevices", "includeDeviceStates", "excludeDeviceStates":
		return words
	case "includeGuestsOrExternalUsers", "excludeGuestsOrExternalUsers":
		return guests
	case "externalTenants":
		return externalTenants
	case "guestOrExternalUserTypes", "transferMethods":
		return flags
	case "applicationFilter", "deviceFilter", "servicePrincipalFilter", "agentIdServicePrincipalFilter", "agentFilter":
		return filter
	case "mode", "rule", "membershipKind":
		return word
	}
	return elsewhere
}

// otherMember knows the objects that are not policies.
func (p place) otherMember(name string) place {
	switch {
	case p.isRoot() && name == "displayName":
		return word
	case p == locationRoot:
		switch name {
		case "isTrusted", "includeUnknownCountriesAndRegions":
			return falseAbsent
		case "countriesAndRegions":
			return words
		case "countryLookupMethod":
			return word
		case "ipRanges":
			return ipRanges
		}
	case p == strengthRoot:
		switch name {
		case "allowedCombinations":
			return combinations
		case "requirementsSatisfied":
			return combination
		case "combinationConfigurations":
			return configurations
		}
	case p == configuration:
		switch name {
		case "id":
			return identifier
		case "appliesToCombinations":
			return combinations
		case "allowedAAGUIDs":
			return ids
		case "allowedIssuerSkis", "allowedPolicyOIDs":
			return words
		}
	case p == ipRange:
		switch name {
		case "cidrAddress", "lowerAddress", "upperAddress":
			return word
		}
	case p == groupRoot && name == "members":
		return groupMembers
	case p == groupMember && name == "id":
		return identifier
	}
	return elsewhere
}
