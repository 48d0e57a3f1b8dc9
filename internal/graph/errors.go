package graph

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// ErrUnavailable reports a feature that this tenant or cloud does not offer,
// or not to this application: deleted items, the beta listing.
var ErrUnavailable = errors.New("not available in this tenant or cloud")

// Error is why a call failed. Its text is safe to log and to show: no token,
// no credential, no URL, and the server's words are made visible and cut.
type Error struct {
	// Op is what was being done: "list policies, page 2".
	Op string
	// Status is the HTTP status, 0 when no answer came.
	Status int
	// Code is Graph's error code, or AADSTSnnnn from the token endpoint.
	Code string
	// Message is what went wrong, in the server's words or ours.
	Message string
	// Hint is the next step for a person, where there is one; not part of the
	// error's text.
	Hint string
	// RequestID is the server's, or the token endpoint's correlation id.
	RequestID string
	Reason    drift.Reason
	// RetryAfter is how long no request will be sent, as the server asked;
	// 0 when it did not ask.
	RetryAfter time.Duration
	// Unknown tells that a write may have taken place: no answer came, or one
	// that a gateway could have given.
	Unknown bool
	// Err is a sentinel: drift.ErrNotFound, ErrUnavailable, a context error,
	// or nil. Never an error of the transport or of MSAL, whose texts hold
	// URLs and tokens.
	Err error

	// foreign marks an answer that Graph did not write: a proxy's page.
	foreign bool
}

// Error is one line.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Status != 0 {
		fmt.Fprintf(&b, ": %d", e.Status)
		if e.Code == "" {
			fmt.Fprintf(&b, " %s", http.StatusText(e.Status))
		}
	}
	if e.Code != "" {
		if e.Status == 0 {
			b.WriteByte(':')
		}
		b.WriteString(" " + e.Code)
	}
	for _, part := range []string{e.Message, errText(e.Err)} {
		if part != "" {
			b.WriteString(": " + part)
		}
	}
	if e.RetryAfter > 0 {
		fmt.Fprintf(&b, " (no request for %s)", e.RetryAfter.Round(time.Millisecond))
	}
	if e.RequestID != "" {
		fmt.Fprintf(&b, " (request-id %s)", e.RequestID)
	}
	return b.String()
}

// Unwrap gives the sentinel.
func (e *Error) Unwrap() error { return e.Err }

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// ReasonOf is the cause of a failed reading, of a bounded set: that of the
// [Error] in err, or what comes nearest.
func ReasonOf(err error) drift.Reason {
	var e *Error
	switch {
	case errors.As(err, &e) && e.Reason != "":
		return e.Reason
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return drift.ReasonUnreachable
	}
	return drift.ReasonIncomplete
}

// Plain is an error as people read it: without the layers of context that say
// again what was asked for.
func Plain(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Error()
	}
	return err.Error()
}

// problem is Graph's error body. The message that counts is the inner one in
// the older format, where the outer one says only that something is malformed.
type problem struct {
	Error struct {
		Code       string `json:"code"`
		Message    string `json:"message"`
		InnerError struct {
			Message   string `json:"message"`
			RequestID string `json:"request-id"`
		} `json:"innerError"`
	} `json:"error"`
}

// refused makes the error of an answer that is not 200.
func refused(k *call, status int, header http.Header, body []byte, token drift.Secret) *Error {
	e := &Error{Op: k.where(), Status: status, RequestID: safe(header.Get("request-id"), token), Reason: statusReason(status)}
	var p problem
	switch {
	case json.Valid(body):
		_ = json.Unmarshal(body, &p) // what does not fit stays empty
		e.Code, e.Message = safe(p.Error.Code, token), safe(p.Error.Message, token)
		if inner := p.Error.InnerError.Message; inner != "" && inner != p.Error.Message {
			e.Message = strings.TrimPrefix(e.Message+"; ", "; ") + safe(inner, token)
		}
		if e.RequestID == "" {
			e.RequestID = safe(p.Error.InnerError.RequestID, token)
		}
	case len(bytes.TrimSpace(body)) > 0:
		e.foreign = true
	}
	switch {
	case status == http.StatusForbidden && k.permission != "":
		e.Message = strings.TrimPrefix(e.Message+"; ", "; ") + needsPermission + k.permission
		e.Hint = "grant " + k.permission + " (type Application) to the app registration and give admin consent"
	case status >= 300 && status < 400:
		e.Message = "redirect refused"
	case e.Message == "" && e.foreign:
		e.Message = "the answer is not Graph's: a proxy or gateway may have given it"
	}
	return e
}

// statusReason is the reason of a final status other than 200.
func statusReason(status int) drift.Reason {
	switch status {
	case http.StatusUnauthorized:
		return drift.ReasonCredential
	case http.StatusForbidden:
		return drift.ReasonPermission
	case http.StatusTooManyRequests:
		return drift.ReasonThrottled
	case http.StatusRequestTimeout, http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return drift.ReasonUnreachable
	}
	return drift.ReasonIncomplete
}

// transient tells of statuses that a later try may change.
func transient(status int) bool {
	r := statusReason(status)
	return r == drift.ReasonUnreachable || r == drift.ReasonThrottled
}

// safe makes text from the wire fit for an error: secrets that the server
// echoed are taken out before anything is cut, the rest is made visible.
func safe(text string, secrets ...drift.Secret) string {
	for _, s := range secrets {
		if !s.IsZero() {
			text = strings.ReplaceAll(text, s.Reveal(), s.String())
		}
	}
	return drift.Visible(text)
}
