package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/words"
)

const (
	postTimeout = 15 * time.Second
	answerBytes = 256
	// readBytes is how much of an answer is looked at before it is shortened:
	// enough that a secret in it is found whole and taken out.
	readBytes = 4 << 10
	urlBytes  = 8 << 10
)

// PostOptions say where a receiver is.
type PostOptions struct {
	// URL or URLFile, exactly one. The file is read at each send, so that an
	// address can be rotated without a reload.
	URL     drift.Secret
	URLFile string
	// RootCAs are the certificate authorities to trust; nil: the system's.
	RootCAs   *x509.CertPool
	UserAgent string
	// Transport replaces the network, for tests and the demo.
	Transport http.RoundTripper
}

// Poster makes the HTTP requests of one receiver. It is safe for concurrent
// use.
type Poster struct {
	options PostOptions
	client  http.Client
}

// NewPoster prepares the client; it reads no file and opens no connection.
func NewPoster(o PostOptions) (*Poster, error) {
	if o.URL.IsZero() == (o.URLFile == "") {
		return nil, errors.New("prepare receiver: want exactly one of url and url_file")
	}
	if o.Transport == nil {
		o.Transport = &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
			TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.RootCAs},
			TLSHandshakeTimeout: 10 * time.Second,
			ForceAttemptHTTP2:   true,
			IdleConnTimeout:     30 * time.Second,
			MaxIdleConns:        2,
		}
	}
	return &Poster{options: o, client: http.Client{
		Transport: o.Transport,
		// The address and the body are secrets: they are not handed on to
		// wherever the receiver points.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Answer is what a receiver said.
type Answer struct {
	Status int
	// Body is one line of at most 256 bytes, secrets taken out.
	Body       string
	RetryAfter time.Duration
}

// Address reads and checks the receiver's address as the next send will.
// Errors never hold it.
func (p *Poster) Address() (*url.URL, error) {
	text := p.options.URL.Reveal()
	if p.options.URLFile != "" {
		raw, err := ReadSecretFile(p.options.URLFile, urlBytes)
		if err != nil {
			return nil, fmt.Errorf("read url_file: %w", err)
		}
		text = raw.Reveal()
	}
	return parseAddress(strings.TrimSpace(text))
}

// parseAddress refuses what would send a secret in the clear. Hosts are not
// checked against a list: Microsoft's have moved three times, and every tool
// with a strict pattern broke each time.
func parseAddress(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil: // the error quotes the address
		return nil, errors.New("read receiver's address: not a URL")
	case u.Host == "" || u.Hostname() == "":
		return nil, errors.New("read receiver's address: no host in it")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return nil, errors.New("read receiver's address: plain http is for loopback only, use https")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("read receiver's address: want https")
	}
	return u, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// ReadSecretFile reads a small file, trimmed. The error names the file, never
// its content.
func ReadSecretFile(path string, limit int64) (drift.Secret, error) {
	f, err := os.Open(path)
	if err != nil {
		return drift.Secret{}, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, limit+1))
	switch {
	case err != nil:
		return drift.Secret{}, err
	case int64(len(raw)) > limit:
		return drift.Secret{}, fmt.Errorf("%s: larger than %d bytes", path, limit)
	case len(bytes.TrimSpace(raw)) == 0:
		return drift.Secret{}, fmt.Errorf("%s: empty", path)
	}
	return drift.NewSecret(string(bytes.TrimSpace(raw))), nil
}

// Post makes one request to u, which [Poster.Address] gave. An error means
// that there is no answer; whether the receiver has the message is then
// unknown. Errors never hold the address.
func (p *Poster) Post(ctx context.Context, u *url.URL, body []byte, header http.Header) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, postTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return Answer{}, scrub(err, u)
	}
	req.Header = header.Clone()
	if req.Header == nil {
		req.Header = http.Header{}
	}
	req.Header.Set("Content-Type", "application/json")
	if p.options.UserAgent != "" {
		req.Header.Set("User-Agent", p.options.UserAgent)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return Answer{}, scrub(err, u)
	}
	defer resp.Body.Close()
	// A status without a readable body is still an answer.
	raw, _ := io.ReadAll(io.LimitReader(resp.Body, readBytes))
	return Answer{
		Status:     resp.StatusCode,
		Body:       safeAnswer(string(raw), u),
		RetryAfter: retryAfter(resp.Header, time.Now()),
	}, nil
}

// safeAnswer makes an answer fit to be logged and shown.
func safeAnswer(text string, u *url.URL) string {
	text = words.Clean(strings.TrimSpace(hideSecrets(text, u)), answerBytes)
	for len(text) > answerBytes { // cut by bytes, at a rune's edge
		runes := []rune(text)
		text = string(runes[:len(runes)-1])
	}
	return text
}

// scrub makes an error of net/http fit to be logged. *url.Error quotes the
// whole address, and proxies and resolvers may quote parts of it.
func scrub(err error, u *url.URL) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return errors.New("no answer in time")
	case errors.Is(err, context.Canceled):
		return errors.New("stopped before the answer came")
	}
	return errors.New(words.Clean(hideSecrets(err.Error(), u), answerBytes))
}

// shortest is the least length of a part of an address that is taken for a
// secret; shorter ones are words like "v1".
const shortest = 8

// hideSecrets takes every part of the address but the host out of a text, in
// the spellings in which a gateway may echo it.
func hideSecrets(text string, u *url.URL) string {
	parts := []string{u.String(), u.RequestURI(), u.RawQuery}
	parts = append(parts, strings.Split(u.EscapedPath(), "/")...)
	parts = append(parts, strings.Split(u.Path, "/")...)
	for pair := range strings.SplitSeq(u.RawQuery, "&") {
		_, raw, _ := strings.Cut(pair, "=")
		parts = append(parts, raw)
	}
	for _, values := range u.Query() {
		parts = append(parts, values...)
	}
	if pass, ok := u.User.Password(); ok {
		parts = append(parts, pass, u.User.String())
	}
	for _, part := range parts {
		if len(part) >= shortest {
			text = strings.ReplaceAll(text, part, drift.Secret{}.String())
		}
	}
	return text
}

// Judge sorts an answer by its status, for receivers without rules of their
// own:
//
//	2xx            delivered
//	408, 429, 5xx  later
//	3xx            refused: redirects are not followed
//	other 4xx      refused
func (a Answer) Judge() Outcome {
	o := Outcome{RetryAfter: a.RetryAfter, Reason: fmt.Sprintf("HTTP %d", a.Status), Answer: a.Body}
	switch {
	case a.Status >= 200 && a.Status < 300:
		o.Result = Delivered
	case a.Status == http.StatusRequestTimeout, a.Status == http.StatusTooManyRequests, a.Status >= 500:
		o.Result = Later
	case a.Status >= 300 && a.Status < 400:
		o.Result, o.Reason = Refused, o.Reason+": redirects are not followed"
	default:
		o.Result = Refused
	}
	return o
}

// NoAnswer is the outcome of a try that got none: to be made again.
func NoAnswer(err error) Outcome { return Outcome{Result: Later, Reason: err.Error()} }
