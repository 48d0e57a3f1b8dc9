package canon_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/cadrift/cadrift/internal/drift"
)

// Every id-valued property by its path, "[]" for a list. The case of a GUID is
// no difference there, and is one everywhere else.
var idValued = map[drift.Kind]string{
	drift.Policy: `
		conditions.applications.includeApplications[] conditions.applications.excludeApplications[]
		conditions.users.includeUsers[] conditions.users.excludeUsers[]
		conditions.users.includeGroups[] conditions.users.excludeGroups[]
		conditions.users.includeRoles[] conditions.users.excludeRoles[]
		conditions.users.includeGuestsOrExternalUsers.externalTenants.members[]
		conditions.users.excludeGuestsOrExternalUsers.externalTenants.members[]
		conditions.locations.includeLocations[] conditions.locations.excludeLocations[]
		conditions.clientApplications.includeServicePrincipals[] conditions.clientApplications.excludeServicePrincipals[]
		conditions.clientApplications.includeAgentIdServicePrincipals[] conditions.clientApplications.excludeAgentIdServicePrincipals[]
		conditions.agents.includeAgentUsers[] conditions.agents.excludeAgentUsers[]
		grantControls.termsOfUse[] grantControls.authenticationStrength grantControls.authenticationStrength.id
		sessionControls.globalSecureAccessFilteringProfile.profileId sessionControls.networkAccessSecurity.policyId`,
	drift.AuthenticationStrength: `combinationConfigurations[].id combinationConfigurations[].allowedAAGUIDs[]`,
	drift.Group:                  `members[] members[].id`,
}

var notIDValued = map[drift.Kind]string{
	drift.Policy: `
		displayName description state brandNew brandNew[] brandNew.id
		conditions.clientAppTypes[] conditions.userRiskLevels[] conditions.insiderRiskLevels conditions.platforms.includePlatforms[]
		conditions.applications.includeUserActions[] conditions.applications.includeAuthenticationContextClassReferences[]
		conditions.applications.applicationFilter.rule conditions.devices.deviceFilter.rule conditions.users.brandNew[]
		grantControls.builtInControls[] grantControls.customAuthenticationFactors[]`,
	drift.NamedLocation:          `displayName countriesAndRegions[] ipRanges[].cidrAddress`,
	drift.AuthenticationStrength: `displayName description allowedCombinations[] combinationConfigurations[].allowedIssuerSkis[]`,
	drift.AuthenticationContext:  `displayName description`,
	drift.SecurityDefaults:       `displayName description`,
	drift.Group:                  `displayName description members[].displayName`,
}

func TestCaseOfGUIDs(t *testing.T) {
	check := func(paths map[drift.Kind]string, same bool) {
		for kind, list := range paths {
			for path := range strings.FieldsSeq(list) {
				upper := mustObject(t, kind, bodyWith(path, guidUpper))
				lower := mustObject(t, kind, bodyWith(path, guidLower))
				if upper.Odd+lower.Odd != "" || len(lower.Canonical) <= len(guidLower) {
					t.Errorf("%s %s: odd %q, form %s", kind, path, upper.Odd, lower.Canonical)
				}
				if got := bytes.Equal(upper.Canonical, lower.Canonical); got != same {
					t.Errorf("%s %s: the case of a GUID is folded: %t, want %t", kind, path, got, same)
				}
			}
		}
	}
	check(idValued, true)
	check(notIDValued, false)
}

// bodyWith is a body with nothing but the value at the path.
func bodyWith(path, value string) []byte {
	names := strings.Split(path, ".")
	for i := len(names) - 1; i >= 0; i-- {
		name, isList := strings.CutSuffix(names[i], "[]")
		if isList {
			value = "[" + value + "]"
		}
		value = `"` + name + `":` + value
		if i > 0 {
			value = "{" + value + "}"
		}
	}
	return []byte(`{"id":"x",` + value + `}`)
}
