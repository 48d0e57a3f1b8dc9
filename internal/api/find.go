package api

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/store"
)

// Found is an object that a person named.
type Found struct {
	Tenant string    `json:"tenant"`
	Object drift.Ref `json:"object"`
	// Deleted tells that the object is known from the baseline or from
	// history only.
	Deleted bool `json:"deleted"`
}

// known are the candidates for a name among the present objects of the
// tenants, and those that only a baseline or an open drift still knows.
func (a *API) known(tenants []TenantName) ([]Found, error) {
	s, err := a.opened()
	if err != nil {
		return nil, err
	}
	var all []Found
	for _, t := range tenants {
		state, err := s.Load(t.ID)
		if err != nil {
			return nil, fmt.Errorf("read tenant %s: %w", t.Name, err)
		}
		refs := map[drift.Key]Found{}
		for key, f := range state.Findings {
			refs[key] = Found{t.Name, f.Object, true}
		}
		if state.Baseline != nil {
			for key, o := range state.Baseline.Objects {
				refs[key] = Found{t.Name, o.Ref, true}
			}
		}
		for key, o := range state.Objects {
			refs[key] = Found{t.Name, o.Ref, false}
		}
		for _, key := range slices.SortedFunc(maps.Keys(refs), drift.Key.Compare) {
			all = append(all, refs[key])
		}
	}
	return all, nil
}

// historyLooks is how many events are searched for an object that no longer
// exists.
const historyLooks = 5000

// past are the objects that only history knows, under their newest names.
func (a *API) past(tenants []TenantName, known []Found) ([]Found, error) {
	s, err := a.opened()
	if err != nil {
		return nil, err
	}
	type place struct {
		tenant string
		key    drift.Key
	}
	seen := map[place]bool{}
	for _, f := range known {
		seen[place{f.Tenant, f.Object.Key()}] = true
	}
	var all []Found
	for _, t := range tenants {
		events, _, err := readEvents(s, store.EventQuery{TenantID: t.ID, Limit: historyLooks})
		if err != nil {
			return nil, err
		}
		for _, e := range events {
			if e.Object == nil || seen[place{t.Name, e.Object.Key()}] {
				continue
			}
			seen[place{t.Name, e.Object.Key()}] = true
			all = append(all, Found{t.Name, *e.Object, true})
		}
	}
	return all, nil
}

func (a *API) find(r *http.Request) (any, error) {
	q := r.URL.Query()
	tenants, err := a.selected(q.Get("tenant"))
	if err != nil {
		return nil, err
	}
	known, err := a.known(tenants)
	if err != nil {
		return nil, err
	}
	found, err := match(q.Get("object"), known)
	if err == nil || statusOf(err) != http.StatusNotFound {
		return found, err
	}
	past, pastErr := a.past(tenants, known)
	if pastErr != nil {
		return nil, pastErr
	}
	return match(q.Get("object"), append(known, past...))
}

// match picks the candidate that text means:
//
//	"kind/rest"                      the rest, among objects of that kind
//	an exact id                      that object, whatever names exist
//	an exact name or an id prefix    the only such object
//
// A name counts as it is and as it is shown ([drift.Visible]), because people
// copy it from there. Names are chosen by others: a name that reads like
// somebody else's id prefix makes the text ambiguous, never wrong.
func match(text string, candidates []Found) (Found, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return Found{}, badRequest("give an id, the start of an id, or an exact display name", "find object: no name given")
	}
	if kind, rest, ok := strings.Cut(text, "/"); ok && slices.Contains(drift.Kinds(), drift.Kind(kind)) {
		text = rest
		candidates = slices.DeleteFunc(slices.Clone(candidates), func(f Found) bool {
			return f.Object.Kind != drift.Kind(kind)
		})
	}
	var exact, close []Found
	for _, c := range candidates {
		id := c.Object.ID
		switch {
		case strings.EqualFold(id, text):
			exact = append(exact, c)
		case c.Object.Name == text, drift.Visible(c.Object.Name) == text,
			len(text) < len(id) && strings.EqualFold(id[:len(text)], text):
			close = append(close, c)
		}
	}
	if len(exact) > 0 {
		close = exact
	}
	switch len(close) {
	case 0:
		return Found{}, notFound(near(text, candidates), "no object is called %q", drift.Visible(text))
	case 1:
		return close[0], nil
	}
	return Found{}, ambiguous(text, close)
}

// near is the hint for a name that fits nothing: a few names that hold it.
func near(text string, candidates []Found) string {
	const most = 5
	var names []string
	for _, c := range candidates {
		name := drift.Visible(c.Object.Name)
		if len(names) < most && strings.Contains(strings.ToLower(name), strings.ToLower(text)) {
			names = append(names, fmt.Sprintf("%q", name))
		}
	}
	if len(names) == 0 {
		return "give an id, the start of an id, or an exact display name"
	}
	return "names are matched whole; did you mean " + strings.Join(names, ", ") + "?"
}

// ambiguous lists what text could mean, in a form that can be typed.
func ambiguous(text string, candidates []Found) error {
	const most = 8
	var names []string
	for i, c := range candidates {
		if i == most {
			names = append(names, fmt.Sprintf("and %d more", len(candidates)-most))
			break
		}
		names = append(names, fmt.Sprintf("%s %s %q", c.Tenant, c.Object.Key(), drift.Visible(c.Object.Name)))
	}
	return &failure{
		status: http.StatusConflict,
		text:   fmt.Sprintf("%q means %d objects: %s", drift.Visible(text), len(candidates), strings.Join(names, ", ")),
		hint:   "give the whole id, KIND/ID, or the tenant",
	}
}
