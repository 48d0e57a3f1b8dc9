package graphsim

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// jwt is a client assertion taken apart.
type jwt struct {
	header struct {
		Algorithm  string `json:"alg"`
		Thumbprint string `json:"x5t#S256"`
	}
	claims struct {
		Audience  string `json:"aud"`
		Issuer    string `json:"iss"`
		Subject   string `json:"sub"`
		Expires   int64  `json:"exp"`
		NotBefore int64  `json:"nbf"`
	}
	signed    string
	signature []byte
}

func parseJWT(text string) (jwt, bool) {
	var j jwt
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return j, false
	}
	j.signed = parts[0] + "." + parts[1]
	for i, into := range []any{&j.header, &j.claims} {
		raw, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil || json.Unmarshal(raw, into) != nil {
			return j, false
		}
	}
	var err error
	j.signature, err = base64.RawURLEncoding.DecodeString(parts[2])
	return j, err == nil
}

// assertion checks a client assertion: one of a federated identity, or one
// signed with the app's certificate. Nil: it is right.
func (a App) assertion(text, kind, origin, tenant string) *reply {
	deny := func(status, number int, format string, args ...any) *reply {
		refused := denial(status, "invalid_client", number, format, args...)
		return &refused
	}
	if kind != assertionType {
		return deny(http.StatusBadRequest, 7000217, "The client_assertion_type must be '%s'.", assertionType)
	}
	if a.Federated != "" && text == a.Federated {
		return nil
	}
	j, ok := parseJWT(text)
	if !ok {
		return deny(http.StatusBadRequest, 50027, "JWT token is invalid or malformed.")
	}
	base, now := origin+"/"+tenant, time.Now().Unix()
	audiences := []string{base + "/oauth2/v2.0/token", base + "/oauth2/token", base + "/v2.0"}
	switch {
	case j.claims.Issuer != j.claims.Subject:
		// Somebody else's assertion, and none that this app trusts.
		return deny(http.StatusUnauthorized, 700211, "No matching federated identity record found for presented assertion issuer '%s'.", j.claims.Issuer)
	case !strings.EqualFold(j.claims.Issuer, a.ClientID):
		return deny(http.StatusUnauthorized, 700021, "Client assertion application identifier doesn't match 'client_id' parameter.")
	case !slices.Contains(audiences, j.claims.Audience):
		return deny(http.StatusUnauthorized, 700023, "Client assertion audience claim does not match Realm issuer.")
	case now >= j.claims.Expires || now < j.claims.NotBefore-300:
		return deny(http.StatusUnauthorized, 700024, "Client assertion is not within its valid time range.")
	case !a.AnyCertificate && !a.signedBy(j):
		return deny(http.StatusUnauthorized, 700027, "Client assertion failed signature validation: the certificate is not registered on the application.")
	}
	return nil
}

// signedBy tells whether the registered certificate made the signature and is
// still valid.
func (a App) signedBy(j jwt) bool {
	if a.Certificate == nil || time.Now().After(a.Certificate.NotAfter) {
		return false
	}
	key, ok := a.Certificate.PublicKey.(*rsa.PublicKey)
	if !ok {
		return false
	}
	print := sha256.Sum256(a.Certificate.Raw)
	// MSAL for Go writes the thumbprint in the other base64 alphabet.
	thumbprint := strings.NewReplacer("+", "-", "/", "_", "=", "").Replace(j.header.Thumbprint)
	if thumbprint != "" && thumbprint != base64.RawURLEncoding.EncodeToString(print[:]) {
		return false
	}
	sum := sha256.Sum256([]byte(j.signed))
	switch j.header.Algorithm {
	case "PS256":
		return rsa.VerifyPSS(key, crypto.SHA256, sum[:], j.signature, nil) == nil
	case "RS256":
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], j.signature) == nil
	}
	return false
}

// capabilities are the client capabilities in the claims parameter.
func capabilities(claims string) []string {
	var asked struct {
		AccessToken struct {
			Capabilities struct {
				Values []string `json:"values"`
			} `json:"xms_cc"`
		} `json:"access_token"`
	}
	if json.Unmarshal([]byte(claims), &asked) != nil {
		return nil
	}
	return asked.AccessToken.Capabilities.Values
}
