package graph

import (
	"bytes"
	"cmp"
	"compress/flate"
	"compress/gzip"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// call is one public call in progress: what its requests share. A listing is
// one call, however many pages it has.
type call struct {
	op         string
	permission string
	page       int           // 0: not a listing
	tries      int           // per request
	timeout    time.Duration // per try
	left       time.Duration // for failed tries and the waits after them
	refreshed  bool          // the one forced token is spent
	bytes      int           // of the listing so far
	sends      []byte        // JSON body of a POST that only reads, nil for GET
	token      drift.Secret  // sent last, to be taken out of whatever is shown
}

func (k *call) where() string {
	if k.page == 0 {
		return k.op
	}
	return fmt.Sprintf("%s, page %d", k.op, k.page)
}

// begin opens a call. When the last one ended unreachable a moment ago, this
// one only probes: otherwise five listings in a row would spend five times
// the patience before anybody hears that Graph is gone.
func (c *Client) begin(op, permission string) *call {
	k := &call{op: op, permission: permission, tries: maxTries, timeout: pageTime, left: maxRetrying}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.down.IsZero() && time.Since(c.down) < probing {
		k.tries, k.timeout = 1, probeTime
	}
	return k
}

// beside opens a call for something that is good to know and that nobody waits
// long for: names, members, audit records. It is tried once, and its failure
// says nothing about the listings.
func (c *Client) beside(op, permission string) *call {
	return &call{op: op, permission: permission, tries: 1, timeout: probeTime, left: maxRetrying}
}

// reply is an answer 200, read to its end.
type reply struct {
	header http.Header
	body   []byte
}

// failure is a try that failed.
type failure struct {
	err   *Error
	took  time.Duration
	again bool          // a later try may succeed
	stale bool          // Graph refused the token
	asked time.Duration // the pause that the server asked for, 0 if none
}

// do makes one request, with retries, and returns the answer if it is 200.
// The body is read into buf where it has room. Only GET is repeated after a
// failure whose outcome is unknown; a 401 was not carried out, so any method
// may follow it, once, with a fresh token.
func (c *Client) do(ctx context.Context, k *call, method string, target *url.URL, buf []byte) (reply, *Error) {
	lane := c.pacer.lane(target.Path)
	fresh := false
	for try := 1; ; try++ {
		r, f := c.try(ctx, k, lane, method, target, buf, fresh)
		fresh = false
		if f == nil {
			c.answered()
			return r, nil
		}
		if f.stale && !k.refreshed {
			k.refreshed, fresh = true, true
			try--
			continue
		}
		k.left -= f.took
		wait := f.asked
		if wait == 0 {
			wait = backoff(try, f.err.Status == http.StatusTooManyRequests)
		}
		giveUp := !f.again || method != http.MethodGet || try >= k.tries || wait > k.left || ctx.Err() != nil
		c.heed(lane, k, f, wait, giveUp)
		if giveUp {
			return reply{}, f.err
		}
		k.left -= wait
		if err := sleep(ctx, wait); err != nil {
			return reply{}, c.unanswered(k, err)
		}
	}
}

// heed keeps the lane still after a failure, for all callers: as long as the
// server asked, or, throttled without being told, as long as this caller
// waits. A pause that nobody waits for fails later calls until it is over.
func (c *Client) heed(lane *lane, k *call, f *failure, wait time.Duration, giveUp bool) {
	switch {
	case f.asked > 0:
		lane.pause(f.asked, giveUp)
		f.err.RetryAfter = f.asked
		if wait > k.left {
			f.err.Reason = drift.ReasonThrottled
		}
	case f.err.Status == http.StatusTooManyRequests && !giveUp:
		lane.pause(wait, false)
	}
	if giveUp && f.again && f.err.Reason == drift.ReasonUnreachable && f.err.Err != context.Canceled && k.tries == maxTries {
		// A failed probe does not prolong the probing: a server that is
		// merely slow gets the full time again.
		c.mu.Lock()
		defer c.mu.Unlock()
		c.down = time.Now()
	}
}

// answered ends the probing.
func (c *Client) answered() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.down = time.Time{}
}

// try sends the request once.
func (c *Client) try(ctx context.Context, k *call, lane *lane, method string, target *url.URL, buf []byte, fresh bool) (reply, *failure) {
	if !sameOrigin(target, c.base) {
		// Cannot happen while addresses are built from the base; the token
		// must not depend on that.
		return reply{}, &failure{err: &Error{Op: k.where(), Message: "refused to leave the configured endpoint", Reason: drift.ReasonIncomplete}}
	}
	token, err := c.tokens.Token(ctx, fresh)
	if err != nil {
		return reply{}, &failure{err: tokenFault(k, err)}
	}
	// The token first: it may take time, and the pace is that of requests.
	pause, err := lane.enter(ctx)
	if err != nil {
		return reply{}, &failure{err: c.unanswered(k, err)}
	}
	if pause > 0 {
		return reply{}, &failure{err: &Error{
			Op: k.where(), Message: "Graph asked for a pause that is not over",
			Reason: drift.ReasonThrottled, RetryAfter: pause,
		}}
	}
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, k.timeout)
	defer cancel()
	r, f := c.exchange(ctx, k, method, target, buf, token)
	if f != nil {
		f.took = time.Since(start)
	}
	return r, f
}

// exchange sends and reads.
func (c *Client) exchange(ctx context.Context, k *call, method string, target *url.URL, buf []byte, token drift.Secret) (reply, *failure) {
	id := requestID()
	k.token = token
	req := &http.Request{Method: method, URL: target, Header: http.Header{
		"Accept":            {"application/json"},
		"Accept-Encoding":   {"gzip"},
		"Authorization":     {"Bearer " + token.Reveal()},
		"Client-Request-Id": {id},
		"User-Agent":        {c.userAgent},
	}}
	if method == http.MethodGet {
		// Without it a newer value of an enum reads unknownFutureValue.
		req.Header.Set("Prefer", "include-unknown-enum-members")
	}
	if k.sends != nil {
		req.Header.Set("Content-Type", "application/json")
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(k.sends)), int64(len(k.sends))
	}
	resp, err := c.http.Do(req.WithContext(ctx))
	if err != nil {
		return reply{}, &failure{err: c.unanswered(k, cmp.Or(ctx.Err(), err)), again: true}
	}
	defer resp.Body.Close()
	body, readErr := c.read(resp, buf)
	c.logger.LogAttrs(ctx, slog.LevelDebug, "graph request",
		slog.String("tenant", c.tenant), slog.String("op", k.where()), slog.Int("status", resp.StatusCode),
		slog.Int("bytes", len(body)), slog.String("client_request_id", id),
		slog.String("request_id", safe(resp.Header.Get("request-id"), token)),
		slog.String("diagnostic", safe(resp.Header.Get("x-ms-ags-diagnostic"), token)))
	if resp.StatusCode != http.StatusOK {
		f := &failure{
			err: refused(k, resp.StatusCode, resp.Header, body, token), again: transient(resp.StatusCode),
			stale: resp.StatusCode == http.StatusUnauthorized,
		}
		if f.again {
			f.asked, _ = retryAfter(resp.Header, time.Now())
		}
		return reply{}, f
	}
	var bad malformed
	if readErr == nil {
		readErr = checkType(resp.Header)
	}
	switch {
	case errors.As(readErr, &bad):
		return reply{}, &failure{err: c.incomplete(ctx, k, bad, body)}
	case readErr != nil && ctx.Err() == nil:
		// The answer began: Graph is there, and this collection came in part.
		return reply{}, &failure{err: &Error{
			Op: k.where(), Status: http.StatusOK, Message: "half an answer: " + netCause(readErr),
			Reason: drift.ReasonIncomplete,
		}, again: true}
	case readErr != nil:
		return reply{}, &failure{err: c.unanswered(k, cmp.Or(ctx.Err(), readErr)), again: true}
	}
	k.bytes += len(body)
	return reply{resp.Header, body}, nil
}

// read takes the body, decompressed, up to the limit: beyond it the body is
// malformed if it came with 200, and merely cut if it came with an error.
func (c *Client) read(resp *http.Response, buf []byte) ([]byte, error) {
	limit := maxErrorBytes
	if resp.StatusCode == http.StatusOK {
		limit = maxPageBytes
	}
	var from io.Reader = resp.Body
	switch encoding := resp.Header.Get("Content-Encoding"); {
	case encoding == "" || strings.EqualFold(encoding, "identity"):
	case strings.EqualFold(encoding, "gzip"):
		zip := c.unzippers.Get().(*gzip.Reader)
		defer c.unzippers.Put(zip)
		if err := zip.Reset(resp.Body); err != nil {
			return nil, zipFault(err)
		}
		from = zip
	default:
		return nil, malformed("a content encoding that was not asked for")
	}
	body, err := fill(buf[:0], from, limit)
	return body, zipFault(err)
}

// zipFault tells compressed bytes that are wrong from a connection that broke.
func zipFault(err error) error {
	var corrupt flate.CorruptInputError
	if errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) || errors.As(err, &corrupt) {
		return malformed("the compressed body is damaged")
	}
	return err
}

// fill reads all of r into buf, which grows as needed, but not beyond limit.
func fill(buf []byte, r io.Reader, limit int) ([]byte, error) {
	for {
		if len(buf) == cap(buf) {
			buf = slices.Grow(buf, 4096)
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case len(buf) > limit:
			return buf[:limit], malformed(fmt.Sprintf("the body is larger than %d bytes", limit))
		case err == io.EOF:
			return buf, nil
		case err != nil:
			return buf, err
		}
	}
}

// unanswered makes the error of a request that got no answer.
func (c *Client) unanswered(k *call, err error) *Error {
	e := &Error{Op: k.where(), Reason: drift.ReasonUnreachable}
	switch {
	case errors.Is(err, context.Canceled):
		e.Err = context.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		e.Message, e.Err = netCause(err), context.DeadlineExceeded
	default:
		e.Message = netCause(err)
	}
	return e
}

// incomplete makes the error of an answer that came with 200 and is not what
// it should be. Its first bytes go to the debug log only.
func (c *Client) incomplete(ctx context.Context, k *call, what error, body []byte) *Error {
	begins := safe(string(body[:min(len(body), 4096)]), k.token) // a token at the end is cut below
	c.logger.LogAttrs(ctx, slog.LevelDebug, "graph answer refused",
		slog.String("tenant", c.tenant), slog.String("op", k.where()), slog.String("error", what.Error()),
		slog.String("begins", begins[:min(len(begins), 200)]))
	return &Error{Op: k.where(), Status: http.StatusOK, Message: what.Error(), Reason: drift.ReasonIncomplete}
}

// tokenFault puts a token source's error into the words of the call.
func tokenFault(k *call, err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		fault := *e
		fault.Op = k.op + ": " + e.Op
		return &fault
	}
	e := &Error{Op: k.op + ": get token", Reason: drift.ReasonCredential}
	for _, known := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, known) {
			e.Err, e.Reason = known, drift.ReasonUnreachable
		}
	}
	return e // no text: it is not ours, and may hold a credential
}

// requestID is a random UUID, by which Microsoft finds the request.
func requestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
