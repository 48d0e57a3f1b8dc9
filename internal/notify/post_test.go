package notify

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/cadrift/cadrift/internal/drift"
)

func post(t testing.TB, o PostOptions) (Answer, error) {
	t.Helper()
	p, err := NewPoster(o)
	if err != nil {
		t.Fatal(err)
	}
	u, err := p.Address()
	if err != nil {
		return Answer{}, err
	}
	return p.Post(context.Background(), u, []byte(`{}`), nil)
}

func TestPosterWantsOneAddress(t *testing.T) {
	for _, o := range []PostOptions{{}, {URL: drift.NewSecret("https://x.example"), URLFile: "f"}} {
		if _, err := NewPoster(o); err == nil {
			t.Errorf("%+v: got no error", o)
		}
	}
}

func TestAddressIsReadAtEachSendAndTrimmed(t *testing.T) {
	var hits []string
	serve := func(name string) *httptest.Server {
		s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits = append(hits, name) }))
		t.Cleanup(s.Close)
		return s
	}
	one, two := serve("one"), serve("two")
	file := filepath.Join(t.TempDir(), "url")
	for _, address := range []string{one.URL, two.URL} {
		if err := os.WriteFile(file, []byte("\n "+address+" \n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := post(t, PostOptions{URLFile: file}); err != nil {
			t.Fatal(err)
		}
	}
	if fmt.Sprint(hits) != "[one two]" {
		t.Errorf("got %v, want both once", hits)
	}
}

func TestAddressesThatAreRefused(t *testing.T) {
	const marker = "c0ffee-marker"
	for _, c := range []struct{ url, want string }{
		{"http://hooks.example/" + marker, "loopback only"},
		{"http://127.0.0.1.evil.example/" + marker, "loopback only"},
		{"ftp://hooks.example/" + marker, "want https"},
		{"https:///" + marker, "no host"},
		{"https://:443/" + marker, "no host"},
		{marker, "no host"},
		{"https://hooks.example/%zz" + marker, "not a URL"},
		{"https://hooks.example/\x7f" + marker, "not a URL"},
	} {
		_, err := post(t, PostOptions{URL: drift.NewSecret(c.url)})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got %v, want %q", c.url, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), marker) {
			t.Errorf("%q: the error holds the address: %v", c.url, err)
		}
	}
	for _, ok := range []string{"http://localhost:1/x", "http://[::1]:1/x", "http://127.0.0.9/x", "https://10.0.0.1/x"} {
		if _, err := parseAddress(ok); err != nil {
			t.Errorf("%q: got %v, want it to be taken", ok, err)
		}
	}
}

func TestURLFileTrouble(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"empty": " \n", "large": strings.Repeat("x", urlBytes+1)} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := post(t, PostOptions{URLFile: file}); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: got %v, want an error that names the file", name, err)
		}
	}
	if _, err := post(t, PostOptions{URLFile: filepath.Join(dir, "missing")}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want %v", err, os.ErrNotExist)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the redirect was followed")
	}))
	defer elsewhere.Close()
	here := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer here.Close()
	a, err := post(t, PostOptions{URL: drift.NewSecret(here.URL)})
	if err != nil || a.Status != http.StatusTemporaryRedirect || a.Judge().Result != Refused {
		t.Errorf("got %+v, %v, want the redirect itself, refused", a, err)
	}
}

func TestUnknownCertificateIsRefusedAndItsCATaken(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer s.Close()
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	if _, err := post(t, PostOptions{URL: drift.NewSecret(s.URL)}); err == nil {
		t.Error("got no error for an unknown certificate")
	}
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	if _, err := post(t, PostOptions{URL: drift.NewSecret(s.URL), RootCAs: pool}); err != nil {
		t.Errorf("with its CA: got %v", err)
	}
}

func TestJudge(t *testing.T) {
	for status, want := range map[int]Result{
		200: Delivered, 202: Delivered, 204: Delivered,
		301: Refused, 307: Refused,
		400: Refused, 401: Refused, 403: Refused, 404: Refused, 410: Refused, 413: Refused, 422: Refused,
		408: Later, 429: Later, 500: Later, 501: Later, 502: Later, 503: Later, 504: Later, 599: Later,
	} {
		a := Answer{Status: status, RetryAfter: time.Minute}
		if got := a.Judge(); got.Result != want || got.RetryAfter != time.Minute {
			t.Errorf("%d: got %+v, want %v", status, got, want)
		}
	}
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// The address is a bearer secret. It must not come out of any error, answer or
// log record, whatever goes wrong and whoever quotes it back.
func TestNoSecretComesOut(t *testing.T) {
	const a, b, c = "T0MARKERPATH", "mArKeRsIgNaTuRe+/=", "markerpassword"
	address := "https://user:" + c + "@hooks.example/services/" + a + "/x?sp=run&sig=" + url.QueryEscape(b)
	answer := func(status int, body string) transport {
		return func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: status, Header: http.Header{"Location": {address}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
		}
	}
	fails := func(err error) transport {
		return func(*http.Request) (*http.Response, error) { return nil, err }
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	for name, rt := range map[string]transport{
		"refused connection":  fails(errors.New("dial tcp hooks.example:443: connection refused")),
		"error with address":  fails(fmt.Errorf("proxyconnect %s: denied", address)),
		"error with path":     fails(fmt.Errorf("bad path %s", u.RequestURI())),
		"nested url.Error":    fails(&url.Error{Op: "Post", URL: address, Err: errors.New("EOF")}),
		"redirect":            answer(302, ""),
		"page that echoes":    answer(404, "<h1>Not found: "+address+"</h1>"),
		"page, decoded":       answer(404, "no flow for sig="+b),
		"page, past the cap":  answer(500, strings.Repeat("x", 200)+address),
		"page, across 4 KiB":  answer(500, strings.Repeat("x", readBytes-20)+a),
		"controls and markup": answer(500, "\x1b[31m\u202e<script>"),
	} {
		t.Run(name, func(t *testing.T) {
			var logged bytes.Buffer
			box := &memory{}
			box.add(change(1, "a", drift.Critical, noon))
			p, err := NewPoster(PostOptions{URL: drift.NewSecret(address), Transport: rt})
			if err != nil {
				t.Fatal(err)
			}
			sink := posting{p}
			w := newWorker(t, box, sink)
			w.Logger = slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
			w.round(context.Background())
			out := w.Direct(context.Background(), &box.rowsAndParked()[0].Event)
			if out.Result == Delivered {
				t.Fatal("the fault did not fire")
			}
			everything := fmt.Sprintf("%s %+v %#v %+v %+v", logged.String(), out, out, box.rows, box.parked)
			if logged.Len() == 0 {
				t.Error("nothing was logged")
			}
			for _, secret := range []string{a, b, url.QueryEscape(b), c} {
				if strings.Contains(everything, secret) {
					t.Errorf("%q comes out: %s", secret, everything)
				}
			}
			if len(out.Answer) > answerBytes || strings.ContainsAny(out.Answer, "\x1b\n\u202e") {
				t.Errorf("got answer %q, want one safe line", out.Answer)
			}
		})
	}
}

// posting is a sink that does nothing but post.
type posting struct{ p *Poster }

func (posting) Limits() Limits { return webhookLimits }

func (s posting) Send(ctx context.Context, _ *Message) Outcome {
	u, err := s.p.Address()
	if err != nil {
		return NoAnswer(err)
	}
	a, err := s.p.Post(ctx, u, []byte("{}"), nil)
	if err != nil {
		return NoAnswer(err)
	}
	return a.Judge()
}

// rowsAndParked gives the one event of the secret test wherever it went.
func (m *memory) rowsAndParked() []drift.Delivery {
	if len(m.rows) > 0 {
		return m.rows
	}
	return []drift.Delivery{delivery(change(1, "a", drift.Critical, noon))}
}

func TestSafeAnswer(t *testing.T) {
	u, err := url.Parse("https://hooks.example/services/TOPSECRETPATH")
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		got := safeAnswer(rapid.String().Draw(t, "before")+"TOPSECRETPATH"+rapid.StringN(0, 400, -1).Draw(t, "after"), u)
		if len(got) > answerBytes || !utf8.ValidString(got) || strings.Contains(got, "TOPSECRETPATH") {
			t.Fatalf("got %d bytes: %q", len(got), got)
		}
	})
}
