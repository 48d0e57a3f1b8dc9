package graph

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// WritePermission is what changing a policy needs.
const WritePermission = "Policy.ReadWrite.ConditionalAccess"

// writeTime is how long one PATCH may take, its answer included.
const writeTime = 20 * time.Second

// Patch merges body into one policy. It is the only method that changes
// anything in a tenant, and it sends its request once: only a 401, which was
// not carried out, is followed by a second try with a fresh token. The error
// is an *Error; when its Unknown is set the write may have taken place, and
// only reading can tell. drift.ErrNotFound (errors.Is) when Graph itself
// answered 404.
func (c *Client) Patch(ctx context.Context, id string, body []byte) error {
	k := &call{op: "change policy", permission: WritePermission, tries: 1, timeout: writeTime}
	escaped, err := segment(id)
	if err != nil {
		return &Error{Op: k.op, Message: err.Error(), Reason: drift.ReasonIncomplete}
	}
	s, _ := shapeOf(drift.Policy)
	target := c.address(c.version, s.path).JoinPath(escaped)
	for fresh := false; ; fresh = true {
		fault := c.send(ctx, k, target, body, fresh)
		switch {
		case fault == nil:
			return nil
		case fault.Status == http.StatusUnauthorized && !fresh:
			continue
		case fault.Status == http.StatusNotFound && !fault.foreign:
			fault.Err = drift.ErrNotFound
		}
		return fault
	}
}

// send makes the one request of a write.
func (c *Client) send(ctx context.Context, k *call, target *url.URL, body []byte, fresh bool) *Error {
	if !sameOrigin(target, c.base) {
		return &Error{Op: k.op, Message: "refused to leave the configured endpoint", Reason: drift.ReasonIncomplete}
	}
	token, err := c.writer.Token(ctx, fresh)
	if err != nil {
		return tokenFault(k, err)
	}
	k.token = token
	lane := c.pacer.lane(target.Path)
	pause, err := lane.enter(ctx)
	if err != nil {
		return c.unanswered(k, err)
	}
	if pause > 0 {
		return &Error{Op: k.op, Message: "Graph asked for a pause that is not over", Reason: drift.ReasonThrottled, RetryAfter: pause}
	}
	ctx, cancel := context.WithTimeout(ctx, k.timeout)
	defer cancel()
	id := requestID()
	req := &http.Request{Method: http.MethodPatch, URL: target, Header: http.Header{
		"Accept":            {"application/json"},
		"Authorization":     {"Bearer " + token.Reveal()},
		"Client-Request-Id": {id},
		"Content-Type":      {"application/json"},
		"User-Agent":        {c.userAgent},
	}, ContentLength: int64(len(body)), Body: io.NopCloser(bytes.NewReader(body))}
	resp, err := c.http.Do(req.WithContext(ctx))
	if err != nil {
		fault := c.unanswered(k, cmp.Or(ctx.Err(), err))
		fault.Unknown = true
		return fault
	}
	defer resp.Body.Close()
	c.logger.LogAttrs(ctx, slog.LevelDebug, "graph write",
		slog.String("tenant", c.tenant), slog.String("op", k.op), slog.Int("status", resp.StatusCode),
		slog.String("client_request_id", id), slog.String("request_id", safe(resp.Header.Get("request-id"), token)))
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		return nil
	}
	answer, _ := c.read(resp, nil) // only its words, if there are any
	fault := refused(k, resp.StatusCode, resp.Header, answer, token)
	if transient(resp.StatusCode) {
		fault.RetryAfter, _ = retryAfter(resp.Header, time.Now())
		// A gateway that gave up may have passed the request on before.
		fault.Unknown = resp.StatusCode != http.StatusTooManyRequests
		if fault.RetryAfter > 0 {
			lane.pause(fault.RetryAfter, true)
		}
	}
	return fault
}

// MayWrite tells whether the token that writes carries the permission to
// change policies. Known is false where the token does not show its
// permissions: then only a write can tell. The error is an *Error.
func (c *Client) MayWrite(ctx context.Context) (may, known bool, err error) {
	token, err := c.writer.Token(ctx, false)
	if err != nil {
		return false, false, tokenFault(&call{op: "check the permission to change policies"}, err)
	}
	parts := strings.Split(token.Reveal(), ".")
	if len(parts) != 3 {
		return false, false, nil
	}
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return false, false, nil
	}
	var t struct {
		Roles []string `json:"roles"`
	}
	if json.Unmarshal(claims, &t) != nil || len(t.Roles) == 0 {
		return false, false, nil
	}
	return slices.Contains(t.Roles, WritePermission), true, nil
}

// Account is what the directory says of one emergency account or group.
type Account struct {
	ID, Name string
	// Enabled is false for a user that cannot sign in; Synced tells that an
	// on-premises directory owns the object; Dynamic that a rule decides who
	// is in the group.
	Enabled, Synced, Dynamic bool
}

// User reads one user. The error is drift.ErrNotFound (errors.Is) when there
// is none, and ErrUnavailable when the permission lacks.
func (c *Client) User(ctx context.Context, id string) (Account, error) {
	return c.account(ctx, "get user", "User.Read.All", "/users", id,
		"id,displayName,userPrincipalName,accountEnabled,userType,onPremisesSyncEnabled")
}

// Group reads one group; its errors are those of [Client.User].
func (c *Client) Group(ctx context.Context, id string) (Account, error) {
	return c.account(ctx, "get group", "GroupMember.Read.All", "/groups", id,
		"id,displayName,groupTypes,membershipRule,onPremisesSyncEnabled")
}

func (c *Client) account(ctx context.Context, op, permission, path, id, selected string) (Account, error) {
	k := c.begin(op, permission)
	escaped, err := segment(id)
	if err != nil {
		return Account{}, &Error{Op: k.op, Message: err.Error(), Reason: drift.ReasonIncomplete}
	}
	target := c.address("v1.0", path).JoinPath(escaped)
	target.RawQuery = url.Values{"$select": {selected}}.Encode()
	got, fault := c.do(ctx, k, http.MethodGet, target, nil)
	if fault != nil {
		switch {
		case fault.Status == http.StatusNotFound && !fault.foreign:
			fault.Err = drift.ErrNotFound
		case fault.Status == http.StatusForbidden:
			fault.Err = ErrUnavailable
		}
		return Account{}, fault
	}
	var body struct {
		ID             string   `json:"id"`
		DisplayName    string   `json:"displayName"`
		PrincipalName  string   `json:"userPrincipalName"`
		AccountEnabled *bool    `json:"accountEnabled"`
		Synced         *bool    `json:"onPremisesSyncEnabled"`
		GroupTypes     []string `json:"groupTypes"`
		MembershipRule string   `json:"membershipRule"`
	}
	err = json.Unmarshal(got.body, &body)
	if err == nil && !strings.EqualFold(body.ID, id) {
		err = errors.New("the answer is another object")
	}
	if err != nil {
		return Account{}, c.incomplete(ctx, k, err, nil)
	}
	return Account{
		ID: strings.ToLower(body.ID), Name: cmp.Or(body.PrincipalName, body.DisplayName),
		// An application without the right to see the property gets null.
		Enabled: body.AccountEnabled == nil || *body.AccountEnabled,
		Synced:  body.Synced != nil && *body.Synced,
		Dynamic: body.MembershipRule != "" || slices.Contains(body.GroupTypes, "DynamicMembership"),
	}, nil
}
