package graph

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"github.com/cadrift/cadrift/internal/drift"
)

func TestRequestHeaders(t *testing.T) {
	for version, path := range map[string]string{"": "/v1.0/", "v1.0": "/v1.0/", "beta": "/beta/"} {
		w := &wire{answers: []answer{{body: collection("", object("a"))}}}
		c := newClient(t, w, func(o *Options) { o.Version, o.UserAgent = version, "cadrift/1 (run 7)" })
		for range 2 {
			if _, err := c.List(t.Context(), drift.Policy); err != nil {
				t.Fatal(err)
			}
		}
		got := w.asked[0]
		if want := endpoint + path + "identity/conditionalAccess/policies"; got.url != want {
			t.Errorf("got %s, want %s", got.url, want)
		}
		id := got.header.Get("client-request-id")
		if len(id) != 36 || id == w.asked[1].header.Get("client-request-id") {
			t.Errorf("got request ids %q and %q, want one each", id, w.asked[1].header.Get("client-request-id"))
		}
		got.header.Del("client-request-id")
		want := http.Header{
			"Accept": {"application/json"}, "Accept-Encoding": {"gzip"}, "Authorization": {"Bearer " + planted + "-0"},
			"Prefer": {"include-unknown-enum-members"}, "User-Agent": {"cadrift/1 (run 7)"},
		}
		if diff := cmp.Diff(want, got.header); diff != "" {
			t.Errorf("headers (-want +got):\n%s", diff)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for _, o := range []Options{
		{Endpoint: "http://graph.example"},
		{Endpoint: "graph.example"},
		{Endpoint: "https://"},
		{Endpoint: "https://:443"},
		{Endpoint: ""},
		{Endpoint: "https://u:" + planted + "@graph.example"},
		{Endpoint: "https://graph.example?k=" + planted},
		{Endpoint: "https://graph.example#f"},
		{Endpoint: "https://gr aph/" + planted},
		{Endpoint: endpoint, Version: "v2"},
	} {
		o.Tokens = &fixed{}
		if _, err := New(o); err == nil || strings.Contains(err.Error(), planted) {
			t.Errorf("%+v: got %v, want a refusal without the URL", o, err)
		}
	}
	if _, err := New(Options{Endpoint: endpoint}); err == nil {
		t.Error("no token source: got a client")
	}
	if c, err := New(Options{Endpoint: "https://graph.example/prefix/", Tokens: &fixed{}}); err != nil || c.address("v1.0", "/a").String() != "https://graph.example/prefix/v1.0/a" {
		t.Errorf("got %v, want an address below the prefix", err)
	}
}

func TestEveryKind(t *testing.T) {
	paths := map[drift.Kind]string{
		drift.Policy:                 policiesPath,
		drift.NamedLocation:          "/v1.0/identity/conditionalAccess/namedLocations",
		drift.AuthenticationContext:  "/v1.0/identity/conditionalAccess/authenticationContextClassReferences",
		drift.AuthenticationStrength: "/v1.0/policies/authenticationStrengthPolicies",
		drift.SecurityDefaults:       "/v1.0/policies/identitySecurityDefaultsEnforcementPolicy",
	}
	for kind, path := range paths {
		body, one := collection("", `{"id":"A b/1"}`), `{"id":"a b/1"}`
		if kind == drift.SecurityDefaults {
			body = one
		}
		w := &wire{route: func(req *http.Request) answer {
			if req.URL.Path == path {
				return answer{body: body, header: with("Date", "Sat, 21 Nov 2026 20:00:00 GMT")}
			}
			return answer{body: one}
		}}
		c := newClient(t, w)
		got, err := c.List(t.Context(), kind)
		if err != nil || len(got.Items) != 1 || got.Kind != kind || w.asked[0].url != endpoint+path {
			t.Errorf("%s: got %v, %v from %s", kind, got, err, w.asked[0].url)
		}
		if got.Date.Format(time.RFC3339) != "2026-11-21T20:00:00Z" || time.Since(got.At) > time.Minute {
			t.Errorf("%s: got date %s and time %s", kind, got.Date, got.At)
		}
		item, err := c.Get(t.Context(), kind, "A b/1")
		if err != nil || string(item.Raw) != one {
			t.Errorf("get %s: got %s, %v", kind, item.Raw, err)
		}
		want := endpoint + path
		if kind != drift.SecurityDefaults {
			want += "/A%20b%2F1"
		}
		if last := w.asked[1].url; last != want {
			t.Errorf("get %s: asked %s, want %s", kind, last, want)
		}
		if s, _ := shapeOf(kind); s.permission == "" {
			t.Errorf("%s: no permission named", kind)
		}
	}
	c, w := script(t, answer{})
	if _, err := c.List(t.Context(), drift.Group); err == nil {
		t.Error("groups: got a listing")
	}
	if _, err := c.Get(t.Context(), drift.Group, "a"); err == nil || w.count() != 0 {
		t.Error("groups: got an object")
	}
}

// Gate 0: the same bytes are the same listing, in the same memory.
func TestSame(t *testing.T) {
	pages := map[string]string{"": collection(nextPage(2), object("a"), object("b")), "$skiptoken=2": collection("", object("c"))}
	w := &wire{route: func(req *http.Request) answer { return answer{body: pages[req.URL.RawQuery]} }}
	c := newClient(t, w)
	list := func() Listing {
		t.Helper()
		l, err := c.List(t.Context(), drift.Policy)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	first := list()
	if first.Same || first.Version == 0 {
		t.Errorf("first reading: got same %v, version %d", first.Same, first.Version)
	}
	second := list()
	if !second.Same || second.Version != first.Version || ids(second.Items) != "a b c" {
		t.Errorf("second reading: got same %v, version %d, %s", second.Same, second.Version, ids(second.Items))
	}
	for i := range first.Items {
		if !shared(first.Items[i], second.Items[i]) {
			t.Errorf("item %d: got other memory", i)
		}
	}

	pages["$skiptoken=2"] = collection("", object("c"), object("d"))
	third := list()
	if third.Same || third.Version == second.Version || ids(third.Items) != "a b c d" {
		t.Errorf("changed page: got same %v, version %d, %s", third.Same, third.Version, ids(third.Items))
	}
	for i := range first.Items {
		if !shared(first.Items[i], third.Items[i]) {
			t.Errorf("item %d did not change: got other memory", i)
		}
	}
	kept := string(first.Items[0].Raw) + string(first.Items[2].Raw)

	good := pages[""]
	pages[""] = `{"value":null}`
	if _, err := c.List(t.Context(), drift.Policy); err == nil {
		t.Fatal("got a listing from a bad page")
	}
	pages[""] = good
	if again := list(); !again.Same || again.Version != third.Version {
		t.Errorf("after a bad reading: got same %v, want the last complete one remembered", again.Same)
	}

	// Fewer pages, then different ones: nothing of old listings is written to.
	pages[""] = collection("", object("a"), `{"id":"b","displayName":"new"}`)
	if fewer := list(); fewer.Same || ids(fewer.Items) != "a b" || shared(fewer.Items[1], first.Items[1]) {
		t.Errorf("fewer pages: got same %v, %s", fewer.Same, ids(fewer.Items))
	}
	for i := range 5 {
		pages[""] = collection("", object(fmt.Sprint(i)), object("z"))
		list()
	}
	if got := string(first.Items[0].Raw) + string(first.Items[2].Raw); got != kept {
		t.Errorf("an old listing was overwritten: got %s, want %s", got, kept)
	}
}

func shared(a, b Item) bool { return unsafe.SliceData(a.Raw) == unsafe.SliceData(b.Raw) }

// A listing that lost its last page, and one page that stayed, is not the same.
func TestSameNeedsEveryPage(t *testing.T) {
	first := collection(nextPage(2), object("a"))
	w := &wire{answers: []answer{
		{body: first},
		{body: collection("", object("b"))},
		{body: first},
		{body: collection(nextPage(3))},
		{body: collection("", object("b"))},
	}}
	c := newClient(t, w)
	for i, want := range []string{"a b", "a b"} {
		got, err := c.List(t.Context(), drift.Policy)
		if err != nil || got.Same || ids(got.Items) != want {
			t.Errorf("reading %d: got %s, same %v, %v", i, ids(got.Items), got.Same, err)
		}
	}
}

// Two readers at once do not disturb each other, and equal versions are equal
// content.
func TestConcurrentLists(t *testing.T) {
	var mu sync.Mutex
	n := 0
	w := &wire{route: func(*http.Request) answer {
		mu.Lock()
		defer mu.Unlock()
		n++
		return answer{body: collection("", object("a"), object(fmt.Sprint(n/7)))}
	}}
	c := newClient(t, w)
	versions := map[uint64]string{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				got, err := c.List(t.Context(), drift.Policy)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if seen, ok := versions[got.Version]; ok && seen != ids(got.Items) {
					t.Errorf("version %d: got %s and %s", got.Version, seen, ids(got.Items))
				}
				versions[got.Version] = ids(got.Items)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

// The listing moved once: it is read again and is complete.
func TestListingMovedOnce(t *testing.T) {
	c, w := script(t,
		answer{body: collection(nextPage(2), object("a"), object("b"))}, answer{body: collection("", `{"id":"b","displayName":"moved"}`)},
		answer{body: collection(nextPage(2), object("a"))}, answer{body: collection("", `{"id":"b","displayName":"moved"}`)})
	got, err := c.List(t.Context(), drift.Policy)
	if err != nil || ids(got.Items) != "a b" || w.count() != 4 || got.Same {
		t.Errorf("got %s, %v after %d requests", ids(got.Items), err, w.count())
	}
}

const strengths = "/v1.0/policies/authenticationStrengthPolicies"

func TestStrengthsCarryTheirConfigurations(t *testing.T) {
	configurations := collection("", `{"@odata.type":"#microsoft.graph.fido2CombinationConfiguration","id":"k1"}`, `{"id":"k2"}`)
	bodies := map[string]string{
		strengths: collection("",
			`{"id":"s1","policyType":"builtIn","combinationConfigurations":[]}`,
			`{"id":"s2","policyType":"custom","combinationConfigurations":[],"x":1}`,
			`{ "id":"s3" , "policyType":"custom" }`),
		strengths + "/s2/combinationConfigurations": configurations,
		strengths + "/s3/combinationConfigurations": collection(""),
		strengths + "/s2": `{"@odata.context":"c","id":"s2","policyType":"custom"}`,
	}
	w := &wire{route: func(req *http.Request) answer {
		body, ok := bodies[req.URL.Path]
		if !ok {
			return answer{status: 404}
		}
		return answer{body: body}
	}}
	c := newClient(t, w)
	want := []string{
		`{"id":"s1","policyType":"builtIn","combinationConfigurations":[]}`,
		`{"id":"s2","policyType":"custom","combinationConfigurations":[{"@odata.type":"#microsoft.graph.fido2CombinationConfiguration","id":"k1"},{"id":"k2"}],"x":1}`,
		`{ "id":"s3" , "policyType":"custom" ,"combinationConfigurations":[]}`,
	}
	var first Listing
	for i := range 2 {
		got, err := c.List(t.Context(), drift.AuthenticationStrength)
		if err != nil {
			t.Fatal(err)
		}
		for j, item := range got.Items {
			if string(item.Raw) != want[j] || !json.Valid(item.Raw) {
				t.Errorf("got  %s\nwant %s", item.Raw, want[j])
			}
		}
		if got.Same != (i == 1) {
			t.Errorf("reading %d: got same %v", i, got.Same)
		}
		if i == 0 {
			first = got
		}
	}
	if w.count() != 6 {
		t.Errorf("got %d requests, want two times three: built-in strengths have no configurations", w.count())
	}

	item, err := c.Get(t.Context(), drift.AuthenticationStrength, "s2")
	if err != nil || !strings.HasSuffix(string(item.Raw), `"policyType":"custom","combinationConfigurations":[{"@odata.type":"#microsoft.graph.fido2CombinationConfiguration","id":"k1"},{"id":"k2"}]}`) {
		t.Errorf("get: got %s, %v", item.Raw, err)
	}

	// Only the configurations change: the listing did, its neighbours did not.
	bodies[strengths+"/s2/combinationConfigurations"] = collection("", `{"id":"k2"}`)
	got, err := c.List(t.Context(), drift.AuthenticationStrength)
	if err != nil || got.Same || got.Version == first.Version {
		t.Fatalf("changed configuration: got same %v, %v", got.Same, err)
	}
	if shared(got.Items[1], first.Items[1]) || !shared(got.Items[0], first.Items[0]) || !shared(got.Items[2], first.Items[2]) {
		t.Error("changed configuration: got the wrong bodies anew")
	}

	// Without the configurations the listing is not complete.
	delete(bodies, strengths+"/s3/combinationConfigurations")
	_, err = c.List(t.Context(), drift.AuthenticationStrength)
	if e := fault(t, err); e.Reason != drift.ReasonIncomplete || !strings.Contains(e.Op, "configurations of s3") {
		t.Errorf("got %v, want incomplete", err)
	}
	bodies[strengths] = collection("", `{"id":"..","policyType":"custom"}`)
	if _, err = c.List(t.Context(), drift.AuthenticationStrength); fault(t, err).Reason != drift.ReasonIncomplete {
		t.Errorf("got %v, want incomplete", err)
	}
}

func TestSecurityDefaults(t *testing.T) {
	body := ` {"@odata.context":"c","id":"00000000-0000-0000-0000-000000000005","isEnabled":true} `
	c, _ := script(t, answer{body: body})
	for i := range 2 {
		got, err := c.List(t.Context(), drift.SecurityDefaults)
		if err != nil || len(got.Items) != 1 || string(got.Items[0].Raw) != strings.TrimSpace(body) || got.Same != (i == 1) {
			t.Errorf("reading %d: got %+v, %v", i, got, err)
		}
	}
	for _, bad := range []string{`{"isEnabled":true}`, `{"id":"a","error":{"code":"x"}}`, collection("", object("a")), `[]`, `{"id":"a"`} {
		c, _ := script(t, answer{body: bad})
		got, err := c.List(t.Context(), drift.SecurityDefaults)
		if e := fault(t, err); e.Reason != drift.ReasonIncomplete || got.Items != nil {
			t.Errorf("%s: got %v, %v", bad, got, err)
		}
	}
}

// Real bodies, where they are at hand.
func TestExampleBodies(t *testing.T) {
	const dir = "../../../shared/graph-examples"
	for file, kind := range map[string]drift.Kind{
		"shape-ca-policies-list.v10.response.json":     drift.Policy,
		"ca-policies-list.v10.01.response.json":        drift.Policy,
		"shape-named-locations-list.v10.response.json": drift.NamedLocation,
		"auth-contexts-list.beta.01.response.json":     drift.AuthenticationContext,
		"security-defaults-get.v10.01.response.json":   drift.SecurityDefaults,
	} {
		body, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Skip("no examples beside this repository")
		}
		c, _ := script(t, answer{body: string(body)})
		got, err := c.List(t.Context(), kind)
		if err != nil || len(got.Items) == 0 {
			t.Errorf("%s: got %d objects, %v", file, len(got.Items), err)
		}
		for _, item := range got.Items {
			if !strings.Contains(string(body), string(item.Raw)) {
				t.Errorf("%s: %s is not to the byte", file, item.ID)
			}
		}
	}
}
