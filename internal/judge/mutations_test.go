package judge_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// mutation is one edit that an administrator, or an attacker, could make to a
// policy, with what a person reading the law expects of it. The table is
// written from the law and not from judge's own: it is the second opinion.
type mutation struct {
	name string
	// want is the direction while the policy is enforced, severity the
	// severity then; empty where that depends on the rest of the policy.
	want, severity string
	// edit changes the form; false means that it does not fit this policy.
	edit func(e editor) bool
	// first prepares the policy, for what no published one has.
	first func(e editor) bool
}

// editor is a canonical form to be edited.
type editor struct {
	*rand.Rand
	form tree
}

// at is the object at a path, made where it is missing.
func (e editor) at(path ...string) tree {
	o := e.form
	for _, name := range path {
		next, ok := o[name].(tree)
		if !ok {
			next = tree{}
			o[name] = next
		}
		o = next
	}
	return o
}

func (e editor) words(path ...string) []string {
	var out []string
	o := e.at(path[:len(path)-1]...)
	for _, v := range listOf(o[path[len(path)-1]]) {
		out = append(out, fmt.Sprint(v))
	}
	return out
}

func (e editor) set(words []string, path ...string) {
	list := []any{}
	for _, w := range words {
		list = append(list, w)
	}
	e.at(path[:len(path)-1]...)[path[len(path)-1]] = list
}

// id is one that no policy of the corpus holds.
func (e editor) id() string {
	return fmt.Sprintf("f00d0000-0000-4000-8000-%012x", e.Int64()&0xffffffffffff)
}

func (e editor) blocks() bool {
	return slices.Contains(e.words("grantControls", "builtInControls"), "block")
}

// atoms counts what the policy asks for; plain tells that the controls are all
// of it, and strangers to each other.
func (e editor) atoms() (n int, plain bool) {
	g := e.at("grantControls")
	others := len(listOf(g["termsOfUse"])) + len(listOf(g["customAuthenticationFactors"]))
	n = len(e.words("grantControls", "builtInControls")) + others
	if g["authenticationStrength"] != nil {
		n, others = n+1, others+1
	}
	return n, others == 0
}

// guid tells of a list's member that is an id and no token.
func guid(s string) bool { return len(s) == 36 && strings.Count(s, "-") == 4 }

var (
	usersOf        = func(list string) []string { return []string{"conditions", "users", list} }
	appsOf         = func(list string) []string { return []string{"conditions", "applications", list} }
	locationsOf    = func(list string) []string { return []string{"conditions", "locations", list} }
	flowsPath      = []string{"conditions", "authenticationFlows", "transferMethods"}
	frequencyPath  = []string{"sessionControls", "signInFrequency"}
	browserPath    = []string{"sessionControls", "persistentBrowser"}
	enforcedPath   = []string{"sessionControls", "applicationEnforcedRestrictions"}
	clientTypePath = []string{"conditions", "clientAppTypes"}
)

// gains adds an id to a list.
func gains(path []string) func(e editor) bool {
	return func(e editor) bool {
		e.set(append(e.words(path...), e.id()), path...)
		return true
	}
}

// losesID takes one id out of a list, and leaves another member in it when
// more is asked.
func losesID(path []string, least int) func(e editor) bool {
	return func(e editor) bool {
		words := e.words(path...)
		ids := slices.DeleteFunc(slices.Clone(words), func(w string) bool { return !guid(w) })
		if len(ids) == 0 || len(words) < least {
			return false
		}
		gone := ids[e.IntN(len(ids))]
		e.set(slices.DeleteFunc(words, func(w string) bool { return w == gone }), path...)
		return true
	}
}

// appears sets a condition that the policy does not have.
func appears(path []string, value any) func(e editor) bool {
	return func(e editor) bool {
		o := e.at(path[:len(path)-1]...)
		if o[path[len(path)-1]] != nil {
			return false
		}
		o[path[len(path)-1]] = value
		return true
	}
}

// goes takes a condition out.
func goes(path ...string) func(e editor) bool {
	return func(e editor) bool {
		o := e.at(path[:len(path)-1]...)
		if o[path[len(path)-1]] == nil {
			return false
		}
		delete(o, path[len(path)-1])
		return true
	}
}

func only(fits func(e editor) bool, edit func(e editor) bool) func(e editor) bool {
	return func(e editor) bool { return fits(e) && edit(e) }
}

func includesApps(e editor) bool {
	apps := e.words(appsOf("includeApplications")...)
	return len(apps) > 0 && !slices.Contains(apps, "None")
}

func includesNot(path []string, token string) func(e editor) bool {
	return func(e editor) bool { return !slices.Contains(e.words(path...), token) }
}

func sessionsCount(e editor) bool { return !e.blocks() }

func hours(factor float64) func(e editor) bool {
	return func(e editor) bool {
		f := e.at(frequencyPath...)
		value, ok := f["value"].(float64)
		if !ok || f["frequencyInterval"] == "everyTime" || value*factor < 1 || value*factor != float64(int(value*factor)) {
			return false
		}
		f["value"] = value * factor
		return true
	}
}

func operator(from, to string) func(e editor) bool {
	return func(e editor) bool {
		n, plain := e.atoms()
		if n < 2 || !plain || e.blocks() || e.at("grantControls")["operator"] != from {
			return false
		}
		e.at("grantControls")["operator"] = to
		return true
	}
}

// control adds a control that no published policy asks for.
func control(op string) func(e editor) bool {
	return func(e editor) bool {
		n, _ := e.atoms()
		if n == 0 || e.blocks() || n > 1 && e.at("grantControls")["operator"] != op {
			return false
		}
		e.at("grantControls")["operator"] = op
		e.set(append(e.words("grantControls", "builtInControls"), "verifiedID"), "grantControls", "builtInControls")
		return true
	}
}

func mode(path []string, value string) func(e editor) bool {
	return func(e editor) bool {
		o := e.at(path...)
		if o["isEnabled"] != true || o["mode"] == value {
			return false
		}
		o["mode"] = value
		return true
	}
}

func losesControl(e editor) bool {
	n, plain := e.atoms()
	controls := e.words("grantControls", "builtInControls")
	if n < 2 || !plain || e.blocks() {
		return false
	}
	i := e.IntN(len(controls))
	e.set(slices.Delete(controls, i, i+1), "grantControls", "builtInControls")
	return true
}

func joined(op string) func(e editor) bool {
	return func(e editor) bool { return e.at("grantControls")["operator"] == op }
}

func replaceGrant(controls ...string) func(e editor) bool {
	return func(e editor) bool {
		list := []any{}
		for _, c := range controls {
			list = append(list, c)
		}
		e.form["grantControls"] = tree{"operator": "OR", "builtInControls": list}
		return true
	}
}

func hasGrant(e editor) bool { n, _ := e.atoms(); return n > 0 }

func negate(f func(e editor) bool) func(e editor) bool { return func(e editor) bool { return !f(e) } }

func isLoose(e editor) bool {
	return e.at(browserPath...)["mode"] == "always"
}

// mutations is the table.
var mutations = []mutation{
	{name: "switch off", want: "weaker", severity: "critical", edit: only(func(e editor) bool { return hasGrant(e) && !isLoose(e) }, func(e editor) bool { e.form["state"] = "disabled"; return true })},
	{name: "report only", want: "weaker", severity: "critical", edit: only(func(e editor) bool { return hasGrant(e) && !isLoose(e) }, func(e editor) bool { e.form["state"] = "enabledForReportingButNotEnforced"; return true })},
	{name: "rename", want: "neutral", severity: "low", edit: func(e editor) bool { e.form["displayName"] = "Policy " + e.id(); return true }},
	{name: "describe", want: "neutral", severity: "low", edit: func(e editor) bool { e.form["description"] = "since " + e.id(); return true }},

	{name: "exclude a user", want: "weaker", severity: "high", edit: gains(usersOf("excludeUsers"))},
	{name: "exclude a group", want: "weaker", severity: "high", edit: gains(usersOf("excludeGroups"))},
	{name: "exclude a role", want: "weaker", severity: "high", edit: gains(usersOf("excludeRoles"))},
	{name: "exclude an app", want: "weaker", severity: "high", edit: only(includesApps, gains(appsOf("excludeApplications")))},
	{name: "exclude a location", want: "weaker", severity: "high", edit: only(includesNot(locationsOf("excludeLocations"), "All"), gains(locationsOf("excludeLocations")))},
	{name: "stop excluding a user", want: "stronger", severity: "medium", edit: losesID(usersOf("excludeUsers"), 1), first: gains(usersOf("excludeUsers"))},
	{name: "stop excluding a group", want: "stronger", severity: "medium", edit: losesID(usersOf("excludeGroups"), 1)},
	{name: "stop excluding a role", want: "stronger", severity: "medium", edit: losesID(usersOf("excludeRoles"), 1)},
	{name: "stop excluding an app", want: "stronger", severity: "medium", edit: losesID(appsOf("excludeApplications"), 1)},
	{name: "stop excluding a location", want: "stronger", severity: "medium", edit: losesID(locationsOf("excludeLocations"), 1)},
	{name: "include a user", want: "stronger", severity: "medium", edit: only(includesNot(usersOf("includeUsers"), "All"), gains(usersOf("includeUsers")))},
	{name: "include a group", want: "stronger", severity: "medium", edit: only(includesNot(usersOf("includeUsers"), "All"), gains(usersOf("includeGroups")))},
	{name: "include a group beside all", want: "neutral", severity: "low", edit: only(negate(includesNot(usersOf("includeUsers"), "All")), gains(usersOf("includeGroups")))},
	{name: "include an app", want: "stronger", severity: "medium", edit: only(func(e editor) bool { return includesApps(e) && includesNot(appsOf("includeApplications"), "All")(e) }, gains(appsOf("includeApplications")))},
	{name: "stop including a role", want: "weaker", edit: only(includesNot(usersOf("includeUsers"), "All"), losesID(usersOf("includeRoles"), 2))},
	{name: "stop including a group", want: "weaker", severity: "high", edit: only(includesNot(usersOf("includeUsers"), "All"), losesID(usersOf("includeGroups"), 2)), first: gains(usersOf("includeGroups"))},
	{name: "stop including an app", want: "weaker", edit: only(includesNot(appsOf("includeApplications"), "All"), losesID(appsOf("includeApplications"), 2))},
	{name: "all users to one group", want: "weaker", severity: "critical", edit: only(negate(includesNot(usersOf("includeUsers"), "All")), func(e editor) bool {
		e.set(nil, usersOf("includeUsers")...)
		return gains(usersOf("includeGroups"))(e)
	})},
	{name: "all apps to one", want: "weaker", severity: "critical", edit: only(negate(includesNot(appsOf("includeApplications"), "All")), func(e editor) bool {
		e.set([]string{e.id()}, appsOf("includeApplications")...)
		return true
	})},
	{name: "apps to an action", want: "mixed", edit: only(includesApps, func(e editor) bool {
		if e.at("conditions", "applications")["applicationFilter"] != nil {
			return false
		}
		e.set(nil, appsOf("includeApplications")...)
		e.set([]string{"urn:user:registerdevice"}, appsOf("includeUserActions")...)
		return true
	})},

	{name: "sign-in risk appears", want: "weaker", severity: "high", edit: appears([]string{"conditions", "signInRiskLevels"}, []any{"high"})},
	{name: "user risk appears", want: "weaker", severity: "high", edit: appears([]string{"conditions", "userRiskLevels"}, []any{"high", "medium"})},
	{name: "insider risk appears", want: "weaker", severity: "high", edit: appears([]string{"conditions", "insiderRiskLevels"}, []any{"elevated"})},
	{name: "a flow appears", want: "weaker", edit: appears(flowsPath, []any{"authenticationTransfer"})},
	{name: "platforms appear", want: "weaker", severity: "high", edit: appears([]string{"conditions", "platforms"}, tree{"includePlatforms": []any{"linux"}})},
	{name: "locations appear", want: "weaker", severity: "high", edit: appears([]string{"conditions", "locations"}, tree{"includeLocations": []any{"AllTrusted"}})},
	{name: "a device filter that excludes appears", want: "weaker", severity: "high", edit: appears([]string{"conditions", "devices"}, tree{"deviceFilter": tree{"mode": "exclude", "rule": "device.isCompliant -eq True"}})},
	{name: "a device filter that includes appears", want: "weaker", severity: "high", edit: appears([]string{"conditions", "devices"}, tree{"deviceFilter": tree{"mode": "include", "rule": "device.isCompliant -eq False"}})},
	{name: "a device filter changes", want: "mixed", severity: "high", edit: func(e editor) bool {
		f, ok := e.at("conditions", "devices")["deviceFilter"].(tree)
		if ok {
			f["rule"] = fmt.Sprint(f["rule"], " -or device.model -eq \"", e.id(), "\"")
		}
		return ok
	}},
	{name: "sign-in risk goes", want: "stronger", severity: "medium", edit: goes("conditions", "signInRiskLevels")},
	{name: "user risk goes", want: "stronger", severity: "medium", edit: goes("conditions", "userRiskLevels")},
	{name: "flows go", want: "stronger", severity: "medium", edit: goes("conditions", "authenticationFlows")},
	{name: "the device filter goes", want: "stronger", severity: "medium", edit: goes("conditions", "devices", "deviceFilter")},
	{name: "all clients to the browser", want: "weaker", edit: only(negate(includesNot(clientTypePath, "all")), func(e editor) bool {
		e.set([]string{"browser"}, clientTypePath...)
		return true
	})},
	{name: "some clients to all", want: "stronger", severity: "medium", edit: func(e editor) bool {
		types := e.words(clientTypePath...)
		if len(types) == 0 || len(types) > 3 || slices.ContainsFunc(types, notInGraph) {
			return false
		}
		e.set([]string{"all"}, clientTypePath...)
		return true
	}},

	{name: "all of to any of", want: "weaker", severity: "high", edit: operator("AND", "OR")},
	{name: "any of to all of", want: "stronger", severity: "medium", edit: operator("OR", "AND")},
	{name: "one more requirement", want: "stronger", severity: "medium", edit: control("AND")},
	{name: "one more way through", want: "weaker", severity: "high", edit: control("OR")},
	{name: "one requirement less", want: "weaker", severity: "high", edit: only(joined("AND"), losesControl)},
	{name: "one way through less", want: "stronger", severity: "medium", edit: only(joined("OR"), losesControl)},
	{name: "block to MFA", want: "weaker", severity: "critical", edit: only(editor.blocks, replaceGrant("mfa"))},
	{name: "grant to block", want: "stronger", severity: "medium", edit: only(func(e editor) bool { return hasGrant(e) && !e.blocks() }, replaceGrant("block"))},
	{name: "grant controls go", want: "weaker", severity: "critical", edit: only(func(e editor) bool { return hasGrant(e) && !isLoose(e) && prune(e.form["sessionControls"]) == nil }, goes("grantControls"))},

	{name: "asked half as often", want: "weaker", severity: "medium", edit: only(sessionsCount, hours(2))},
	{name: "asked twice as often", want: "stronger", severity: "medium", edit: only(sessionsCount, hours(0.5))},
	{name: "always persistent", want: "weaker", severity: "medium", edit: only(sessionsCount, mode(browserPath, "always"))},
	{name: "never persistent", want: "stronger", severity: "medium", edit: only(sessionsCount, mode(browserPath, "never")), first: appears(browserPath, tree{"isEnabled": true, "mode": "always"})},
	{name: "never persistent appears", want: "stronger", severity: "medium", edit: only(sessionsCount, appears(browserPath, tree{"isEnabled": true, "mode": "never"}))},
	{name: "app restrictions go", want: "weaker", edit: only(sessionsCount, goes(enforcedPath...))},
	{name: "sign-in frequency appears", want: "stronger", severity: "medium", edit: only(sessionsCount, appears(frequencyPath, tree{"isEnabled": true, "frequencyInterval": "everyTime", "authenticationType": "primaryAndSecondaryAuthentication"}))},
	{name: "sign-in frequency goes", want: "weaker", edit: only(sessionsCount, goes(frequencyPath...))},
	{name: "evaluation disabled", want: "weaker", severity: "high", edit: only(sessionsCount, appears([]string{"sessionControls", "continuousAccessEvaluation"}, tree{"mode": "disabled"}))},
	{name: "resilience disabled", want: "stronger", severity: "medium", edit: only(sessionsCount, appears([]string{"sessionControls", "disableResilienceDefaults"}, true))},

	{name: "an unknown condition", want: "mixed", severity: "medium", edit: appears([]string{"conditions", "weatherForecast"}, tree{"includeSkies": []any{"clear", "grey"}})},
	{name: "an unknown control", want: "mixed", severity: "medium", edit: only(sessionsCount, appears([]string{"sessionControls", "screenWatermark"}, tree{"isEnabled": true, "opacityLevel": 3.0}))},
}

// notInGraph tells of words for client apps that templates use and Graph never
// sends, and of the one that is all of them already.
func notInGraph(word string) bool {
	return slices.Contains([]string{"all", "All", "modern"}, word)
}
