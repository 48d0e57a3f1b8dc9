package graphsim

import (
	"net/http"
	"slices"
	"strings"
)

// DirectoryUser is one user of the directory, as far as a client asks for it here.
type DirectoryUser struct {
	ID, PrincipalName, DisplayName string
	Disabled, Synced               bool
}

// DirectoryGroup is one group of the directory. A group with a rule is
// dynamic.
type DirectoryGroup struct {
	ID, DisplayName, Rule string
}

// The permissions to read people; DirectoryRead includes both.
const (
	UserRead  = "User.Read.All"
	GroupRead = "GroupMember.Read.All"
)

// PutUser adds a user to the directory, or replaces the one of that id.
func (t *Tenant) PutUser(u DirectoryUser) {
	t.enter(entry{kind: "user", id: u.ID, name: u.DisplayName, principalName: u.PrincipalName, disabled: u.Disabled, synced: u.Synced})
}

// PutGroup adds a group without members to the directory, or replaces the one
// of that id.
func (t *Tenant) PutGroup(g DirectoryGroup) {
	t.enter(entry{kind: "group", id: g.ID, name: g.DisplayName, rule: g.Rule})
}

// directoryRead answers GET /users/{id} and /groups/{id}; ok is false for
// other paths. What $select leaves out is left out.
func (t *Tenant) directoryRead(claims ticket, r *http.Request, path string) (answer reply, refusal *Refusal, ok bool) {
	kind, id, found := strings.Cut(path, "/")
	if !found || strings.Contains(id, "/") || kind != "users" && kind != "groups" {
		return reply{}, nil, false
	}
	role := UserRead
	if kind == "groups" {
		role = GroupRead
	}
	if r.Method != http.MethodGet {
		return reply{}, methodNotAllowed(r.Method), true
	}
	if refusal := claims.lacks([]need{{role, DirectoryRead}}); refusal != nil {
		refusal.Code = "Authorization_RequestDenied"
		return reply{}, refusal, true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.directory[strings.ToLower(id)]
	if e == nil || e.kind+"s" != kind {
		return reply{}, &Refusal{Status: http.StatusNotFound, Code: "Request_ResourceNotFound", Text: "Resource '" + id + "' does not exist."}, true
	}
	body := e.account()
	if selected := r.URL.Query().Get("$select"); selected != "" {
		wanted := strings.Split(selected, ",")
		for name := range body {
			if !slices.Contains(wanted, name) {
				delete(body, name)
			}
		}
	}
	return jsonReply(http.StatusOK, body), nil, true
}

// account is a user or group as a GET by id shows it.
func (e *entry) account() map[string]any {
	orNull := func(set bool, value any) any {
		if set {
			return value
		}
		return nil
	}
	if e.kind == "user" {
		return map[string]any{
			"id": e.id, "userPrincipalName": e.principalName, "displayName": e.name, "userType": "Member",
			"accountEnabled": !e.disabled, "onPremisesSyncEnabled": orNull(e.synced, true),
		}
	}
	types := []string{}
	if e.rule != "" {
		types = append(types, "DynamicMembership")
	}
	return map[string]any{
		"id": e.id, "displayName": e.name, "groupTypes": types,
		"membershipRule": orNull(e.rule != "", e.rule), "onPremisesSyncEnabled": nil,
	}
}
