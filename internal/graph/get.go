package graph

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// Get reads one object by id. The error is drift.ErrNotFound (errors.Is) when
// Graph itself answered 404; a proxy's page with that status is not taken for
// an answer about the object.
func (c *Client) Get(ctx context.Context, kind drift.Kind, id string) (Item, error) {
	s, ok := shapeOf(kind)
	if !ok {
		return Item{}, fmt.Errorf("get %s: not a kind that Graph lists", kind)
	}
	k := c.begin("get "+kind.Words(), s.permission)
	escaped, err := segment(id)
	if err != nil {
		return Item{}, &Error{Op: k.op, Message: err.Error(), Reason: drift.ReasonIncomplete}
	}
	root := c.address(c.version, s.path)
	target := root
	if kind != drift.SecurityDefaults { // which is alone, without an id in its path
		target = root.JoinPath(escaped)
	}
	got, fault := c.do(ctx, k, http.MethodGet, target, nil)
	if fault != nil {
		if fault.Status == http.StatusNotFound && !fault.foreign {
			fault.Err = drift.ErrNotFound
		}
		return Item{}, fault
	}
	item, err := parseEntity(got.body)
	if err == nil && !strings.EqualFold(item.ID, id) {
		err = malformed("the answer is another object")
	}
	if err != nil {
		return Item{}, c.incomplete(ctx, k, err, got.body)
	}
	if kind == drift.AuthenticationStrength && isCustom(item.Raw) {
		r := &reading{client: c, call: k, old: &memory{}, chains: map[string]chain{}}
		if item.Raw, err = r.configured(ctx, root, item); err != nil {
			return Item{}, err
		}
	}
	return item, nil
}

// Deleted lists the soft-deleted policies or named locations, with the time of
// deletion. The error is ErrUnavailable (errors.Is) for other kinds, and where
// tenant, cloud or permissions do not offer it: the documentation contradicts
// itself on all three, so every refusal counts as that.
func (c *Client) Deleted(ctx context.Context, kind drift.Kind) (map[string]time.Time, error) {
	s, _ := shapeOf(kind)
	k := c.begin("list deleted "+s.plural, "")
	var path string
	switch kind {
	case drift.Policy:
		path = "/identity/conditionalAccess/deletedItems/policies"
	case drift.NamedLocation:
		path = "/identity/conditionalAccess/deletedItems/namedLocations"
	default:
		return nil, &Error{Op: "list deleted " + kind.Words(), Reason: drift.ReasonIncomplete, Err: ErrUnavailable}
	}
	items, err := c.once(ctx, k, "v1.0", path, "", http.StatusBadRequest, http.StatusForbidden,
		http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented)
	if err != nil {
		return nil, err
	}
	deleted := make(map[string]time.Time, len(items))
	for _, item := range items {
		value, _ := member(item.Raw, "deletedDateTime")
		if value == nil || string(value) == "null" {
			continue // in the list, but not deleted: being restored, or not what we think
		}
		when, _ := text(value)
		at, err := time.Parse(time.RFC3339Nano, when)
		if err != nil {
			return nil, c.incomplete(ctx, k, malformed("a deletedDateTime that is not a time"), nil)
		}
		deleted[item.ID] = at
	}
	return deleted, nil
}

// HiddenIDs lists the ids of all policies as the beta version has them: v1.0
// leaves out policies with settings it does not know. The error is
// ErrUnavailable (errors.Is) when Graph refuses.
func (c *Client) HiddenIDs(ctx context.Context) ([]string, error) {
	s, _ := shapeOf(drift.Policy)
	k := c.begin("list policies of the beta version", "")
	items, err := c.once(ctx, k, "beta", s.path, "$select=id", http.StatusBadRequest, http.StatusForbidden,
		http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(items))
	for i, item := range items {
		ids[i] = item.ID
	}
	return ids, nil
}

// once reads a collection that is not remembered. Refusals are the statuses
// that mean ErrUnavailable.
func (c *Client) once(ctx context.Context, k *call, version, path, query string, refusals ...int) ([]Item, error) {
	root := c.address(version, path)
	root.RawQuery = query
	r := &reading{client: c, call: k, old: &memory{}, chains: map[string]chain{}}
	items, err := r.collection(ctx, root)
	if e, ok := errors.AsType[*Error](err); ok {
		for _, status := range refusals {
			if e.Status == status {
				e.Err = ErrUnavailable
			}
		}
	}
	return items, err
}
