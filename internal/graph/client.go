package graph

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// TokenSource gives the bearer tokens that requests carry.
type TokenSource interface {
	// Token gives a token that is valid now. Fresh asks for a new one,
	// because Graph refused the last with 401. The error is an *Error, or
	// one of ctx.
	Token(ctx context.Context, fresh bool) (drift.Secret, error)
}

// Options say what a client reads, and by which means.
type Options struct {
	// Endpoint is the Graph root, https, without a version.
	Endpoint string
	// Version is v1.0, the default, or beta.
	Version string
	// Tenant is the name in metrics and logs.
	Tenant    string
	UserAgent string
	// Transport carries the requests; nil is NewTransport(nil).
	Transport http.RoundTripper
	Tokens    TokenSource
	// Writer gives the tokens of writes, and of nothing else; nil is Tokens.
	Writer TokenSource
	// RequestsPerSecond is the pace for Conditional Access paths, 1 where it
	// is 0. Pacer, when set, is used instead: it is how the clients of one
	// tenant share one budget, before and after a reload.
	RequestsPerSecond float64
	Pacer             *Pacer
	Logger            *slog.Logger
	Metrics           *Metrics // nil: not counted
}

// Client reads one tenant. Its methods may be called at the same time; their
// requests go out one after another.
type Client struct {
	base      *url.URL
	version   string
	tenant    string
	userAgent string
	http      *http.Client
	tokens    TokenSource
	writer    TokenSource
	pacer     *Pacer
	logger    *slog.Logger
	unzippers sync.Pool // of *gzip.Reader

	mu       sync.Mutex
	memories map[drift.Kind]*memory
	versions uint64
	down     time.Time // when a call last ended unreachable, after all its tries
}

// New makes a client. It sends nothing.
func New(o Options) (*Client, error) {
	base, err := url.Parse(o.Endpoint)
	switch {
	case err != nil:
		return nil, errors.New("make graph client: the endpoint is not a URL")
	case base.Scheme != "https" || base.Host == "" || base.Hostname() == "":
		return nil, errors.New("make graph client: the endpoint must be an https URL")
	case base.User != nil || base.RawQuery != "" || base.Fragment != "":
		return nil, errors.New("make graph client: the endpoint must not hold a user, a query or a fragment")
	case o.Tokens == nil:
		return nil, errors.New("make graph client: no token source")
	}
	c := &Client{
		base:    base.JoinPath("/"), // joined to a root without it, a path would lack its first slash
		version: o.Version, tenant: o.Tenant, userAgent: o.UserAgent,
		tokens: o.Tokens, writer: o.Writer, pacer: o.Pacer, logger: o.Logger,
		unzippers: sync.Pool{New: func() any { return new(gzip.Reader) }},
		memories:  map[drift.Kind]*memory{},
	}
	if c.writer == nil {
		c.writer = c.tokens
	}
	switch c.version {
	case "":
		c.version = "v1.0"
	case "v1.0", "beta":
	default:
		return nil, fmt.Errorf("make graph client: unknown Graph version %q: want v1.0 or beta", o.Version)
	}
	if c.userAgent == "" {
		c.userAgent = "cadrift"
	}
	if c.pacer == nil {
		c.pacer = NewPacer(o.RequestsPerSecond)
	}
	if c.logger == nil {
		c.logger = slog.New(slog.DiscardHandler)
	}
	transport := o.Transport
	if transport == nil {
		transport = NewTransport(nil)
	}
	if o.Metrics != nil {
		transport = &instrumented{transport, o.Metrics, o.Tenant}
	}
	c.http = &http.Client{Transport: transport, CheckRedirect: noRedirect}
	return c, nil
}

// noRedirect hands a redirect on as the answer: following it would carry the
// token, or the trust, elsewhere.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// NewTransport is a transport with time limits on every step, for Graph and
// for the token endpoint. Roots replaces the system's certificates unless nil;
// proxies are taken from the environment.
func NewTransport(roots *x509.CertPool) *http.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialer.DialContext,
		ForceAttemptHTTP2:      true,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		TLSHandshakeTimeout:    10 * time.Second,
		ResponseHeaderTimeout:  30 * time.Second,
		MaxResponseHeaderBytes: 256 << 10,
		MaxIdleConnsPerHost:    2,
		IdleConnTimeout:        90 * time.Second,
	}
}

// address is the URL of a path below a version. Each element is one path
// segment or several, already escaped.
func (c *Client) address(version string, elements ...string) *url.URL {
	return c.base.JoinPath(append([]string{version}, elements...)...)
}

// segment escapes an id for a path. An id that a path would swallow is
// refused.
func segment(id string) (string, error) {
	if id == "" || id == "." || id == ".." || len(id) > maxIDBytes {
		return "", malformed("an id that cannot stand in a path")
	}
	return url.PathEscape(id), nil
}

// sameOrigin compares scheme, host and port.
func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if u.Scheme == "https" {
		return "443"
	}
	return "80"
}

// follow checks the link to the next page and gives its address. Only the
// query is taken from the link: scheme, host, port and path are those that
// were asked for, or the link is not followed at all.
func follow(asked *url.URL, link string) (*url.URL, error) {
	u, err := url.Parse(link)
	switch {
	case len(link) > maxLinkBytes, err != nil:
		return nil, malformed("the link to the next page is not a URL")
	case u.User != nil, u.Opaque != "", u.Fragment != "", !sameOrigin(u, asked), u.EscapedPath() != asked.EscapedPath():
		return nil, malformed("the link to the next page leads elsewhere")
	case strings.ContainsFunc(u.RawQuery, func(r rune) bool { return r <= ' ' || r > '~' }):
		return nil, malformed("the link to the next page is not properly encoded")
	}
	next := *asked
	next.RawQuery = u.RawQuery
	return &next, nil
}
