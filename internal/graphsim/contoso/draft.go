package contoso

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// draft is a policy in the making, in Graph's own terms.
type draft struct {
	name       string
	state      string
	template   string
	apps       body
	users      body
	conditions body
	grant      body
	session    body
	unguarded  bool // the emergency accounts are not excluded
}

type body = map[string]any

// part is one thing that a policy says.
type part func(*draft)

// policy puts a policy together. It is enabled, applies to all apps and
// spares the emergency accounts unless a part says otherwise.
func policy(name string, parts ...part) *draft {
	d := &draft{name: name, state: "enabled", apps: body{}, users: body{}, conditions: body{}, session: body{}}
	for _, p := range parts {
		p(d)
	}
	if d.apps["includeApplications"] == nil && d.apps["includeUserActions"] == nil && d.apps["includeAuthenticationContextClassReferences"] == nil {
		d.apps["includeApplications"] = []string{"All"}
	}
	if !d.unguarded && len(d.users) > 0 {
		add(d.users, "excludeUsers", EmergencyUsers()...)
	}
	return d
}

func add(object body, list string, members ...string) {
	have, _ := object[list].([]string)
	object[list] = append(slices.Clone(have), members...)
}

// ID is the id of a policy, location or other object of the demonstration,
// made from its name.
func ID(name string) string {
	sum := sha256.Sum256([]byte("contoso " + name))
	sum[6], sum[8] = sum[6]&0x0f|0x40, sum[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[0:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

// request is the policy as a client would POST it.
func (d *draft) request() body {
	conditions := maps.Clone(d.conditions)
	conditions["applications"] = d.apps
	conditions["users"] = d.users
	if len(d.users) == 0 {
		// Workload identities have no users; the portal stores None.
		conditions["users"] = body{"includeUsers": []string{"None"}}
	}
	out := body{"displayName": d.name, "state": d.state, "conditions": conditions}
	if d.grant != nil {
		out["grantControls"] = d.grant
	}
	if len(d.session) > 0 {
		out["sessionControls"] = d.session
	}
	return out
}

// seed is the policy as it has been there for a while.
func (d *draft) seed(born, touched time.Time) body {
	out := d.request()
	out["id"] = ID(d.name)
	out["createdDateTime"] = stamp(born)
	out["modifiedDateTime"] = stamp(touched)
	if d.template != "" {
		out["templateId"] = d.template
	}
	return out
}

func stamp(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.9999999Z") }

// text is the JSON of a body.
func text(b body) string {
	raw, err := json.Marshal(b)
	if err != nil {
		panic("demo: encode body: " + err.Error()) // only maps, lists and scalars come here
	}
	return string(raw)
}

// Who.

func everyone(d *draft) { add(d.users, "includeUsers", "All") }
func nobody(d *draft)   { add(d.users, "includeUsers", "None") }

func groups(names ...string) part {
	return func(d *draft) { add(d.users, "includeGroups", ids(names)...) }
}

func notGroups(names ...string) part {
	return func(d *draft) { add(d.users, "excludeGroups", ids(names)...) }
}

func people(names ...string) part {
	return func(d *draft) { add(d.users, "includeUsers", ids(names)...) }
}

func roles(templates ...string) part {
	return func(d *draft) { add(d.users, "includeRoles", templates...) }
}

func notRoles(templates ...string) part {
	return func(d *draft) { add(d.users, "excludeRoles", templates...) }
}

// outsiders are guests and externals of these types, from the named tenants
// or from all.
func outsiders(types string, tenants ...string) part {
	return func(d *draft) { d.users["includeGuestsOrExternalUsers"] = guests(types, tenants) }
}

func notOutsiders(types string) part {
	return func(d *draft) { d.users["excludeGuestsOrExternalUsers"] = guests(types, nil) }
}

func guests(types string, tenants []string) body {
	kind := body{"@odata.type": "#microsoft.graph.conditionalAccessAllExternalTenants", "membershipKind": "all"}
	if len(tenants) > 0 {
		kind = body{"@odata.type": "#microsoft.graph.conditionalAccessEnumeratedExternalTenants", "membershipKind": "enumerated", "members": ids(tenants)}
	}
	return body{"guestOrExternalUserTypes": types, "externalTenants": kind}
}

func workloads(principals ...string) part {
	return func(d *draft) {
		list := principals
		if !slices.Contains(list, "ServicePrincipalsInMyTenant") {
			list = ids(principals)
		}
		d.conditions["clientApplications"] = body{"includeServicePrincipals": list, "excludeServicePrincipals": []string{}}
	}
}

func unguarded(d *draft) { d.unguarded = true }

func ids(names []string) []string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = ID(name)
	}
	return out
}

// What.

func apps(list ...string) part { return func(d *draft) { add(d.apps, "includeApplications", list...) } }

func notApps(list ...string) part {
	return func(d *draft) { add(d.apps, "excludeApplications", list...) }
}

func actions(list ...string) part {
	return func(d *draft) { add(d.apps, "includeUserActions", list...) }
}

func contexts(list ...string) part {
	return func(d *draft) { add(d.apps, "includeAuthenticationContextClassReferences", list...) }
}

// Under which conditions.

func when(condition string, value any) part {
	return func(d *draft) { d.conditions[condition] = value }
}
func clients(list ...string) part { return when("clientAppTypes", list) }
func flows(methods string) part   { return when("authenticationFlows", body{"transferMethods": methods}) }

func device(mode, rule string) part {
	return when("devices", body{"deviceFilter": body{"mode": mode, "rule": rule}})
}

func platforms(include, exclude []string) part {
	return when("platforms", body{"includePlatforms": include, "excludePlatforms": exclude})
}

// at and outside name locations, or All and AllTrusted.
func at(places ...string) part {
	return when("locations", body{"includeLocations": placeIDs(places), "excludeLocations": []string{}})
}

func outside(places ...string) part {
	return when("locations", body{"includeLocations": []string{"All"}, "excludeLocations": placeIDs(places)})
}

func placeIDs(places []string) []string {
	out := ids(places)
	for i, place := range places {
		if place == "All" || place == "AllTrusted" {
			out[i] = place
		}
	}
	return out
}

// Then what.

func anyOf(controls ...string) part { return grant("OR", controls) }
func allOf(controls ...string) part { return grant("AND", controls) }
func block(d *draft)                { grant("OR", []string{"block"})(d) }

func grant(operator string, controls []string) part {
	return func(d *draft) {
		if d.grant == nil {
			d.grant = body{}
		}
		d.grant["operator"], d.grant["builtInControls"] = operator, controls
	}
}

func strength(id string) part {
	return func(d *draft) {
		if d.grant == nil {
			d.grant = body{"operator": "OR"}
		}
		d.grant["authenticationStrength"] = body{"id": id}
	}
}

func terms(name string) part {
	return func(d *draft) { d.grant = body{"operator": "OR", "termsOfUse": []string{ID(name)}} }
}

func session(control string, value body) part {
	return func(d *draft) {
		value["isEnabled"] = true
		d.session[control] = value
	}
}

func every(value int, unit string) part {
	return session("signInFrequency", body{"value": value, "type": unit, "authenticationType": "primaryAndSecondaryAuthentication", "frequencyInterval": "timeBased"})
}

func everyTime() part {
	return session("signInFrequency", body{"authenticationType": "primaryAndSecondaryAuthentication", "frequencyInterval": "everyTime"})
}
func forgetBrowser() part { return session("persistentBrowser", body{"mode": "never"}) }
func proxied(kind string) part {
	return session("cloudAppSecurity", body{"cloudAppSecurityType": kind})
}
func appRestrictions() part   { return session("applicationEnforcedRestrictions", body{}) }
func tokenProtection() part   { return session("secureSignInSession", body{}) }
func off(d *draft)            { d.state = "disabled" }
func reportOnly(d *draft)     { d.state = "enabledForReportingButNotEnforced" }
func template(id string) part { return func(d *draft) { d.template = id } }
