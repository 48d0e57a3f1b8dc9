package graphsim_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/cadrift/cadrift/internal/graphsim"
)

// TestServeTLS runs the whole exchange over a real connection: login, a page,
// its nextLink, gzip, and a connection that dies halfway.
func TestServeTLS(t *testing.T) {
	c := newCloud(t)
	c.must(c.admin.CreatePolicy(plain("P")))
	c.must(c.admin.CreatePolicy(plain("Q")))
	c.tenant.Tune(func(b *graphsim.Behaviour) { b.PageSize = 1 })
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	c.ok(err)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.server.ServeTLS(ctx, ln) }()

	pem, err := c.server.CAPEM()
	c.ok(err)
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		t.Fatal("the authority is no PEM certificate")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	client := &http.Client{Transport: transport}
	base := "https://" + ln.Addr().String()

	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {clientID}, "client_secret": {secret}, "scope": {base + "/.default"}}
	response, err := client.PostForm(base+"/"+tenantID+"/oauth2/v2.0/token", form)
	c.ok(err)
	raw, err := io.ReadAll(response.Body)
	c.ok(err)
	token := answer{T: t, status: response.StatusCode, raw: string(raw)}.want(200).json()["access_token"].(string)

	get := func(target string) answer {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
		c.ok(err)
		r.Header.Set("Authorization", "Bearer "+token)
		response, err := client.Do(r)
		if err != nil {
			return answer{T: t, err: err}
		}
		defer response.Body.Close()
		raw, err := io.ReadAll(response.Body)
		return answer{T: t, status: response.StatusCode, header: response.Header, raw: string(raw), err: err}
	}
	first := get(base + policies).want(200).json()
	link, _ := first["@odata.nextLink"].(string)
	if !strings.HasPrefix(link, base+"/") {
		t.Fatalf("nextLink is %q", link)
	}
	if got := get(link).want(200).ids(); len(got) != 1 {
		t.Errorf("second page: got %v", got)
	}
	c.server.OnRequest(func(*http.Request) *graphsim.Fault { return &graphsim.Fault{Cut: 10} })
	if got := get(base + policies); got.err == nil {
		t.Errorf("a cut body arrived whole: %s", got.raw)
	}
	c.server.OnRequest(func(*http.Request) *graphsim.Fault { return &graphsim.Fault{Refuse: true} })
	if got := get(base + policies); got.err == nil {
		t.Errorf("a broken connection answered: %s", got.raw)
	}
	if _, err := http.Get(base); err == nil {
		t.Error("a client without the authority trusts the server")
	}
	transport.CloseIdleConnections()
	stop()
	if err := <-done; err != nil {
		t.Errorf("serving ended with %v", err)
	}
}

// TestConcurrentUse is for the race detector.
func TestConcurrentUse(t *testing.T) {
	c := newCloud(t)
	id := c.must(c.admin.CreatePolicy(plain("P")))
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 20 {
				if a, b := c.get(policies), c.get(strength); a.status != 200 || b.status != 200 {
					t.Errorf("got %d and %d", a.status, b.status)
				}
				if err := c.admin.PatchPolicy(id, `{"state":"disabled"}`); err != nil {
					t.Error(err)
				}
				c.tenant.Tune(func(b *graphsim.Behaviour) { b.PageSize++ })
			}
		})
	}
	all.Wait()
	if got := len(c.tenant.Writes()); got != 161 {
		t.Errorf("got %d writes, want 161", got)
	}
}
