package graphsim

import (
	"crypto/x509"
	"strings"
	"time"
)

// App is an app registration with its service principal, or a managed
// identity. Every credential that is given is accepted.
type App struct {
	ClientID string
	ObjectID string // of the service principal; given one when empty
	Name     string
	// Roles are the application permissions with admin consent.
	Roles []string

	// Secret is a client secret, SecretExpires its end (zero: none).
	Secret        string
	SecretExpires time.Time
	// Certificate is the registered certificate. AnyCertificate accepts a
	// well-formed assertion whatever key signed it.
	Certificate    *x509.Certificate
	AnyCertificate bool
	// Federated is the very assertion of another identity provider that this
	// app trusts.
	Federated string
	// IdentityHeader makes the app a managed identity behind
	// IDENTITY_ENDPOINT /msi/token with this secret header; SystemAssigned
	// answers requests that name no client id.
	IdentityHeader string
	SystemAssigned bool
}

// The application permissions that matter here.
const (
	PolicyReadAll         = "Policy.Read.All"
	PolicyReadConditional = "Policy.Read.ConditionalAccess"
	PolicyReadStrengths   = "Policy.Read.AuthenticationMethod"
	PolicyWrite           = "Policy.ReadWrite.ConditionalAccess"
	DefaultsWrite         = "Policy.ReadWrite.SecurityDefaults"
	ContextRead           = "AuthenticationContext.Read.All"
	ContextWrite          = "AuthenticationContext.ReadWrite.All"
	AuditRead             = "AuditLog.Read.All"
	DirectoryRead         = "Directory.Read.All"
)

// AddApp registers an app, or replaces the one of the same client id: new
// roles count from the next token on.
func (t *Tenant) AddApp(app App) {
	t.mu.Lock()
	defer t.mu.Unlock()
	app.ClientID = strings.ToLower(app.ClientID)
	if app.ObjectID == "" {
		app.ObjectID = t.newID()
	}
	t.apps[app.ClientID] = &app
	t.directory[strings.ToLower(app.ObjectID)] = &entry{
		kind: "servicePrincipal", id: strings.ToLower(app.ObjectID), name: app.Name, appID: app.ClientID, owner: t.ID,
	}
}

// RemoveApp deletes an app registration.
func (t *Tenant) RemoveApp(clientID string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.apps, strings.ToLower(clientID))
}

func (t *Tenant) app(clientID string) (App, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	app, ok := t.apps[strings.ToLower(clientID)]
	if !ok {
		return App{}, false
	}
	return *app, true
}

// identity is the managed identity with that header and client id.
func (t *Tenant) identity(header, clientID string) (App, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, app := range t.apps {
		named := app.ClientID == strings.ToLower(clientID) || clientID == "" && app.SystemAssigned
		if app.IdentityHeader != "" && app.IdentityHeader == header && named {
			return *app, true
		}
	}
	return App{}, false
}
