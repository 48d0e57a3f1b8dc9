package graphsim_test

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/graphsim"
)

// pages follows a listing to its end and returns the ids page by page.
func (c *cloud) pages(target string) [][]string {
	c.Helper()
	var pages [][]string
	for target != "" && len(pages) < 20 {
		got := c.get(target).want(200)
		pages = append(pages, got.ids())
		target, _ = got.json()["@odata.nextLink"].(string)
	}
	return pages
}

func TestPaging(t *testing.T) {
	c := newCloud(t)
	var all []string
	for i := range 5 {
		all = append(all, c.must(c.admin.CreatePolicy(plain(fmt.Sprint(i)))))
	}
	check := func(name, target string, want [][]string) {
		t.Helper()
		if diff := cmp.Diff(want, c.pages(target)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	check("one page", policies, [][]string{all})
	check("$top", policies+"?$top=4", [][]string{all[:4], all[4:]})
	c.tenant.Tune(func(b *graphsim.Behaviour) { b.PageSize = 2 })
	check("page size", policies, [][]string{all[:2], all[2:4], all[4:]})
	check("$top above the page size", policies+"?$top=100", [][]string{all[:2], all[2:4], all[4:]})
	check("$top below it", policies+"?$top=1", [][]string{all[:1], all[1:2], all[2:3], all[3:4], all[4:]})
	c.tenant.Tune(func(b *graphsim.Behaviour) { b.EmptyPage = true; b.PageSize = 3 })
	check("an empty page first", policies, [][]string{{}, all[:3], all[3:]})

	link := c.get(policies).json()["@odata.nextLink"].(string)
	if !strings.HasPrefix(link, graphURL+policies+"?$skiptoken=") {
		t.Errorf("nextLink %s is not below what was asked for", link)
	}
	c.get(policies + "?$skiptoken=nonsense").refused(400)
	c.get(policies + "?$top=0").refused(400)
	c.get(policies + "?$filter=x").refused(400)
	c.get("/v1.0/identity/conditionalAccess/polices").refused(400)
	c.get("/v2.0/identity/conditionalAccess/policies").refused(400)
	c.get(policies + "/" + all[0] + "/nothing").refused(400)
}

func TestBetaAndSelect(t *testing.T) {
	c := newCloud(t)
	id := c.must(c.admin.CreatePolicy(plain("P")))
	hidden := c.must(c.admin.CreatePolicy(plain("Hidden")))
	c.tenant.HideFromV1(hidden)
	c.ok(c.tenant.Seed(drift.NamedLocation, `{"@odata.type":"#microsoft.graph.compliantNetworkNamedLocation","displayName":"All compliant network locations","compliantNetworkType":"allTenantCompliantNetworks"}`))
	betaPolicies := strings.Replace(policies, "v1.0", "beta", 1)
	if diff := cmp.Diff([]string{id}, c.get(policies).ids()); diff != "" {
		t.Error(diff)
	}
	c.get(policies + "/" + hidden).refused(404)
	if got := c.get(places).ids(); len(got) != 0 {
		t.Errorf("v1.0 shows the compliant network location: %v", got)
	}
	if got := c.get(strings.Replace(places, "v1.0", "beta", 1)).ids(); len(got) != 1 {
		t.Errorf("beta hides the compliant network location: %v", got)
	}

	selected := c.get(betaPolicies + "?$select=id").want(200).json()
	want := map[string]any{
		"@odata.context": graphURL + "/beta/$metadata#identity/conditionalAccess/policies(id)",
		"value":          []any{map[string]any{"id": id}, map[string]any{"id": hidden}},
	}
	if diff := cmp.Diff(want, selected); diff != "" {
		t.Error(diff)
	}

	whole := c.get(betaPolicies + "/" + id).want(200).json()
	if whole["@microsoft.graph.tips"] == nil || c.get(betaPolicies).json()["@microsoft.graph.tips"] == nil {
		t.Error("beta without $select lacks the tips annotation")
	}
	conditions := whole["conditions"].(map[string]any)
	for name, want := range map[string]bool{
		"times": true, "deviceStates": true, "authenticationFlows": false, "insiderRiskLevels": false, "servicePrincipalRiskLevels": false,
	} {
		if _, got := conditions[name]; got != want {
			t.Errorf("beta shows conditions.%s: %t, want %t", name, got, want)
		}
	}
	if _, ok := whole["partialEnablementStrategy"]; !ok {
		t.Error("beta lacks partialEnablementStrategy")
	}
	// What v1.0 cannot see, a v1.0 PATCH keeps.
	c.send("PATCH", betaPolicies+"/"+id, `{"sessionControls":{"continuousAccessEvaluation":{"mode":"strictLocation"}}}`).want(204)
	c.send("PATCH", policies+"/"+id, `{"displayName":"Q"}`).want(204)
	if got := at(c.get(betaPolicies+"/"+id).json(), "sessionControls.continuousAccessEvaluation.mode"); got != "strictLocation" {
		t.Errorf("got %v", got)
	}
	if got := c.get(policies + "/" + id).raw; strings.Contains(got, "continuousAccessEvaluation") {
		t.Errorf("v1.0 shows a beta control: %s", got)
	}
}

func TestYoungEnumMembersHideBehindTheSentinel(t *testing.T) {
	c := newCloud(t)
	id := c.must(c.admin.CreatePolicy(strings.Replace(plain("P"), `"users":`, `"platforms":{"includePlatforms":["iOS","linux"]},"users":`, 1)))
	got := c.get(policies + "/" + id)
	if diff := cmp.Diff([]any{"iOS", "unknownFutureValue"}, at(got.json(), "conditions.platforms.includePlatforms")); diff != "" {
		t.Error(diff)
	}
	got = c.get(policies+"/"+id, "Prefer", "include-unknown-enum-members")
	if diff := cmp.Diff([]any{"iOS", "linux"}, at(got.json(), "conditions.platforms.includePlatforms")); diff != "" {
		t.Error(diff)
	}
	if got := got.header.Get("Preference-Applied"); got != "include-unknown-enum-members" {
		t.Errorf("got Preference-Applied %q", got)
	}
}

func TestBareStrengths(t *testing.T) {
	c := newCloud(t)
	c.tenant.Tune(func(b *graphsim.Behaviour) { b.BareStrengths = true })
	if got := c.get(strength).raw; strings.Contains(got, "combinationConfigurations") {
		t.Errorf("got %s", got)
	}
}

func TestGzipAndHeaders(t *testing.T) {
	c := newCloud(t)
	got := c.get(strength, "Accept-Encoding", "gzip", "client-request-id", "abc").want(200)
	unpacked, err := gzip.NewReader(strings.NewReader(got.raw))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(unpacked)
	if err != nil || string(raw) != c.get(strength).raw {
		t.Errorf("gzip: %v", err)
	}
	if again := c.get(strength, "Accept-Encoding", "gzip").want(200); again.raw != got.raw {
		t.Error("the kept page is another one")
	}
	c.server.OnRequest(func(*http.Request) *graphsim.Fault { return graphsim.Edits(graphsim.EmptyList) })
	if edited := c.get(strength, "Accept-Encoding", "gzip").want(200); edited.raw == got.raw {
		t.Error("an edited answer was sent as it was kept")
	}
	c.server.OnRequest(nil)
	c.tenant.Tune(func(b *graphsim.Behaviour) { b.NoGzip = true })
	if plain := c.get(strength, "Accept-Encoding", "gzip").want(200); plain.raw != string(raw) || plain.header.Get("Content-Encoding") != "" {
		t.Error("compressed although it should not be")
	}
	for name, want := range map[string]string{"client-request-id": "abc", "Odata-Version": "4.0", "Content-Encoding": "gzip"} {
		if got.header.Get(name) != want {
			t.Errorf("%s: got %q, want %q", name, got.header.Get(name), want)
		}
	}
	for _, name := range []string{"Date", "request-id", "x-ms-ags-diagnostic"} {
		if got.header.Get(name) == "" {
			t.Errorf("%s is missing", name)
		}
	}
	if _, err := http.ParseTime(got.header.Get("Date")); err != nil {
		t.Error(err)
	}
}

func TestThrottling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		c.tenant.Tune(func(b *graphsim.Behaviour) { b.RequestsPerSecond = 1 })
		c.get(policies).want(200)
		refused := c.get(places)
		if got := refused.refused(429); got == "" || refused.header.Get("Retry-After") != "" {
			t.Errorf("got %q, Retry-After %q", got, refused.header.Get("Retry-After"))
		}
		c.get(strength).want(200) // another service, another budget
		c.get(defaults).want(200)
		time.Sleep(950 * time.Millisecond) // jitter is forgiven
		c.get(policies).want(200)
		for i := range 10 { // … but not a faster pace
			time.Sleep(950 * time.Millisecond)
			if c.get(policies).status == 429 {
				break
			}
			if i == 9 {
				t.Error("a client at 1.05 requests a second was never throttled")
			}
		}
		time.Sleep(2 * time.Second)
		for range 100 { // exactly the limit is never throttled
			c.get(policies).want(200)
			time.Sleep(time.Second)
		}
		c.tenant.Tune(func(b *graphsim.Behaviour) { b.RetryAfter = "2.128" })
		c.get(policies).want(200)
		if got := c.get(policies).want(429).header.Get("Retry-After"); got != "2.128" {
			t.Errorf("got Retry-After %q", got)
		}
	})
}

func TestNoisyNeighbour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		c.tenant.Tune(func(b *graphsim.Behaviour) { b.RequestsPerSecond, b.NeighbourPerSecond = 1, 0.5 })
		c.token = c.login()
		throttled := 0
		for range 100 {
			if c.get(policies).status == 429 {
				throttled++
			}
			time.Sleep(1300 * time.Millisecond)
		}
		if throttled < 20 || throttled > 80 {
			t.Errorf("throttled %d of 100 requests beside a neighbour who takes half", throttled)
		}
		time.Sleep(10 * time.Minute) // a long silence costs nothing, not even time
		c.tenant.Tune(func(b *graphsim.Behaviour) { b.NeighbourPerSecond = 0 })
		c.get(policies).want(200)
	})
}

func TestReplicaLag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		c.tenant.Tune(func(b *graphsim.Behaviour) { b.Lag = 10 * time.Second })
		kept := c.must(c.admin.CreatePolicy(plain("Kept")))
		doomed := c.must(c.admin.CreatePolicy(plain("Doomed")))
		time.Sleep(time.Minute)
		c.ok(c.admin.PatchPolicy(kept, `{"displayName":"Renamed"}`))
		c.ok(c.admin.DeletePolicy(doomed))
		born := c.must(c.admin.CreatePolicy(plain("Born")))
		seen := make(map[string]int)
		for range 50 {
			time.Sleep(100 * time.Millisecond)
			seen["listing "+strings.Join(c.get(policies).want(200).ids(), " ")]++
			seen[fmt.Sprint("name ", c.get(policies + "/" + kept).want(200).json()["displayName"])]++
			seen[fmt.Sprint("doomed ", c.get(policies+"/"+doomed).status)]++
			seen[fmt.Sprint("born ", c.get(policies+"/"+born).status)]++
		}
		for _, want := range []string{
			"listing " + kept + " " + doomed, "listing " + kept + " " + born, // one replica per request, never a mixture
			"name Kept", "name Renamed", "doomed 200", "doomed 404", "born 404", "born 200",
		} {
			if seen[want] == 0 {
				t.Errorf("never saw %s", want)
			}
		}
		if len(seen) != 8 {
			t.Errorf("saw %v", seen)
		}
		time.Sleep(10 * time.Second)
		for range 50 {
			if got := c.get(policies).ids(); !cmp.Equal(got, []string{kept, born}) {
				t.Fatalf("stale after the lag: %v", got)
			}
		}
		// A location that has not propagated cannot be named yet.
		place := c.must(c.admin.CreateLocation(`{"@odata.type":"#microsoft.graph.countryNamedLocation","displayName":"NL","countriesAndRegions":["NL"]}`))
		answers := make(map[int]int)
		for range 20 {
			answers[c.send("PATCH", policies+"/"+kept, fmt.Sprintf(`{"conditions":{"locations":{"includeLocations":[%q]}}}`, place)).status]++
			c.ok(c.admin.PatchPolicy(kept, `{"conditions":{"locations":null}}`))
		}
		if answers[400] == 0 || answers[204] == 0 || len(answers) != 2 {
			t.Errorf("got answers %v", answers)
		}
	})
}
