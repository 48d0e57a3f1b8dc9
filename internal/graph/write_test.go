package graph

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"testing"

	"github.com/cadrift/cadrift/internal/drift"
)

// A write is sent once, whatever comes back, and its error says whether it may
// have taken place. Only a 401 was certainly not carried out and is worth a
// fresh token.
func TestPatchIsSentOnce(t *testing.T) {
	html := with("Content-Type", "text/html")
	for name, tt := range map[string]struct {
		answer  answer
		unknown bool
		gone    bool
		sent    int
	}{
		"bad request":        {answer{status: 400, body: `{"error":{"code":"BadRequest","message":"1007: no"}}`}, false, false, 1},
		"forbidden":          {answer{status: 403}, false, false, 1},
		"unauthorized":       {answer{status: 401}, false, false, 2},
		"not found":          {answer{status: 404, body: `{"error":{"code":"ResourceNotFound"}}`}, false, true, 1},
		"a proxy's 404":      {answer{status: 404, body: "<html>", header: html}, false, false, 1},
		"conflict":           {answer{status: 409}, false, false, 1},
		"precondition":       {answer{status: 412}, false, false, 1},
		"throttled":          {answer{status: 429}, false, false, 1},
		"bad gateway":        {answer{status: 502, body: "<html>", header: html}, true, false, 1},
		"gateway timeout":    {answer{status: 504}, true, false, 1},
		"server error":       {answer{status: 500}, true, false, 1},
		"connection broken":  {answer{err: errors.New("read: connection reset by peer")}, true, false, 1},
		"redirect":           {answer{status: 302, header: with("Location", "https://elsewhere.example/")}, false, false, 1},
		"request timed out":  {answer{status: 408}, true, false, 1},
		"deadline on the go": {answer{err: context.DeadlineExceeded}, true, false, 1},
	} {
		c, w := script(t, tt.answer)
		e := fault(t, c.Patch(t.Context(), "a", []byte(`{}`)))
		if e.Unknown != tt.unknown || errors.Is(e, drift.ErrNotFound) != tt.gone || w.count() != tt.sent {
			t.Errorf("%s: got %v, unknown %t, gone %t, %d requests", name, e, e.Unknown, errors.Is(e, drift.ErrNotFound), w.count())
		}
	}
	c, w := script(t, answer{status: 204})
	if err := c.Patch(t.Context(), "a", []byte(`{}`)); err != nil || w.count() != 1 {
		t.Errorf("got %v after %d requests", err, w.count())
	}
	if err := c.Patch(t.Context(), "..", []byte(`{}`)); err == nil || w.count() != 1 {
		t.Errorf("an id that a path swallows: got %v after %d requests", err, w.count())
	}
}

type constant string

func (c constant) Token(context.Context, bool) (drift.Secret, error) {
	return drift.NewSecret(string(c)), nil
}

// The credential for writes is used for PATCH and for nothing else.
func TestWriteCredentialIsForWritesOnly(t *testing.T) {
	w := &wire{route: func(r *http.Request) answer {
		if r.Method == http.MethodPatch {
			return answer{status: 204}
		}
		return answer{body: object("a")}
	}}
	c := newClient(t, w, func(o *Options) { o.Tokens, o.Writer = constant("reads"), constant("writes") })
	_, _ = c.Get(t.Context(), drift.Policy, "a")
	_ = c.Patch(t.Context(), "a", []byte(`{}`))
	_, _ = c.User(t.Context(), "a")
	var got []string
	for _, r := range w.asked {
		got = append(got, r.header.Get("Authorization"))
	}
	if len(got) != 3 || got[0] != "Bearer reads" || got[1] != "Bearer writes" || got[2] != "Bearer reads" {
		t.Errorf("got %q", got)
	}
}

func TestMayWrite(t *testing.T) {
	token := func(claims string) string {
		return "head." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".sign"
	}
	for name, tt := range map[string]struct {
		token      string
		may, known bool
	}{
		"granted":  {token(`{"roles":["Policy.Read.All","Policy.ReadWrite.ConditionalAccess"]}`), true, true},
		"missing":  {token(`{"roles":["Policy.Read.All"]}`), false, true},
		"no roles": {token(`{}`), false, false},
		"opaque":   {"whatever", false, false},
		"garbage":  {"a.%%%.c", false, false},
	} {
		c := newClient(t, &wire{}, func(o *Options) { o.Writer = constant(tt.token) })
		may, known, err := c.MayWrite(t.Context())
		if may != tt.may || known != tt.known || err != nil {
			t.Errorf("%s: got %t, %t, %v", name, may, known, err)
		}
	}
}

func TestAccounts(t *testing.T) {
	for name, tt := range map[string]struct {
		body string
		want Account
	}{
		"cloud user":    {`{"id":"a","userPrincipalName":"bg1@x","accountEnabled":true,"onPremisesSyncEnabled":null}`, Account{ID: "a", Name: "bg1@x", Enabled: true}},
		"disabled":      {`{"id":"A","displayName":"bg","accountEnabled":false}`, Account{ID: "a", Name: "bg"}},
		"synced":        {`{"id":"a","accountEnabled":true,"onPremisesSyncEnabled":true}`, Account{ID: "a", Enabled: true, Synced: true}},
		"not shown":     {`{"id":"a","accountEnabled":null}`, Account{ID: "a", Enabled: true}},
		"dynamic group": {`{"id":"a","groupTypes":["DynamicMembership"],"membershipRule":"x"}`, Account{ID: "a", Enabled: true, Dynamic: true}},
	} {
		c, _ := script(t, answer{body: tt.body})
		if got, err := c.User(t.Context(), "a"); err != nil || got != tt.want {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
	c, _ := script(t, answer{status: 403}, answer{status: 404}, answer{body: `{"id":"b"}`})
	for _, want := range []error{ErrUnavailable, drift.ErrNotFound} {
		if _, err := c.Group(t.Context(), "a"); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	if _, err := c.User(t.Context(), "a"); err == nil {
		t.Error("another user was taken for the one asked for")
	}
}
