package graphsim

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// ticket is what an access token says. To clients the token is opaque.
type ticket struct {
	Audience     string   `json:"aud"`
	Issuer       string   `json:"iss"`
	Issued       int64    `json:"iat"`
	NotBefore    int64    `json:"nbf"`
	Expires      int64    `json:"exp"`
	AppName      string   `json:"app_displayname"`
	AppID        string   `json:"appid"`
	ObjectID     string   `json:"oid"`
	Roles        []string `json:"roles"`
	TenantID     string   `json:"tid"`
	Serial       uint64   `json:"uti"`
	Capabilities []string `json:"xms_cc,omitempty"`
}

// issue makes a token for the app, signed so that nobody can forge one.
func (s *Server) issue(t *Tenant, app App, audience, origin string, capabilities []string) (string, time.Duration) {
	t.mu.Lock()
	lifetime := t.behaviour.TokenLifetime
	t.mu.Unlock()
	if lifetime == 0 {
		lifetime = 3599 * time.Second
	}
	now := time.Now()
	claims := ticket{
		Audience: audience, Issuer: origin + "/" + t.ID + "/", Issued: now.Unix(), NotBefore: now.Unix(), Expires: now.Add(lifetime).Unix(),
		AppName: app.Name, AppID: app.ClientID, ObjectID: app.ObjectID, Roles: app.Roles, TenantID: t.ID,
		Serial: s.serial.Add(1), Capabilities: capabilities,
	}
	head := base64.RawURLEncoding.EncodeToString(encode(map[string]any{"alg": "HS256", "typ": "JWT"}))
	signed := head + "." + base64.RawURLEncoding.EncodeToString(encode(claims))
	return signed + "." + s.sign(signed), lifetime
}

func (s *Server) sign(text string) string {
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// RevokeTokens voids every token issued so far, as the continuous access
// evaluation of the tenant would.
func (s *Server) RevokeTokens(t *Tenant) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.revoked = s.serial.Load()
}

// admit checks the bearer token of a Graph request.
func (s *Server) admit(r *http.Request) (*Tenant, ticket, *Refusal) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return nil, ticket{}, unauthorized("Access token is empty.")
	}
	claims, ok := s.read(token)
	if !ok {
		return nil, claims, unauthorized("CompactToken parsing failed or the signature is wrong.")
	}
	t := s.Tenant(claims.TenantID)
	switch {
	case t == nil:
		return nil, claims, unauthorized("The tenant of the token does not exist.")
	case !sameHost(claims.Audience, origin(r)):
		return nil, claims, unauthorized("Access token validation failure. Invalid audience.")
	case time.Now().Unix() >= claims.Expires:
		return nil, claims, unauthorized("Lifetime validation failed, the token is expired.")
	}
	t.mu.Lock()
	revoked := claims.Serial <= t.revoked
	t.mu.Unlock()
	if revoked {
		refusal := unauthorized("Continuous access evaluation resulted in challenge with result: InteractionRequired and code: TokenIssuedBeforeRevocationTimestamp.")
		if slices.Contains(claims.Capabilities, "CP1") {
			refusal.Challenge = challenge(`{"access_token":{"nbf":{"essential":true,"value":"` + strconv.FormatInt(time.Now().Unix(), 10) + `"}}}`)
		}
		return nil, claims, refusal
	}
	return t, claims, nil
}

func (s *Server) read(token string) (ticket, bool) {
	var claims ticket
	cut := strings.LastIndexByte(token, '.')
	if cut < 0 || !hmac.Equal([]byte(s.sign(token[:cut])), []byte(token[cut+1:])) {
		return claims, false
	}
	_, payload, _ := strings.Cut(token[:cut], ".")
	raw, err := base64.RawURLEncoding.DecodeString(payload)
	return claims, err == nil && json.Unmarshal(raw, &claims) == nil
}

func unauthorized(text string) *Refusal {
	return &Refusal{
		Status: http.StatusUnauthorized, Code: "InvalidAuthenticationToken", Text: text,
		Challenge: `Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize"`,
	}
}

// challenge is the header that asks for a token with these claims.
func challenge(claims string) string {
	return `Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", error="insufficient_claims", claims="` +
		base64.StdEncoding.EncodeToString([]byte(claims)) + `"`
}

// graphAppID may stand for the URL of Graph in a scope and in an audience.
const graphAppID = "00000003-0000-0000-c000-000000000000"

func sameHost(audience, origin string) bool {
	a, errA := url.Parse(audience)
	b, errB := url.Parse(origin)
	return audience == graphAppID || errA == nil && errB == nil && strings.EqualFold(a.Host, b.Host)
}

// need is a set of permissions of which a token must hold at least one.
type need []string

// needs lists what a request must hold. Policies demand two permissions for a
// write, a known issue of the service: the one for writing does not even read.
func (e endpoint) needs(write bool) []need {
	switch e.kind {
	case drift.AuthenticationStrength:
		if write {
			return []need{{PolicyWrite}}
		}
		return []need{{PolicyReadAll, PolicyReadStrengths, PolicyWrite}}
	case drift.AuthenticationContext:
		if write {
			return []need{{ContextWrite, PolicyWrite}}
		}
		return []need{{PolicyReadAll, PolicyReadConditional, ContextRead, ContextWrite}}
	case drift.SecurityDefaults:
		if write {
			return []need{{PolicyReadAll}, {DefaultsWrite, PolicyWrite}}
		}
		return []need{{PolicyReadAll}}
	}
	if write {
		return []need{{PolicyReadAll}, {PolicyWrite}}
	}
	return []need{{PolicyReadAll}}
}

func (c ticket) lacks(needs []need) *Refusal {
	for _, any := range needs {
		if !slices.ContainsFunc(any, func(role string) bool { return slices.Contains(c.Roles, role) }) {
			return &Refusal{Status: http.StatusForbidden, Code: "AccessDenied", Text: "The request is denied: the token lacks a scope that it needs."}
		}
	}
	return nil
}
