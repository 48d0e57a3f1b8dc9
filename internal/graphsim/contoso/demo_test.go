package contoso

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/graphsim"
)

func mustNew(t *testing.T) *graphsim.Tenant {
	t.Helper()
	_, tenant, err := New(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return tenant
}

func read(t *testing.T, tenant *graphsim.Tenant, kind drift.Kind, id string) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal(tenant.Body(kind, id), &out); err != nil {
		t.Fatalf("%s %s: %v", kind, id, err)
	}
	return out
}

func TestTenantIsWhatTheDemonstrationPromises(t *testing.T) {
	tenant := mustNew(t)
	counts := make(map[drift.Kind]int)
	for _, kind := range []drift.Kind{drift.Policy, drift.NamedLocation, drift.AuthenticationStrength, drift.AuthenticationContext, drift.SecurityDefaults} {
		counts[kind] = len(tenant.IDs(kind))
	}
	want := map[drift.Kind]int{drift.NamedLocation: 12, drift.AuthenticationStrength: 5, drift.AuthenticationContext: 4, drift.SecurityDefaults: 1}
	if n := counts[drift.Policy]; n < 55 || n > 70 {
		t.Errorf("got %d policies, want about 60", n)
	}
	delete(counts, drift.Policy)
	if diff := cmp.Diff(want, counts); diff != "" {
		t.Error(diff)
	}

	states, unguarded, names := make(map[string]int), 0, make(map[string]bool)
	for _, id := range tenant.IDs(drift.Policy) {
		policy := read(t, tenant, drift.Policy, id)
		name := policy["displayName"].(string)
		if names[name] || ID(name) != id {
			t.Errorf("%q: name twice, or id %s is not made from it", name, id)
		}
		names[name] = true
		states[policy["state"].(string)]++
		raw := string(tenant.Body(drift.Policy, id))
		if strings.Contains(raw, `"includeServicePrincipals"`) {
			continue // the accounts are no workload identities
		}
		for _, account := range EmergencyUsers() {
			if !strings.Contains(raw, account) {
				unguarded++
				break
			}
		}
		if born := policy["createdDateTime"].(string); born >= stamp(time.Now()) || born >= policy["modifiedDateTime"].(string) && born != policy["modifiedDateTime"] {
			t.Errorf("%q was born at %s and changed at %s", name, born, policy["modifiedDateTime"])
		}
	}
	if states["disabled"] < 3 || states["enabledForReportingButNotEnforced"] < 4 || states["enabled"] < 45 {
		t.Errorf("got states %v", states)
	}
	if unguarded < 1 || unguarded > 5 {
		t.Errorf("%d policies do not exclude the emergency accounts, want a few", unguarded)
	}
}

// TestEveryPolicyIsOneThatGraphAccepts posts each draft as a client would:
// seeding checks the schema only.
func TestEveryPolicyIsOneThatGraphAccepts(t *testing.T) {
	tenant := mustNew(t)
	tenant.Tune(func(b *graphsim.Behaviour) { b.PolicyLimit = 0 })
	for _, d := range everyPolicy() {
		if _, err := tenant.As(graphsim.Actor{}).CreatePolicy(text(d.request())); err != nil {
			t.Errorf("%s: %v", d.name, err)
		}
	}
	for _, place := range locations() {
		if _, err := tenant.As(graphsim.Actor{}).CreateLocation(text(place)); err != nil {
			t.Errorf("%v: %v", place["displayName"], err)
		}
	}
}

// TestSameTenantEveryTime: two runs at the same time agree to the byte.
func TestSameTenantEveryTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := mustNew(t), mustNew(t)
		for _, id := range a.IDs(drift.Policy) {
			if diff := cmp.Diff(string(a.Body(drift.Policy, id)), string(b.Body(drift.Policy, id))); diff != "" {
				t.Error(diff)
			}
		}
	})
}

// state is everything that a client can see change.
func state(t *testing.T, tenant *graphsim.Tenant) map[string]any {
	t.Helper()
	out := make(map[string]any)
	for _, kind := range []drift.Kind{drift.Policy, drift.NamedLocation} {
		for _, id := range tenant.IDs(kind) {
			out[id] = read(t, tenant, kind, id)
		}
	}
	out[travellers] = tenant.MembersOf(ID(travellers))
	return out
}

func TestScript(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := mustNew(t)
		unordered := cmpopts.SortSlices(func(a, b any) bool {
			x, _ := json.Marshal(a)
			y, _ := json.Marshal(b)
			return string(x) < string(y)
		})
		var total time.Duration
		for i, step := range Script() {
			if step.Title == "" || step.Expect == "" || step.Pause < 5*time.Second {
				t.Errorf("step %d does not say what it is: %+v", i, step)
			}
			total += step.Pause
			time.Sleep(step.Pause)
			before := state(t, tenant)
			if err := step.Do(tenant); err != nil {
				t.Fatalf("%s: %v", step.Title, err)
			}
			after := state(t, tenant)
			if cmp.Equal(before, after) {
				t.Errorf("%s: nothing moved at all", step.Title)
			}
			if quiet := cmp.Equal(before, after, unordered); quiet != (step.Expect == "nothing") {
				t.Errorf("%s: nothing but order changed: %t, and yet it expects %q", step.Title, quiet, step.Expect)
			}
		}
		if total < 100*time.Second || total > 160*time.Second {
			t.Errorf("the script takes %v, want about two and a half minutes", total)
		}
		checkEnd(t, tenant)
	})
}

// checkEnd looks at what the script leaves behind.
func checkEnd(t *testing.T, tenant *graphsim.Tenant) {
	t.Helper()
	if got := read(t, tenant, drift.Policy, ID(finance)); got["state"] != "enabled" || got["grantControls"].(map[string]any)["operator"] != "OR" {
		t.Errorf("finance is %v with %v", got["state"], got["grantControls"])
	}
	if raw := string(tenant.Body(drift.Policy, ID(adminKeys))); !strings.Contains(raw, ID("Kim")) || !strings.Contains(raw, EmergencyUsers()[1]) {
		t.Errorf("exclusions of %s: %s", adminKeys, raw)
	}
	if raw := string(tenant.Body(drift.NamedLocation, ID("HQ"))); !strings.Contains(raw, "100.64.0.0/10") {
		t.Errorf("HQ: %s", raw)
	}
	if tenant.Body(drift.Policy, ID(deviceCode)) != nil {
		t.Error("the deleted policy is still there")
	}
	list := tenant.IDs(drift.Policy)
	if got := read(t, tenant, drift.Policy, list[len(list)-1]); got["displayName"] != deviceCode {
		t.Errorf("the newest policy is %v", got["displayName"])
	}
	if got := len(tenant.Writes()); got != len(Script())-2 {
		t.Errorf("got %d writes of %d steps, of which one is none and one fills a group", got, len(Script()))
	}
	if got := len(tenant.MembersOf(ID(travellers))); got != 14 { // Charlie and the group that they are in
		t.Errorf("%s has %d members, want 14", travellers, got)
	}
	for _, w := range tenant.Writes() {
		if w.Actor.Name == "" || w.Actor.ID == "" {
			t.Errorf("nobody did %s %s", w.Op, w.Name)
		}
	}
}
