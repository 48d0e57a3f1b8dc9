package graph

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"
	msal "github.com/AzureAD/microsoft-authentication-library-for-go/apps/errors"
	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/managedidentity"

	"github.com/cadrift/cadrift/internal/drift"
)

// How long tokens are used, and how soon failures are tried again.
const (
	renewEarly   = 5 * time.Minute  // before the end, at most: shorter-lived tokens a fifth of their life
	mintTime     = 30 * time.Second // for one token request …
	renewTime    = 10 * time.Second // … and while the old token still works
	mintPause    = 3 * time.Second  // after a failure, before the endpoint is asked again …
	renewPause   = 30 * time.Second // … and while the old token still works
	lookInterval = 5 * time.Second  // between looks at the credential's file
)

// Tokens gets tokens for Graph and keeps the last one. It is the only cache:
// MSAL's own is not used, because it takes a token for expired five minutes
// before it is, which turns a short outage of the token endpoint into one of
// ours, and because it cannot be told to forget.
type Tokens struct {
	c         Credentials
	authority *url.URL // with the tenant; nil for a managed identity
	http      *http.Client
	logger    *slog.Logger

	turn chan struct{} // held by the one that asks the endpoint

	mu       sync.Mutex
	file     watchedFile
	looked   time.Time
	notAfter time.Time // of the certificate
	token    drift.Secret
	expires  time.Time
	renew    time.Time // when to ask for the next one
	pause    time.Time // not before this, after a failure
	fault    *Error    // of the last attempt, nil if it succeeded
	attempts uint64    // that came to an end
}

// NewTokens checks the credentials and reads them once. It sends nothing.
func NewTokens(c Credentials) (*Tokens, error) {
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("make token source: %w", err)
	}
	t := &Tokens{c: c, turn: make(chan struct{}, 1), logger: c.Logger, file: watchedFile{path: c.file()}}
	if t.logger == nil {
		t.logger = slog.New(slog.DiscardHandler)
	}
	transport := c.Transport
	if c.ManagedIdentity != "" {
		transport = direct(transport)
	} else {
		t.authority, _ = url.Parse(strings.TrimSuffix(c.Authority, "/") + "/" + c.TenantID) // checked
		transport = &loginTransport{next: orDefault(transport), authority: t.authority}
	}
	t.http = &http.Client{Transport: transport, CheckRedirect: noRedirect}
	m, err := t.load()
	if err != nil {
		return nil, fmt.Errorf("make token source: %w", err)
	}
	t.notAfter = m.notAfter()
	return t, nil
}

// Expiry is the end of the certificate's validity, if there is a certificate.
func (t *Tokens) Expiry() (time.Time, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.notAfter, !t.notAfter.IsZero()
}

// Token gives a token that is valid now. Fresh asks the token endpoint in any
// case, because Graph refused the token at hand. The error is an *Error.
//
// However many callers there are, one at a time asks the endpoint, and those
// who waited share what it got.
func (t *Tokens) Token(ctx context.Context, fresh bool) (drift.Secret, error) {
	token, due, attempts := t.state()
	if !token.IsZero() && !due && !fresh {
		return token, nil
	}
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	case <-ctx.Done():
		return drift.Secret{}, cancelled(ctx.Err())
	}
	token, due, now := t.state()
	switch {
	case now != attempts: // somebody asked while this caller waited
		return t.outcome(token, fresh)
	case !token.IsZero() && !due && !fresh:
		return token, nil
	case t.paused():
		return t.outcome(token, fresh)
	}
	limit := mintTime
	if !token.IsZero() {
		limit = renewTime
	}
	mintCtx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	made, fault := t.mint(mintCtx)
	if fault != nil && ctx.Err() != nil {
		return drift.Secret{}, cancelled(ctx.Err()) // says nothing about the endpoint: others ask themselves
	}
	return t.settle(made, fault, token, fresh)
}

// state gives the token if it has not expired, whether a new one is due, and
// how many attempts came to an end. A changed credential file makes one due.
func (t *Tokens) state() (token drift.Secret, due bool, attempts uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if now.Sub(t.looked) >= lookInterval {
		t.looked = now
		if t.file.changed() {
			t.renew, t.pause = now, time.Time{}
		}
	}
	if now.Before(t.expires) {
		token = t.token
	}
	return token, !now.Before(t.renew), t.attempts
}

// outcome is what a caller gets that did not ask the endpoint itself.
func (t *Tokens) outcome(token drift.Secret, fresh bool) (drift.Secret, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.fault != nil && (fresh || token.IsZero()):
		return drift.Secret{}, t.fault
	case token.IsZero():
		return drift.Secret{}, &Error{Op: "get token", Message: "the token expired while it was waited for", Reason: drift.ReasonCredential}
	}
	return token, nil
}

func (t *Tokens) paused() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.fault != nil && time.Now().Before(t.pause)
}

// settle remembers the end of an attempt and gives its outcome. The old token
// is used to its very end when there is no new one.
func (t *Tokens) settle(made grant, fault *Error, old drift.Secret, fresh bool) (drift.Secret, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	t.attempts++
	t.fault = fault
	if fault == nil {
		life := made.expires.Sub(now)
		t.token, t.expires = made.token, now.Add(life) // on the monotonic clock
		t.renew = t.expires.Add(-min(renewEarly, life/5))
		if !made.refresh.IsZero() && made.refresh.After(now) && made.refresh.Before(t.renew) {
			t.renew = now.Add(made.refresh.Sub(now))
		}
		return t.token, nil
	}
	pause := mintPause
	if !old.IsZero() && !fresh { // there is time, until it expires
		pause = max(mintPause, min(renewPause, t.expires.Sub(now)))
	}
	t.pause = now.Add(max(pause, fault.RetryAfter))
	if old.IsZero() || fresh {
		return drift.Secret{}, fault
	}
	t.logger.Warn("keeping the old token: no new one", "tenant_id", t.c.TenantID, "error", fault.Error(), "expires", t.expires)
	return old, nil
}

// grant is what the endpoint gave.
type grant struct {
	token            drift.Secret
	expires, refresh time.Time
}

// mint asks the endpoint for a token, with credentials read just now.
func (t *Tokens) mint(ctx context.Context) (grant, *Error) {
	m, err := t.load()
	if err != nil {
		return grant{}, &Error{Op: "get token", Message: err.Error(), Reason: drift.ReasonCredential}
	}
	t.mu.Lock()
	t.notAfter = m.notAfter()
	t.mu.Unlock()
	if err := m.usable(time.Now()); err != nil {
		return grant{}, &Error{
			Op: "get token", Message: err.Error(), Reason: drift.ReasonCredential,
			Hint: "put a valid certificate and key into " + t.c.CertificateFile + " and register the certificate with the application",
		}
	}
	var g grant
	if t.c.ManagedIdentity != "" {
		g, err = t.mintManaged(ctx)
	} else {
		g, err = t.mintConfidential(ctx, m)
	}
	if err != nil {
		return grant{}, t.fail(err, m)
	}
	return g, t.checkGrant(g)
}

// load reads the credentials, and notes the file as seen.
func (t *Tokens) load() (material, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.c.load(&t.file)
}

func (t *Tokens) mintConfidential(ctx context.Context, m material) (grant, error) {
	var credential confidential.Credential
	var err error
	switch {
	case m.key != nil:
		credential, err = confidential.NewCredFromCert(m.chain, m.key)
	case t.c.FederatedTokenFile != "":
		credential = confidential.NewCredFromAssertionCallback(
			func(context.Context, confidential.AssertionRequestOptions) (string, error) {
				return m.secret.Reveal(), nil
			})
	default:
		credential, err = confidential.NewCredFromSecret(m.secret.Reveal())
	}
	if err != nil {
		return grant{}, err
	}
	// A client for one request: a new one has an empty cache. Instance
	// discovery would ask Microsoft whether the authority is one of its own:
	// check has done that from our table, and a custom one it does not know.
	app, err := confidential.New(t.authority.String(), t.c.ClientID, credential,
		confidential.WithHTTPClient(t.http), confidential.WithInstanceDiscovery(false))
	if err != nil {
		return grant{}, err
	}
	got, err := app.AcquireTokenByCredential(ctx, []string{t.c.resource() + "/.default"})
	return grant{drift.NewSecret(got.AccessToken), got.ExpiresOn, got.Metadata.RefreshOn}, err
}

func (t *Tokens) mintManaged(ctx context.Context) (grant, error) {
	var id managedidentity.ID = managedidentity.UserAssignedClientID(t.c.ManagedIdentity)
	if t.c.ManagedIdentity == "system" {
		id = managedidentity.SystemAssigned()
	}
	app, err := managedidentity.New(id, managedidentity.WithHTTPClient(t.http))
	if err != nil {
		return grant{}, err
	}
	// Claims are not sent here; they make MSAL pass over its cache, which all
	// managed identities of the process share.
	got, err := app.AcquireToken(ctx, t.c.resource(), managedidentity.WithClaims("{}"))
	return grant{drift.NewSecret(got.AccessToken), got.ExpiresOn, got.Metadata.RefreshOn}, err
}

// checkGrant refuses a token that is of no use, or another tenant's.
func (t *Tokens) checkGrant(g grant) *Error {
	e := &Error{Op: "get token", Reason: drift.ReasonCredential}
	switch tid := tenantOf(g.token); {
	case g.token.IsZero():
		e.Message = "the token endpoint gave an empty token"
	case !g.expires.After(time.Now()):
		e.Message = "the token has expired already"
		e.Hint = "compare this machine's clock with the real time"
	case tid != "" && !strings.EqualFold(tid, t.c.TenantID):
		e.Message = "the token is for another tenant: " + safe(tid)
		e.Hint = "tenant_id and the credentials belong to different tenants"
	default:
		return nil
	}
	return e
}

// fail makes the error of a token request from what MSAL says. MSAL's own text
// is never shown: it can hold the token, the request and the whole answer.
func (t *Tokens) fail(err error, m material) *Error {
	if answer, ok := errors.AsType[msal.CallErr](err); ok && answer.Resp != nil {
		// The answer's body follows the first line.
		_, body, _ := strings.Cut(answer.Error(), ":\n")
		return loginRefused(answer.Resp.StatusCode, answer.Resp.Header, []byte(body), m.secret)
	}
	e := &Error{Op: "get token", Reason: drift.ReasonUnreachable}
	switch _, sent := errors.AsType[*url.Error](err); {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), sent:
		e.Message = "token endpoint: " + netCause(err)
		if t.c.ManagedIdentity != "" {
			e.Hint = "managed identities exist on Azure only: does this machine have one?"
		}
	default:
		e.Reason, e.Message = drift.ReasonCredential, "the token endpoint's answer is not a usable token"
	}
	return e
}

// cancelled is the error of a caller who left.
func cancelled(err error) *Error {
	e := &Error{Op: "get token", Reason: drift.ReasonUnreachable, Err: context.Canceled}
	if errors.Is(err, context.DeadlineExceeded) {
		e.Err = context.DeadlineExceeded
	}
	return e
}
