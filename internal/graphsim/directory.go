package graphsim

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// MicrosoftOwner is the tenant that Microsoft registers its own apps in: the
// owner of a service principal of Microsoft's.
const MicrosoftOwner = "f8cdef31-a31e-4b4a-93e4-5f571e91255a"

// entry is a user, group or service principal of the directory.
type entry struct {
	kind, id, name string
	principalName  string // of a user
	disabled       bool   // of a user
	synced         bool   // of a user, from a directory on premises
	rule           string // of a dynamic group
	appID, owner   string // of a service principal
	members        []string
}

// AddUser puts a user into the directory.
func (t *Tenant) AddUser(id, principalName, displayName string) {
	t.enter(entry{kind: "user", id: id, name: displayName, principalName: principalName})
}

// AddGroup puts a group into the directory. Members may be groups.
func (t *Tenant) AddGroup(id, name string, members ...string) {
	t.enter(entry{kind: "group", id: id, name: name, members: members})
}

// AddPrincipal puts a service principal into the directory; the owner is the
// tenant that registered the app.
func (t *Tenant) AddPrincipal(id, appID, name, owner string) {
	t.enter(entry{kind: "servicePrincipal", id: id, name: name, appID: appID, owner: owner})
}

func (t *Tenant) enter(e entry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e.id = strings.ToLower(e.id)
	t.directory[e.id] = &e
}

// RemoveEntry deletes a user, group or service principal. Policies that name
// it go on naming it.
func (t *Tenant) RemoveEntry(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.directory, strings.ToLower(id))
}

// MembersOf are the ids of all members of a group, those in groups below it
// included, in the order in which they are listed.
func (t *Tenant) MembersOf(group string) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var ids []string
	if e := t.directory[strings.ToLower(group)]; e != nil {
		for _, member := range t.transitive(e) {
			ids = append(ids, member.id)
		}
	}
	return ids
}

// JoinGroup adds members to a group.
func (a *Admin) JoinGroup(group string, members ...string) error {
	return a.membership(group, "Add member to group", members, func(e *entry) { e.members = append(slices.Clone(e.members), members...) })
}

// LeaveGroup takes members out of a group.
func (a *Admin) LeaveGroup(group string, members ...string) error {
	return a.membership(group, "Remove member from group", members, func(e *entry) {
		e.members = slices.DeleteFunc(slices.Clone(e.members), func(id string) bool { return slices.Contains(members, id) })
	})
}

// membership changes a group, with one audit record per member.
func (a *Admin) membership(group, activity string, members []string, edit func(*entry)) error {
	t := a.tenant
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.directory[strings.ToLower(group)]
	if e == nil || e.kind != "group" {
		return notFound(group)
	}
	edit(e)
	for _, id := range members {
		t.log(auditEntry{
			at: t.tick(), service: "Core Directory", category: "GroupManagement", activity: activity, by: a.actor,
			target: e.id, name: e.name, kind: "Group", subject: id,
		})
	}
	return nil
}

// transitive lists the members of a group and of the groups in it, each once.
func (t *Tenant) transitive(group *entry) []*entry {
	var out []*entry
	seen := map[string]bool{group.id: true}
	queue := []*entry{group}
	for len(queue) > 0 {
		for _, id := range queue[0].members {
			id = strings.ToLower(id)
			e := t.directory[id]
			if e == nil || seen[id] {
				continue
			}
			seen[id] = true
			out = append(out, e)
			if e.kind == "group" {
				queue = append(queue, e)
			}
		}
		queue = queue[1:]
	}
	return out
}

// person renders an entry. Where the app may not read the type, nothing but
// the id is left of it.
func (t *Tenant) person(e *entry) map[string]any {
	out := map[string]any{typeTag: "#microsoft.graph." + e.kind, "id": e.id}
	bare := slices.Contains(t.behaviour.BareTypes, e.kind)
	set := func(name, value string) {
		if bare || value == "" {
			out[name] = nil
			return
		}
		out[name] = value
	}
	set("displayName", e.name)
	switch e.kind {
	case "user":
		set("userPrincipalName", e.principalName)
	case "servicePrincipal":
		set("appId", e.appID)
		set("appOwnerOrganizationId", e.owner)
	}
	return out
}

// aside answers the paths that are not Conditional Access: the directory and
// the audit log. ok is false for any other path.
func (t *Tenant) aside(path string, r *http.Request, body []byte, claims ticket) (answer reply, refusal *Refusal, ok bool) {
	role := DirectoryRead
	if strings.HasPrefix(path, "auditLogs/") {
		role = AuditRead
	}
	serve := t.service(path, r.Method)
	if serve == nil {
		return reply{}, nil, false
	}
	if claims.lacks([]need{{role}}) != nil {
		return reply{}, &Refusal{Status: http.StatusForbidden, Code: "Authorization_RequestDenied", Text: "Insufficient privileges to complete the operation."}, true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	list, refusal := serve(r.URL.Query(), body)
	if refusal != nil {
		return reply{}, refusal, true
	}
	answer = reply{status: http.StatusOK, body: t.cut(list, path, r), header: http.Header{"Content-Type": {graphJSON}}, noGzip: t.behaviour.NoGzip}
	return answer, nil, true
}

// service finds what answers a path.
func (t *Tenant) service(path, method string) func(url.Values, []byte) ([]map[string]any, *Refusal) {
	group, members := strings.CutSuffix(strings.TrimPrefix(path, "groups/"), "/transitiveMembers")
	switch {
	case path == "directoryObjects/getByIds" && method == http.MethodPost:
		return t.byIDs
	case method != http.MethodGet:
		return nil
	case path == "servicePrincipals":
		return t.principals
	case path == "directoryRoleTemplates":
		return t.roleTemplates
	case path == "auditLogs/directoryAudits":
		return t.audits
	case members && strings.HasPrefix(path, "groups/"):
		return func(url.Values, []byte) ([]map[string]any, *Refusal) { return t.membersOf(group) }
	}
	return nil
}

// byIDs: ids that nobody has are missing from the answer, without an error.
func (t *Tenant) byIDs(_ url.Values, body []byte) ([]map[string]any, *Refusal) {
	var asked struct{ IDs, Types []string }
	if json.Unmarshal(body, &asked) != nil || len(asked.IDs) == 0 || len(asked.IDs) > 1000 {
		return nil, badRequest(0, "One to a thousand ids are needed.")
	}
	out := []map[string]any{}
	for _, id := range asked.IDs {
		if !isGUID(strings.ToLower(id)) {
			return nil, badRequest(0, "Invalid GUID: %s.", id)
		}
		if e := t.directory[strings.ToLower(id)]; e != nil && slices.Contains(asked.Types, e.kind) {
			out = append(out, t.person(e))
		}
	}
	return out, nil
}

var (
	appFilter = regexp.MustCompile(`^appId in \((.*)\)$`)
	quotedID  = regexp.MustCompile(`'([^']*)'`)
)

func (t *Tenant) principals(values url.Values, _ []byte) ([]map[string]any, *Refusal) {
	inside := appFilter.FindStringSubmatch(values.Get("$filter"))
	if inside == nil {
		return nil, badRequest(0, "The filter is not supported here.")
	}
	wanted := quotedID.FindAllStringSubmatch(inside[1], -1)
	if len(wanted) > 15 {
		return nil, badRequest(0, "Too many child clauses specified in search filter expression.")
	}
	out := []map[string]any{}
	for _, e := range t.directory {
		if e.kind == "servicePrincipal" && slices.ContainsFunc(wanted, func(w []string) bool { return strings.EqualFold(w[1], e.appID) }) {
			out = append(out, t.person(e))
		}
	}
	slices.SortFunc(out, func(a, b map[string]any) int { return strings.Compare(a["id"].(string), b["id"].(string)) })
	return out, nil
}

// roleTemplates: two are enough for a client that has a table of its own.
func (t *Tenant) roleTemplates(url.Values, []byte) ([]map[string]any, *Refusal) {
	return []map[string]any{
		{"id": "62e90394-69f5-4237-9190-012177145e10", "displayName": "Global Administrator"},
		{"id": "0d0d0d0d-0000-4000-8000-000000000001", "displayName": "Orchard Administrator"},
	}, nil
}

func (t *Tenant) membersOf(group string) ([]map[string]any, *Refusal) {
	e := t.directory[strings.ToLower(group)]
	if e == nil || e.kind != "group" {
		return nil, &Refusal{
			Status: http.StatusNotFound, Code: "Request_ResourceNotFound",
			Text: "Resource '" + group + "' does not exist or one of its queried reference-property objects are not present.",
		}
	}
	out := []map[string]any{}
	for _, member := range t.transitive(e) {
		out = append(out, map[string]any{typeTag: "#microsoft.graph." + member.kind, "id": member.id})
	}
	return out, nil
}

// cut makes one page of a list.
func (t *Tenant) cut(list []map[string]any, path string, r *http.Request) []byte {
	values := r.URL.Query()
	var q query
	q.resume(values.Get("$skiptoken")) // a forged one shows the first page
	api, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	l := lens{api: version(api), origin: origin(r), path: path}
	size := len(list)
	if t.behaviour.PageSize > 0 {
		size = t.behaviour.PageSize
	}
	start, end := min(q.skip, len(list)), min(q.skip+size, len(list))
	page := map[string]any{"@odata.context": l.metadata(path), "value": list[start:end]}
	if end < len(list) {
		next := url.Values{"$skiptoken": {skipToken(end)}}
		for _, name := range []string{"$filter", "$select", "$top"} {
			if values.Has(name) {
				next.Set(name, values.Get(name))
			}
		}
		page["@odata.nextLink"] = l.origin + r.URL.Path + "?" + strings.ReplaceAll(next.Encode(), "+", "%20")
	}
	return encode(page)
}

// auditAge is how long the log keeps a record.
const auditAge = 30 * 24 * time.Hour
