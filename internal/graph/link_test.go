package graph

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/cadrift/cadrift/internal/drift"
)

// A link to the next page that leads elsewhere ends the listing, and not one
// byte goes where it points.
func TestForeignLinks(t *testing.T) {
	const path, q = policiesPath, "?$skiptoken=x"
	links := []string{
		"http://graph.example" + path + q,
		"HTTP://graph.example" + path + q,
		"ftp://graph.example" + path + q,
		"file://" + path,
		"gopher://graph.example" + path + q,
		"javascript:alert(1)",
		"https:graph.example" + path + q,
		"https:/graph.example" + path + q,
		"//graph.example" + path + q,
		"//evil.example" + path + q,
		path + q,
		q,
		"https://evil.example" + path + q,
		"https://graph.example.evil.example" + path + q,
		"https://graph.example." + path + q,
		"https://evilgraph.example" + path + q,
		"https://graph.example@evil.example" + path + q,
		"https://graph.example:443@evil.example" + path + q,
		"https://evil.example#@graph.example" + path + q,
		"https://evil.example?@graph.example" + path + q,
		"https://evil.example\\@graph.example" + path + q,
		"https://graph.example\\.evil.example" + path + q,
		"https://user@graph.example" + path + q,
		"https://user:pass@graph.example" + path + q,
		"https://@graph.example" + path + q,
		"https://graph.example:8443" + path + q,
		"https://graph.example:80" + path + q,
		"https://graph.example:0443" + path + q,
		"https://169.254.169.254/metadata/identity" + q,
		"https://[::1]" + path + q,
		"https://127.0.0.1" + path + q,
		"https://2130706433" + path + q,
		"https://localhost" + path + q,
		"https://" + path + q,
		"https://gr%61ph.example" + path + q,
		"https://graph\u3002example" + path + q,
		"https://gr\u0430ph.example" + path + q,
		endpoint + "/beta/identity/conditionalAccess/policies" + q,
		endpoint + "/v1.0/users" + q,
		endpoint + "/v1.0/identity/conditionalAccess/namedLocations" + q,
		endpoint + path + "/" + q,
		endpoint + path + "/../namedLocations" + q,
		endpoint + path + "/%2e%2e/namedLocations" + q,
		endpoint + path + ";x=1" + q,
		endpoint + strings.ToUpper(path) + q,
		endpoint + "/v1.0//identity/conditionalAccess/policies" + q,
		endpoint + strings.Replace(path, "policies", "p%6flicies", 1) + q,
		endpoint + path + q + "#frag",
		endpoint + path + "?a=b c",
		endpoint + path + "?a=b\r\nHost: evil.example",
		endpoint + path + "?a=\x00",
		endpoint + path + "?a=ü",
		"https://graph.example:443:443" + path + q,
		" https://evil.example" + path + q,
		"https://graph.example" + path + "?" + strings.Repeat("a", maxLinkBytes),
		"%",
	}
	if len(links) < 50 {
		t.Fatalf("got %d links, want at least 50", len(links))
	}
	for _, link := range links {
		t.Run("", func(t *testing.T) {
			c, w := script(t, answer{body: collection(link, object("a"))}, answer{body: collection("", object("b"))})
			_, err := c.List(t.Context(), drift.Policy)
			if err == nil {
				t.Fatalf("link %q: got a complete listing", link)
			}
			if e := fault(t, err); e.Reason != drift.ReasonIncomplete || !strings.Contains(e.Message, "link to the next page") {
				t.Errorf("link %q: got %v, want incomplete for the link", link, err)
			}
			if len(w.asked) != 1 || w.asked[0].host != "graph.example" {
				t.Errorf("link %q: got requests %v, want the first only", link, w.asked)
			}
			if strings.Contains(err.Error(), "evil") {
				t.Errorf("link %q: the error repeats it: %v", link, err)
			}
		})
	}
}

// What is followed, keeps to the address that was asked.
func TestOwnLinks(t *testing.T) {
	for link, want := range map[string]string{
		endpoint + policiesPath + "?$skiptoken=abc%3D%3D": endpoint + policiesPath + "?$skiptoken=abc%3D%3D",
		"https://GRAPH.example" + policiesPath + "?a=1":   endpoint + policiesPath + "?a=1",
		"HTTPS://graph.example:443" + policiesPath + "?a": endpoint + policiesPath + "?a",
		endpoint + policiesPath + "?u=https://e.example/": endpoint + policiesPath + "?u=https://e.example/",
	} {
		c, w := script(t, answer{body: collection(link, object("a"))}, answer{body: collection("", object("b"))})
		got, err := c.List(t.Context(), drift.Policy)
		if err != nil || ids(got.Items) != "a b" {
			t.Errorf("link %q: got %q, %v, want both pages", link, ids(got.Items), err)
			continue
		}
		if w.asked[1].url != want {
			t.Errorf("link %q: asked %q, want %q", link, w.asked[1].url, want)
		}
	}
}

func TestTokenStaysAtItsOrigin(t *testing.T) {
	c, w := script(t, answer{body: "{}"})
	for _, foreign := range []string{
		"http://graph.example" + policiesPath, "https://graph.example:444" + policiesPath, "https://evil.example" + policiesPath,
	} {
		u, err := url.Parse(foreign)
		if err != nil {
			t.Fatal(err)
		}
		if _, got := c.do(t.Context(), c.begin("list policies", ""), http.MethodGet, u, nil); got == nil || got.Reason != drift.ReasonIncomplete {
			t.Errorf("%s: got %v, want a refusal", foreign, got)
		}
	}
	if w.count() != 0 {
		t.Errorf("got requests %v, want none", w.asked)
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		c, w := script(t, answer{status: status, header: with("Location", "https://evil.example/?t=1")}, answer{body: collection("")})
		_, err := c.List(t.Context(), drift.Policy)
		if e := fault(t, err); e.Status != status || e.Reason != drift.ReasonIncomplete || w.count() != 1 {
			t.Errorf("%d: got %v after %d requests, want the redirect as the answer", status, err, w.count())
		}
	}
}
