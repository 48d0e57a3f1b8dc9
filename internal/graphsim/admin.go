package graphsim

import (
	"fmt"

	"github.com/cadrift/cadrift/internal/drift"
)

// Admin is somebody at work in the portal: the same writes as over HTTP, with
// beta's properties and without throttling or permissions. Errors are
// [*Refusal].
type Admin struct {
	tenant *Tenant
	actor  Actor
}

// As is an administrator who acts as that actor.
func (t *Tenant) As(actor Actor) *Admin { return &Admin{tenant: t, actor: actor} }

// User is an actor at a keyboard.
func User(id, principalName, ip string) Actor {
	return Actor{Kind: "user", ID: id, Name: principalName, IP: ip}
}

// ByApp is an actor that is an app.
func ByApp(objectID, name string) Actor { return Actor{Kind: "app", ID: objectID, Name: name} }

// Create makes an object from JSON as a POST would, and returns its id.
// Authentication contexts bring their id (c1 to c99) in the body.
func (a *Admin) Create(kind drift.Kind, body string) (string, error) {
	made, err := a.do(change{op: Create, kind: kind, raw: []byte(body)})
	if err != nil {
		return "", err
	}
	return made["id"].(string), nil
}

// Patch merges JSON into an object as a PATCH would. Strengths can be changed
// whole here, combinationConfigurations included.
func (a *Admin) Patch(kind drift.Kind, id, body string) error {
	_, err := a.do(change{op: Update, kind: kind, id: id, raw: []byte(body)})
	return err
}

// Delete moves a policy or a location to the deleted items, where it stays
// for 30 days; objects of other kinds are gone.
func (a *Admin) Delete(kind drift.Kind, id string) error {
	_, err := a.do(change{op: Delete, kind: kind, id: id})
	return err
}

// Restore brings a deleted policy or location back under its old id.
func (a *Admin) Restore(kind drift.Kind, id string) error {
	_, err := a.do(change{op: Restore, kind: kind, id: id})
	return err
}

// CreatePolicy is Create for a policy.
func (a *Admin) CreatePolicy(body string) (string, error) { return a.Create(drift.Policy, body) }

// PatchPolicy is Patch for a policy.
func (a *Admin) PatchPolicy(id, body string) error { return a.Patch(drift.Policy, id, body) }

// DeletePolicy is Delete for a policy.
func (a *Admin) DeletePolicy(id string) error { return a.Delete(drift.Policy, id) }

// RestorePolicy is Restore for a policy.
func (a *Admin) RestorePolicy(id string) error { return a.Restore(drift.Policy, id) }

// CreateLocation is Create for a named location.
func (a *Admin) CreateLocation(body string) (string, error) {
	return a.Create(drift.NamedLocation, body)
}

// PatchLocation is Patch for a named location; the body names its @odata.type.
func (a *Admin) PatchLocation(id, body string) error { return a.Patch(drift.NamedLocation, id, body) }

// DeleteLocation is Delete for a named location.
func (a *Admin) DeleteLocation(id string) error { return a.Delete(drift.NamedLocation, id) }

// SetSecurityDefaults switches the security defaults.
func (a *Admin) SetSecurityDefaults(on bool) error {
	return a.Patch(drift.SecurityDefaults, SecurityDefaultsID, fmt.Sprintf(`{"isEnabled":%t}`, on))
}

func (a *Admin) do(c change) (map[string]any, error) {
	c.api = beta
	t := a.tenant
	t.mu.Lock()
	defer t.mu.Unlock()
	if c.op == Restore && t.bins[c.kind] == nil || c.op == Create && c.kind == drift.SecurityDefaults || c.op == Delete && c.kind == drift.SecurityDefaults {
		return nil, methodNotAllowed(string(c.op))
	}
	body, refusal := t.write(a.actor, c)
	if refusal != nil {
		return nil, refusal
	}
	return body, nil
}
