package graph

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// maxLoginBytes is the most of a token endpoint's answer that is read.
const maxLoginBytes = 1 << 20

// loginTransport lets MSAL's token requests through to one URL and nothing
// else. MSAL would ask the authority's discovery document where to send the
// client secret; the contract fixes that place, {authority}/{tenant}/oauth2/v2.0/token,
// so the document is written here, and whoever can answer in the authority's
// name for a moment cannot redirect the secret.
type loginTransport struct {
	next      http.RoundTripper
	authority *url.URL // with the tenant
}

func (t *loginTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method == http.MethodGet && strings.HasSuffix(req.URL.Path, "/.well-known/openid-configuration") {
		return t.discovery(req)
	}
	token := t.authority.JoinPath("oauth2/v2.0/token")
	if req.Method != http.MethodPost || !sameOrigin(req.URL, token) || req.URL.Path != token.Path {
		return nil, errors.New("refused to send credentials anywhere but to the configured token endpoint")
	}
	req, err := scoped(req)
	if err != nil {
		return nil, err
	}
	resp, err := t.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(resp.Body, maxLoginBytes), resp.Body}
	return resp, nil
}

// scoped is the request with the scope that was asked for and no other: MSAL
// adds openid, offline_access and profile, which mean nothing for an
// application and which a strict token endpoint refuses.
func scoped(req *http.Request) (*http.Request, error) {
	if req.Body == nil {
		return req, nil
	}
	defer req.Body.Close()
	text, err := io.ReadAll(io.LimitReader(req.Body, maxLoginBytes))
	if err != nil {
		return nil, errors.New("read token request: it cannot be read") // the cause may quote it
	}
	if form, err := url.ParseQuery(string(text)); err == nil && form.Has("scope") {
		wanted := slices.DeleteFunc(strings.Fields(form.Get("scope")), func(scope string) bool {
			return scope == "openid" || scope == "offline_access" || scope == "profile"
		})
		form.Set("scope", strings.Join(wanted, " "))
		text = []byte(form.Encode())
	}
	clone := req.Clone(req.Context())
	clone.Body, clone.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	clone.GetBody = nil
	return clone, nil
}

func (t *loginTransport) discovery(req *http.Request) (*http.Response, error) {
	document, err := json.Marshal(map[string]string{
		"authorization_endpoint": t.authority.JoinPath("oauth2/v2.0/authorize").String(),
		"token_endpoint":         t.authority.JoinPath("oauth2/v2.0/token").String(),
		"issuer":                 t.authority.JoinPath("v2.0").String(),
	})
	if err != nil {
		return nil, fmt.Errorf("write discovery document: %w", err)
	}
	return &http.Response{
		StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Request: req,
		Header: http.Header{"Content-Type": {"application/json"}},
		Body:   io.NopCloser(strings.NewReader(string(document))), ContentLength: int64(len(document)),
	}, nil
}

func orDefault(transport http.RoundTripper) http.RoundTripper {
	if transport == nil {
		return NewTransport(nil)
	}
	return transport
}

// direct is the transport without a proxy: managed identities are given out by
// link-local and loopback addresses, which a proxy would look for at its own
// end.
func direct(transport http.RoundTripper) http.RoundTripper {
	transport = orDefault(transport)
	if t, ok := transport.(*http.Transport); ok {
		t = t.Clone()
		t.Proxy = nil
		return t
	}
	return transport
}

// tenantOf is the tid claim of a token, if it is a JWT that has one. Nothing is
// verified: the token came from the endpoint that was asked.
func tenantOf(token drift.Secret) string {
	parts := strings.Split(token.Reveal(), ".")
	if len(parts) != 3 {
		return ""
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return ""
	}
	var claims struct {
		TenantID string `json:"tid"`
	}
	if json.Unmarshal(payload, &claims) != nil {
		return ""
	}
	return claims.TenantID
}

// loginRefused makes the error of a token endpoint's refusal.
func loginRefused(status int, header http.Header, body []byte, secret drift.Secret) *Error {
	var refusal struct {
		Error         string  `json:"error"`
		Description   string  `json:"error_description"`
		Codes         []int64 `json:"error_codes"`
		CorrelationID string  `json:"correlation_id"`
	}
	_ = json.Unmarshal(body, &refusal) // what does not fit stays empty
	e := &Error{
		Op: "get token", Status: status, Reason: drift.ReasonCredential,
		Code: safe(refusal.Error, secret), RequestID: safe(refusal.CorrelationID, secret),
	}
	// The first line, without the trace and correlation ids after it.
	line, _, _ := strings.Cut(strings.TrimSpace(refusal.Description), "\n")
	line, _, _ = strings.Cut(line, " Trace ID:")
	e.Message = safe(strings.TrimSpace(line), secret)
	if len(refusal.Codes) > 0 {
		e.Code = fmt.Sprintf("AADSTS%d", refusal.Codes[0])
		e.Message = strings.TrimPrefix(e.Message, e.Code+": ")
		e.Hint = loginHint(refusal.Codes[0])
	}
	if e.Message == "" {
		e.Message = "the token endpoint refused"
	}
	if transient(status) || refusal.Error == "temporarily_unavailable" {
		e.Reason = drift.ReasonUnreachable
		e.RetryAfter, _ = retryAfter(header, time.Now())
	}
	return e
}

// loginHint is the next step after a refusal by its AADSTS number.
func loginHint(code int64) string {
	switch code {
	case 7000215:
		return "the client secret is wrong: use the secret's value, not its id"
	case 7000222:
		return "the client secret has expired: make a new one and put it in place of the old"
	case 7000218:
		return "the request had no credential that the application accepts"
	case 700016:
		return "no application with this client_id in this tenant: compare client_id, tenant_id and cloud"
	case 7000229:
		return "the application has no service principal in this tenant: give admin consent once"
	case 7000112:
		return "the application is disabled in this tenant: enable its service principal"
	case 90002, 900023:
		return "no tenant with this tenant_id in this cloud: compare tenant_id and cloud"
	case 700027, 7000272:
		return "the certificate is not registered with the application, or another one is: upload it"
	case 700024:
		return "the assertion is not valid now: is the clock right, is the federated token being renewed?"
	case 70021, 700211, 700212, 700213:
		return "no federated credential of the application matches issuer, subject and audience of the token file"
	case 500011:
		return "the tenant does not know this Graph endpoint: compare cloud and endpoints"
	case 53003:
		return "a Conditional Access policy for workload identities blocks this application"
	case 900382:
		return "the application belongs to another cloud: compare cloud"
	}
	return ""
}
