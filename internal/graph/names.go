package graph

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/cadrift/cadrift/internal/drift"
)

// Principal is what the directory says of a user, a group or a service
// principal.
type Principal struct {
	// ID is the object id, in lower case.
	ID string
	// Type is user, group or servicePrincipal.
	Type string
	// Name is the user principal name of a user and the display name of
	// others; empty where a permission for the type lacks.
	Name string
	// AppID is a service principal's, Owner the tenant that registered it.
	AppID, Owner string
}

// How many ids one request may name.
const (
	maxObjectIDs = 1000
	maxAppIDs    = 15 // members of an "in" filter
)

const directoryPermission = "Directory.Read.All"

// Objects looks directory objects up by id. Ids that the directory does not
// know, or no longer, are missing from the answer.
func (c *Client) Objects(ctx context.Context, ids []string) (map[string]Principal, error) {
	found := map[string]Principal{}
	k := c.beside("look up directory objects", directoryPermission)
	target := c.address(c.version, "directoryObjects", "getByIds")
	target.RawQuery = "$select=id,displayName,userPrincipalName,appId,appOwnerOrganizationId"
	for some := range slices.Chunk(ids, maxObjectIDs) {
		k.sends, _ = json.Marshal(map[string][]string{"ids": some, "types": {"user", "group", "servicePrincipal"}}) // strings always encode
		got, fault := c.do(ctx, k, http.MethodPost, target, nil)
		if fault != nil {
			return nil, fault
		}
		p, err := parsePage(got.body, nil)
		if err == nil && p.next != "" {
			// What the rest holds would be taken for deleted.
			err = malformed("a page of an answer that has none")
		}
		if err != nil {
			return nil, c.incomplete(ctx, k, err, got.body)
		}
		note(found, p.items)
	}
	return found, nil
}

// Apps looks service principals up by application id, which is the key of the
// answer. Many of Microsoft's own apps have none in a tenant and are missing.
func (c *Client) Apps(ctx context.Context, appIDs []string) (map[string]Principal, error) {
	found := map[string]Principal{}
	for some := range slices.Chunk(appIDs, maxAppIDs) {
		quoted := make([]string, len(some))
		for i, id := range some {
			quoted[i] = "'" + strings.ReplaceAll(id, "'", "''") + "'"
		}
		items, err := c.listBeside(ctx, c.beside("look up applications", directoryPermission), "servicePrincipals",
			"$filter="+escapeQuery("appId in ("+strings.Join(quoted, ",")+")")+"&$select=id,appId,displayName,appOwnerOrganizationId")
		if err != nil {
			return nil, err
		}
		byID := map[string]Principal{}
		note(byID, items)
		for _, p := range byID {
			p.Type = "servicePrincipal" // a list of one type does not say it
			found[p.AppID] = p
		}
	}
	return found, nil
}

// Roles gives the names of all directory roles by template id.
func (c *Client) Roles(ctx context.Context) (map[string]string, error) {
	items, err := c.listBeside(ctx, c.beside("list directory roles", "RoleManagement.Read.Directory or "+directoryPermission),
		"directoryRoleTemplates", "$select=id,displayName")
	if err != nil {
		return nil, err
	}
	found := map[string]Principal{}
	note(found, items)
	names := make(map[string]string, len(found))
	for id, p := range found {
		names[id] = p.Name
	}
	return names, nil
}

// Members gives the object ids of a group's members, of those in groups below
// it too. Groups and devices among them are left out: no policy applies to
// them. The error is drift.ErrNotFound (errors.Is) when there is no such group.
func (c *Client) Members(ctx context.Context, group string) ([]string, error) {
	k := c.beside("list members of group "+safe(group), "GroupMember.Read.All or "+directoryPermission)
	escaped, err := segment(group)
	if err != nil {
		return nil, &Error{Op: k.op, Message: err.Error(), Reason: drift.ReasonIncomplete}
	}
	items, err := c.listBeside(ctx, k, "groups/"+escaped+"/transitiveMembers", "$select=id&$top=999")
	if err != nil {
		return nil, err
	}
	members := make([]string, 0, len(items))
	for _, item := range items {
		switch typeOf(item.Raw) {
		case "group", "device":
		default:
			members = append(members, strings.ToLower(item.ID))
		}
	}
	slices.Sort(members)
	return members, nil
}

// listBeside reads a collection that is neither remembered nor waited for. A
// 404 that Graph wrote is drift.ErrNotFound.
func (c *Client) listBeside(ctx context.Context, k *call, path, query string) ([]Item, error) {
	root := c.address(c.version, path)
	root.RawQuery = query
	r := &reading{client: c, call: k, old: &memory{}, chains: map[string]chain{}}
	items, err := r.collection(ctx, root)
	if e, is := err.(*Error); is && e.Status == http.StatusNotFound && !e.foreign {
		e.Err = drift.ErrNotFound
	}
	return items, err
}

// note reads principals out of a page.
func note(into map[string]Principal, items []Item) {
	for _, item := range items {
		p := Principal{ID: strings.ToLower(item.ID), Type: typeOf(item.Raw)}
		said := func(name string) string {
			value, _ := member(item.Raw, name)
			s, _ := text(value)
			return s
		}
		p.Name = said("userPrincipalName")
		if p.Name == "" {
			p.Name = said("displayName")
		}
		p.AppID, p.Owner = strings.ToLower(said("appId")), strings.ToLower(said("appOwnerOrganizationId"))
		into[p.ID] = p
	}
}

// typeOf is the last word of an object's type: user, group, servicePrincipal.
func typeOf(raw []byte) string {
	value, _ := member(raw, "@odata.type")
	whole, _ := text(value)
	return whole[strings.LastIndexByte(whole, '.')+1:]
}

// escapeQuery writes an OData expression for a query. Graph wants %20 where
// url.QueryEscape writes a plus.
func escapeQuery(expression string) string {
	var b bytes.Buffer
	for _, c := range []byte(expression) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-_.~()',", c) >= 0:
			b.WriteByte(c)
		default:
			b.WriteString("%" + strings.ToUpper(string("0123456789abcdef"[c>>4])+string("0123456789abcdef"[c&15])))
		}
	}
	return b.String()
}
