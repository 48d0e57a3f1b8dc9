package graphsim

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// endpoint is what a Graph path means.
type endpoint struct {
	kind drift.Kind
	bin  bool   // below deletedItems
	path string // of the collection, as asked for
	id   string
	sub  string // restore or combinationConfigurations
}

// roots are the collections by path; two of them have an older second name.
func roots() map[string]endpoint {
	const ca = "identity/conditionalAccess/"
	return map[string]endpoint{
		ca + "policies":                                      {kind: drift.Policy},
		ca + "namedLocations":                                {kind: drift.NamedLocation},
		ca + "authenticationContextClassReferences":          {kind: drift.AuthenticationContext},
		ca + "authenticationStrength/policies":               {kind: drift.AuthenticationStrength},
		ca + "deletedItems/policies":                         {kind: drift.Policy, bin: true},
		ca + "deletedItems/namedLocations":                   {kind: drift.NamedLocation, bin: true},
		"policies/conditionalAccessPolicies":                 {kind: drift.Policy},
		"policies/authenticationStrengthPolicies":            {kind: drift.AuthenticationStrength},
		"policies/identitySecurityDefaultsEnforcementPolicy": {kind: drift.SecurityDefaults, id: SecurityDefaultsID},
	}
}

// match finds the endpoint of a path below the version.
func match(path string) (endpoint, bool) {
	for root, e := range roots() {
		rest, ok := strings.CutPrefix(path, root)
		if !ok || rest != "" && rest[0] != '/' {
			continue
		}
		e.path = root
		parts := strings.Split(strings.TrimPrefix(rest, "/"), "/")
		switch {
		case rest == "":
			return e, true
		case e.id != "" || len(parts) > 2 || parts[0] == "":
			return e, false
		}
		e.id = parts[0]
		if len(parts) == 2 {
			e.sub = parts[1]
		}
		known := e.sub == "" || e.sub == "restore" && e.bin || e.sub == "combinationConfigurations" && e.kind == drift.AuthenticationStrength
		return e, known
	}
	return endpoint{}, false
}

// call is one Graph request on its way.
type call struct {
	endpoint
	lens   lens
	method string
	values url.Values
	prefer []string
	body   []byte
	by     Actor
}

// graph answers a request to Graph, with the headers that it always sends.
func (s *Server) graph(r *http.Request, body []byte) reply {
	requestID := fmt.Sprintf("00000000-0000-4000-8000-%012x", s.asked.Add(1))
	clientID := cmp.Or(r.Header.Get("client-request-id"), requestID)
	answer, refusal := s.process(r, body)
	if refusal != nil {
		answer = errorReply(refusal, requestID, clientID)
	}
	if answer.header == nil {
		answer.header = make(http.Header)
	}
	answer.header.Set("request-id", requestID)
	answer.header.Set("client-request-id", clientID)
	answer.header.Set("x-ms-ags-diagnostic", `{"ServerInfo":{"DataCenter":"Simulated","Slice":"E","Ring":"5","ScaleUnit":"001","RoleInstance":"SIM0001"}}`)
	return answer
}

// process asks in Graph's order: who are you, not so fast, are you allowed
// to, and only then what do you want.
func (s *Server) process(r *http.Request, body []byte) (reply, *Refusal) {
	api, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	t, claims, refusal := s.admit(r)
	if refusal != nil {
		return reply{}, refusal
	}
	b, refusal := t.slow(path)
	if refusal != nil {
		return reply{}, refusal
	}
	if api == string(v1) || api == string(beta) {
		if answer, refusal, ok := t.directoryRead(claims, r, path); ok {
			return answer, refusal
		}
		if answer, refusal, ok := t.aside(path, r, body, claims); ok {
			return answer, refusal
		}
	}
	e, ok := match(path)
	if version(api) != v1 && version(api) != beta || !ok {
		return reply{}, badRequest(0, "Resource not found for the segment '%s'.", path)
	}
	if refusal := claims.lacks(e.needs(r.Method != http.MethodGet)); refusal != nil {
		return reply{}, refusal
	}
	if e.bin && b.DeletedItemsStatus != 0 {
		return reply{}, &Refusal{Status: b.DeletedItemsStatus, Code: "BadRequest", Text: "Resource not found for the segment 'deletedItems'."}
	}
	if len(body) > 0 && !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		return reply{}, badRequest(0, "A request with a body must say Content-Type: application/json.")
	}
	prefer := strings.Join(r.Header.Values("Prefer"), ",")
	answer, refusal := t.serve(call{
		endpoint: e, method: r.Method, values: r.URL.Query(), prefer: strings.Split(prefer, ","), body: body,
		lens: lens{api: version(api), origin: origin(r), path: e.path, future: strings.Contains(prefer, "include-unknown-enum-members")},
		by:   Actor{Kind: "app", ID: claims.ObjectID, Name: claims.AppName},
	})
	if refusal != nil {
		refusal.old = b.OldErrors
	}
	return answer, refusal
}

// slow charges the request to the tenant's budget.
func (t *Tenant) slow(path string) (Behaviour, *Refusal) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if limited(path) && !t.throttle.allow(time.Now(), t.behaviour) {
		return t.behaviour, &Refusal{
			Status: http.StatusTooManyRequests, Code: "TooManyRequests", Text: "Too many requests.", RetryAfter: t.behaviour.RetryAfter,
		}
	}
	return t.behaviour, nil
}

// serve carries a call out under the tenant's lock; nothing in here waits.
func (t *Tenant) serve(c call) (reply, *Refusal) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case c.method == http.MethodGet:
		return t.read(c)
	case c.kind == drift.AuthenticationStrength:
		// Strengths are written by administrators only, see Admin.
	case c.method == http.MethodPost && c.sub == "restore":
		return t.written(c, Restore)
	case c.method == http.MethodPost && c.id == "" && !c.bin:
		return t.written(c, Create)
	case c.method == http.MethodPatch && c.id != "" && c.sub == "" && !c.bin:
		return t.written(c, Update)
	case c.method == http.MethodDelete && c.id != "" && c.sub == "" && c.kind != drift.SecurityDefaults:
		if c.bin {
			return t.written(c, Purge)
		}
		return t.written(c, Delete)
	}
	return reply{}, methodNotAllowed(c.method)
}

func (t *Tenant) read(c call) (reply, *Refusal) {
	q, refusal := readQuery(c.values, c.prefer)
	if refusal != nil {
		return reply{}, refusal
	}
	set := t.sets[c.kind]
	if c.bin {
		t.purgeOld()
		set = t.bins[c.kind]
	}
	at, stale := t.view()
	if c.id == "" {
		return t.listing(c, set, q, at, stale), nil
	}
	rev := t.seen(c.lens, set.records[strings.ToLower(c.id)], at)
	if rev == nil {
		return reply{}, notFound(c.id)
	}
	if c.sub == "combinationConfigurations" {
		return t.ok(c, t.configurations(c, rev)), nil
	}
	return t.ok(c, t.entity(c.lens, set.shape, rev, q, at)), nil
}

// listing is a page, remembered until something changes.
func (t *Tenant) listing(c call, set *collection, q query, at time.Time, stale bool) reply {
	if stale || c.bin {
		return t.ok(c, t.page(c.lens, set, q, c.values, at))
	}
	key := strings.Join([]string{c.lens.origin, string(c.lens.api), c.path, c.values.Encode(), strings.Join(c.prefer, ",")}, "\n")
	done, ok := t.pages[key]
	if !ok {
		done = &page{plain: t.page(c.lens, set, q, c.values, at)}
		t.pages[key] = done
	}
	answer := t.ok(c, done.plain)
	answer.page = done
	return answer
}

func (t *Tenant) configurations(c call, rev *revision) []byte {
	rendered := c.lens.render(t.model.strength, rev.body)
	return encode(map[string]any{
		"@odata.context": c.lens.metadata(c.path + "('" + rev.body["id"].(string) + "')/combinationConfigurations"),
		"value":          rendered["combinationConfigurations"],
	})
}

// graphJSON is the content type of Graph's answers.
const graphJSON = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"

func (t *Tenant) ok(c call, body []byte) reply {
	h := http.Header{"Content-Type": {graphJSON}, "Odata-Version": {"4.0"}}
	if c.lens.future {
		h.Set("Preference-Applied", "include-unknown-enum-members")
	}
	return reply{status: http.StatusOK, header: h, body: body, noGzip: t.behaviour.NoGzip}
}

// written runs a write and answers as Graph does: with the object only where
// there is a new one to show.
func (t *Tenant) written(c call, op Op) (reply, *Refusal) {
	body, refusal := t.write(c.by, change{op: op, kind: c.kind, id: c.id, raw: c.body, api: c.lens.api})
	if refusal != nil {
		return reply{}, refusal
	}
	status := success(op)
	if status == http.StatusNoContent {
		return reply{status: status}, nil
	}
	set := t.sets[c.kind]
	c.lens.path = strings.Replace(c.lens.path, "/deletedItems", "", 1) // a restored object is where it was
	answer := t.ok(c, t.entity(c.lens, set.shape, &revision{body: body}, query{}, time.Time{}))
	answer.status = status
	return answer, nil
}

func errorReply(r *Refusal, requestID, clientID string) reply {
	inner := map[string]any{
		"client-request-id": clientID, "date": time.Now().UTC().Format("2006-01-02T15:04:05"), "request-id": requestID,
	}
	message := r.message()
	if r.old && r.Number != 0 {
		inner["message"] = message
		message = "The request is malformed or incorrect."
	}
	answer := jsonReply(r.Status, map[string]any{"error": map[string]any{"code": r.Code, "innerError": inner, "message": message}})
	if r.Challenge != "" {
		answer.header.Set("WWW-Authenticate", r.Challenge)
	}
	if r.RetryAfter != "" {
		answer.header.Set("Retry-After", r.RetryAfter)
	}
	return answer
}
