package graphsim

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/cadrift/cadrift/internal/drift"
)

// check validates an object as a whole before it is stored. Old is nil for a
// new one.
func (t *Tenant) check(kind drift.Kind, old, body map[string]any) *Refusal {
	switch kind {
	case drift.Policy:
		if refusal := checkPolicy(body); refusal != nil {
			return refusal
		}
		if old == nil && t.full() {
			return badRequest(0, "The tenant has reached its limit of %d policies.", t.behaviour.PolicyLimit)
		}
		return t.checkReferences(old, body)
	case drift.NamedLocation:
		return checkLocation(body)
	case drift.AuthenticationStrength:
		if body["policyType"] == "builtIn" {
			return badRequest(0, "A built-in authentication strength cannot be changed.")
		}
		if len(strs(body, "allowedCombinations")) == 0 {
			return badRequest(0, "An authentication strength needs a combination.")
		}
	}
	return nil
}

func (t *Tenant) full() bool {
	count := 0
	for _, rec := range t.sets[drift.Policy].all() {
		if rec.now().body != nil {
			count++
		}
	}
	return t.behaviour.PolicyLimit > 0 && count >= t.behaviour.PolicyLimit
}

// rule is one condition that a whole policy has to meet.
type rule struct {
	number int
	text   string
	broken func(policy map[string]any) bool
}

// policyRules is ordered: the first broken rule is the answer. Numbers are
// those seen in the field; where none is known the nearest general one stands.
func policyRules() []rule {
	apps := []string{"conditions", "applications"}
	session := []string{"sessionControls"}
	frequency := []string{"sessionControls", "signInFrequency"}
	return []rule{
		{numApplications, "The policy needs an application, a user action or an authentication context.", func(p map[string]any) bool {
			return !anyOf(p, apps, "includeApplications", "includeUserActions", "includeAuthenticationContextClassReferences", "applicationFilter")
		}},
		{numMixedApps, "'applications' cannot hold more than one of includeApplications, includeUserActions and authentication contexts.", func(p map[string]any) bool {
			return count(p, apps, "includeApplications", "includeUserActions", "includeAuthenticationContextClassReferences") > 1
		}},
		{numInvalid, "The policy needs users or workload identities.", func(p map[string]any) bool {
			return !anyOf(p, []string{"conditions", "users"}, "includeUsers", "includeGroups", "includeRoles", "includeGuestsOrExternalUsers") &&
				!anyOf(p, []string{"conditions", "clientApplications"}, "includeServicePrincipals", "servicePrincipalFilter", "includeAgentIdServicePrincipals", "agentIdServicePrincipalFilter")
		}},
		{numInvalid, "'GuestsOrExternalUsers' cannot be combined with guestOrExternalUsers.", func(p map[string]any) bool {
			return slices.Contains(strs(p, "conditions", "users", "includeUsers"), "GuestsOrExternalUsers") &&
				dig(p, "conditions", "users", "includeGuestsOrExternalUsers") != nil
		}},
		{numInvalid, "The policy needs a grant control or a session control.", func(p map[string]any) bool {
			return !hasGrant(p) && dig(p, session...) == nil
		}},
		{numControls, "Validation failed due to InvalidControls: block stands alone, and several controls need an operator.", func(p map[string]any) bool {
			controls, operator := strs(p, "grantControls", "builtInControls"), dig(p, "grantControls", "operator")
			return slices.Contains(controls, "block") && len(controls) > 1 ||
				hasGrant(p) && operator != "AND" && operator != "OR"
		}},
		{numControls, "Validation failed due to InvalidPasswordResetControl: passwordChange needs AND with multifactor authentication.", func(p map[string]any) bool {
			controls := strs(p, "grantControls", "builtInControls")
			strong := slices.Contains(controls, "mfa") || dig(p, "grantControls", "authenticationStrength") != nil
			return slices.Contains(controls, "passwordChange") && (dig(p, "grantControls", "operator") != "AND" || !strong)
		}},
		// A session block that does nothing is neither accepted nor taken as a
		// removal: only null removes it.
		{numControls, "Validation failed due to InvalidSessionControls: sessionControls has no effect; use null to remove it.", func(p map[string]any) bool {
			controls, ok := dig(p, session...).(map[string]any)
			return ok && allNull(controls)
		}},
		{numFrequency, "'timeBased' sign-in frequency needs a value, a type and 'primaryAndSecondaryAuthentication'; 'everyTime' takes neither value nor type.", func(p map[string]any) bool {
			f, ok := dig(p, frequency...).(map[string]any)
			return ok && !frequencyFits(f)
		}},
		{numControls, "Validation failed due to InvalidSessionControls: 'everyTime' excludes applicationEnforcedRestrictions and disableResilienceDefaults.", func(p map[string]any) bool {
			return dig(p, append(frequency, "frequencyInterval")...) == "everyTime" &&
				anyOf(p, session, "applicationEnforcedRestrictions", "disableResilienceDefaults")
		}},
	}
}

func checkPolicy(policy map[string]any) *Refusal {
	for _, r := range policyRules() {
		if r.broken(policy) {
			return badRequest(r.number, "%s", r.text)
		}
	}
	return nil
}

func hasGrant(p map[string]any) bool {
	return anyOf(p, []string{"grantControls"}, "builtInControls", "authenticationStrength", "termsOfUse", "customAuthenticationFactors")
}

func frequencyFits(f map[string]any) bool {
	if f["frequencyInterval"] == "everyTime" {
		return f["value"] == nil && f["type"] == nil
	}
	value, _ := f["value"].(json.Number)
	n, err := value.Int64()
	return err == nil && n > 0 && f["type"] != nil && f["authenticationType"] != "secondaryAuthentication"
}

// checkReferences refuses what a policy names and the tenant does not have.
// Only names that are new are looked at: dead ids stay in old policies.
func (t *Tenant) checkReferences(old, body map[string]any) *Refusal {
	fresh := func(path ...string) []string {
		before := strs(old, path...)
		return slices.DeleteFunc(strs(body, path...), func(id string) bool { return slices.Contains(before, id) })
	}
	for _, list := range []string{"includeApplications", "excludeApplications"} {
		for _, id := range fresh("conditions", "applications", list) {
			if refusal := t.checkApp(id); refusal != nil {
				return refusal
			}
		}
	}
	// A location that was made a moment ago may not have reached the replica
	// that validates the policy.
	at, _ := t.view()
	for _, list := range []string{"includeLocations", "excludeLocations"} {
		for _, id := range fresh("conditions", "locations", list) {
			rec := t.sets[drift.NamedLocation].records[id]
			if id == "All" || id == "AllTrusted" || id == legacyTrustedIPs {
				continue
			}
			if rec == nil || rec.at(at) == nil || rec.at(at).body == nil {
				return badRequest(numUnknownPlace, "The named location '%s' does not exist.", id)
			}
		}
	}
	if id, ok := dig(body, "grantControls", "authenticationStrength", "id").(string); ok && t.sets[drift.AuthenticationStrength].body(id) == nil {
		return badRequest(numInvalid, "The authentication strength '%s' does not exist.", id)
	}
	return nil
}

// legacyTrustedIPs is the pseudo-location of the old MFA settings: policies
// may name it, but it is in no list.
const legacyTrustedIPs = "00000000-0000-0000-0000-000000000000"

func (t *Tenant) checkApp(id string) *Refusal {
	tokens := []string{"All", "None", "Office365", "MicrosoftAdminPortals", "AllAgentIdResources"}
	switch {
	case slices.Contains(tokens, id):
		return nil
	case !isGUID(id):
		return badRequest(numApplications, "The policy holds an invalid application: '%s'.", id)
	case t.behaviour.KnownApps != nil && !slices.Contains(t.behaviour.KnownApps, id):
		return badRequest(numUnknownApps, "The policy contains invalid applications: '%s'.", id)
	}
	return nil
}

// mayDelete: the texts and the numbers of these refusals are not known.
func (t *Tenant) mayDelete(kind drift.Kind, body map[string]any) *Refusal {
	id := body["id"].(string)
	switch kind {
	case drift.Policy:
		if isManaged(body) {
			return badRequest(0, "A Microsoft-managed policy cannot be deleted.")
		}
	case drift.NamedLocation:
		if body["isTrusted"] == true {
			return badRequest(0, "A trusted named location cannot be deleted: mark it as not trusted first.")
		}
		if user := t.userOf(id, "conditions", "locations", "includeLocations", "excludeLocations"); user != "" {
			return badRequest(0, "The named location is used by the policy '%s'.", user)
		}
	case drift.AuthenticationStrength:
		if body["policyType"] == "builtIn" {
			return badRequest(0, "A built-in authentication strength cannot be deleted.")
		}
		for _, rec := range t.sets[drift.Policy].all() {
			if dig(rec.now().body, "grantControls", "authenticationStrength", "id") == id {
				return badRequest(0, "The authentication strength is used by the policy '%s'.", rec.id)
			}
		}
	case drift.AuthenticationContext:
		if user := t.userOf(id, "conditions", "applications", "includeAuthenticationContextClassReferences"); user != "" {
			return badRequest(0, "The authentication context is used by the policy '%s'.", user)
		}
	}
	return nil
}

// userOf is the id of a policy that names id in one of the lists of an object.
func (t *Tenant) userOf(id, outer, inner string, lists ...string) string {
	for _, rec := range t.sets[drift.Policy].all() {
		for _, list := range lists {
			if slices.Contains(strs(rec.now().body, outer, inner, list), id) {
				return rec.id
			}
		}
	}
	return ""
}

// isManaged: Graph has no marker for Microsoft-managed policies; in practice
// they have the prefix and a templateId, which only Seed can give.
func isManaged(body map[string]any) bool {
	name, _ := body["displayName"].(string)
	return strings.HasPrefix(name, "Microsoft-managed:") && body["templateId"] != nil
}

// managed refuses edits of a Microsoft-managed policy beyond its state and
// the exclusions of its users.
func managed(old, body map[string]any) *Refusal {
	if !isManaged(old) {
		return nil
	}
	free := func(p map[string]any) string {
		users, _ := dig(p, "conditions", "users").(map[string]any)
		conditions, _ := p["conditions"].(map[string]any)
		rest := without(conditions, "users")
		rest["users"] = without(users, "excludeUsers", "excludeGroups", "excludeRoles", "excludeGuestsOrExternalUsers")
		whole := without(p, "state", "modifiedDateTime", "conditions")
		whole["conditions"] = rest
		return string(encode(whole))
	}
	if free(old) != free(body) {
		return badRequest(0, "Only the state and the exclusions of a Microsoft-managed policy can be changed.")
	}
	return nil
}
