package graphsim

import (
	"crypto/subtle"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// login answers what the client asks of the login host.
func (s *Server) login(r *http.Request, body []byte) reply {
	first, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch {
	case rest == "discovery/instance":
		return s.instances(r)
	case rest == "v2.0/.well-known/openid-configuration" && r.Method == http.MethodGet:
		return s.discovery(r, first)
	case rest == "oauth2/v2.0/token" && r.Method == http.MethodPost:
		return s.token(r, first, body)
	}
	return reply{status: http.StatusNotFound}
}

// instances tells MSAL, which asks before it trusts a host, that this one is
// a login host.
func (s *Server) instances(r *http.Request) reply {
	host := r.URL.Host
	return jsonReply(http.StatusOK, map[string]any{
		"api-version":               "1.1",
		"tenant_discovery_endpoint": origin(r) + "/common/v2.0/.well-known/openid-configuration",
		"metadata": []any{map[string]any{
			"aliases": []any{host}, "preferred_cache": host, "preferred_network": host,
		}},
	})
}

func (s *Server) discovery(r *http.Request, tenant string) reply {
	if s.Tenant(tenant) == nil && tenant != "common" && tenant != "organizations" {
		return unknownTenant(tenant)
	}
	base := origin(r) + "/" + tenant
	return jsonReply(http.StatusOK, map[string]any{
		"authorization_endpoint":                base + "/oauth2/v2.0/authorize",
		"issuer":                                base + "/v2.0",
		"jwks_uri":                              base + "/discovery/v2.0/keys",
		"token_endpoint":                        base + "/oauth2/v2.0/token",
		"token_endpoint_auth_methods_supported": []any{"client_secret_post", "private_key_jwt", "client_secret_basic"},
	})
}

// denial is an error answer of the token endpoint.
func denial(status int, kind string, number int, format string, args ...any) reply {
	now := time.Now().UTC()
	return jsonReply(status, map[string]any{
		"correlation_id":    "00000000-0000-4000-8000-000000000001",
		"error":             kind,
		"error_codes":       []any{number},
		"error_description": fmt.Sprintf("AADSTS%d: %s", number, fmt.Sprintf(format, args...)),
		"error_uri":         "https://login.microsoftonline.com/error?code=" + strconv.Itoa(number),
		"timestamp":         now.Format("2006-01-02 15:04:05Z"),
		"trace_id":          "00000000-0000-4000-8000-000000000002",
	})
}

func unknownTenant(tenant string) reply {
	return denial(http.StatusBadRequest, "invalid_request", 90002, "Tenant '%s' not found. Check the tenant id.", tenant)
}

// token answers a client credentials request.
func (s *Server) token(r *http.Request, tenant string, body []byte) reply {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return denial(http.StatusBadRequest, "invalid_request", 900144, "The request body cannot be read.")
	}
	t := s.Tenant(tenant)
	if t == nil {
		return unknownTenant(tenant)
	}
	if grant := form.Get("grant_type"); grant != "client_credentials" {
		return denial(http.StatusBadRequest, "unsupported_grant_type", 70003, "The app requested an unsupported grant type '%s'.", grant)
	}
	app, ok := t.app(form.Get("client_id"))
	if !ok {
		return denial(http.StatusBadRequest, "unauthorized_client", 700016, "Application with identifier '%s' was not found in the directory '%s'.", form.Get("client_id"), t.Name)
	}
	audience, refused := s.audience(r, form.Get("scope"))
	if refused != nil {
		return *refused
	}
	if refused := app.authenticate(form, origin(r), t.ID); refused != nil {
		return *refused
	}
	access, lifetime := s.issue(t, app, audience, origin(r), capabilities(form.Get("claims")))
	seconds := int(lifetime / time.Second)
	answer := map[string]any{"access_token": access, "expires_in": seconds, "ext_expires_in": seconds, "token_type": "Bearer"}
	if lifetime >= 2*time.Hour {
		answer["refresh_in"] = seconds / 2 // long-lived tokens are to be renewed early
	}
	return jsonReply(http.StatusOK, answer)
}

// authenticate checks the credential of a token request; nil: it is right.
func (a App) authenticate(form url.Values, origin, tenant string) *reply {
	if assertion := form.Get("client_assertion"); assertion != "" {
		return a.assertion(assertion, form.Get("client_assertion_type"), origin, tenant)
	}
	secret := form.Get("client_secret")
	var refused reply
	switch {
	case secret == "":
		refused = denial(http.StatusUnauthorized, "invalid_client", 7000218, "The request body must contain client_assertion or client_secret.")
	case a.Secret == "" || subtle.ConstantTimeCompare([]byte(secret), []byte(a.Secret)) != 1:
		refused = denial(http.StatusUnauthorized, "invalid_client", 7000215, "Invalid client secret provided. Send the secret value, not the secret id, for the app '%s'.", a.ClientID)
	case !a.SecretExpires.IsZero() && !time.Now().Before(a.SecretExpires):
		refused = denial(http.StatusUnauthorized, "invalid_client", 7000222, "The provided client secret keys for the app '%s' are expired.", a.ClientID)
	default:
		return nil
	}
	return &refused
}

// audience reads the scope, which MSAL pads with openid and its like.
func (s *Server) audience(r *http.Request, scope string) (string, *reply) {
	for word := range strings.FieldsSeq(scope) {
		resource, ok := strings.CutSuffix(word, "/.default")
		if !ok {
			continue
		}
		if resource == graphAppID || s.isGraph(r, resource) {
			return resource, nil
		}
		refused := denial(http.StatusBadRequest, "invalid_resource", 500011, "The resource principal named %s was not found in the tenant.", resource)
		return "", &refused
	}
	refused := denial(http.StatusBadRequest, "invalid_scope", 1002012, "The provided value for scope %s is not valid: it needs a resource with the suffix /.default.", scope)
	return "", &refused
}

// identityToken answers as the App Service managed identity endpoint.
func (s *Server) identityToken(r *http.Request) reply {
	values := r.URL.Query()
	resource, clientID := strings.TrimSuffix(values.Get("resource"), "/"), values.Get("client_id")
	if !s.isGraph(r, resource) || values.Get("api-version") == "" {
		return jsonReply(http.StatusBadRequest, map[string]any{"StatusCode": 400, "Message": "The resource or the api-version is missing or unknown."})
	}
	for _, t := range s.all() {
		app, ok := t.identity(r.Header.Get("X-Identity-Header"), clientID)
		if !ok {
			continue
		}
		access, lifetime := s.issue(t, app, resource, origin(r), nil)
		return jsonReply(http.StatusOK, map[string]any{
			"access_token": access, "client_id": app.ClientID, "resource": resource, "token_type": "Bearer",
			"expires_on": strconv.FormatInt(time.Now().Add(lifetime).Unix(), 10),
		})
	}
	return jsonReply(http.StatusBadRequest, map[string]any{"StatusCode": 400, "Message": "No managed identity found for the given header and client id."})
}
