package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/cadrift/cadrift/internal/drift"
)

// Guards is the side of the daemon that keeps emergency accounts excluded.
type Guards interface {
	// GuardPlan is the plan as of the newest pass and the guard's own writes
	// since. Errors: drift.ErrNotFound for an unknown tenant.
	GuardPlan(ctx context.Context, tenant string) (GuardPlan, error)
	// GuardApply writes what the plan asks for, at most so much. Errors:
	// drift.ErrNotFound, ErrRefused when nothing may be written now.
	GuardApply(ctx context.Context, tenant string, o GuardApply) (GuardApplied, error)
	// GuardUndo reverses one write. Errors: drift.ErrNotFound for an unknown
	// tenant or event, ErrRefused when it cannot be reversed.
	GuardUndo(ctx context.Context, tenant string, o GuardUndo) (GuardReversal, error)
}

// GuardPlan is the answer to /api/v1/guard/{tenant}.
type GuardPlan struct {
	Tenant  string `json:"tenant"`
	Mode    string `json:"mode"`
	Missing int    `json:"missing"`
	// Stopped tells that something keeps the guard from writing, Stops what.
	Stopped  bool           `json:"stopped"`
	Stops    []string       `json:"stops"`
	Policies []GuardRow     `json:"policies"`
	Accounts []GuardAccount `json:"accounts"`
}

// GuardRow is the verdict on one policy: covered, missing, refused, exempt or
// not_applicable.
type GuardRow struct {
	Object  drift.Ref `json:"object"`
	State   string    `json:"state"`
	Verdict string    `json:"verdict"`
	Reason  string    `json:"reason"`
	Add     GuardIDs  `json:"add"`
}

// GuardIDs are ids by the list that they belong to.
type GuardIDs struct {
	Users  []string `json:"users"`
	Groups []string `json:"groups"`
}

// GuardAccount is one emergency account as the directory shows it. Unseen
// tells that it does not.
type GuardAccount struct {
	ID     string `json:"id"`
	Kind   string `json:"kind"`
	Name   string `json:"name,omitempty"`
	Usable bool   `json:"usable"`
	Unseen bool   `json:"unseen,omitempty"`
	Note   string `json:"note,omitempty"`
}

// GuardApply is the order to write on a budget of its own.
type GuardApply struct {
	Max    int    `json:"max"`
	Reason string `json:"reason"`
	By     string `json:"-"`
}

// GuardApplied tells which policies were written, and how many still lack an
// exclusion. Lifted are the stops and undone writes that ended with the order,
// NotWritten the policies that it came to nothing for.
type GuardApplied struct {
	Policies   []drift.Ref   `json:"policies"`
	Missing    int           `json:"missing"`
	Lifted     []GuardRemark `json:"lifted"`
	NotWritten []GuardRemark `json:"not_written"`
}

// GuardRemark is one policy and why.
type GuardRemark struct {
	Object drift.Ref `json:"object"`
	Reason string    `json:"reason"`
}

// GuardUndo is the order to reverse a write; DryRun only plans it.
type GuardUndo struct {
	Event  string `json:"event"`
	Reason string `json:"reason"`
	DryRun bool   `json:"dry_run,omitempty"`
	By     string `json:"-"`
}

// GuardReversal is what an undo takes away; Gone is what is not there any more.
type GuardReversal struct {
	Event  string    `json:"event"`
	Policy drift.Ref `json:"policy"`
	Remove GuardIDs  `json:"remove"`
	Gone   GuardIDs  `json:"gone"`
	Done   bool      `json:"done"`
}

func (i *GuardIDs) complete() { i.Users, i.Groups = list(i.Users), list(i.Groups) }

func (a *API) guardPlan(r *http.Request) (any, error) {
	tenant := r.PathValue("tenant")
	if tenant == "" {
		tenant = r.URL.Query().Get("tenant") // /api/v1/guard: the only tenant need not be named
	}
	t, err := a.tenant(tenant)
	if err != nil {
		return nil, err
	}
	plan, err := a.guards.GuardPlan(r.Context(), t.Name)
	if err != nil {
		return nil, err
	}
	plan.Stops, plan.Policies, plan.Accounts = list(plan.Stops), list(plan.Policies), list(plan.Accounts)
	for i := range plan.Policies {
		plan.Policies[i].Add.complete()
	}
	return plan, nil
}

func (a *API) guardApply(r *http.Request) (any, error) {
	order, err := readOrder[GuardApply](r)
	if err != nil {
		return nil, err
	}
	t, err := a.tenant(r.URL.Query().Get("tenant"))
	if err != nil {
		return nil, err
	}
	if order.Max < 1 {
		return nil, badRequest("--max N says how many policies may be written", "guard apply: the budget must be at least 1")
	}
	if order.By, err = ordered(r, order.Reason); err != nil {
		return nil, err
	}
	done, err := a.guards.GuardApply(r.Context(), t.Name, order)
	done.Policies, done.Lifted, done.NotWritten = list(done.Policies), list(done.Lifted), list(done.NotWritten)
	return done, err
}

func (a *API) guardUndo(r *http.Request) (any, error) {
	order, err := readOrder[GuardUndo](r)
	if err != nil {
		return nil, err
	}
	t, err := a.tenant(r.URL.Query().Get("tenant"))
	if err != nil {
		return nil, err
	}
	if order.By, err = ordered(r, order.Reason); err != nil {
		return nil, err
	}
	done, err := a.guards.GuardUndo(r.Context(), t.Name, order)
	done.Remove.complete()
	done.Gone.complete()
	return done, err
}

// ordered names who gave an order, and insists on a reason.
func ordered(r *http.Request, reason string) (by string, err error) {
	if strings.TrimSpace(reason) == "" {
		return "", badRequest("say why: the reason is recorded in the hash chain", "the reason is missing")
	}
	peer, _ := peerOf(r.Context())
	return peer.String(), nil
}
