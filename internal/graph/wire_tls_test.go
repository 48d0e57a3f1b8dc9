package graph

import (
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cadrift/cadrift/internal/drift"
)

// The whole way over a real socket: TLS, the token endpoint, gzip, HTTP/2, and
// what breaks on that way.
func TestOverTLS(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /"+tenantID+"/oauth2/v2.0/token", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"token_type":"Bearer","access_token":%q,"expires_in":3600}`, planted)
	})
	json := func(w http.ResponseWriter) { w.Header().Set("Content-Type", "application/json") }
	mux.HandleFunc("GET "+policiesPath, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+planted || r.Header.Get("Accept-Encoding") != "gzip" || r.ProtoMajor != 2 {
			w.WriteHeader(400)
			return
		}
		json(w)
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = io.WriteString(w, zipped(collection("", object("a"))))
	})
	mux.HandleFunc("GET /v1.0/identity/conditionalAccess/namedLocations", func(w http.ResponseWriter, r *http.Request) {
		json(w)
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, `{"value":[`)
		panic(http.ErrAbortHandler)
	})
	server := httptest.NewUnstartedServer(mux)
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())

	client := func(pool *x509.CertPool) *Client {
		c := Credentials{
			TenantID: tenantID, ClientID: clientID, Authority: server.URL, GraphEndpoint: server.URL, CustomCloud: true,
			Transport: NewTransport(roots),
		}
		t.Setenv("CADRIFT_TEST_SECRET", plantedS)
		c.SecretEnv = "CADRIFT_TEST_SECRET"
		made, err := New(Options{Endpoint: server.URL, Tenant: "contoso", Transport: NewTransport(pool), Tokens: newTokens(t, c), RequestsPerSecond: 1e6})
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	c := client(roots)
	for i := range 2 {
		if got, err := c.List(t.Context(), drift.Policy); err != nil || ids(got.Items) != "a" || got.Same != (i == 1) {
			t.Errorf("reading %d: got %+v, %v", i, got, err)
		}
	}
	// A call in its first failure would retry for seconds: probe instead.
	bad := func(c *Client, kind drift.Kind) error {
		k := c.begin("list", "")
		k.tries = 1
		s, _ := shapeOf(kind)
		_, err := c.do(t.Context(), k, http.MethodGet, c.address("v1.0", s.path), nil)
		return fault(t, err)
	}
	if err := bad(c, drift.NamedLocation); !strings.Contains(err.Error(), "connection: ") {
		t.Errorf("body cut: got %v, want a broken connection", err)
	}
	if err := bad(client(x509.NewCertPool()), drift.Policy); !strings.Contains(err.Error(), "tls: certificate signed by unknown authority") {
		t.Errorf("unknown authority: got %v", err)
	}
	server.Close()
	if err := bad(client(roots), drift.Policy); !strings.Contains(err.Error(), "token endpoint: connect: connection refused") {
		t.Errorf("server gone: got %v", err)
	}
}
