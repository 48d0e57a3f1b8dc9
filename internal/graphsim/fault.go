package graphsim

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"strings"
	"time"
)

// Fault is what goes wrong with one request. The zero value changes nothing.
type Fault struct {
	// Delay waits before anything else happens, as long as the request lives.
	Delay time.Duration
	// Refuse breaks the connection before the request is handled; Lose
	// handles it and breaks the connection instead of answering, so that the
	// client cannot know whether its write took place.
	Refuse, Lose bool
	// Status, unless 0, is the answer, with Body as it is: nothing is handled.
	Status int
	Body   string
	// Header is set on the answer, whichever it is.
	Header http.Header
	// Cut lets only so many bytes of the answer's body (after compression)
	// arrive before the connection breaks; 0: all.
	Cut int
	// Edit changes the JSON of an answer of 200: a listing or one object.
	Edit func(body map[string]any)
}

// OnRequest sets the hook that is asked before every request, nil for none.
// The hook may read the request's body and may change tenants: that is how a
// test slips an edit between a client's read and its write. It returns nil
// for a request that goes well.
func (s *Server) OnRequest(hook func(*http.Request) *Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = hook
}

func (s *Server) faultFor(r *http.Request, body []byte) Fault {
	s.mu.Lock()
	hook := s.fault
	s.mu.Unlock()
	if hook == nil {
		return Fault{}
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if f := hook(r); f != nil {
		return *f
	}
	return Fault{}
}

func (f Fault) reply() reply {
	return reply{status: f.Status, body: []byte(f.Body)}
}

func (f Fault) edit(answer *reply) {
	if f.Edit == nil || answer.status != http.StatusOK {
		return
	}
	body, err := decodeObject(answer.body)
	if err != nil {
		return
	}
	f.Edit(body)
	answer.body, answer.page = encode(body), nil
}

// GraphError answers with Graph's error object.
func GraphError(status int, code, message string) *Fault {
	return &Fault{
		Status: status, Header: http.Header{"Content-Type": {"application/json"}},
		Body: string(encode(map[string]any{"error": map[string]any{"code": code, "message": message, "innerError": map[string]any{}}})),
	}
}

// HTML answers with a web page, as a proxy or a captive portal does, with
// status 200 or as a gateway's error.
func HTML(status int) *Fault {
	return &Fault{
		Status: status, Header: http.Header{"Content-Type": {"text/html"}},
		Body: "<!DOCTYPE html><html><head><title>Service unavailable</title></head><body><h1>Please come back later.</h1></body></html>",
	}
}

// ClaimsChallenge answers 401 and asks for a token with these claims (JSON).
func ClaimsChallenge(claims string) *Fault {
	f := GraphError(http.StatusUnauthorized, "InvalidAuthenticationToken", "Continuous access evaluation resulted in challenge.")
	f.Header.Set("WWW-Authenticate", challenge(claims))
	return f
}

// Edits make a fault that applies them to the answer in order.
func Edits(edits ...func(body map[string]any)) *Fault {
	return &Fault{Edit: func(body map[string]any) {
		for _, edit := range edits {
			edit(body)
		}
	}}
}

// EmptyList takes everything out of a listing.
func EmptyList(body map[string]any) {
	body["value"] = []any{}
	delete(body, "@odata.nextLink")
}

// DropPages ends a listing after this page.
func DropPages(body map[string]any) { delete(body, "@odata.nextLink") }

// DropLast leaves the last n objects of a page out.
func DropLast(n int) func(map[string]any) {
	return func(body map[string]any) {
		if list, ok := body["value"].([]any); ok {
			body["value"] = list[:max(0, len(list)-n)]
		}
	}
}

// NextLink sets the link to the next page: a foreign host, the same page over
// and over, or nonsense.
func NextLink(link string) func(map[string]any) {
	return func(body map[string]any) { body["@odata.nextLink"] = link }
}

// Repeat puts the first object of a page there twice; with a name the second
// one is called so, which makes the listing contradict itself.
func Repeat(name string) func(map[string]any) {
	return func(body map[string]any) {
		list, ok := body["value"].([]any)
		if !ok || len(list) == 0 {
			return
		}
		again := maps.Clone(list[0].(map[string]any))
		if name != "" {
			again["displayName"] = name
		}
		body["value"] = append(list, again)
	}
}

// Set gives every object of the answer a member at the dotted path: a
// property that Microsoft rolls out, or the value unknownFutureValue. Where
// the path meets null or an array on its way, the object is left alone; an
// array at its end gets the value as a further member.
func Set(path string, value any) func(map[string]any) {
	return func(body map[string]any) {
		list, ok := body["value"].([]any)
		if !ok {
			list = []any{body}
		}
		for _, member := range list {
			set(member, strings.Split(path, "."), value)
		}
	}
}

func set(member any, path []string, value any) {
	object, ok := member.(map[string]any)
	if !ok {
		return
	}
	if len(path) > 1 {
		set(object[path[0]], path[1:], value)
		return
	}
	if list, ok := object[path[0]].([]any); ok {
		if _, array := value.([]any); !array {
			object[path[0]] = append(list, value)
			return
		}
	}
	object[path[0]] = value
}
