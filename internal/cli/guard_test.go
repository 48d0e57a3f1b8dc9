package cli

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/cadrift/cadrift/internal/api"
	"github.com/cadrift/cadrift/internal/drift"
)

// guards is a guard that remembers its orders.
type guards struct {
	applied []api.GuardApply
	undone  []api.GuardUndo
	fought  bool // nothing can be written
	err     error
}

func (g *guards) GuardPlan(context.Context, string) (api.GuardPlan, error) {
	ref := func(name string) drift.Ref { return drift.Ref{Kind: drift.Policy, ID: policyID, Name: name} }
	return api.GuardPlan{
		Tenant: "contoso", Mode: "plan", Missing: 1, Stopped: true, Stops: []string{"GUARD_STOP is there"},
		Policies: []api.GuardRow{
			{Object: ref("CA001"), State: "enabled", Verdict: "covered", Reason: "2 of 2"},
			{Object: ref(hostileName), State: "enabled", Verdict: "missing", Reason: "2 of 2 emergency ids are not excluded", Add: api.GuardIDs{Users: []string{"a", "b"}}},
			{Object: ref("CA003"), State: "enabled", Verdict: "not_applicable", Reason: "guests and external users only"},
		},
		Accounts: []api.GuardAccount{{ID: "a", Kind: "user", Unseen: true, Note: "not checked"}},
	}, g.err
}

func (g *guards) GuardApply(_ context.Context, _ string, o api.GuardApply) (api.GuardApplied, error) {
	g.applied = append(g.applied, o)
	remark := func(name, reason string) []api.GuardRemark {
		return []api.GuardRemark{{Object: drift.Ref{Name: name}, Reason: reason}}
	}
	if g.fought {
		return api.GuardApplied{Missing: 1, NotWritten: remark(hostileName, "stopped: a fight; its budget of 3 writes a day is spent until 2026-11-23 02:05 UTC")}, g.err
	}
	return api.GuardApplied{Policies: []drift.Ref{{Name: "CA002"}}, Missing: 3, Lifted: remark("CA002", "a fight"), NotWritten: remark("CA003", "on hold")}, g.err
}

func (g *guards) GuardUndo(_ context.Context, _ string, o api.GuardUndo) (api.GuardReversal, error) {
	g.undone = append(g.undone, o)
	return api.GuardReversal{Event: o.Event, Policy: drift.Ref{Name: "CA002"}, Remove: api.GuardIDs{Users: []string{"a"}}, Done: !o.DryRun}, g.err
}

func TestGuardPlan(t *testing.T) {
	r := newRig(t)
	r.guards = &guards{}
	out := r.want(0, "guard", "plan")
	contains(t, out, "mode plan, 1 policy without", "stopped: GUARD_STOP", "not applicable", "2 users", "unseen")
	if strings.Contains(out, "\x1b") || strings.Index(out, "missing") > strings.Index(out, "covered") {
		t.Errorf("a name steers the terminal, or what is missing does not come first:\n%s", out)
	}
	contains(t, r.want(0, "--output", "json", "guard", "plan"), `"verdict": "missing"`, `"groups": []`, `"stopped": true`)
}

func TestGuardApplyNeedsBudgetAndReason(t *testing.T) {
	t.Setenv("NONE", "secret")
	r, g := newRig(t), &guards{}
	r.guards = g
	for _, args := range [][]string{
		{"guard", "apply", "--reason", "x"},
		{"guard", "apply", "--max", "0", "--reason", "x"},
		{"guard", "apply", "--max", "2"},
		{"guard", "apply", "--max", "2", "--reason", " "},
	} {
		if code, _, stderr := r.run(args...); code != 1 || !strings.Contains(stderr, "hint: ") || len(g.applied) != 0 {
			t.Errorf("%v: exit %d, %s", args, code, stderr)
		}
	}
	contains(t, r.want(0, "guard", "apply", "--max", "2", "--reason", "roll-out"), "lifted: CA002: a fight", "written: CA002", "not written: CA003: on hold", "3 policies were missing")
	if o := g.applied[0]; o.Max != 2 || o.Reason != "roll-out" || !strings.HasPrefix(o.By, "uid ") {
		t.Errorf("got %+v", o)
	}
	g.err = api.Refuse("not now: GUARD_STOP is there", "cadrift guard plan")
	if code, _, stderr := r.run("guard", "apply", "--max", "2", "--reason", "x"); code != 1 || !strings.Contains(stderr, "GUARD_STOP") {
		t.Errorf("exit %d, %s", code, stderr)
	}
}

// An order that came to nothing says why, and is no success.
func TestGuardApplyThatWritesNothing(t *testing.T) {
	t.Setenv("NONE", "secret")
	r := newRig(t)
	r.guards = &guards{fought: true}
	for format, want := range map[string]string{"text": "not written: ", "json": `"lifted": []`} {
		code, stdout, stderr := r.run("--output", format, "guard", "apply", "--max", "1", "--reason", "lockout")
		if code != 1 || !strings.Contains(stdout, want) || !strings.Contains(stdout, "spent until 2026-11-23 02:05 UTC") ||
			!strings.Contains(stderr, "nothing was written") || !strings.Contains(stderr, "hint: ") || strings.Contains(stdout, "\x1b") {
			t.Errorf("%s: exit %d\n%s\n%s", format, code, stdout, stderr)
		}
	}
}

// An undo shows its plan and writes only after a yes.
func TestGuardUndoAsks(t *testing.T) {
	t.Setenv("NONE", "secret")
	for answer, want := range map[string]struct {
		code   int
		orders string
	}{
		"y\n":   {0, "true false"},
		"yes\n": {0, "true false"},
		"\n":    {1, "true"},
		"no\n":  {1, "true"},
		"":      {1, "true"},
	} {
		r, g := newRig(t), &guards{}
		r.guards, r.stdin = g, answer
		code, _, stderr := r.run("guard", "undo", "contoso-000000000042", "--reason", "drill")
		var orders []string
		for _, o := range g.undone {
			orders = append(orders, fmt.Sprint(o.DryRun))
		}
		if code != want.code || strings.Join(orders, " ") != want.orders || !strings.Contains(stderr, "[y/N]") {
			t.Errorf("%q: exit %d, dry runs %v, %s", answer, code, orders, stderr)
		}
	}
	r, g := newRig(t), &guards{}
	r.guards = g
	contains(t, r.want(0, "guard", "undo", "contoso-000000000042", "--reason", "drill", "--yes"), "undone: CA002")
	if len(g.undone) != 2 || g.undone[1].Event != "contoso-000000000042" {
		t.Errorf("got %+v", g.undone)
	}
}
