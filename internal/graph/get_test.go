package graph

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cadrift/cadrift/internal/drift"
)

// Only Graph's own 404 says that an object is not there: deletions are
// announced on its word.
func TestGetNotFound(t *testing.T) {
	html := with("Content-Type", "text/html")
	for name, tt := range map[string]struct {
		answer answer
		want   bool
	}{
		"Graph's":        {answer{status: 404, body: `{"error":{"code":"ResourceNotFound","message":"m"}}`}, true},
		"empty":          {answer{status: 404}, true},
		"a proxy's":      {answer{status: 404, body: "<html>nothing here</html>", header: html}, false},
		"gone":           {answer{status: 410}, false},
		"bad request":    {answer{status: 400, body: `{"error":{"code":"BadRequest"}}`}, false},
		"forbidden":      {answer{status: 403}, false},
		"200 with error": {answer{body: `{"error":{"code":"ResourceNotFound"}}`}, false},
	} {
		c, w := script(t, tt.answer)
		_, err := c.Get(t.Context(), drift.Policy, "a")
		if got := errors.Is(err, drift.ErrNotFound); err == nil || got != tt.want || w.count() != 1 {
			t.Errorf("%s: got %v (not found %v), want not found %v", name, err, got, tt.want)
		}
		fault(t, err)
	}
	// A listing that answers 404 says nothing about objects.
	c, _ := script(t, answer{status: 404})
	if _, err := c.List(t.Context(), drift.Policy); errors.Is(err, drift.ErrNotFound) {
		t.Errorf("list: got %v, want no ErrNotFound", err)
	}
}

func TestGetRefuses(t *testing.T) {
	for _, body := range []string{object("b"), `{"value":[` + object("a") + `]}`, `{}`, `[]`, "", object("a") + "x"} {
		c, _ := script(t, answer{body: body})
		got, err := c.Get(t.Context(), drift.Policy, "a")
		if e := fault(t, err); e.Reason != drift.ReasonIncomplete || got.Raw != nil {
			t.Errorf("%s: got %v, %v, want incomplete", body, got, err)
		}
	}
	c, w := script(t, answer{body: object("a")})
	for _, id := range []string{"", ".", "..", strings.Repeat("a", 1000)} {
		if _, err := c.Get(t.Context(), drift.Policy, id); err == nil || w.count() != 0 {
			t.Errorf("id %q: got %v after %d requests, want a refusal", id, err, w.count())
		}
	}
	for id, want := range map[string]string{"../x": "..%2Fx", "a?b": "a%3Fb", "a#b": "a%23b", "a%2fb": "a%252fb"} {
		_, _ = c.Get(t.Context(), drift.Policy, id)
		if got := w.asked[w.count()-1].url; got != endpoint+policiesPath+"/"+want {
			t.Errorf("id %q: asked %s", id, got)
		}
	}
}

func TestDeleted(t *testing.T) {
	for kind, path := range map[drift.Kind]string{drift.Policy: "policies", drift.NamedLocation: "namedLocations"} {
		w := &wire{answers: []answer{{body: collection("",
			`{"id":"a","deletedDateTime":"2026-11-20T10:11:12.1234567Z"}`, `{"id":"b","deletedDateTime":null}`, `{"id":"c"}`)}}}
		// The beta client asks v1.0 as well.
		got, err := newClient(t, w, func(o *Options) { o.Version = "beta" }).Deleted(t.Context(), kind)
		want := map[string]time.Time{"a": time.Date(2026, 11, 20, 10, 11, 12, 123456700, time.UTC)}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", kind, err, diff)
		}
		if w.asked[0].url != endpoint+"/v1.0/identity/conditionalAccess/deletedItems/"+path {
			t.Errorf("asked %s", w.asked[0].url)
		}
	}
	c, _ := script(t, answer{body: collection("", `{"id":"a","deletedDateTime":"yesterday"}`)})
	if got, err := c.Deleted(t.Context(), drift.Policy); err == nil {
		t.Errorf("got %v from a time that is none", got)
	}
	c, w := script(t, answer{body: collection("")})
	if _, err := c.Deleted(t.Context(), drift.AuthenticationStrength); !errors.Is(err, ErrUnavailable) || w.count() != 0 {
		t.Errorf("strengths: got %v, want unavailable", err)
	}
}

func TestHiddenIDs(t *testing.T) {
	link := endpoint + "/beta/identity/conditionalAccess/policies?$select=id&$skiptoken=2"
	c, w := script(t, answer{body: collection(link, `{"id":"a"}`)}, answer{body: collection("", `{"id":"b"}`)})
	got, err := c.HiddenIDs(t.Context())
	if diff := cmp.Diff([]string{"a", "b"}, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if w.asked[0].url != endpoint+"/beta/identity/conditionalAccess/policies?$select=id" || w.asked[1].url != link {
		t.Errorf("asked %s, %s", w.asked[0].url, w.asked[1].url)
	}
}

func TestUnavailable(t *testing.T) {
	ways := map[string]func(*Client) error{
		"deleted": func(c *Client) error { _, err := c.Deleted(t.Context(), drift.Policy); return err },
		"hidden":  func(c *Client) error { _, err := c.HiddenIDs(t.Context()); return err },
	}
	for _, tt := range []struct {
		status          int
		deleted, hidden bool
	}{{400, true, true}, {403, true, true}, {404, true, true}, {405, true, true}, {501, true, false}, {410, false, true}, {401, false, false}} {
		for way, call := range ways {
			want := way == "deleted" && tt.deleted || way == "hidden" && tt.hidden
			c, _ := script(t, answer{status: tt.status, body: `{"error":{"code":"X","message":"m"}}`})
			if err := call(c); err == nil || errors.Is(err, ErrUnavailable) != want {
				t.Errorf("%s %d: got %v, want unavailable %v", way, tt.status, err, want)
			}
		}
	}
}

func TestErrorText(t *testing.T) {
	header := with("Request-Id", "r-1")
	for _, tt := range []struct {
		answer answer
		want   string
	}{
		{
			answer{status: 403, header: header, body: `{"error":{"code":"AccessDenied","message":"required scopes are missing","innerError":{"request-id":"r-2"}}}`},
			"list policies, page 1: 403 AccessDenied: required scopes are missing; needs the application permission Policy.Read.All (request-id r-1)",
		},
		{
			answer{status: 400, body: `{"error":{"code":"BadRequest","message":"malformed","innerError":{"message":"1032: failed","request-id":"r-2"}}}`},
			"list policies, page 1: 400 BadRequest: malformed; 1032: failed (request-id r-2)",
		},
		{answer{status: 403}, "list policies, page 1: 403 Forbidden: needs the application permission Policy.Read.All"},
		{answer{status: 404, body: "<html>"}, "list policies, page 1: 404 Not Found: the answer is not Graph's: a proxy or gateway may have given it"},
		{answer{status: 400, body: `{"error":"text"}`}, "list policies, page 1: 400 Bad Request"},
		{answer{status: 400, body: `{"error":{"code":"a\nb","message":"x\u202ey"}}`}, `list policies, page 1: 400 a\u{a}b: x\u{202e}y`},
		{answer{status: 429, header: with("Retry-After", "60")}, "list policies, page 1: 429 Too Many Requests (no request for 1m0s)"},
	} {
		c, _ := script(t, tt.answer)
		_, err := c.List(t.Context(), drift.Policy)
		if fault(t, err).Error() != tt.want {
			t.Errorf("got  %v\nwant %s", err, tt.want)
		}
	}
	c, _ := script(t, answer{status: 400, body: `{"error":{"code":"` + strings.Repeat("c", 1e5) + `"}}`})
	if _, err := c.List(t.Context(), drift.Policy); len(err.Error()) > 2000 {
		t.Errorf("got %d bytes of error", len(err.Error()))
	}
}

func TestCloud(t *testing.T) {
	for _, name := range []string{"global", "usgov", "usgov-dod", "china"} {
		if g, a, ok := Cloud(name); !ok || !isOrigin(g) || !isOrigin(a) {
			t.Errorf("%s: got %s, %s", name, g, a)
		}
	}
	if _, _, ok := Cloud("custom"); ok {
		t.Error("custom: got a cloud")
	}
}
