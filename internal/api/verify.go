package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/store"
)

// verify answers /api/v1/verify: every record and chain of the store. With
// head it also compares a tenant's chain with a head that was seen outside.
func (a *API) verify(r *http.Request) (any, error) {
	s, err := a.opened()
	if err != nil {
		return nil, err
	}
	q := r.URL.Query()
	var seen drift.Head
	var t TenantName
	if text := q.Get("head"); text != "" {
		if seen, err = ParseHead(text); err != nil {
			return nil, err
		}
		if t, err = a.tenant(q.Get("tenant")); err != nil {
			return nil, err
		}
	}
	return Verify(r.Context(), s, t.ID, seen)
}

// Verify checks a store, and the chain of a tenant against a head that was
// seen outside; the zero head asks for no comparison. Damage is part of the
// answer, not an error.
func Verify(ctx context.Context, s *store.Store, tenantID string, seen drift.Head) (Verified, error) {
	reports, err := s.Verify(ctx, nil)
	answer := Verified{OK: err == nil, Tenants: []TenantVerified{}}
	switch {
	case errors.Is(err, store.ErrCorrupt):
		answer.Error = new(err.Error())
	case err != nil:
		return answer, fmt.Errorf("verify store: %w", err)
	}
	for _, r := range reports {
		answer.Tenants = append(answer.Tenants, TenantVerified{
			Name: r.Name, FromSeq: r.FromSeq, ToSeq: r.ToSeq, Head: r.Head.String(), Error: r.Error,
		})
		answer.OK = answer.OK && r.Error == nil
	}
	if seen.Seq > 0 {
		hash, err := s.HashAt(tenantID, seen.Seq)
		answer.compare(tenantID, reports, seen, hash, err)
	}
	return answer, nil
}

// compare adds what a head that was seen outside says about a tenant's chain.
func (v *Verified) compare(tenantID string, reports []store.VerifyReport, seen drift.Head, hash drift.Digest, err error) {
	problem := ""
	switch {
	case errors.Is(err, drift.ErrNotFound):
		problem = fmt.Sprintf("the head seen outside is %d, which the store does not have: it was rolled back, or pruned since", seen.Seq)
	case err != nil:
		problem = err.Error()
	case hash != seen.Hash:
		problem = fmt.Sprintf("record %d has the hash %s, not the one seen outside: the history was rewritten", seen.Seq, hash)
	default:
		return
	}
	v.OK = false
	for i := range v.Tenants {
		if strings.EqualFold(reports[i].TenantID, tenantID) {
			v.Tenants[i].Error = &problem
			return
		}
	}
	v.Error = &problem
}

// ParseHead reads SEQ:HASH, as status, alerts and logs show a head.
func ParseHead(text string) (drift.Head, error) {
	var head drift.Head
	seq, hash, ok := strings.Cut(text, ":")
	number, err := strconv.ParseUint(seq, 10, 64)
	if err == nil && ok {
		err = head.Hash.UnmarshalText([]byte(hash))
	}
	if !ok || err != nil || number == 0 || head.Hash.IsZero() {
		return head, badRequest("SEQ:HASH, as cadrift status shows it", "read head: %q is not one", text)
	}
	head.Seq = number
	return head, nil
}
