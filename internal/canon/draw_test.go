package canon_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"github.com/cadrift/cadrift/internal/drift"
)

// The generators draw bodies as an administrator could have stored them;
// disguise writes them in the other ways in which Graph could have sent them.

var (
	guids = rapid.SampledFrom([]string{
		"00000000-0000-0000-0000-000000000000", "0a000000-0000-4000-8000-00000000000f",
		"abcdef00-0000-4000-8000-00000000000a", "fedcba98-7654-4321-8000-0123456789ab",
	})
	tokens = rapid.SampledFrom([]string{"All", "None", "all", "browser", "other", "Office365", "unknownFutureValue"})
	names  = rapid.SampledFrom([]string{"CA001", "ca001", "", "Ünïcode 😀 \u2028", `quo"te \ <&>`, "abcdef00-0000-4000-8000-00000000000A", "a\x00b"})
)

// idLists are the lists in which ids are lower-cased, wherever they stand.
var idLists = []string{
	"includeApplications", "excludeApplications", "includeUsers", "excludeUsers", "includeGroups", "excludeGroups",
	"includeRoles", "excludeRoles", "includeLocations", "excludeLocations", "termsOfUse", "members", "allowedAAGUIDs",
}

// flagLists are the flag enums that come joined or as a list.
var flagLists = []string{"guestOrExternalUserTypes", "transferMethods", "insiderRiskLevels", "agentIdRiskLevels"}

type object = map[string]any

// some draws an object with some of the members that the recipe can make.
func some(t *rapid.T, label string, recipe map[string]func() any) object {
	out := object{}
	for _, name := range slices.Sorted(maps.Keys(recipe)) {
		if rapid.Bool().Draw(t, label+"."+name) {
			out[name] = recipe[name]()
		}
	}
	return out
}

func list[T any](t *rapid.T, name string, g *rapid.Generator[T], least int) []any {
	out := []any{}
	for _, v := range rapid.SliceOfNDistinct(g, least, 3, func(v T) string { return fmt.Sprint(v) }).Draw(t, name) {
		out = append(out, v)
	}
	return out
}

func drawBody(t *rapid.T, kind drift.Kind) object {
	var body object
	switch kind {
	case drift.Policy:
		body = drawPolicy(t)
	case drift.NamedLocation:
		body = drawLocation(t)
	case drift.AuthenticationStrength:
		body = drawStrength(t)
	case drift.Group:
		body = some(t, "group", map[string]func() any{"members": func() any {
			out := []any{}
			for _, id := range list(t, "members", guids, 1) {
				out = append(out, object{"id": id})
			}
			return out
		}})
	default:
		body = some(t, "plain", map[string]func() any{
			"isEnabled":   func() any { return rapid.Bool().Draw(t, "isEnabled") },
			"isAvailable": func() any { return rapid.Bool().Draw(t, "isAvailable") },
			"description": func() any { return names.Draw(t, "description") },
		})
	}
	body["id"] = guids.Draw(t, "id")
	body["displayName"] = names.Draw(t, "displayName")
	if rapid.IntRange(0, 3).Draw(t, "news") == 0 {
		body["brandNew"] = drawAny(t, 2)
	}
	return body
}

func drawPolicy(t *rapid.T) object {
	ids := func() any { return list(t, "ids", rapid.OneOf(guids, tokens), 0) }
	words := func() any { return list(t, "words", tokens, 0) }
	filter := func() any { return object{"mode": "include", "rule": names.Draw(t, "rule")} }
	on := func(more object) func() any {
		return func() any {
			out := object{"isEnabled": rapid.Bool().Draw(t, "on")}
			maps.Copy(out, more)
			return out
		}
	}
	guests := func() any {
		return some(t, "guests", map[string]func() any{
			"guestOrExternalUserTypes": words,
			"externalTenants": func() any {
				if rapid.Bool().Draw(t, "allTenants") {
					return object{"membershipKind": "all"}
				}
				return object{"membershipKind": "enumerated", "members": list(t, "tenants", guids, 1)}
			},
		})
	}
	return some(t, "policy", map[string]func() any{
		"state": func() any { return tokens.Draw(t, "state") },
		"conditions": func() any {
			return some(t, "conditions", map[string]func() any{
				"clientAppTypes": words, "userRiskLevels": words, "insiderRiskLevels": words, "agentIdRiskLevels": words,
				"applications":        func() any { return object{"includeApplications": ids(), "applicationFilter": filter()} },
				"platforms":           func() any { return object{"includePlatforms": words(), "excludePlatforms": words()} },
				"locations":           func() any { return object{"includeLocations": ids(), "excludeLocations": ids()} },
				"devices":             func() any { return object{"deviceFilter": filter()} },
				"authenticationFlows": func() any { return object{"transferMethods": words()} },
				"users": func() any {
					return object{"includeUsers": ids(), "excludeUsers": ids(), "includeRoles": ids(), "excludeGuestsOrExternalUsers": guests()}
				},
			})
		},
		"grantControls": func() any {
			return some(t, "grant", map[string]func() any{
				"operator": func() any { return "OR" }, "builtInControls": words, "termsOfUse": ids,
				"authenticationStrength": func() any { return object{"id": guids.Draw(t, "strength")} },
			})
		},
		"sessionControls": func() any {
			return some(t, "session", map[string]func() any{
				"disableResilienceDefaults": func() any { return rapid.Bool().Draw(t, "resilience") },
				"persistentBrowser":         on(object{"mode": "never"}),
				"signInFrequency":           on(object{"value": json.Number("4"), "type": "hours"}),
				"brandNewControl":           on(object{"level": json.Number("1.0")}),
			})
		},
	})
}

func drawLocation(t *rapid.T) object {
	prefixes := rapid.SampledFrom([]string{"198.51.100.0/22", "10.0.0.0/8", "2001:db8::/32", "2001:db8:9d38:90d6::/63", "not a prefix"})
	body := some(t, "location", map[string]func() any{
		"isTrusted":                         func() any { return rapid.Bool().Draw(t, "trusted") },
		"includeUnknownCountriesAndRegions": func() any { return rapid.Bool().Draw(t, "unknown") },
		"countriesAndRegions":               func() any { return list(t, "countries", rapid.SampledFrom([]string{"DE", "NL", "US"}), 0) },
		"countryLookupMethod":               func() any { return tokens.Draw(t, "lookup") },
		"ipRanges": func() any {
			out := []any{}
			for _, p := range list(t, "prefixes", prefixes, 0) {
				out = append(out, object{"cidrAddress": p})
			}
			return append(out, object{"lowerAddress": "192.0.2.1", "upperAddress": "192.0.2.9"})
		},
	})
	body["@odata.type"] = "#microsoft.graph.ipNamedLocation"
	return body
}

func drawStrength(t *rapid.T) object {
	combos := rapid.SampledFrom([]string{"fido2", "password,sms", "password,softwareOath", "windowsHelloForBusiness"})
	return some(t, "strength", map[string]func() any{
		"allowedCombinations":   func() any { return list(t, "combinations", combos, 0) },
		"policyType":            func() any { return tokens.Draw(t, "policyType") },
		"requirementsSatisfied": func() any { return tokens.Draw(t, "requirements") },
		"combinationConfigurations": func() any {
			out := []any{}
			for _, id := range list(t, "configurations", guids, 0) {
				out = append(out, object{"id": id, "appliesToCombinations": list(t, "applies", combos, 1), "allowedAAGUIDs": list(t, "keys", guids, 0)})
			}
			return out
		},
	})
}

// drawAny draws any JSON value, from few enough ones for two to be equal.
func drawAny(t *rapid.T, depth int) any {
	switch rapid.IntRange(0, 4+min(depth, 1)*3).Draw(t, "any") {
	case 0:
		return nil
	case 1:
		return json.Number(rapid.SampledFrom([]string{"1", "1.0", "9007199254740993", "1e400"}).Draw(t, "number"))
	case 2:
		return rapid.Bool().Draw(t, "bool")
	case 3, 4:
		return rapid.SampledFrom([]string{"1", "", "true", "ABCDEF00-0000-4000-8000-00000000000A", `\`, `"`}).Draw(t, "text")
	case 5, 6:
		out := []any{}
		for range rapid.IntRange(0, 3).Draw(t, "items") {
			out = append(out, drawAny(t, depth-1))
		}
		return out
	}
	out := object{}
	for range rapid.IntRange(0, 3).Draw(t, "members") {
		out[rapid.SampledFrom([]string{"a", "b", "id", "isEnabled", ""}).Draw(t, "name")] = drawAny(t, depth-1)
	}
	return out
}

// disguise writes a body in another of the encodings of the same state.
type disguise struct{ t *rapid.T }

func (d disguise) coin(label string) bool { return rapid.Bool().Draw(d.t, label) }

func (d disguise) write(v any, name string) string {
	switch v := v.(type) {
	case object:
		return d.object(v, name)
	case []any:
		return d.list(v, name)
	case string:
		return d.text(v, name)
	}
	return string(marshal(v))
}

func (d disguise) object(o object, name string) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(o)) {
		v := o[k]
		empty := naive(v) == nil
		_, switched := v.(bool)
		if empty && d.coin("leave out") {
			continue
		}
		if switched && v == false && (k == "isTrusted" || k == "disableResilienceDefaults" || k == "includeUnknownCountriesAndRegions") && d.coin("leave out false") {
			continue
		}
		text := d.write(v, k)
		if empty {
			text = rapid.SampledFrom([]string{"null", "[]", "{}", `{"@odata.type":"#x","a":[null]}`}).Draw(d.t, "empty")
		}
		parts = append(parts, d.key(k)+d.space()+":"+d.space()+text)
		if d.coin("annotate") {
			parts = append(parts, string(marshal(k+"@odata.type"))+`:"#Collection(String)"`)
		}
	}
	for _, noise := range []string{
		`"#microsoft.graph.restore":{"title":"x"}`, `"@microsoft.graph.tips":"Use $select"`, `"@odata.etag":"W/1"`,
		`"modifiedDateTime":"2026-01-01T00:00:00Z"`, `"templateId":null`, `"brandNewEmpty":{"a":[]}`,
	} {
		if d.coin(noise) {
			parts = append(parts, noise)
		}
	}
	parts = rapid.Permutation(parts).Draw(d.t, "order of "+name)
	return "{" + d.space() + strings.Join(parts, ","+d.space()) + d.space() + "}"
}

func (d disguise) list(l []any, name string) string {
	if slices.Contains(flagLists, name) && d.coin("join") {
		var words []string
		for _, v := range l {
			words = append(words, v.(string))
		}
		return string(marshal(strings.Join(rapid.Permutation(words).Draw(d.t, "flags"), rapid.SampledFrom([]string{",", ", "}).Draw(d.t, "comma"))))
	}
	var parts []string
	for _, v := range l {
		for range rapid.IntRange(1, 2).Draw(d.t, "repeat") {
			parts = append(parts, d.write(v, name))
		}
	}
	return "[" + strings.Join(rapid.Permutation(parts).Draw(d.t, "order of "+name), ","+d.space()) + "]"
}

func (d disguise) text(s, name string) string {
	switch {
	case name == "allowedCombinations" || name == "appliesToCombinations":
		s = strings.Join(rapid.Permutation(strings.Split(s, ",")).Draw(d.t, "combination"), ",")
	case len(s) == 36 && (slices.Contains(idLists, name) || name == "id") && strings.ToLower(s) == s && d.coin("upper"):
		s = strings.ToUpper(s)
	case s == "2001:db8::/32" && d.coin("spell"):
		s = "2001:0DB8::1/32"
	case s == "198.51.100.0/22" && d.coin("spell"):
		s = "198.51.103.11/22"
	}
	if d.coin("escape") && s != "" && s[0] < 0x80 {
		return fmt.Sprintf(`"\u%04X%s`, s[0], marshal(s[1:])[1:])
	}
	return string(marshal(s))
}

func (d disguise) key(name string) string {
	if name != "" && d.coin("escape name") {
		return fmt.Sprintf(`"\u%04x%s`, name[0], marshal(name[1:])[1:])
	}
	return string(marshal(name))
}

func (d disguise) space() string {
	return rapid.SampledFrom([]string{"", " ", "\n\t"}).Draw(d.t, "space")
}

// editsOf is every single edit of a value: a leaf that says something else or
// goes, a member that comes.
func editsOf(v any) []any {
	switch v := v.(type) {
	case object:
		var edits []any
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if name != "@odata.type" || v["cidrAddress"] == nil && v["lowerAddress"] == nil {
				without := maps.Clone(v) // a range's tag comes back from its address
				delete(without, name)
				edits = append(edits, without)
			}
			for _, e := range editsOf(v[name]) {
				with := maps.Clone(v)
				with[name] = e
				edits = append(edits, with)
			}
		}
		with := maps.Clone(v)
		with["brandNewSwitch"] = false
		return append(edits, with)
	case []any:
		edits := []any{append(slices.Clone(v), "brandNewMember")}
		if len(v) > 0 {
			if _, objects := v[0].(object); objects {
				edits = []any{append(slices.Clone(v), object{"brandNew": "x"})}
			}
		}
		for i := range v {
			edits = append(edits, slices.Delete(slices.Clone(v), i, i+1))
			for _, e := range editsOf(v[i]) {
				with := slices.Clone(v)
				with[i] = e
				edits = append(edits, with)
			}
		}
		return edits
	case string:
		return []any{v + "x", "x" + v}
	case bool:
		return []any{!v}
	case json.Number:
		return []any{json.Number(v.String() + "1"), v.String()}
	}
	return nil
}
