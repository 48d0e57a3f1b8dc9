package graphsim_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cadrift/cadrift/internal/graphsim"
)

func TestFaults(t *testing.T) {
	c := newCloud(t)
	id := c.must(c.admin.CreatePolicy(plain("P")))
	c.must(c.admin.CreatePolicy(plain("Q")))
	var f *graphsim.Fault
	asked := 0
	c.server.OnRequest(func(*http.Request) *graphsim.Fault { asked++; return f })
	with := func(fault *graphsim.Fault) answer {
		t.Helper()
		f = fault
		before := asked
		got := c.get(policies)
		if asked != before+1 {
			t.Fatal("the hook was not asked")
		}
		f = nil
		return got
	}
	if got := with(nil).want(200).ids(); len(got) != 2 {
		t.Errorf("no fault: %v", got)
	}
	if got := with(graphsim.HTML(200)).want(200); !strings.HasPrefix(got.raw, "<!DOCTYPE") {
		t.Errorf("HTML: got %s", got.raw)
	}
	if got := with(&graphsim.Fault{Status: 503}).want(503); got.raw != "" {
		t.Errorf("503: got %q", got.raw)
	}
	if got := with(&graphsim.Fault{Cut: 30}); got.err == nil || len(got.raw) != 30 {
		t.Errorf("cut: got %d bytes, %v", len(got.raw), got.err)
	}
	if got := with(&graphsim.Fault{Refuse: true}); got.err == nil {
		t.Error("refuse: an answer came")
	}
	if got := with(graphsim.ClaimsChallenge(`{"access_token":{}}`)).want(401).header.Get("WWW-Authenticate"); !strings.Contains(got, `error="insufficient_claims", claims="eyJ`) {
		t.Errorf("claims challenge: got %s", got)
	}
	if got := with(graphsim.Edits(graphsim.EmptyList)).ids(); len(got) != 0 {
		t.Errorf("empty list: got %v", got)
	}
	if got := with(graphsim.Edits(graphsim.DropLast(1))).ids(); !cmp.Equal(got, []string{id}) {
		t.Errorf("drop last: got %v", got)
	}
	if got := with(graphsim.Edits(graphsim.Repeat(""))).ids(); len(got) != 3 || got[2] != id {
		t.Errorf("repeat: got %v", got)
	}
	if got := with(graphsim.Edits(graphsim.Repeat("Other"))).raw; strings.Count(got, id+`","modified`) != 2 || !strings.Contains(got, `"Other"`) {
		t.Errorf("contradiction: got %s", got)
	}
	if got := with(graphsim.Edits(graphsim.NextLink("https://evil.example/x"))).json()["@odata.nextLink"]; got != "https://evil.example/x" {
		t.Errorf("foreign link: got %v", got)
	}
	got := with(graphsim.Edits(graphsim.Set("conditions.newThing", []any{}), graphsim.Set("conditions.clientAppTypes", "unknownFutureValue"))).json()["value"].([]any)
	for _, member := range got {
		conditions := member.(map[string]any)["conditions"]
		if diff := cmp.Diff([]any{"all", "unknownFutureValue"}, at(conditions.(map[string]any), "clientAppTypes")); diff != "" {
			t.Error(diff)
		}
		if at(conditions.(map[string]any), "newThing") == nil {
			t.Error("the new property is missing")
		}
	}
	c.tenant.Tune(func(b *graphsim.Behaviour) { b.PageSize = 1 })
	if got := with(graphsim.Edits(graphsim.DropPages)).json(); got["@odata.nextLink"] != nil || len(got["value"].([]any)) != 1 {
		t.Errorf("drop pages: got %v", got)
	}
	// Nothing of it stuck.
	c.tenant.Tune(func(b *graphsim.Behaviour) { b.PageSize = 0 })
	if got := with(nil).ids(); len(got) != 2 {
		t.Errorf("after the faults: %v", got)
	}
}

// TestLostAnswer: the write took place and the client cannot know.
func TestLostAnswer(t *testing.T) {
	c := newCloud(t)
	id := c.must(c.admin.CreatePolicy(plain("P")))
	c.server.OnRequest(func(r *http.Request) *graphsim.Fault {
		if r.Method == http.MethodPatch {
			body, _ := io.ReadAll(r.Body)
			return &graphsim.Fault{Lose: strings.Contains(string(body), "Lost"), Refuse: strings.Contains(string(body), "Refused")}
		}
		return nil
	})
	if got := c.send("PATCH", policies+"/"+id, `{"displayName":"Refused"}`); got.err == nil {
		t.Error("refused: an answer came")
	}
	if got := c.send("PATCH", policies+"/"+id, `{"displayName":"Lost"}`); got.err == nil {
		t.Error("lost: an answer came")
	}
	if got := stored(c, id)["displayName"]; got != "Lost" {
		t.Errorf("got name %v", got)
	}
}

// TestConcurrentEdit: the hook runs without locks, so a test can slip an edit
// between a client's read and its write.
func TestConcurrentEdit(t *testing.T) {
	c := newCloud(t)
	id := c.must(c.admin.CreatePolicy(plain("P")))
	c.server.OnRequest(func(r *http.Request) *graphsim.Fault {
		if r.Method == http.MethodPatch {
			c.ok(c.admin.PatchPolicy(id, `{"state":"disabled"}`))
		}
		return nil
	})
	c.send("PATCH", policies+"/"+id, `{"displayName":"Q"}`).want(204)
	if got := stored(c, id); got["state"] != "disabled" || got["displayName"] != "Q" {
		t.Errorf("got %v", got)
	}
}

func TestDelayHonoursTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		c.server.OnRequest(func(*http.Request) *graphsim.Fault { return &graphsim.Fault{Delay: time.Minute} })
		start := time.Now()
		c.get(policies).want(200)
		if got := time.Since(start); got != time.Minute {
			t.Errorf("waited %v", got)
		}
		client := &http.Client{Transport: c.server, Timeout: 10 * time.Second}
		start = time.Now()
		if _, err := client.Get(graphURL + policies); err == nil || time.Since(start) != 10*time.Second {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
	})
}

func TestRequestsAreCounted(t *testing.T) {
	c := newCloud(t)
	c.get(policies + "?$top=1").want(200)
	c.get(policies)
	c.get(places + "/nobody").want(404)
	if got := c.server.Count("GET", policies); got != 2 {
		t.Errorf("got %d listings, want 2", got)
	}
	if got := c.get("https://evil.example/v1.0/identity/conditionalAccess/policies"); got.err == nil || !strings.Contains(got.err.Error(), "no such host") {
		t.Errorf("a foreign host answered: %v", got.err)
	}
	if got := c.server.CountHost("evil.example"); got != 1 {
		t.Errorf("got %d requests to the foreign host, want 1", got)
	}
	recent := c.server.Requests()
	last := recent[len(recent)-2]
	if last.Path != places+"/nobody" || last.Status != 404 || last.Method != "GET" {
		t.Errorf("got %+v", last)
	}
	if query, _ := url.ParseQuery(recent[1].Query); query.Get("$top") != "1" {
		t.Errorf("got query %q", recent[1].Query)
	}
}

// BenchmarkUnchangedListing is what a simulated year consists of.
func BenchmarkUnchangedListing(b *testing.B) {
	server := graphsim.New(graphsim.Options{})
	tenant := server.AddTenant(tenantID, "Bench")
	tenant.Tune(func(b *graphsim.Behaviour) { b.RequestsPerSecond = 0 })
	tenant.AddApp(graphsim.App{ClientID: clientID, Secret: secret, Roles: []string{graphsim.PolicyReadAll}})
	for i := range 240 {
		if _, err := tenant.As(graphsim.Actor{}).CreatePolicy(plain(fmt.Sprint(i))); err != nil {
			b.Fatal(err)
		}
	}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {clientID}, "client_secret": {secret}, "scope": {graphURL + "/.default"}}
	r, _ := http.NewRequest("POST", loginURL+"/"+tenantID+"/oauth2/v2.0/token", strings.NewReader(form.Encode()))
	response, err := server.RoundTrip(r)
	if err != nil {
		b.Fatal(err)
	}
	raw, _ := io.ReadAll(response.Body)
	token := strings.Split(string(raw), `"`)[3]
	for b.Loop() {
		r, _ := http.NewRequest("GET", graphURL+policies, nil)
		r.Header.Set("Authorization", "Bearer "+token)
		response, err := server.RoundTrip(r)
		if err != nil || response.StatusCode != 200 {
			b.Fatal(err, response)
		}
	}
}
