package graphsim_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/graphsim"
)

func TestPatchMergesObjectsAndReplacesArrays(t *testing.T) {
	c := newCloud(t)
	id := c.must(c.admin.CreatePolicy(`{"displayName":"P","state":"enabled",
		"conditions":{"applications":{"includeApplications":["All"],"excludeApplications":["Office365"]},
			"users":{"includeUsers":["All"],"excludeUsers":["11111111-0000-4000-8000-000000000001","11111111-0000-4000-8000-000000000002"],"excludeGroups":["11111111-0000-4000-8000-000000000003"]},
			"platforms":{"includePlatforms":["android"]}},
		"grantControls":{"operator":"OR","builtInControls":["mfa"]},
		"sessionControls":{"persistentBrowser":{"isEnabled":true,"mode":"never"}}}`))
	got := c.send(http.MethodPatch, policies+"/"+id, `{"conditions":{"users":{"excludeUsers":["AAAAAAAA-0000-4000-8000-000000000009"]},"platforms":null},"sessionControls":null}`)
	if got.want(204).raw != "" {
		t.Errorf("PATCH answered %q, want nothing", got.raw)
	}
	body := c.get(policies + "/" + id).want(200).json()
	for path, want := range map[string]any{
		"conditions.users.excludeUsers":               []any{"aaaaaaaa-0000-4000-8000-000000000009"}, // replaced, lower case
		"conditions.users.excludeGroups":              []any{"11111111-0000-4000-8000-000000000003"}, // kept
		"conditions.users.includeUsers":               []any{"All"},
		"conditions.applications.excludeApplications": []any{"Office365"},
		"conditions.platforms":                        nil,
		"conditions.clientAppTypes":                   []any{"all"}, // the server's default
		"sessionControls":                             nil,
		"state":                                       "enabled",
	} {
		if diff := cmp.Diff(want, at(body, path)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

func TestRefusedWrites(t *testing.T) {
	c := newCloud(t)
	c.tenant.Tune(func(b *graphsim.Behaviour) { b.KnownApps = []string{"22222222-0000-4000-8000-000000000001"} })
	id := c.must(c.admin.CreatePolicy(plain("P")))
	whole := func(users, apps, rest string) string {
		return fmt.Sprintf(`{"displayName":"X","state":"disabled","conditions":{"applications":{%s},"users":{%s}}%s}`, apps, users, rest)
	}
	const all, apps, mfa = `"includeUsers":["All"]`, `"includeApplications":["All"]`, `,"grantControls":{"operator":"OR","builtInControls":["mfa"]}`
	for name, row := range map[string]struct{ method, body, want string }{
		"not JSON":             {"POST", `{`, "1007: "},
		"null":                 {"POST", `null`, "1007: "},
		"two values":           {"POST", plain("A") + `{}`, "1007: "},
		"misspelt":             {"PATCH", `{"conditions":{"users":{"excludeuser":[]}}}`, "1007: "},
		"beta property":        {"PATCH", `{"sessionControls":{"continuousAccessEvaluation":{"mode":"disabled"}}}`, "1007: "},
		"annotation":           {"PATCH", `{"grantControls":{"authenticationStrength@odata.context":"x"}}`, "1007: "},
		"expanded strength":    {"PATCH", `{"grantControls":{"authenticationStrength":{"id":"x","displayName":"x"}}}`, "1007: "},
		"unknown state":        {"PATCH", `{"state":"on"}`, "1007: "},
		"null state":           {"PATCH", `{"state":null}`, "1007: "},
		"wrong type":           {"PATCH", `{"conditions":{"clientAppTypes":"all"}}`, "1007: "},
		"list of numbers":      {"PATCH", `{"conditions":{"users":{"excludeUsers":[1]}}}`, "1007: "},
		"empty flags":          {"PATCH", `{"conditions":{"insiderRiskLevels":""}}`, "1007: "},
		"filter without rule":  {"PATCH", `{"conditions":{"devices":{"deviceFilter":{"mode":"include"}}}}`, "1007: "},
		"unknown tenants type": {"PATCH", `{"conditions":{"users":{"includeGuestsOrExternalUsers":{"guestOrExternalUserTypes":"internalGuest","externalTenants":{"@odata.type":"#x"}}}}}`, "1007: "},
		"no name":              {"POST", strings.Replace(plain("A"), `"displayName"`, `"description"`, 1), "1007: "},
		"template":             {"PATCH", `{"templateId":null}`, "1118: "},
		"id":                   {"PATCH", `{"id":"x"}`, "The property 'id' is read-only"},
		"dates":                {"PATCH", `{"modifiedDateTime":null}`, "read-only"},
		"no apps left":         {"PATCH", `{"conditions":{"applications":{"includeApplications":[]}}}`, "1011: "},
		"app by name":          {"PATCH", `{"conditions":{"applications":{"includeApplications":["Teams"]}}}`, "1011: "},
		"unknown app":          {"PATCH", `{"conditions":{"applications":{"excludeApplications":["22222222-0000-4000-8000-000000000002"]}}}`, "1034: "},
		"apps and actions":     {"PATCH", `{"conditions":{"applications":{"includeUserActions":["urn:user:registerdevice"]}}}`, "1012: "},
		"unknown location":     {"PATCH", `{"conditions":{"locations":{"includeLocations":["22222222-0000-4000-8000-000000000003"]}}}`, "1040: "},
		"unknown strength":     {"PATCH", `{"grantControls":{"authenticationStrength":{"id":"22222222-0000-4000-8000-000000000004"}}}`, "1085: "},
		"nobody":               {"POST", whole(`"excludeUsers":[]`, apps, mfa), "1085: "},
		"no control":           {"POST", whole(all, apps, ``), "1085: "},
		"block and mfa":        {"PATCH", `{"grantControls":{"builtInControls":["block","mfa"]}}`, "1032: "},
		"no operator":          {"POST", whole(all, apps, `,"grantControls":{"builtInControls":["mfa"]}`), "1032: "},
		"password alone":       {"POST", whole(all, apps, `,"grantControls":{"operator":"AND","builtInControls":["passwordChange"]}`), "1032: "},
		"empty session":        {"PATCH", `{"sessionControls":{"persistentBrowser":null}}`, "1032: "},
		"frequency of nothing": {"PATCH", `{"sessionControls":{"signInFrequency":{"isEnabled":true,"frequencyInterval":"timeBased"}}}`, "1104: "},
		"every time and value": {"PATCH", `{"sessionControls":{"signInFrequency":{"isEnabled":true,"frequencyInterval":"everyTime","value":1,"type":"days"}}}`, "1104: "},
		"guests twice":         {"PATCH", `{"conditions":{"users":{"includeUsers":["GuestsOrExternalUsers"],"includeGuestsOrExternalUsers":{"guestOrExternalUserTypes":"internalGuest"}}}}`, "cannot be combined"},
	} {
		target := policies
		if row.method == "PATCH" {
			target += "/" + id
		}
		before := string(c.tenant.Body(drift.Policy, id))
		got := c.send(row.method, target, row.body).refused(400)
		if !strings.HasPrefix(got, row.want) && !(row.want[0] > '9' && strings.Contains(got, row.want)) {
			t.Errorf("%s: got %q, want %q", name, got, row.want)
		}
		if after := string(c.tenant.Body(drift.Policy, id)); after != before {
			t.Errorf("%s: refused, and yet changed:\n%s\n%s", name, before, after)
		}
	}
	if got := len(c.tenant.IDs(drift.Policy)); got != 1 {
		t.Errorf("got %d policies, want 1", got)
	}
	c.tenant.Tune(func(b *graphsim.Behaviour) { b.OldErrors = true })
	old := c.send("PATCH", policies+"/"+id, `{"templateId":"x"}`).want(400).json()
	if got, _ := at(old, "error.innerError.message").(string); !strings.HasPrefix(got, "1118: ") || strings.Contains(at(old, "error.message").(string), "1118") {
		t.Errorf("old style: got %v", old)
	}
}

func TestLocationsAndReferences(t *testing.T) {
	c := newCloud(t)
	ip := func(name, cidr string, trusted bool) string {
		kind := "iPv4CidrRange"
		if strings.Contains(cidr, ":") {
			kind = "iPv6CidrRange"
		}
		return fmt.Sprintf(`{"@odata.type":"#microsoft.graph.ipNamedLocation","displayName":%q,"isTrusted":%t,"ipRanges":[{"@odata.type":"#microsoft.graph.%s","cidrAddress":%q}]}`, name, trusted, kind, cidr)
	}
	id := c.send("POST", places, ip("HQ", "192.0.2.0/24", true)).want(201).json()["id"].(string)
	for name, body := range map[string]string{
		"no type":      `{"displayName":"x"}`,
		"unknown type": `{"@odata.type":"#microsoft.graph.moonLocation","displayName":"x"}`,
		"no range":     `{"@odata.type":"#microsoft.graph.ipNamedLocation","displayName":"x"}`,
		"no country":   `{"@odata.type":"#microsoft.graph.countryNamedLocation","displayName":"x"}`,
		"too wide":     ip("x", "10.0.0.0/8", false),
		"no CIDR":      ip("x", "10.0.0.0", false),
		"wrong family": strings.Replace(ip("x", "10.0.0.0/9", false), "iPv4", "iPv6", 1),
		"trusted land": `{"@odata.type":"#microsoft.graph.countryNamedLocation","displayName":"x","countriesAndRegions":["NL"],"isTrusted":true}`,
	} {
		if got := c.send("POST", places, body).refused(400); got == "" {
			t.Errorf("%s: no text", name)
		}
	}
	c.send("PATCH", places+"/"+id, `{"displayName":"HQ 2"}`).refused(400) // needs @odata.type
	c.send("PATCH", places+"/"+id, `{"@odata.type":"#microsoft.graph.countryNamedLocation"}`).refused(400)
	c.send("DELETE", places+"/"+id, "").refused(400) // trusted

	policy := c.must(c.admin.CreatePolicy(plain("P")))
	c.send("PATCH", policies+"/"+policy, fmt.Sprintf(`{"conditions":{"locations":{"includeLocations":["All"],"excludeLocations":[%q]}}}`, id)).want(204)
	c.send("PATCH", places+"/"+id, `{"@odata.type":"#microsoft.graph.ipNamedLocation","isTrusted":false}`).want(204)
	c.send("DELETE", places+"/"+id, "").refused(400) // used
	c.send("PATCH", policies+"/"+policy, `{"conditions":{"locations":null}}`).want(204)
	c.send("DELETE", places+"/"+id, "").want(204)
	c.get(places + "/" + id).refused(404)
	c.send("PATCH", policies+"/"+policy, `{"conditions":{"locations":{"includeLocations":["AllTrusted","00000000-0000-0000-0000-000000000000"]}}}`).want(204)
}

func TestSoftDeleteAndRestore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		made := c.send("POST", policies, plain("P")).want(201).json()
		id := made["id"].(string)
		if made["modifiedDateTime"] != nil || made["createdDateTime"] == nil {
			t.Errorf("a new policy has dates %v, %v", made["createdDateTime"], made["modifiedDateTime"])
		}
		time.Sleep(time.Second)
		c.send("DELETE", policies+"/"+id, "").want(204)
		c.send("DELETE", policies+"/"+id, "").refused(404)
		c.send("PATCH", policies+"/"+id, `{"state":"disabled"}`).refused(404)
		gone := c.get(deleted + "/" + id).want(200).json()
		if gone["deletedDateTime"] != "2000-01-01T00:00:01Z" {
			t.Errorf("got deletedDateTime %v", gone["deletedDateTime"])
		}
		back := c.send("POST", deleted+"/"+id+"/restore", "").want(200).json()
		if back["id"] != id || back["deletedDateTime"] != nil || !strings.HasSuffix(back["@odata.context"].(string), "#identity/conditionalAccess/policies/$entity") {
			t.Errorf("restored: %v", back)
		}
		if diff := cmp.Diff([]string{id}, c.get(policies).want(200).ids()); diff != "" {
			t.Error(diff)
		}
		c.send("DELETE", policies+"/"+id, "").want(204)
		time.Sleep(30*24*time.Hour - time.Minute)
		c.token = c.login()
		if got := c.get(deleted).want(200).ids(); len(got) != 1 {
			t.Errorf("after 30 days less a minute: got %v", got)
		}
		time.Sleep(time.Minute + time.Second)
		c.send("POST", deleted+"/"+id+"/restore", "").refused(404)
		if got := c.get(deleted).want(200).ids(); len(got) != 0 {
			t.Errorf("after 30 days: got %v", got)
		}
		for _, status := range []int{403, 404, 405, 501} {
			c.tenant.Tune(func(b *graphsim.Behaviour) { b.DeletedItemsStatus = status })
			c.get(deleted).refused(status)
		}
	})
}

func TestWritesAreRecordedWithTheirActor(t *testing.T) {
	c := newCloud(t)
	id := c.must(c.admin.CreatePolicy(plain("P")))
	c.send("PATCH", policies+"/"+id, `{"displayName":"Q"}`).want(204)
	c.send("PATCH", policies+"/"+id, `{"templateId":null}`).want(400)
	type short struct {
		by, name string
		op       graphsim.Op
		status   int
	}
	var got []short
	for _, w := range c.tenant.Writes() {
		if w.ID != id || w.Kind != drift.Policy || w.Body == "" || w.Time.IsZero() {
			t.Errorf("incomplete record %+v", w)
		}
		got = append(got, short{w.Actor.Kind + " " + w.Actor.Name, w.Name, w.Op, w.Status})
	}
	want := []short{
		{"user alex@contoso.example", "P", graphsim.Create, 201},
		{"app cadrift", "Q", graphsim.Update, 204},
		{"app cadrift", "", graphsim.Update, 400},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(short{})); diff != "" {
		t.Error(diff)
	}
}

func TestManagedPolicyTakesStateAndExclusionsOnly(t *testing.T) {
	c := newCloud(t)
	c.ok(c.tenant.Seed(drift.Policy, strings.Replace(plain("Microsoft-managed: MFA"), "{",
		`{"id":"33333333-0000-4000-8000-000000000001","templateId":"11111111-0000-4000-8000-00000000000f","createdDateTime":"2025-01-02T03:04:05Z",`, 1)))
	target := policies + "/33333333-0000-4000-8000-000000000001"
	c.send("PATCH", target, `{"displayName":"Mine"}`).refused(400)
	c.send("PATCH", target, `{"conditions":{"users":{"includeUsers":["None"]}}}`).refused(400)
	c.send("PATCH", target, `{"grantControls":null}`).refused(400)
	c.send("DELETE", target, "").refused(400)
	c.send("PATCH", target, `{"state":"disabled","conditions":{"users":{"excludeUsers":["11111111-0000-4000-8000-000000000001"]}}}`).want(204)
	if got := c.get(target).want(200).json(); got["state"] != "disabled" || got["createdDateTime"] != "2025-01-02T03:04:05Z" {
		t.Errorf("got %v", got)
	}
}

func TestOtherKinds(t *testing.T) {
	c := newCloud(t)
	c.send("PATCH", contexts+"/c7", `{"displayName":"Pay","isAvailable":true}`).want(204) // an upsert
	c.send("POST", contexts, `{"id":"c7","displayName":"Again"}`).refused(400)
	c.send("POST", contexts, `{"id":"c100","displayName":"Too far"}`).refused(400)
	if got := c.get(contexts + "/c7").want(200).json(); got["displayName"] != "Pay" || got["description"] != nil {
		t.Errorf("got %v", got)
	}
	c.send("PATCH", defaults, `{"isEnabled":true}`).want(204)
	if got := c.get(defaults).want(200).json(); got["isEnabled"] != true {
		t.Errorf("got %v", got)
	}
	c.ok(c.admin.SetSecurityDefaults(false))
	c.send("DELETE", defaults, "").refused(405)
	c.send("POST", strength, `{}`).refused(405)
	if err := c.admin.Patch(drift.AuthenticationStrength, graphsim.StrengthMFA, `{"description":"x"}`); err == nil {
		t.Error("a built-in strength was changed")
	}
	keys := c.must(c.admin.Create(drift.AuthenticationStrength, `{"displayName":"Keys","allowedCombinations":["fido2"]}`))
	policy := c.must(c.admin.CreatePolicy(strings.Replace(plain("P"), `"builtInControls":["mfa"]`, fmt.Sprintf(`"authenticationStrength":{"id":%q}`, keys), 1)))
	if err := c.admin.Delete(drift.AuthenticationStrength, keys); err == nil {
		t.Error("a strength in use was deleted")
	}
	// A policy shows its strength in full, so a changed strength shows there.
	before := c.get(policies).want(200).raw
	c.ok(c.admin.Patch(drift.AuthenticationStrength, keys, `{"allowedCombinations":["fido2","password,sms"],
		"combinationConfigurations":[{"@odata.type":"#microsoft.graph.fido2CombinationConfiguration","appliesToCombinations":["fido2"],"allowedAAGUIDs":["11111111-2222-4333-8444-555555555555"]}]}`))
	after := c.get(policies).want(200)
	if after.raw == before {
		t.Error("the policy still shows the old strength")
	}
	inline := at(after.json()["value"].([]any)[0].(map[string]any), "grantControls.authenticationStrength.combinationConfigurations")
	listed := c.get(strength + "/" + keys + "/combinationConfigurations").want(200).json()["value"]
	if diff := cmp.Diff(listed, inline); diff != "" || len(listed.([]any)) != 1 {
		t.Errorf("configurations differ or are missing: %s", diff)
	}
	if got := stored(c, policy)["grantControls"].(map[string]any)["authenticationStrength"]; !cmp.Equal(got, map[string]any{"id": keys}) {
		t.Errorf("stored reference is %v", got)
	}
}

func TestPolicyLimit(t *testing.T) {
	c := newCloud(t)
	c.tenant.Tune(func(b *graphsim.Behaviour) { b.PolicyLimit = 2 })
	c.must(c.admin.CreatePolicy(plain("1")))
	c.must(c.admin.CreatePolicy(plain("2")))
	c.send("POST", policies, plain("3")).refused(400)
}

func TestReorderListsIsNoWrite(t *testing.T) {
	c := newCloud(t)
	id := c.must(c.admin.CreatePolicy(strings.Replace(plain("P"), `"includeUsers":["All"]`, `"includeRoles":["r1","r2"],"excludeUsers":["u1","u2","u3"]`, 1)))
	before, writes := stored(c, id), len(c.tenant.Writes())
	if got := c.tenant.ReorderLists(drift.Policy, id); got != 2 {
		t.Errorf("reordered %d arrays, want 2", got)
	}
	after := stored(c, id)
	if diff := cmp.Diff([]any{"u3", "u2", "u1"}, at(after, "conditions.users.excludeUsers")); diff != "" {
		t.Error(diff)
	}
	if after["modifiedDateTime"] != before["modifiedDateTime"] || len(c.tenant.Writes()) != writes {
		t.Error("reordering counts as a write")
	}
	c.tenant.ReorderLists(drift.Policy, id)
	if diff := cmp.Diff(before, stored(c, id)); diff != "" {
		t.Error(diff)
	}
	if got := c.tenant.ReorderLists(drift.Policy, "nobody"); got != 0 {
		t.Errorf("reordered %d arrays of nothing", got)
	}
}

// TestTimesNeverRepeat: two writes in the same instant still differ, and an
// object seeded with a later date never goes back.
func TestTimesNeverRepeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		c.ok(c.tenant.Seed(drift.Policy, strings.Replace(plain("P"), "{", `{"id":"33333333-0000-4000-8000-000000000001","modifiedDateTime":"2030-01-01T00:00:00Z",`, 1)))
		last := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
		for range 3 {
			c.ok(c.admin.PatchPolicy("33333333-0000-4000-8000-000000000001", `{}`))
			got, err := time.Parse(time.RFC3339Nano, stored(c, "33333333-0000-4000-8000-000000000001")["modifiedDateTime"].(string))
			if err != nil || !got.After(last) {
				t.Errorf("got %s after %s", got, last)
			}
			last = got
		}
	})
}

// TestSeedIsDeterministic: the same seed makes the same ids.
func TestSeedIsDeterministic(t *testing.T) {
	made := func() string {
		c := newCloud(t)
		return c.must(c.admin.CreatePolicy(plain("P")))
	}
	if a, b := made(), made(); a != b || len(a) != 36 || a[14] != '4' || strings.ToLower(a) != a {
		t.Errorf("got ids %s and %s", a, b)
	}
}
