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

// directory holds the users and groups that can be read by id.
type directory struct {
	users  map[string]DirectoryUser
	groups map[string]DirectoryGroup
}

// PutUser adds a user to the directory, or replaces the one of that id.
func (t *Tenant) PutUser(u DirectoryUser) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.people.users == nil {
		t.people.users = map[string]DirectoryUser{}
	}
	t.people.users[strings.ToLower(u.ID)] = u
}

// PutGroup adds a group to the directory, or replaces the one of that id.
func (t *Tenant) PutGroup(g DirectoryGroup) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.people.groups == nil {
		t.people.groups = map[string]DirectoryGroup{}
	}
	t.people.groups[strings.ToLower(g.ID)] = g
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
	body := t.people.body(kind, strings.ToLower(id))
	if body == nil {
		return reply{}, &Refusal{Status: http.StatusNotFound, Code: "Request_ResourceNotFound", Text: "Resource '" + id + "' does not exist."}, true
	}
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

func (d *directory) body(kind, id string) map[string]any {
	orNull := func(set bool, value any) any {
		if set {
			return value
		}
		return nil
	}
	if kind == "users" {
		u, ok := d.users[id]
		if !ok {
			return nil
		}
		return map[string]any{
			"id": id, "userPrincipalName": u.PrincipalName, "displayName": u.DisplayName, "userType": "Member",
			"accountEnabled": !u.Disabled, "onPremisesSyncEnabled": orNull(u.Synced, true),
		}
	}
	g, ok := d.groups[id]
	if !ok {
		return nil
	}
	types := []string{}
	if g.Rule != "" {
		types = append(types, "DynamicMembership")
	}
	return map[string]any{
		"id": id, "displayName": g.DisplayName, "groupTypes": types,
		"membershipRule": orNull(g.Rule != "", g.Rule), "onPremisesSyncEnabled": nil,
	}
}
