package judge_test

import (
	"maps"

	"pgregory.net/rapid"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/judge"
)

// parts are the dimensions of a policy: an edit replaces one of them whole.
var parts = []string{
	"who", "what", "platforms", "locations", "clientAppTypes", "devices",
	"signInRiskLevels", "userRiskLevels", "insiderRiskLevels", "authenticationFlows",
	"grantControls", "sessionControls",
}

// pool holds the ids that generated policies draw from.
type pool struct{ users, groups, roles, apps, locations, strengths []string }

func (fx *fixture) pool() pool {
	ids := func(names ...string) []string {
		var out []string
		for _, n := range names {
			out = append(out, fx.Aliases[n])
		}
		return out
	}
	return pool{
		users: ids("alex", "bob", "ghost"), groups: ids("staff", "ops"), roles: ids("ga", "helpdesk"),
		apps:      append(ids("payroll", "exchange", "azure"), "Office365", "MicrosoftAdminPortals"),
		locations: append(ids("hq", "branch", "europe", "mfaips"), "AllTrusted"),
		strengths: ids("s-mfa", "s-passwordless", "s-phish", "s-keys", "s-sms", "s-gone"),
	}
}

// some draws a set of at most n of the values.
func some(t *rapid.T, label string, n int, values ...string) []any {
	picked := rapid.SliceOfNDistinct(rapid.SampledFrom(values), 0, min(n, len(values)), rapid.ID[string]).Draw(t, label)
	out := make([]any, len(picked))
	for i, v := range picked {
		out[i] = v
	}
	return out
}

// part draws one dimension.
func (p pool) part(t *rapid.T, name string) any {
	pick := func(label string, n int, values ...string) []any { return some(t, name+" "+label, n, values...) }
	switch name {
	case "who":
		guests := tree{}
		if types := pick("guests", 2, "serviceProvider", "internalGuest", "b2bDirectConnectUser"); len(types) > 0 {
			guests = tree{"guestOrExternalUserTypes": types, "externalTenants": tree{
				"membershipKind": "enumerated", "members": pick("tenants", 2, "f1000000-0000-4000-8000-000000000001", "f1000000-0000-4000-8000-000000000002"),
			}}
			if rapid.Bool().Draw(t, "every tenant") {
				guests["externalTenants"] = tree{"membershipKind": "all"}
			}
		}
		return tree{
			"includeUsers":  pick("in", 2, append([]string{"All", "GuestsOrExternalUsers", "None"}, p.users...)...),
			"includeGroups": pick("in groups", 2, p.groups...), "includeRoles": pick("in roles", 2, p.roles...),
			"includeGuestsOrExternalUsers": guests,
			"excludeUsers":                 pick("out", 2, p.users...),
			"excludeGroups":                pick("out groups", 2, p.groups...), "excludeRoles": pick("out roles", 1, p.roles...),
		}
	case "what":
		form := tree{
			"includeApplications": pick("in", 2, append([]string{"All", "None"}, p.apps...)...),
			"excludeApplications": pick("out", 2, p.apps...),
			"includeUserActions":  pick("actions", 1, "urn:user:registerdevice"),
		}
		if rapid.Bool().Draw(t, "app filter") {
			form["applicationFilter"] = filterOf(t)
		}
		return form
	case "platforms":
		return tree{"includePlatforms": pick("in", 2, "all", "iOS", "linux"), "excludePlatforms": pick("out", 1, "android", "newOS")}
	case "locations":
		return tree{"includeLocations": pick("in", 2, append([]string{"All"}, p.locations...)...), "excludeLocations": pick("out", 2, p.locations...)}
	case "clientAppTypes":
		return pick("in", 3, "all", "browser", "mobileAppsAndDesktopClients", "exchangeActiveSync", "easSupported", "other")
	case "devices":
		if rapid.Bool().Draw(t, "device filter") {
			return tree{"deviceFilter": filterOf(t)}
		}
		return nil
	case "insiderRiskLevels":
		return pick("in", 2, "minor", "elevated")
	case "authenticationFlows":
		return tree{"transferMethods": pick("in", 2, "deviceCodeFlow", "authenticationTransfer")}
	case "grantControls":
		return p.grant(t)
	case "sessionControls":
		return sessions(t)
	}
	return pick("in", 2, "low", "medium", "high")
}

func filterOf(t *rapid.T) tree {
	return tree{
		"mode": rapid.SampledFrom([]string{"include", "exclude"}).Draw(t, "mode"),
		"rule": rapid.SampledFrom([]string{"a -eq 1", "a -eq 2"}).Draw(t, "rule"),
	}
}

func (p pool) grant(t *rapid.T) any {
	form := tree{
		"operator":                    rapid.SampledFrom([]string{"AND", "OR"}).Draw(t, "operator"),
		"builtInControls":             some(t, "controls", 3, "mfa", "compliantDevice", "approvedApplication", "compliantApplication", "block", "quantumKey"),
		"termsOfUse":                  some(t, "terms", 1, "70000000-0000-4000-8000-000000000001"),
		"customAuthenticationFactors": some(t, "factors", 1, "Duo"),
	}
	if rapid.Bool().Draw(t, "strength") {
		form["authenticationStrength"] = rapid.SampledFrom(p.strengths).Draw(t, "which strength")
	}
	return form
}

func sessions(t *rapid.T) any {
	form := tree{}
	if rapid.Bool().Draw(t, "frequency") {
		form["signInFrequency"] = tree{
			"isEnabled": true, "frequencyInterval": "timeBased",
			"value":              rapid.SampledFrom([]int{1, 24, 48}).Draw(t, "value"),
			"type":               rapid.SampledFrom([]string{"hours", "days"}).Draw(t, "unit"),
			"authenticationType": rapid.SampledFrom([]string{"primaryAndSecondaryAuthentication", "secondaryAuthentication"}).Draw(t, "factors"),
		}
	}
	if mode := rapid.SampledFrom([]string{"", "always", "never"}).Draw(t, "browser"); mode != "" {
		form["persistentBrowser"] = tree{"isEnabled": true, "mode": mode}
	}
	if mode := rapid.SampledFrom([]string{"", "mcasConfigured", "monitorOnly", "blockDownloads", "new"}).Draw(t, "cloud apps"); mode != "" {
		form["cloudAppSecurity"] = tree{"isEnabled": true, "cloudAppSecurityType": mode}
	}
	if mode := rapid.SampledFrom([]string{"", "strictLocation", "strictEnforcement", "disabled"}).Draw(t, "evaluation"); mode != "" {
		form["continuousAccessEvaluation"] = tree{"mode": mode}
	}
	if rapid.Bool().Draw(t, "unknown control") {
		form["blockSensitiveActions"] = tree{"isEnabled": true}
	}
	return form
}

// with is the policy with one dimension replaced.
func with(form tree, part string, value any) tree {
	switch part {
	case "who":
		return merge(form, tree{"conditions": replaced(form, "users", value)})
	case "what":
		return merge(form, tree{"conditions": replaced(form, "applications", value)})
	case "grantControls", "sessionControls":
		out := maps.Clone(form)
		out[part] = value
		return out
	}
	return merge(form, tree{"conditions": replaced(form, part, value)})
}

// replaced is the conditions with one member replaced whole, not merged into.
func replaced(form tree, name string, value any) tree {
	conditions, _ := form["conditions"].(tree)
	delete(conditions, name)
	return tree{name: value}
}

func clone(form tree) tree {
	out := maps.Clone(form)
	if conditions, ok := form["conditions"].(tree); ok {
		out["conditions"] = maps.Clone(conditions)
	}
	return out
}

// policyForm draws a whole policy, enforced for the most part.
func (p pool) policyForm(t *rapid.T) tree {
	form := tree{
		"displayName": "P", "conditions": tree{},
		"state": rapid.SampledFrom([]string{"enabled", "enabled", "enabled", "disabled", "enabledForReportingButNotEnforced"}).Draw(t, "state"),
	}
	for _, part := range parts {
		form = with(clone(form), part, p.part(t, part))
	}
	return form
}

func policyOf(form tree) *drift.Object {
	return object(drift.Policy, "ca000000-0000-4000-8000-0000000000ff", form)
}

// standing is the fixture's world with the object in it.
func (fx *fixture) standing(em judge.Emergency, more ...*drift.Object) *judge.World {
	for _, o := range fx.Objects {
		more = append(more, object(o.Kind, o.ID, o.Form))
	}
	return world(em, fx.names, more...)
}
