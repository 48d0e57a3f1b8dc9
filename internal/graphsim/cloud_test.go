package graphsim_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/graphsim"
)

const (
	tenantID = "aaaaaaaa-0000-4000-8000-000000000001"
	clientID = "cccccccc-0000-4000-8000-000000000001"
	secret   = "correct horse"
	graphURL = "https://graph.microsoft.com"
	loginURL = "https://login.microsoftonline.com"
	policies = "/v1.0/identity/conditionalAccess/policies"
	places   = "/v1.0/identity/conditionalAccess/namedLocations"
	strength = "/v1.0/policies/authenticationStrengthPolicies"
	defaults = "/v1.0/policies/identitySecurityDefaultsEnforcementPolicy"
	contexts = "/v1.0/identity/conditionalAccess/authenticationContextClassReferences"
	deleted  = "/v1.0/identity/conditionalAccess/deletedItems/policies"
)

// cloud is a client with a token, in front of a cloud with one tenant that
// has no limits.
type cloud struct {
	*testing.T
	server *graphsim.Server
	tenant *graphsim.Tenant
	admin  *graphsim.Admin
	token  string
}

func newCloud(t *testing.T) *cloud {
	t.Helper()
	server := graphsim.New(graphsim.Options{Seed: 7})
	tenant := server.AddTenant(tenantID, "Test")
	tenant.Tune(func(b *graphsim.Behaviour) { b.RequestsPerSecond = 0 })
	tenant.AddApp(graphsim.App{
		ClientID: clientID, ObjectID: "dddddddd-0000-4000-8000-000000000001", Name: "cadrift", Secret: secret,
		Roles: []string{graphsim.PolicyReadAll, graphsim.PolicyWrite},
	})
	c := &cloud{
		T: t, server: server, tenant: tenant,
		admin: tenant.As(graphsim.User("eeeeeeee-0000-4000-8000-000000000001", "alex@contoso.example", "192.0.2.7")),
	}
	c.token = c.login()
	return c
}

// answer is what came back.
type answer struct {
	*testing.T
	status int
	header http.Header
	raw    string
	err    error
}

func (c *cloud) send(method, target, body string, header ...string) answer {
	c.Helper()
	if strings.HasPrefix(target, "/") {
		target = graphURL + target
	}
	r, err := http.NewRequestWithContext(c.Context(), method, target, strings.NewReader(body))
	if err != nil {
		c.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	response, err := c.server.RoundTrip(r)
	if err != nil {
		return answer{T: c.T, err: err}
	}
	raw, err := io.ReadAll(response.Body)
	return answer{T: c.T, status: response.StatusCode, header: response.Header, raw: string(raw), err: err}
}

func (c *cloud) get(target string, header ...string) answer {
	c.Helper()
	return c.send(http.MethodGet, target, "", header...)
}

func (c *cloud) login() string {
	c.Helper()
	got := c.ask(url.Values{"client_secret": {secret}}).want(200).json()
	return got["access_token"].(string)
}

// ask sends a client credentials request; form replaces its fields.
func (c *cloud) ask(form url.Values) answer {
	c.Helper()
	whole := url.Values{"grant_type": {"client_credentials"}, "client_id": {clientID}, "scope": {graphURL + "/.default openid offline_access profile"}}
	maps.Copy(whole, form)
	return c.send(http.MethodPost, loginURL+"/"+tenantID+"/oauth2/v2.0/token", whole.Encode(), "Content-Type", "application/x-www-form-urlencoded")
}

func (a answer) want(status int) answer {
	a.Helper()
	if a.err != nil {
		a.Fatalf("got error %v, want status %d", a.err, status)
	}
	if a.status != status {
		a.Fatalf("got status %d, want %d: %s", a.status, status, a.raw)
	}
	return a
}

func (a answer) json() map[string]any {
	a.Helper()
	var body map[string]any
	if err := json.Unmarshal([]byte(a.raw), &body); err != nil {
		a.Fatalf("answer is no JSON object: %v: %s", err, a.raw)
	}
	return body
}

// refused is the message of an error answer.
func (a answer) refused(status int) string {
	a.Helper()
	a.want(status)
	failure, _ := a.json()["error"].(map[string]any)
	inner, _ := failure["innerError"].(map[string]any)
	if failure["code"] == "" || inner["request-id"] != a.header.Get("request-id") || inner["date"] == nil {
		a.Fatalf("error object is incomplete: %s", a.raw)
	}
	return failure["message"].(string)
}

// ids are the ids of a listing.
func (a answer) ids() []string {
	a.Helper()
	ids := []string{}
	for _, member := range a.json()["value"].([]any) {
		ids = append(ids, member.(map[string]any)["id"].(string))
	}
	return ids
}

// plain is a policy that asks everybody for MFA.
func plain(name string) string {
	return fmt.Sprintf(`{"displayName":%q,"state":"enabled",
		"conditions":{"applications":{"includeApplications":["All"]},"users":{"includeUsers":["All"]}},
		"grantControls":{"operator":"OR","builtInControls":["mfa"]}}`, name)
}

// must takes the id of something that was made.
func (c *cloud) must(id string, err error) string {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
	return id
}

func (c *cloud) ok(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

// at is the value at a dotted path.
func at(body map[string]any, path string) any {
	var value any = body
	for name := range strings.SplitSeq(path, ".") {
		object, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		value = object[name]
	}
	return value
}

func stored(c *cloud, id string) map[string]any {
	c.Helper()
	var body map[string]any
	if err := json.Unmarshal(c.tenant.Body(drift.Policy, id), &body); err != nil {
		c.Fatal(err)
	}
	return body
}
