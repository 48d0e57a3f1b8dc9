package graphsim

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// query is the part of a request's query and headers that listings honour.
type query struct {
	selected []string
	top      int
	skip     int
	begun    bool // not the first page: a $skiptoken was sent
}

// readQuery refuses what it does not know, so that a client which relies on
// $filter or $orderby fails here and not in production.
func readQuery(values url.Values, prefer []string) (query, *Refusal) {
	var q query
	for name, given := range values {
		value := given[0]
		switch name {
		case "$select":
			q.selected = strings.Split(strings.ReplaceAll(value, " ", ""), ",")
		case "$top":
			n, err := strconv.Atoi(value)
			if err != nil || n < 1 || n > 999 {
				return q, badRequest(0, "Invalid page size specified: '%s'.", value)
			}
			q.top = n
		case "$skiptoken":
			if !q.resume(value) {
				return q, badRequest(0, "The skip token is invalid.")
			}
		default:
			if strings.HasPrefix(name, "$") {
				return q, badRequest(0, "The query option '%s' is not supported here.", name)
			}
		}
	}
	for _, wish := range prefer {
		if size, ok := strings.CutPrefix(strings.TrimSpace(wish), "odata.maxpagesize="); ok {
			if n, err := strconv.Atoi(size); err == nil && n > 0 && (q.top == 0 || n < q.top) {
				q.top = n
			}
		}
	}
	return q, nil
}

// Tokens are opaque to clients; the prefix tells a forged one.
const tokenMark = "graphsim/"

func (q *query) resume(token string) bool {
	raw, err := base64.RawURLEncoding.DecodeString(token)
	rest, ok := strings.CutPrefix(string(raw), tokenMark)
	if err != nil || !ok {
		return false
	}
	q.skip, err = strconv.Atoi(rest)
	q.begun = true
	return err == nil && q.skip >= 0
}

func skipToken(offset int) string {
	return base64.RawURLEncoding.EncodeToString([]byte(tokenMark + strconv.Itoa(offset)))
}

// page is one page of a listing; the caller holds the lock.
func (t *Tenant) page(l lens, c *collection, q query, values url.Values, at time.Time) []byte {
	visible := t.visible(l, c, at)
	size := t.behaviour.PageSize
	if q.top > 0 && (size == 0 || q.top < size) {
		size = q.top
	}
	start, end := min(q.skip, len(visible)), len(visible)
	if size > 0 {
		end = min(start+size, len(visible))
	}
	if t.behaviour.EmptyPage && !q.begun {
		end = start
	}
	body := []byte{'{'}
	context := l.path
	if q.selected != nil {
		context += "(" + strings.Join(q.selected, ",") + ")"
	} else if l.api == beta {
		body = appendMember(body, "@microsoft.graph.tips", encode(tip(l.path)))
	}
	body = appendMember(body, "@odata.context", encode(l.metadata(context)))
	if end < len(visible) {
		body = appendMember(body, "@odata.nextLink", encode(l.next(values, end)))
	}
	list := []byte{'['}
	for i, rev := range visible[start:end] {
		if i > 0 {
			list = append(list, ',')
		}
		list = append(list, t.item(l, c.shape, rev, q.selected, at)...)
	}
	return append(appendMember(body, "value", append(list, ']')), '}')
}

func (l lens) next(values url.Values, offset int) string {
	var pairs []string
	for _, name := range []string{"$select", "$top"} {
		if value := values.Get(name); value != "" {
			pairs = append(pairs, name+"="+url.QueryEscape(value))
		}
	}
	pairs = append(pairs, "$skiptoken="+skipToken(offset))
	return l.origin + "/" + string(l.api) + "/" + l.path + "?" + strings.Join(pairs, "&")
}

// visible is what a listing through this lens shows at that moment.
func (t *Tenant) visible(l lens, c *collection, at time.Time) []*revision {
	list := make([]*revision, 0, len(c.order))
	for _, rec := range c.all() {
		if rev := t.seen(l, rec, at); rev != nil {
			list = append(list, rev)
		}
	}
	return list
}

// seen is the revision of an object through this lens, nil where it shows none.
func (t *Tenant) seen(l lens, rec *record, at time.Time) *revision {
	if rec == nil {
		return nil
	}
	rev := rec.at(at)
	if rev == nil || rev.body == nil {
		return nil
	}
	if l.api == v1 && (t.hidden[rec.id] || rev.body[typeTag] == "#microsoft.graph."+compliantNetwork) {
		return nil
	}
	return rev
}

func (t *Tenant) item(l lens, s *shape, rev *revision, selected []string, at time.Time) []byte {
	if selected == nil {
		return t.wire(l, s, rev, at)
	}
	return encode(pick(t.object(l, s, rev.body, at), selected))
}

// pick keeps the selected members; the type of a polymorphic object stays.
func pick(object map[string]any, selected []string) map[string]any {
	out := make(map[string]any, len(selected)+1)
	for name, value := range object {
		if name == typeTag || slices.Contains(selected, name) {
			out[name] = value
		}
	}
	return out
}

// entity is the answer to a read of one object.
func (t *Tenant) entity(l lens, s *shape, rev *revision, q query, at time.Time) []byte {
	object := t.object(l, s, rev.body, at)
	path := l.path
	if s != t.model.securityDefaults {
		path += "/$entity"
	}
	if q.selected != nil {
		object = pick(object, q.selected)
		path = l.path + "(" + strings.Join(q.selected, ",") + ")/$entity"
	} else if l.api == beta {
		object["@microsoft.graph.tips"] = tip(fmt.Sprintf("%s('<guid>')", l.path))
	}
	object["@odata.context"] = l.metadata(path)
	return encode(object)
}

// tip is the advice that beta puts into answers without $select.
func tip(path string) string {
	return "Name the properties that your app needs with $select, for example: GET " + path + "?$select=id"
}
