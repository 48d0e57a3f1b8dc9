package api

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/store"
)

const (
	defaultLimit = 100
	maxLimit     = 1000
)

// events answers /api/v1/events. With after they come oldest first, so that a
// reader can follow a tenant from a sequence number on.
func (a *API) events(r *http.Request) (any, error) {
	s, err := a.opened()
	if err != nil {
		return nil, err
	}
	query, err := a.eventQuery(r.URL.Query())
	if err != nil {
		return nil, err
	}
	events, next, err := readEvents(s, query)
	if err != nil {
		return nil, err
	}
	return Events{Events: events, Next: next}, nil
}

func (a *API) eventQuery(q url.Values) (store.EventQuery, error) {
	query := store.EventQuery{ObjectID: q.Get("object"), Limit: defaultLimit}
	if q.Get("tenant") != "" || q.Get("after") != "" {
		t, err := a.tenant(q.Get("tenant"))
		if err != nil {
			return query, err
		}
		query.TenantID = t.ID
	}
	if text := q.Get("since"); text != "" {
		since, err := parseMoment(text, time.Now())
		if err != nil {
			return query, err
		}
		query.Since = since
	}
	if text := q.Get("severity"); text != "" {
		if err := query.MinSeverity.UnmarshalText([]byte(text)); err != nil {
			return query, err
		}
	}
	if text := q.Get("after"); text != "" {
		after, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return query, badRequest("the seq of an event, or 0 for the first", "read after: %q is no sequence number", text)
		}
		query.After = &after
	}
	if text := q.Get("limit"); text != "" {
		limit, err := strconv.Atoi(text)
		if err != nil || limit < 1 || limit > maxLimit {
			return query, badRequest("", "read limit: %q is not a number from 1 to %d", text, maxLimit)
		}
		query.Limit = limit
	}
	return query, nil
}

// readEvents reads events as everybody may see them: addresses of people go to webhook
// receivers only.
func readEvents(s *store.Store, query store.EventQuery) ([]drift.Event, *uint64, error) {
	events, next, err := s.Events(query)
	if err != nil {
		return nil, nil, fmt.Errorf("read events: %w", err)
	}
	for i := range events {
		events[i] = withoutAddress(events[i])
	}
	return events, next, nil
}

func withoutAddress(e drift.Event) drift.Event {
	if e.Actor != nil && e.Actor.IP != "" {
		actor := *e.Actor
		actor.IP = ""
		e.Actor = &actor
	}
	return e
}

func (a *API) event(r *http.Request) (any, error) {
	s, err := a.opened()
	if err != nil {
		return nil, err
	}
	e, err := s.Event(r.PathValue("id"))
	if err != nil {
		return nil, fmt.Errorf("read event: %w", err)
	}
	return withoutAddress(e), nil
}

func (a *API) drifts(r *http.Request) (any, error) {
	s, err := a.opened()
	if err != nil {
		return nil, err
	}
	tenants, err := a.selected(r.URL.Query().Get("tenant"))
	if err != nil {
		return nil, err
	}
	answer := Drifts{Drifts: []drift.Finding{}}
	for _, t := range tenants {
		state, err := s.Load(t.ID)
		if err != nil {
			return nil, fmt.Errorf("read tenant %s: %w", t.Name, err)
		}
		if state.Baseline == nil {
			answer.Unpinned = append(answer.Unpinned, t.Name)
		}
		for _, f := range state.Findings {
			f.Tenant = t.Name
			answer.Drifts = append(answer.Drifts, f)
		}
	}
	answer.Baseline = len(answer.Unpinned) < len(tenants)
	presentFindings(answer.Drifts)
	if err := s.Attribute(answer.Drifts); err != nil { // better without names than not at all
		a.log.Warn("actors of open drifts not read", "err", err)
	}
	return answer, nil
}

// presentFindings makes findings an answer: what to look at first comes first,
// lists are never null, and who was told is nobody's business.
func presentFindings(open []drift.Finding) {
	for i := range open {
		f := &open[i]
		f.Told, f.Changes, f.BaselinePatch = nil, list(f.Changes), list(f.BaselinePatch)
	}
	slices.SortFunc(open, func(x, y drift.Finding) int {
		return cmp.Or(
			cmp.Compare(y.Severity, x.Severity),
			cmp.Compare(rank(y.Lockout), rank(x.Lockout)),
			y.Since.Compare(x.Since),
			cmp.Compare(x.Tenant, y.Tenant),
			x.Key().Compare(y.Key()),
		)
	})
}

func rank(b bool) int {
	if b {
		return 1
	}
	return 0
}
