package graph

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

const (
	tenantID = "11111111-1111-1111-1111-AAAAAAAAAAAA"
	clientID = "22222222-2222-2222-2222-222222222222"
	login    = "https://login.example"
	plantedS = "PLANTED-SECRET-77aa01"
)

// loginServer is a scripted token endpoint.
type loginServer struct {
	mu     sync.Mutex
	asked  []url.Values
	urls   []string
	reply  func(n int, form url.Values) answer
	header http.Header
}

func (l *loginServer) RoundTrip(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		body, _ = io.ReadAll(req.Body)
	}
	form, _ := url.ParseQuery(string(body))
	l.mu.Lock()
	l.asked, l.urls, l.header = append(l.asked, form), append(l.urls, req.URL.String()), req.Header.Clone()
	a := grantFor(time.Hour, len(l.asked))
	if l.reply != nil {
		a = l.reply(len(l.asked), form)
	}
	l.mu.Unlock()
	w := &wire{answers: []answer{a}}
	return w.RoundTrip(req)
}

func (l *loginServer) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.asked)
}

func grantFor(life time.Duration, n int) answer {
	return answer{body: fmt.Sprintf(`{"token_type":"Bearer","access_token":"%s-%d","expires_in":%d}`, planted, n, int(life.Seconds()))}
}

func refusal(status int, code int, text string) answer {
	body, _ := json.Marshal(map[string]any{
		"error": "invalid_client", "error_codes": []int{code}, "correlation_id": "c-1",
		"error_description": fmt.Sprintf("AADSTS%d: %s Trace ID: t-1 Correlation ID: c-1 Timestamp: 2026-11-21\r\nmore", code, text),
	})
	return answer{status: status, body: string(body)}
}

// write puts a credential file into place.
func write(t testing.TB, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func secretCredentials(t testing.TB, l *loginServer) Credentials {
	return Credentials{
		TenantID: tenantID, ClientID: clientID, Authority: login, GraphEndpoint: endpoint, CustomCloud: true,
		SecretFile: write(t, filepath.Join(t.TempDir(), "secret"), plantedS+"\n"), Transport: l,
	}
}

func newTokens(t testing.TB, c Credentials) *Tokens {
	t.Helper()
	tokens, err := NewTokens(c)
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

func mustToken(t testing.TB, tokens *Tokens, fresh bool, want string) {
	t.Helper()
	got, err := tokens.Token(t.Context(), fresh)
	if err != nil || got.Reveal() != planted+want {
		t.Errorf("got %q, %v, want the token %s", got.Reveal(), err, want)
	}
}

func TestTokenRequest(t *testing.T) {
	l := &loginServer{}
	tokens := newTokens(t, secretCredentials(t, l))
	mustToken(t, tokens, false, "-1")
	mustToken(t, tokens, false, "-1")
	if l.count() != 1 || l.urls[0] != login+"/"+tenantID+"/oauth2/v2.0/token" {
		t.Errorf("got requests %v, want one to the token path", l.urls)
	}
	form := l.asked[0]
	if form.Get("grant_type") != "client_credentials" || form.Get("client_id") != clientID || form.Get("client_secret") != plantedS ||
		!strings.Contains(form.Get("scope"), endpoint+"/.default") {
		t.Errorf("got form %v", form)
	}
	mustToken(t, tokens, true, "-2")
	mustToken(t, tokens, false, "-2")
	if _, ok := tokens.Expiry(); ok {
		t.Error("a secret has no certificate's expiry")
	}
}

// A token is used until it really ends while the endpoint is down, and renewed
// before when it is not.
func TestTokenLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := false
		l := &loginServer{}
		l.reply = func(n int, _ url.Values) answer {
			if down {
				return answer{status: 503}
			}
			return grantFor(time.Hour, n)
		}
		tokens := newTokens(t, secretCredentials(t, l))
		mustToken(t, tokens, false, "-1")
		time.Sleep(54 * time.Minute)
		mustToken(t, tokens, false, "-1")
		time.Sleep(2 * time.Minute)
		mustToken(t, tokens, false, "-2") // five minutes early
		down = true
		time.Sleep(56 * time.Minute)
		mustToken(t, tokens, false, "-2")
		if l.count() != 3 {
			t.Errorf("got %d requests, want a try to renew", l.count())
		}
		time.Sleep(10 * time.Second)
		mustToken(t, tokens, false, "-2")
		if l.count() != 3 {
			t.Errorf("got %d requests, want a pause between tries", l.count())
		}
		time.Sleep(3*time.Minute + 45*time.Second) // five seconds before the end
		mustToken(t, tokens, false, "-2")
		time.Sleep(6 * time.Second)
		_, err := tokens.Token(t.Context(), false)
		if e := fault(t, err); e.Reason != drift.ReasonUnreachable || e.Status != 503 {
			t.Errorf("expired: got %v, want the endpoint unreachable", err)
		}
		down = false
		time.Sleep(mintPause)
		got, err := tokens.Token(t.Context(), false)
		if err != nil || got.IsZero() {
			t.Errorf("endpoint back: got %v", err)
		}
	})
}

func TestTokenFailuresArePaused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &loginServer{reply: func(int, url.Values) answer { return refusal(401, 7000215, "Invalid client secret provided.") }}
		tokens := newTokens(t, secretCredentials(t, l))
		for range 5 {
			if _, err := tokens.Token(t.Context(), false); fault(t, err).Reason != drift.ReasonCredential {
				t.Errorf("got %v", err)
			}
		}
		if l.count() != 1 {
			t.Errorf("got %d requests, want one: five lists of a pass share a failure", l.count())
		}
		time.Sleep(mintPause)
		_, _ = tokens.Token(t.Context(), false)
		if l.count() != 2 {
			t.Errorf("got %d requests after the pause, want another", l.count())
		}
		l.reply = func(int, url.Values) answer {
			return answer{status: 429, header: with("Retry-After", "60"), body: `{"error":"temporarily_unavailable"}`}
		}
		time.Sleep(mintPause)
		_, err := tokens.Token(t.Context(), false)
		if e := fault(t, err); e.Reason != drift.ReasonUnreachable || e.RetryAfter != time.Minute {
			t.Errorf("throttled: got %v", err)
		}
		l.reply = nil
		time.Sleep(59 * time.Second)
		if _, err := tokens.Token(t.Context(), true); err == nil || l.count() != 3 {
			t.Errorf("got %v after %d requests, want none before the pause is over", err, l.count())
		}
		time.Sleep(time.Second)
		mustToken(t, tokens, false, "-4")
	})
}

// However many ask at once, the endpoint is asked once.
func TestTokenSingleFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &loginServer{}
		l.reply = func(n int, _ url.Values) answer { a := grantFor(time.Hour, n); a.delay = 2 * time.Second; return a }
		tokens := newTokens(t, secretCredentials(t, l))
		for _, fresh := range []bool{false, true} {
			before := l.count()
			impatient, cancel := context.WithTimeout(t.Context(), time.Second)
			var wg sync.WaitGroup
			for i := range 20 {
				wg.Go(func() {
					ctx := t.Context()
					if i == 0 {
						ctx = impatient
					}
					got, err := tokens.Token(ctx, fresh)
					if i > 0 && (err != nil || got.IsZero()) {
						t.Errorf("caller %d: got %v", i, err)
					}
					if i == 0 && (err == nil || !errors.Is(err, context.DeadlineExceeded)) {
						t.Errorf("the impatient one: got %v", err)
					}
				})
				if i == 0 {
					synctest.Wait() // it is the one that asks, and leaves: the next one asks again
				}
			}
			wg.Wait()
			cancel()
			if got := l.count() - before; got != 2 {
				t.Errorf("fresh %v: got %d requests, want 2", fresh, got)
			}
		}
	})
}

// A rotated secret is used as soon as it is seen, and a wrong one does not
// throw away a token that works.
func TestSecretRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &loginServer{}
		l.reply = func(n int, form url.Values) answer {
			if form.Get("client_secret") == "wrong" {
				return refusal(401, 7000215, "Invalid client secret.")
			}
			return grantFor(time.Hour, n)
		}
		c := secretCredentials(t, l)
		tokens := newTokens(t, c)
		mustToken(t, tokens, false, "-1")
		write(t, c.SecretFile, "second")
		mustToken(t, tokens, false, "-1") // within the interval between looks
		time.Sleep(lookInterval)
		mustToken(t, tokens, false, "-2")
		if got := l.asked[1].Get("client_secret"); got != "second" {
			t.Errorf("got secret %q", got)
		}
		write(t, c.SecretFile, "wrong")
		time.Sleep(lookInterval)
		mustToken(t, tokens, false, "-2")
		if l.count() != 3 {
			t.Errorf("got %d requests, want the wrong secret tried", l.count())
		}
		write(t, c.SecretFile, "fourth")
		time.Sleep(lookInterval)
		mustToken(t, tokens, false, "-4")
		// The same contents written again are no change; a missing file neither.
		if err := os.Chtimes(c.SecretFile, time.Now(), time.Now()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(lookInterval)
		mustToken(t, tokens, false, "-4")
		if err := os.Remove(c.SecretFile); err != nil {
			t.Fatal(err)
		}
		time.Sleep(lookInterval)
		mustToken(t, tokens, false, "-4")
		_, err := tokens.Token(t.Context(), true)
		if e := fault(t, err); e.Reason != drift.ReasonCredential || !strings.Contains(e.Message, c.SecretFile) {
			t.Errorf("file gone: got %v", err)
		}
		// A secret that failed is read again, however soon.
		write(t, c.SecretFile, "fifth")
		time.Sleep(renewPause)
		mustToken(t, tokens, true, "-5")
	})
}

func TestSecretFromEnvironment(t *testing.T) {
	t.Setenv("CADRIFT_TEST_SECRET", " "+plantedS+"\n")
	l := &loginServer{}
	c := secretCredentials(t, l)
	c.SecretFile, c.SecretEnv = "", "CADRIFT_TEST_SECRET"
	mustToken(t, newTokens(t, c), false, "-1")
	if got := l.asked[0].Get("client_secret"); got != plantedS {
		t.Errorf("got secret %q", got)
	}
	c.SecretEnv = "CADRIFT_TEST_NOT_SET"
	if _, err := NewTokens(c); err == nil || !strings.Contains(err.Error(), c.SecretEnv) {
		t.Errorf("got %v, want the variable named", err)
	}
}

// The key of the tests' certificates; making one takes a while.
var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func certificatePEM(t testing.TB, public, signer any, from, to time.Time) string {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "cadrift"}, NotBefore: from, NotAfter: to}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, signer)
	if err != nil {
		t.Fatal(err)
	}
	return pemOf("CERTIFICATE", der)
}

func keyPEM(t testing.TB, key any) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pemOf("PRIVATE KEY", der)
}

func TestCertificate(t *testing.T) {
	key := rsaKey()
	synctest.Test(t, func(t *testing.T) {
		l := &loginServer{}
		c := secretCredentials(t, l)
		c.SecretFile, c.CertificateFile = "", filepath.Join(t.TempDir(), "app.pem")
		end := time.Now().Add(48 * time.Hour).UTC().Truncate(time.Second)
		write(t, c.CertificateFile, keyPEM(t, key)+certificatePEM(t, &key.PublicKey, key, time.Now().Add(-time.Hour), end))
		tokens := newTokens(t, c)
		mustToken(t, tokens, false, "-1")
		form := l.asked[0]
		if form.Get("client_assertion") == "" || form.Get("client_secret") != "" || !strings.HasSuffix(form.Get("client_assertion_type"), "jwt-bearer") {
			t.Errorf("got form %v, want an assertion", form)
		}
		header, _ := base64.RawURLEncoding.DecodeString(strings.Split(form.Get("client_assertion"), ".")[0])
		if !strings.Contains(string(header), "x5t") {
			t.Errorf("got header %s", header)
		}
		if got, ok := tokens.Expiry(); !ok || !got.Equal(end) {
			t.Errorf("got expiry %s, want %s", got, end)
		}
		time.Sleep(49 * time.Hour)
		_, err := tokens.Token(t.Context(), false)
		if e := fault(t, err); e.Reason != drift.ReasonCredential || !strings.Contains(e.Message, "expired on 2000-01-03") || l.count() != 1 {
			t.Errorf("got %v after %d requests, want the expired certificate noticed here", err, l.count())
		}
		later := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
		write(t, c.CertificateFile, keyPEM(t, key)+certificatePEM(t, &key.PublicKey, key, time.Now(), later))
		time.Sleep(lookInterval)
		mustToken(t, tokens, false, "-2")
		if got, _ := tokens.Expiry(); !got.Equal(later) {
			t.Errorf("renewed: got expiry %s, want %s", got, later)
		}
	})
}

func TestBadCertificates(t *testing.T) {
	key := rsaKey()
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ecDER, err := x509.MarshalECPrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	soon := time.Now().Add(time.Hour)
	cert := certificatePEM(t, &key.PublicKey, key, time.Now(), soon)
	ecCert := certificatePEM(t, &ec.PublicKey, ec, time.Now(), soon)
	pkcs1 := pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key))
	legacy := strings.Replace(pkcs1, "KEY-----\n", "KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n", 1)
	for text, want := range map[string]string{
		"":            "must hold a certificate",
		plantedS:      "must hold a certificate",
		cert:          "must hold a certificate",
		pkcs1:         "must hold a certificate",
		cert + legacy: "encrypted",
		cert + pemOf("ENCRYPTED PRIVATE KEY", []byte("x")): "encrypted",
		ecCert + keyPEM(t, ec):                             "RSA key",
		ecCert + pemOf("EC PRIVATE KEY", ecDER):            "RSA key",
		ecCert + pkcs1:                                     "does not belong",
		cert + pkcs1 + pkcs1:                               "more than one",
		cert + pemOf("PRIVATE KEY", []byte(plantedS)):      "cannot be read",
		cert + pemOf("RSA PRIVATE KEY", []byte(plantedS)):  "cannot be read",
		pemOf("CERTIFICATE", []byte(plantedS)) + pkcs1:     "cannot be read",
		strings.Repeat("#", maxCredentialBytes+1):          "larger than",
	} {
		c := secretCredentials(t, &loginServer{})
		c.SecretFile, c.CertificateFile = "", write(t, filepath.Join(t.TempDir(), "app.pem"), text)
		_, err := NewTokens(c)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "app.pem") || strings.Contains(err.Error(), plantedS) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	for _, text := range []string{cert + pkcs1, ecCert + cert + keyPEM(t, key)} {
		c := secretCredentials(t, &loginServer{})
		c.SecretFile, c.CertificateFile = "", write(t, filepath.Join(t.TempDir(), "app.pem"), text)
		mustToken(t, newTokens(t, c), false, "-1")
	}
}

func TestFederatedToken(t *testing.T) {
	l := &loginServer{}
	c := secretCredentials(t, l)
	c.SecretFile, c.FederatedTokenFile = "", c.SecretFile
	tokens := newTokens(t, c)
	mustToken(t, tokens, false, "-1")
	write(t, c.FederatedTokenFile, "rotated\n")
	mustToken(t, tokens, true, "-2")
	if a, b := l.asked[0].Get("client_assertion"), l.asked[1].Get("client_assertion"); a != plantedS || b != "rotated" {
		t.Errorf("got assertions %q and %q", a, b)
	}
}

func TestManagedIdentity(t *testing.T) {
	t.Setenv("IDENTITY_ENDPOINT", "http://127.0.0.1:1/token")
	t.Setenv("IDENTITY_HEADER", plantedS)
	for id, want := range map[string]string{"system": "", clientID: clientID} {
		l := &loginServer{}
		tokens := newTokens(t, Credentials{TenantID: tenantID, GraphEndpoint: endpoint + "/", ManagedIdentity: id, Transport: l})
		mustToken(t, tokens, false, "-1")
		mustToken(t, tokens, false, "-1")
		mustToken(t, tokens, true, "-2") // past the cache that MSAL keeps for the process
		asked, err := url.Parse(l.urls[0])
		if err != nil || asked.Query().Get("resource") != endpoint || asked.Query().Get("client_id") != want || l.header.Get("X-Identity-Header") != plantedS {
			t.Errorf("%s: asked %s", id, asked)
		}
		l.reply = func(int, url.Values) answer {
			return answer{status: 400, body: `{"error":"invalid_request","error_description":"Identity not found"}`}
		}
		_, err = tokens.Token(t.Context(), true)
		if e := fault(t, err); e.Reason != drift.ReasonCredential || e.Code != "invalid_request" || e.Message != "Identity not found" {
			t.Errorf("%s: got %v", id, err)
		}
	}
	if tr, ok := direct(NewTransport(nil)).(*http.Transport); !ok || tr.Proxy != nil {
		t.Error("a managed identity's transport has a proxy")
	}
}

func TestLoginErrors(t *testing.T) {
	dial := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	jwt := func(claims string) answer {
		token := "h." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + "." + planted
		return answer{body: `{"token_type":"Bearer","access_token":"` + token + `","expires_in":3600}`}
	}
	for name, tt := range map[string]struct {
		answer answer
		reason drift.Reason
		want   string
		hint   string
	}{
		"wrong secret":   {refusal(401, 7000215, "Invalid client secret provided."), drift.ReasonCredential, "get token: 401 AADSTS7000215: Invalid client secret provided. (request-id c-1)", "the secret's value"},
		"expired secret": {refusal(401, 7000222, "expired"), drift.ReasonCredential, "AADSTS7000222", "has expired"},
		"no application": {refusal(400, 700016, "not found"), drift.ReasonCredential, "AADSTS700016", "client_id"},
		"no tenant":      {refusal(400, 90002, "not found"), drift.ReasonCredential, "AADSTS90002", "tenant_id"},
		"certificate":    {refusal(401, 700027, "not registered"), drift.ReasonCredential, "AADSTS700027", "upload"},
		"unknown number": {refusal(400, 1, "odd"), drift.ReasonCredential, "AADSTS1: odd", ""},
		"echoed secret":  {refusal(401, 7000215, "bad "+plantedS+" secret"), drift.ReasonCredential, "bad <secret> secret", ""},
		"html":           {answer{status: 400, body: "<html>" + plantedS}, drift.ReasonCredential, "400 Bad Request: the token endpoint refused", ""},
		"redirect":       {answer{status: 302, header: with("Location", "https://evil.example/")}, drift.ReasonCredential, "302", ""},
		"down":           {answer{status: 503, body: "<html>"}, drift.ReasonUnreachable, "503", ""},
		"throttled":      {answer{status: 429, header: with("Retry-After", "9")}, drift.ReasonUnreachable, "429 Too Many Requests: the token endpoint refused (no request for 9s)", ""},
		"busy":           {answer{status: 400, body: `{"error":"temporarily_unavailable","error_codes":[90033]}`}, drift.ReasonUnreachable, "AADSTS90033", ""},
		"refused":        {answer{err: dial}, drift.ReasonUnreachable, "connect: connection refused", ""},
		"odd transport":  {answer{err: errors.New(plantedS)}, drift.ReasonUnreachable, "connection: broken off before the answer was complete", ""},
		"cut":            {answer{body: `{"access_token":"` + planted, cut: true}, drift.ReasonCredential, "not a usable token", ""},
		"no expiry":      {answer{body: `{"token_type":"Bearer","access_token":"` + planted + `"}`}, drift.ReasonCredential, "not a usable token", ""},
		"no token":       {answer{body: `{"token_type":"Bearer","expires_in":3600}`}, drift.ReasonCredential, "not a usable token", ""},
		"not JSON":       {answer{body: planted + plantedS}, drift.ReasonCredential, "not a usable token", ""},
		"too large":      {answer{body: `{"a":"` + strings.Repeat("x", maxLoginBytes) + `"}`}, drift.ReasonCredential, "not a usable token", ""},
		"expired token":  {grantFor(-time.Minute, 1), drift.ReasonCredential, "", ""},
		"other tenant":   {jwt(`{"tid":"99999999-0000-0000-0000-000000000000"}`), drift.ReasonCredential, "for another tenant: 99999999", "different tenants"},
	} {
		t.Run(name, func(t *testing.T) {
			log := &safeBuffer{}
			c := secretCredentials(t, &loginServer{reply: func(int, url.Values) answer { return tt.answer }})
			c.Logger = logTo(log)
			_, err := newTokens(t, c).Token(t.Context(), false)
			if err == nil {
				t.Fatal("got a token")
			}
			e := fault(t, err)
			if e.Reason != tt.reason || !strings.Contains(err.Error(), tt.want) || !strings.Contains(e.Hint, tt.hint) {
				t.Errorf("got %s: %v (hint %q), want %s: %q (hint %q)", e.Reason, err, e.Hint, tt.reason, tt.want, tt.hint)
			}
			checkClean(t, log.String(), err)
		})
	}
	for name, a := range map[string]answer{
		"own tenant, other case": jwt(`{"tid":"` + strings.ToLower(tenantID) + `"}`),
		"no claim":               jwt(`{}`),
		"not claims":             jwt(`x`),
	} {
		c := secretCredentials(t, &loginServer{reply: func(int, url.Values) answer { return a }})
		if _, err := newTokens(t, c).Token(t.Context(), false); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCredentialsAreChecked(t *testing.T) {
	t.Setenv("MSAL_FORCE_REGION", "westeurope") // must not move the request elsewhere
	good := secretCredentials(t, &loginServer{})
	for name, change := range map[string]func(*Credentials){
		"none":                  func(c *Credentials) { c.SecretFile = "" },
		"two":                   func(c *Credentials) { c.SecretEnv = "X" },
		"no tenant":             func(c *Credentials) { c.TenantID = "" },
		"tenant with a path":    func(c *Credentials) { c.TenantID = "a/../b" },
		"no client":             func(c *Credentials) { c.ClientID = "" },
		"plain authority":       func(c *Credentials) { c.Authority = "http://login.example" },
		"authority with a path": func(c *Credentials) { c.Authority = "https://login.example/x" },
		"authority with a user": func(c *Credentials) { c.Authority = "https://" + plantedS + "@login.example" },
		"foreign authority":     func(c *Credentials) { c.CustomCloud = false },
		"plain graph":           func(c *Credentials) { c.GraphEndpoint = "http://graph.example" },
		"file missing":          func(c *Credentials) { c.SecretFile += ".no" },
		"file empty":            func(c *Credentials) { c.SecretFile = write(t, filepath.Join(t.TempDir(), "s"), "\n") },
	} {
		c := good
		change(&c)
		if _, err := NewTokens(c); err == nil || strings.Contains(err.Error(), plantedS) {
			t.Errorf("%s: got %v, want a refusal", name, err)
		}
	}
	for _, cloud := range []string{"global", "usgov", "usgov-dod", "china"} {
		c := good
		c.GraphEndpoint, c.Authority, _ = Cloud(cloud)
		c.CustomCloud = false
		mustNot := c.Transport.(*loginServer).count()
		tokens := newTokens(t, c)
		if _, err := tokens.Token(t.Context(), false); err != nil {
			t.Errorf("%s: %v", cloud, err)
		}
		l := c.Transport.(*loginServer)
		if l.count() != mustNot+1 || !strings.HasPrefix(l.urls[len(l.urls)-1], c.Authority+"/"+tenantID+"/oauth2/v2.0/token") {
			t.Errorf("%s: asked %v", cloud, l.urls)
		}
	}
}

// The secret goes to one URL, whatever asks for it to go elsewhere.
func TestLoginTransportIsPinned(t *testing.T) {
	l := &loginServer{}
	authority, _ := url.Parse(login + "/" + tenantID)
	pinned := &loginTransport{next: l, authority: authority}
	for _, tt := range []struct{ method, url string }{
		{"POST", "https://evil.example/" + tenantID + "/oauth2/v2.0/token"},
		{"POST", "http://login.example/" + tenantID + "/oauth2/v2.0/token"},
		{"POST", login + "/other/oauth2/v2.0/token"},
		{"GET", login + "/" + tenantID + "/oauth2/v2.0/token"},
		{"GET", login + "/common/discovery/instance"},
	} {
		req, err := http.NewRequest(tt.method, tt.url, strings.NewReader("client_secret="+plantedS))
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := pinned.RoundTrip(req); err == nil {
			t.Errorf("%s %s: got %d", tt.method, tt.url, resp.StatusCode)
		}
	}
	if l.count() != 0 {
		t.Errorf("got requests %v, want none", l.urls)
	}
}
