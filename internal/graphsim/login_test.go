package graphsim_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cadrift/cadrift/internal/graphsim"
)

// aadsts is the error code of a refused token request.
func (a answer) aadsts(status int) int {
	a.Helper()
	body := a.want(status).json()
	codes, _ := body["error_codes"].([]any)
	if len(codes) != 1 || body["error"] == "" || !strings.HasPrefix(body["error_description"].(string), "AADSTS") {
		a.Fatalf("error object is incomplete: %s", a.raw)
	}
	return int(codes[0].(float64))
}

func TestDiscovery(t *testing.T) {
	c := newCloud(t)
	for _, host := range []string{loginURL, "https://login.microsoftonline.us", "https://127.0.0.1:4711"} {
		got := c.get(host + "/" + tenantID + "/v2.0/.well-known/openid-configuration").want(200).json()
		for name, want := range map[string]string{
			"issuer": host + "/" + tenantID + "/v2.0", "token_endpoint": host + "/" + tenantID + "/oauth2/v2.0/token",
			"authorization_endpoint": host + "/" + tenantID + "/oauth2/v2.0/authorize",
		} {
			if got[name] != want {
				t.Errorf("%s: got %v, want %s", name, got[name], want)
			}
		}
	}
	if got := c.get(loginURL + "/bbbbbbbb-0000-4000-8000-000000000001/v2.0/.well-known/openid-configuration").aadsts(400); got != 90002 {
		t.Errorf("unknown tenant: got %d", got)
	}
	if got := c.get(loginURL + "/common/discovery/instance?authorization_endpoint=x").want(200).json(); got["tenant_discovery_endpoint"] == nil || got["metadata"] == nil {
		t.Errorf("instance discovery: got %v", got)
	}
	c.get(loginURL + policies).want(404) // Graph does not live on the login host
}

func TestTokenRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		c.tenant.AddApp(graphsim.App{ClientID: "cccccccc-0000-4000-8000-000000000002", Secret: "old", SecretExpires: time.Now().Add(time.Hour)})
		right := url.Values{"client_secret": {secret}}
		expiring := url.Values{"client_id": {"cccccccc-0000-4000-8000-000000000002"}, "client_secret": {"old"}}
		c.ask(expiring).want(200)
		time.Sleep(time.Hour)
		for name, row := range map[string]struct {
			form         url.Values
			status, want int
		}{
			"wrong secret":   {url.Values{"client_secret": {"guess"}}, 401, 7000215},
			"no secret":      {url.Values{}, 401, 7000218},
			"expired secret": {expiring, 401, 7000222},
			"unknown app":    {url.Values{"client_id": {"cccccccc-0000-4000-8000-00000000000e"}}, 400, 700016},
			"grant":          {url.Values{"grant_type": {"password"}}, 400, 70003},
			"no .default":    {url.Values{"scope": {"Policy.Read.All"}}, 400, 1002012},
			"other resource": {url.Values{"scope": {"https://management.azure.com/.default"}}, 400, 500011},
		} {
			form := maps.Clone(right)
			if name == "no secret" {
				form = url.Values{}
			}
			maps.Copy(form, row.form)
			if got := c.ask(form).aadsts(row.status); got != row.want {
				t.Errorf("%s: got %d, want %d", name, got, row.want)
			}
		}
		c.tenant.RemoveApp(clientID)
		if got := c.ask(right).aadsts(400); got != 700016 {
			t.Errorf("removed app: got %d", got)
		}
		if got := c.send("POST", loginURL+"/nowhere/oauth2/v2.0/token", "grant_type=client_credentials").aadsts(400); got != 90002 {
			t.Errorf("unknown tenant: got %d", got)
		}
	})
}

// signer makes client assertions.
type signer struct {
	*testing.T
	key  *rsa.PrivateKey
	cert *x509.Certificate
}

func newSigner(t *testing.T) signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "app"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return signer{t, key, cert}
}

// assertion is what MSAL sends for a certificate, with claims replaced.
func (s signer) assertion(replace map[string]any) string {
	s.Helper()
	print := sha256.Sum256(s.cert.Raw)
	claims := map[string]any{
		"aud": loginURL + "/" + tenantID + "/oauth2/v2.0/token", "iss": clientID, "sub": clientID,
		"exp": time.Now().Add(10 * time.Minute).Unix(), "nbf": time.Now().Unix(), "jti": "x",
	}
	maps.Copy(claims, replace)
	part := func(v any) string {
		raw, err := json.Marshal(v)
		if err != nil {
			s.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(raw)
	}
	signed := part(map[string]any{"alg": "PS256", "typ": "JWT", "x5t#S256": base64.URLEncoding.EncodeToString(print[:])}) + "." + part(claims)
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPSS(rand.Reader, s.key, crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	if err != nil {
		s.Fatal(err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func assertionForm(text string) url.Values {
	return url.Values{"client_assertion": {text}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}}
}

func TestAssertions(t *testing.T) {
	c, ours, other := newCloud(t), newSigner(t), newSigner(t)
	roles := []string{graphsim.PolicyReadAll}
	c.tenant.AddApp(graphsim.App{ClientID: clientID, Certificate: ours.cert, Federated: "header.of-another.provider", Roles: roles})
	c.ask(assertionForm(ours.assertion(nil))).want(200)
	c.ask(assertionForm("header.of-another.provider")).want(200)
	parts := strings.Split(ours.assertion(nil), ".")
	for name, row := range map[string]struct {
		assertion    string
		status, want int
	}{
		"garbage":         {"x.y.z", 400, 50027},
		"two parts":       {"x.y", 400, 50027},
		"other key":       {other.assertion(nil), 401, 700027},
		"cut signature":   {parts[0] + "." + parts[1] + ".AAAA", 401, 700027},
		"wrong audience":  {ours.assertion(map[string]any{"aud": "https://evil.example"}), 401, 700023},
		"wrong subject":   {ours.assertion(map[string]any{"iss": "https://provider.example"}), 401, 700211},
		"another app":     {ours.assertion(map[string]any{"iss": "x", "sub": "x"}), 401, 700021},
		"expired":         {ours.assertion(map[string]any{"exp": time.Now().Add(-time.Minute).Unix()}), 401, 700024},
		"not valid yet":   {ours.assertion(map[string]any{"nbf": time.Now().Add(time.Hour).Unix()}), 401, 700024},
		"stale federated": {"header.of-another.provider2", 400, 50027},
	} {
		if got := c.ask(assertionForm(row.assertion)).aadsts(row.status); got != row.want {
			t.Errorf("%s: got %d, want %d", name, got, row.want)
		}
	}
	c.tenant.AddApp(graphsim.App{ClientID: clientID, AnyCertificate: true, Roles: roles})
	c.token = c.ask(assertionForm(other.assertion(nil))).want(200).json()["access_token"].(string)
	c.get(policies).want(200)
	form := assertionForm(ours.assertion(nil))
	form.Set("client_assertion_type", "saml")
	if got := c.ask(form).aadsts(400); got != 7000217 {
		t.Errorf("assertion type: got %d", got)
	}
}

func TestManagedIdentity(t *testing.T) {
	c := newCloud(t)
	const user = "cccccccc-0000-4000-8000-00000000000a"
	c.tenant.AddApp(graphsim.App{ClientID: user, IdentityHeader: "hush", Roles: []string{graphsim.PolicyReadAll}})
	c.tenant.AddApp(graphsim.App{ClientID: "cccccccc-0000-4000-8000-00000000000b", IdentityHeader: "hush", SystemAssigned: true})
	target := "http://127.0.0.1:4711/msi/token?api-version=2019-08-01&resource=" + graphURL
	got := c.get(target+"&client_id="+user, "X-IDENTITY-HEADER", "hush").want(200).json()
	if _, ok := got["expires_on"].(string); !ok || got["token_type"] != "Bearer" || got["client_id"] != user || got["resource"] != graphURL {
		t.Errorf("got %v", got)
	}
	c.token = got["access_token"].(string)
	c.get(policies).want(200)
	system := c.get(target, "X-IDENTITY-HEADER", "hush").want(200).json()
	if system["client_id"] != "cccccccc-0000-4000-8000-00000000000b" {
		t.Errorf("system-assigned: got %v", system)
	}
	c.get(target, "X-IDENTITY-HEADER", "loud").want(400)
	c.get(target+"&client_id="+clientID, "X-IDENTITY-HEADER", "hush").want(400)
	c.get("http://127.0.0.1:4711/msi/token?resource=" + graphURL).want(400)
}

func TestTokensAreChecked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		good := c.token
		for name, token := range map[string]string{
			"none": "", "opaque": "x", "forged": good[:len(good)-2] + "AA",
			"other claims": strings.Replace(good, ".", ".e30", 1),
		} {
			c.token = token
			got := c.get(policies)
			if got.refused(401); at(got.json(), "error.code") != "InvalidAuthenticationToken" || got.header.Get("WWW-Authenticate") == "" {
				t.Errorf("%s: got %s", name, got.raw)
			}
		}
		c.token = good
		c.get(policies).want(200)
		c.get("https://graph.microsoft.us" + policies).refused(401) // another cloud's audience
		time.Sleep(3599 * time.Second)
		if got := c.get(policies).refused(401); !strings.Contains(got, "expired") {
			t.Errorf("expired: got %s", got)
		}

		c.token = c.login()
		c.get(policies).want(200)
		c.server.RevokeTokens(c.tenant)
		if got := c.get(policies).want(401).header.Get("WWW-Authenticate"); strings.Contains(got, "claims=") {
			t.Errorf("a challenge for a client that did not ask for one: %s", got)
		}
		c.token = c.ask(url.Values{"client_secret": {secret}, "claims": {`{"access_token":{"xms_cc":{"values":["CP1"]}}}`}}).want(200).json()["access_token"].(string)
		c.get(policies).want(200)
		c.server.RevokeTokens(c.tenant)
		_, claims, _ := strings.Cut(c.get(policies).want(401).header.Get("WWW-Authenticate"), `claims="`)
		raw, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(claims, `"`))
		if err != nil || !strings.Contains(string(raw), `"nbf"`) {
			t.Errorf("challenge: got %s, %v", raw, err)
		}
		c.token = c.login()
		c.get(policies).want(200)
	})
}

func TestPermissions(t *testing.T) {
	c := newCloud(t)
	id := c.must(c.admin.CreatePolicy(plain("P")))
	const patch = `{"displayName":"Q"}`
	for name, row := range map[string]struct {
		roles                []string
		method, target, body string
		status               int
	}{
		"nothing":                     {nil, "GET", policies, "", 403},
		"read":                        {[]string{graphsim.PolicyReadAll}, "GET", policies, "", 200},
		"the wrong read":              {[]string{graphsim.PolicyReadConditional}, "GET", policies, "", 403},
		"write does not read":         {[]string{graphsim.PolicyWrite}, "GET", policies, "", 403},
		"write alone":                 {[]string{graphsim.PolicyWrite}, "PATCH", policies + "/" + id, patch, 403},
		"read does not write":         {[]string{graphsim.PolicyReadAll}, "PATCH", policies + "/" + id, patch, 403},
		"both":                        {[]string{graphsim.PolicyReadAll, graphsim.PolicyWrite}, "PATCH", policies + "/" + id, patch, 204},
		"locations":                   {nil, "GET", places, "", 403},
		"deleted":                     {nil, "GET", deleted, "", 403},
		"strengths":                   {[]string{graphsim.PolicyReadStrengths}, "GET", strength, "", 200},
		"no strengths":                {[]string{graphsim.ContextRead}, "GET", strength, "", 403},
		"contexts":                    {[]string{graphsim.ContextRead}, "GET", contexts, "", 200},
		"contexts written":            {[]string{graphsim.ContextWrite}, "PATCH", contexts + "/c1", patch, 204},
		"defaults":                    {[]string{graphsim.PolicyReadAll}, "GET", defaults, "", 200},
		"defaults not read by others": {[]string{graphsim.DefaultsWrite}, "GET", defaults, "", 403},
		"defaults written":            {[]string{graphsim.PolicyReadAll, graphsim.DefaultsWrite}, "PATCH", defaults, `{"isEnabled":false}`, 204},
	} {
		c.tenant.AddApp(graphsim.App{ClientID: clientID, Secret: secret, Roles: row.roles})
		c.token = c.login()
		got := c.send(row.method, row.target, row.body).want(row.status)
		if row.status == 403 && at(got.json(), "error.code") != "AccessDenied" {
			t.Errorf("%s: got %s", name, got.raw)
		}
	}
}

// TestTenantsAreApart: a token of one tenant does not open another.
func TestTenantsAreApart(t *testing.T) {
	c := newCloud(t)
	other := c.server.AddTenant("BBBBBBBB-0000-4000-8000-000000000001", "Other")
	if _, err := other.As(graphsim.Actor{}).CreatePolicy(plain("Theirs")); err != nil {
		t.Fatal(err)
	}
	if got := c.get(policies).want(200).ids(); len(got) != 0 {
		t.Errorf("got %v of another tenant", got)
	}
	if got := c.send(http.MethodPost, loginURL+"/"+other.ID+"/oauth2/v2.0/token", "grant_type=client_credentials&client_id="+clientID).aadsts(400); got != 700016 {
		t.Errorf("got %d", got)
	}
}
