package api

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/store"
)

// object answers /api/v1/objects/{tenant}/{kind}/{id}.
func (a *API) object(r *http.Request) (any, error) {
	s, t, err := a.recorded(r.PathValue("tenant"))
	if err != nil {
		return nil, err
	}
	q := r.URL.Query()
	form := cmp.Or(q.Get("form"), "raw")
	if form != "raw" && form != "canonical" {
		return nil, badRequest("raw or canonical", "read form: there is no form %q", form)
	}
	key, err := readKey(r.PathValue("kind"), r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	revision, err := revisionAt(s, t, q.Get("at"))
	if err != nil {
		return nil, err
	}
	o, since, err := s.Object(t.ID, key, revision)
	if errors.Is(err, drift.ErrNotFound) {
		when := "now"
		if revision > 0 {
			when = fmt.Sprintf("at revision %d", revision)
		}
		return nil, notFound("cadrift history --object "+key.ID+" says when it came and went",
			"%s: there is no %s %s %s", t.Name, key.Kind.Words(), drift.Visible(key.ID), when)
	}
	if err != nil {
		return nil, fmt.Errorf("read object: %w", err)
	}
	body := o.Raw
	if form == "canonical" {
		body = o.Canonical
	}
	return Object{Object: o.Ref, Revision: since, Form: form, Body: body}, nil
}

func readKey(kind, id string) (drift.Key, error) {
	key := drift.Key{Kind: drift.Kind(kind), ID: id}
	if !slices.Contains(drift.Kinds(), key.Kind) {
		return key, badRequest("one of "+kindNames(), "there is no kind %q", drift.Visible(kind))
	}
	return key, nil
}

func kindNames() string {
	var names []string
	for _, k := range drift.Kinds() {
		names = append(names, string(k))
	}
	return strings.Join(names, ", ")
}

// revisionAt reads a revision number, or a time as the revision that was the
// newest then; no text is 0, the newest of all. The number is checked, since
// objects of a revision to come must not look like those of today.
func revisionAt(s *store.Store, t TenantName, text string) (uint64, error) {
	if text == "" {
		return 0, nil
	}
	hint := "cadrift history lists events with their times; revisions count from 1"
	number, ok := parseRevision(text)
	if ok {
		all, err := s.Revisions(t.ID)
		if err != nil {
			return 0, fmt.Errorf("read revisions: %w", err)
		}
		if !slices.ContainsFunc(all, func(r store.Revision) bool { return r.Number == number }) {
			return 0, notFound(revisionsHint(all), "%s: there is no revision %d", t.Name, number)
		}
		return number, nil
	}
	at, err := parseMoment(text, time.Now())
	if err != nil {
		return 0, err
	}
	number, err = s.RevisionAt(t.ID, at)
	if errors.Is(err, drift.ErrNotFound) {
		return 0, notFound(hint, "%s: nothing had been recorded by %s", t.Name, at.Format(time.RFC3339))
	}
	if err != nil {
		return 0, fmt.Errorf("read revisions: %w", err)
	}
	return number, nil
}

func revisionsHint(all []store.Revision) string {
	if len(all) == 0 {
		return "nothing has been recorded yet"
	}
	return fmt.Sprintf("the store has revisions %d to %d", all[0].Number, all[len(all)-1].Number)
}

func (a *API) revisions(r *http.Request) (any, error) {
	s, t, err := a.recorded(r.URL.Query().Get("tenant"))
	if err != nil {
		return nil, err
	}
	all, err := s.Revisions(t.ID)
	if err != nil {
		return nil, fmt.Errorf("read revisions: %w", err)
	}
	answer := Revisions{Tenant: t.Name, Revisions: []Revision{}}
	for _, r := range slices.Backward(all) {
		answer.Revisions = append(answer.Revisions, Revision{r.Number, r.Time, r.Digest, r.Changed})
	}
	return answer, nil
}

// snapshot answers with every object of a revision.
func (a *API) snapshot(r *http.Request) (any, error) {
	q := r.URL.Query()
	s, t, err := a.recorded(q.Get("tenant"))
	if err != nil {
		return nil, err
	}
	revision, err := revisionAt(s, t, q.Get("at"))
	if err != nil {
		return nil, err
	}
	objects, at, err := s.Snapshot(t.ID, revision)
	if errors.Is(err, drift.ErrNotFound) {
		return nil, notFound("wait for the first good pass: cadrift status", "%s: nothing has been recorded yet", t.Name)
	}
	if err != nil {
		return nil, fmt.Errorf("read snapshot: %w", err)
	}
	state, err := s.Load(t.ID)
	if err != nil {
		return nil, fmt.Errorf("read tenant %s: %w", t.Name, err)
	}
	// Which kinds were read is known of the present only.
	var kinds []drift.Kind
	if at.Number == state.Revision {
		kinds = state.Seen
	}
	return document(t, at.Number, at.Time, kinds, objects), nil
}

// baseline answers with every object of the baseline.
func (a *API) baseline(r *http.Request) (any, error) {
	s, t, err := a.recorded(r.URL.Query().Get("tenant"))
	if err != nil {
		return nil, err
	}
	state, err := s.Load(t.ID)
	if err != nil {
		return nil, fmt.Errorf("read tenant %s: %w", t.Name, err)
	}
	b := state.Baseline
	if b == nil {
		return nil, noBaseline(t)
	}
	return document(t, b.Revision, b.Pinned, b.Kinds, b.Objects), nil
}

func noBaseline(t TenantName) error {
	return notFound("cadrift baseline pin --reason TEXT", "%s has no baseline", t.Name)
}

// document puts objects into the order in which people read them.
func document(t TenantName, revision uint64, at time.Time, kinds []drift.Kind, objects map[drift.Key]drift.Object) Snapshot {
	d := Snapshot{Tenant: t.Name, Revision: revision, Time: at, Kinds: []drift.Kind{}, Objects: []SnapshotObject{}}
	for _, kind := range drift.Kinds() {
		var of []drift.Object
		for key, o := range objects {
			if key.Kind == kind {
				of = append(of, o)
			}
		}
		if len(of) > 0 || slices.Contains(kinds, kind) {
			d.Kinds = append(d.Kinds, kind)
		}
		slices.SortFunc(of, func(x, y drift.Object) int {
			return cmp.Or(cmp.Compare(x.Name, y.Name), cmp.Compare(x.ID, y.ID))
		})
		for _, o := range of {
			d.Objects = append(d.Objects, SnapshotObject{kind, o.Name, o.Raw})
		}
	}
	return d
}
