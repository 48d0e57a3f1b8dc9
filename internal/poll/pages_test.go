package poll_test

import (
	"encoding/hex"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/graphsim"
)

// lies are what may be wrong with a page of a listing.
func lies() map[string]*graphsim.Fault {
	edit := func(edits ...func(map[string]any)) *graphsim.Fault { return graphsim.Edits(edits...) }
	member := func(name string, value any) func(map[string]any) {
		return func(body map[string]any) { body[name] = value }
	}
	ok := func(body string) *graphsim.Fault {
		return &graphsim.Fault{Status: 200, Body: body, Header: http.Header{"Content-Type": {"application/json"}}}
	}
	return map[string]*graphsim.Fault{
		"an empty list":              edit(graphsim.EmptyList),
		"an empty list with a link":  edit(member("value", []any{})),
		"the link left out":          edit(graphsim.DropPages),
		"the last object left out":   edit(graphsim.DropLast(1)),
		"half the objects left out":  edit(graphsim.DropLast(5)),
		"all but the link left out":  edit(graphsim.DropLast(10)),
		"a link to another host":     edit(graphsim.NextLink("https://evil.example/v1.0/identity/conditionalAccess/policies?$skiptoken=x")),
		"a link to another path":     edit(graphsim.NextLink("https://graph.microsoft.com/v1.0/users?$skiptoken=x")),
		"a link in a circle":         edit(graphsim.NextLink("https://graph.microsoft.com/v1.0/identity/conditionalAccess/policies")),
		"a link that is none":        edit(graphsim.NextLink("more")),
		"a link with a forged token": edit(graphsim.NextLink("https://graph.microsoft.com/v1.0/identity/conditionalAccess/policies?$skiptoken=forged")),
		"a link that is a number":    edit(member("@odata.nextLink", 7)),
		"an object twice":            edit(graphsim.Repeat("")),
		"an object twice, unlike":    edit(graphsim.Repeat("another")),
		"no value":                   edit(func(body map[string]any) { delete(body, "value") }),
		"null for a value":           edit(member("value", nil)),
		"an object for a value":      edit(member("value", map[string]any{})),
		"VALUE for value":            edit(func(body map[string]any) { body["VALUE"] = body["value"]; delete(body, "value") }),
		"an error in the body":       edit(member("error", map[string]any{"code": "x"})),
		"an object without id": edit(func(body map[string]any) {
			body["value"] = append(body["value"].([]any), map[string]any{"displayName": "x"})
		}),
		"a list of numbers":          edit(member("value", []any{1, 2})),
		"a web page with status 200": graphsim.HTML(200),
		"a web page with status 502": graphsim.HTML(502),
		"nothing with status 200":    ok(""),
		"half a document":            ok(`{"value":[{"id":"a"`),
		"two documents":              ok(`{"value":[]}{"value":[]}`),
		"an array":                   ok(`[]`),
		"null":                       ok(`null`),
		"forbidden":                  graphsim.GraphError(403, "AccessDenied", "no"),
		"not found":                  graphsim.GraphError(404, "ResourceNotFound", "no"),
		"gone":                       graphsim.GraphError(410, "Gone", "no"),
		"throttled":                  graphsim.GraphError(429, "TooManyRequests", "no"),
		"an inner error":             graphsim.GraphError(500, "InternalServerError", "no"),
		"no content":                 {Status: 204},
		"moved":                      {Status: 302, Header: http.Header{"Location": {"https://evil.example/"}}},
		"the connection broken":      {Cut: 100},
		"the connection refused":     {Refuse: true},
		"the answer lost":            {Lose: true},
	}
}

// liar answers the n-th page of every listing of policies with a lie, and
// counts the lies.
func liar(lie *graphsim.Fault, n int, told *int) func(*http.Request) *graphsim.Fault {
	page := 0
	return func(q *http.Request) *graphsim.Fault {
		if !strings.HasSuffix(q.URL.Path, "/conditionalAccess/policies") {
			return nil
		}
		if !q.URL.Query().Has("$skiptoken") {
			page = 0
		}
		page++
		if page == n {
			*told++
			return lie
		}
		return nil
	}
}

// inThirty has thirty policies in three pages and a baseline, and proves that
// what happens to them leaves all of it alone.
func inThirty(t *testing.T, test func(r *rig, unmoved func(what string))) {
	inRig(t, pinned, func(r *rig) {
		r.tenant.Tune(func(b *graphsim.Behaviour) { b.PageSize, b.NoGzip, b.RequestsPerSecond = 10, true, 0 })
		for i := range 30 {
			r.policy(fmt.Sprintf("CA%03d", i), everyone+","+mfa)
		}
		r.pass()
		digest, n := r.watcher.Status().Baseline.Digest, len(r.events())
		test(r, func(what string) {
			t.Helper()
			s := r.watcher.Status()
			if s.Objects[drift.Policy] != 30 || s.Baseline.Digest != digest || len(s.Findings) != 0 {
				t.Errorf("%s: %d policies, %d drifting, baseline %s", what, s.Objects[drift.Policy], len(s.Findings), s.Baseline.Digest)
			}
			for _, e := range r.since(n) {
				if e.Type != drift.MonitorBlind && e.Type != drift.MonitorRecovered {
					t.Errorf("%s: told %q", what, lines([]drift.Event{e}))
				}
			}
			n = len(r.events())
		})
	})
}

// TestBadPages puts every lie on every page, for long enough that whatever it
// hides would count as deleted, and lets the tenant recover.
func TestBadPages(t *testing.T) {
	all, pages := lies(), []int{1, 2}
	if long() {
		pages = []int{1, 2, 3}
	}
	cases := len(pages) * len(all)
	if cases < 60 {
		t.Fatalf("%d bad page sequences, want at least 60", cases)
	}
	t.Logf("%d bad page sequences", cases)
	inThirty(t, func(r *rig, unmoved func(string)) {
		for _, name := range slices.Sorted(maps.Keys(all)) {
			for _, page := range pages {
				told := 0
				r.sim.OnRequest(liar(all[name], page, &told))
				for range 4 {
					time.Sleep(2 * time.Minute)
					r.pass()
				}
				unmoved(fmt.Sprintf("%s on page %d", name, page))
				if r.sim.OnRequest(nil); told < 4 {
					t.Errorf("%s on page %d: told %d times in 4 passes", name, page, told)
				}
				for range 2 {
					time.Sleep(2 * time.Minute)
					r.pass()
				}
				unmoved(fmt.Sprintf("after %s on page %d", name, page))
				if s := r.watcher.Status(); len(s.Blind) != 0 || len(s.Absent) != 0 {
					t.Errorf("after %s on page %d: blind %v, absent %v", name, page, s.Blind, s.Absent)
				}
			}
		}
	})
}

// sequence answers one request after the other by the bytes of a script.
func sequence(script []byte) func(*http.Request) *graphsim.Fault {
	all := lies()
	names := slices.Sorted(maps.Keys(all))
	i := 0
	return func(q *http.Request) *graphsim.Fault {
		if !strings.HasSuffix(q.URL.Path, "/conditionalAccess/policies") || i >= len(script) {
			return nil
		}
		i++
		if n := int(script[i-1]); n < len(names) { // most bytes are an honest page
			return all[names[n]]
		}
		return nil
	}
}

func lying(t *testing.T, script []byte) {
	inThirty(t, func(r *rig, unmoved func(string)) {
		r.sim.OnRequest(sequence(script))
		r.start()
		time.Sleep(20 * time.Minute)
		unmoved("script " + hex.EncodeToString(script))
	})
}

// TestBadSequences draws sequences of lies at random.
func TestBadSequences(t *testing.T) {
	runs, seed := 5, seedOf(t, 20261123)
	if long() {
		runs = 5000
	}
	for n := range runs {
		rnd := rand.New(rand.NewPCG(seed, uint64(n)))
		script := make([]byte, 1+rnd.IntN(60))
		for i := range script {
			script[i] = byte(rnd.IntN(64))
		}
		lying(t, script)
		if t.Failed() {
			break
		}
	}
	t.Logf("%d sequences from seed %d", runs, seed)
}

func FuzzBadSequences(f *testing.F) {
	for i := 0; i < len(lies()); i += 6 {
		f.Add([]byte{byte(i), 255, byte(i), byte(i), byte(i + 1)})
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		lying(t, script[:min(len(script), 200)])
	})
}
