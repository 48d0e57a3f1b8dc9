package graph

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/cadrift/cadrift/internal/drift"
)

// checkClean looks for the planted secrets through every door an error has,
// and in a log.
func checkClean(t *testing.T, log string, err error) {
	t.Helper()
	var b bytes.Buffer
	slog.New(slog.NewJSONHandler(&b, nil)).Error("x", "error", err)
	slog.New(slog.NewTextHandler(&b, nil)).Error("x", "error", err)
	for e := err; e != nil; e = errors.Unwrap(e) {
		fmt.Fprintf(&b, "%v\n%+v\n%#v\n%s\n%q\n", e, e, e, e, e)
	}
	for _, secret := range []string{planted, plantedS, "sig=", "skiptoken"} {
		if strings.Contains(b.String(), secret) {
			t.Errorf("%q shows in the error\n%s", secret, b.String())
		}
	}
	// The debug log may show the beginning of a body, links and all, but no
	// secret of ours.
	for _, secret := range []string{planted, plantedS} {
		if strings.Contains(log, secret) {
			t.Errorf("%q shows in the log\n%s", secret, log)
		}
	}
}

// No way for a request to fail shows the token, a credential or a URL's query.
func TestNoLeaks(t *testing.T) {
	token := planted + "-0"
	inURL := "https://graph.example" + policiesPath + "?$skiptoken=1&sig=" + token
	echo := `{"error":{"code":"` + token + `","message":"Authorization: Bearer ` + token + `","innerError":{"message":"` + token + `","request-id":"` + token + `"}}}`
	echoed := http.Header{"Request-Id": {token}, "X-Ms-Ags-Diagnostic": {`{"t":"` + token + `"}`}}
	cases := map[string]answer{
		"url error":          {err: &url.Error{Op: "Get", URL: inURL, Err: errors.New("dial " + token)}},
		"op error":           {err: &net.OpError{Op: "dial", Err: errors.New(token)}},
		"dns error":          {err: &net.DNSError{Err: token, Name: token, Server: token}},
		"plain error":        {err: errors.New("Bearer " + token)},
		"html":               {body: "<html>" + token, header: with("Content-Type", "text/html; x="+token)},
		"json cut":           {body: `{"value":["` + token},
		"bom":                {body: "\xef\xbb\xbf" + token},
		"no value":           {body: `{"` + token + `":1}`},
		"error with 200":     {body: echo},
		"foreign link":       {body: collection("https://evil.example/?sig="+token, object("a"))},
		"cut":                {body: token, cut: true},
		"encoding":           {body: token, header: with("Content-Encoding", token)},
		"redirect":           {status: 302, header: with("Location", inURL)},
		"retry after":        {status: 429, body: echo, header: with("Retry-After", token)},
		"challenge":          {status: 401, body: echo, header: with("WWW-Authenticate", token)},
		"echo half":          {status: 400, body: `{"error":{"message":"` + strings.Repeat("x", drift.NameRunes-len(token)/2) + token + `"}}`},
		"request id in body": {status: 404, body: `{"error":{"innerError":{"request-id":"` + token + `"}}}`},
	}
	for _, status := range []int{400, 401, 403, 404, 408, 409, 410, 429, 500, 501, 502, 503, 504} {
		cases[fmt.Sprintf("echo %d", status)] = answer{status: status, body: echo, header: echoed}
	}
	for name, a := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := &safeBuffer{}
				// Every try must fail with the first token: it is the planted one.
				c := newClient(t, &wire{answers: []answer{a}}, func(o *Options) { o.Logger, o.Tokens = logTo(log), &same{} })
				ways := map[string]func() error{
					"list":    func() error { _, err := c.List(t.Context(), drift.Policy); return err },
					"get":     func() error { _, err := c.Get(t.Context(), drift.AuthenticationStrength, "a"); return err },
					"deleted": func() error { _, err := c.Deleted(t.Context(), drift.Policy); return err },
					"hidden":  func() error { _, err := c.HiddenIDs(t.Context()); return err },
				}
				for way, call := range ways {
					err := call()
					if err == nil {
						t.Fatalf("%s: got no error", way)
					}
					checkClean(t, log.String(), err)
				}
			})
		})
	}
}

// A token source's errors are not trusted either.
func TestTokenSourceErrors(t *testing.T) {
	log := &safeBuffer{}
	c := newClient(t, &wire{}, func(o *Options) { o.Logger, o.Tokens = logTo(log), &fixed{err: errors.New(planted)} })
	_, err := c.List(t.Context(), drift.Policy)
	if e := fault(t, err); e.Reason != drift.ReasonCredential {
		t.Errorf("got %v", err)
	}
	checkClean(t, log.String(), err)
	ours := &Error{Op: "get token", Status: 401, Code: "AADSTS7000215", Message: "m", Hint: "h", Reason: drift.ReasonCredential}
	tokens := &fixed{err: ours}
	c = newClient(t, &wire{}, func(o *Options) { o.Tokens = tokens })
	_, err = c.List(t.Context(), drift.Policy)
	if e := fault(t, err); e.Error() != "list policies: get token: 401 AADSTS7000215: m" || e.Hint != "h" || ours.Op != "get token" {
		t.Errorf("got %v", err)
	}
	if tokens.fresh != 0 {
		t.Error("the token endpoint's 401 was taken for Graph's")
	}
}

// same gives one token, fresh or not.
type same struct{}

func (*same) Token(context.Context, bool) (drift.Secret, error) {
	return drift.NewSecret(planted + "-0"), nil
}
