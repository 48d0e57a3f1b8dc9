package cli

import (
	"bufio"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cadrift/cadrift/internal/api"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/words"
)

func (e *env) guardCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "guard",
		Short: "Keep emergency accounts excluded from policies",
		Args:  cobra.ArbitraryArgs,
		RunE:  group,
	}
	c.AddCommand(e.guardPlanCommand(), e.guardApplyCommand(), e.guardUndoCommand())
	return c
}

func (e *env) guardPlanCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "plan",
		Short: "Show what the guard would write, what it leaves alone, and why",
		Args:  args(),
		RunE: func(c *cobra.Command, _ []string) error {
			var plan api.GuardPlan
			return e.ask(c, route("guard"), e.tenantQuery(), &plan, func(p *printer) {
				p.guardPlan(plan)
			})
		},
	}
}

// verdictStyle is how a verdict looks.
func verdictStyle(verdict string) style {
	switch verdict {
	case "covered":
		return good
	case "missing":
		return bad
	case "refused":
		return warn
	}
	return quiet
}

// guardPlan prints what is to be written first.
func (p *printer) guardPlan(plan api.GuardPlan) {
	if plan.Mode == "off" {
		p.line("the guard is off: emergency_access in the configuration turns it on")
		return
	}
	p.line("mode %s, %s without the emergency exclusion", plan.Mode, words.Count(plan.Missing, "policy", "policies"))
	for _, why := range plan.Stops {
		p.line("%s %s", p.paint(warn, "stopped:"), words.Clean(why, lineRunes))
	}
	for _, a := range plan.Accounts {
		state := p.paint(good, "usable")
		switch {
		case a.Unseen:
			state = p.paint(warn, "unseen")
		case !a.Usable:
			state = p.paint(bad, "not usable")
		}
		p.line("%s %s %s  %s", a.Kind, words.Clean(strings.TrimSpace(a.Name+" "+a.ID), lineRunes), state, words.Clean(a.Note, lineRunes))
	}
	if len(plan.Policies) == 0 {
		p.line("no policies were read yet")
		return
	}
	order := []string{"missing", "refused", "exempt", "not_applicable", "covered"}
	slices.SortStableFunc(plan.Policies, func(a, b api.GuardRow) int {
		return slices.Index(order, a.Verdict) - slices.Index(order, b.Verdict)
	})
	rows := [][]cell{header("VERDICT", "POLICY", "STATE", "WOULD ADD", "REASON")}
	for _, r := range plan.Policies {
		rows = append(rows, []cell{
			{strings.ReplaceAll(r.Verdict, "_", " "), verdictStyle(r.Verdict)},
			{visibleName(r.Object), plain},
			{drift.Visible(r.State), plain},
			{adds(r.Add), plain},
			{words.Clean(r.Reason, lineRunes), plain},
		})
	}
	p.table(rows)
}

// adds counts what a write would add.
func adds(ids api.GuardIDs) string {
	var parts []string
	if n := len(ids.Users); n > 0 {
		parts = append(parts, words.Count(n, "user", "users"))
	}
	if n := len(ids.Groups); n > 0 {
		parts = append(parts, words.Count(n, "group", "groups"))
	}
	if len(parts) == 0 {
		return "-"
	}
	return strings.Join(parts, ", ")
}

func (e *env) guardApplyCommand() *cobra.Command {
	var order api.GuardApply
	c := &cobra.Command{
		Use:   "apply --max N --reason TEXT",
		Short: "Write the plan now, at most N policies",
		Long: "Write the plan now, in mode plan or enforce, with the same checks as ever. N stands in for\n" +
			"the hourly budget; the budget per policy and day stays. Stops and undone writes end, except\n" +
			"where that budget is spent. What is missing and was not written is named with the reason;\n" +
			"the exit code is 1 when nothing was written for such a reason.",
		Args: args(),
		RunE: func(c *cobra.Command, _ []string) error {
			if order.Max < 1 {
				return usage(c, "%s: --max is missing or below 1", c.CommandPath())
			}
			var done api.GuardApplied
			err := e.send(c, connection{outside: true}, route("guard", "apply"), order, &done, func(p *printer) {
				for _, r := range done.Lifted {
					p.line("%s %s: %s", p.paint(quiet, "lifted:"), visibleName(r.Object), words.Clean(r.Reason, lineRunes))
				}
				for _, r := range done.Policies {
					p.line("%s %s", p.paint(good, "written:"), visibleName(r))
				}
				for _, r := range done.NotWritten {
					p.line("%s %s: %s", p.paint(bad, "not written:"), visibleName(r.Object), words.Clean(r.Reason, lineRunes))
				}
				p.line("%s written, %s missing the last time they were read", words.Count(len(done.Policies), "policy", "policies"), words.Count(done.Missing, "policy was", "policies were"))
			})
			if err == nil && len(done.Policies) == 0 && len(done.NotWritten) > 0 {
				err = &trouble{"nothing was written", "the reasons are above; cadrift guard plan shows where the guard stands"}
			}
			return err
		},
	}
	c.Flags().IntVar(&order.Max, "max", 0, "write at most `N` policies")
	reasonFlag(c, &order.Reason)
	return c
}

func (e *env) guardUndoCommand() *cobra.Command {
	var order api.GuardUndo
	var yes bool
	c := &cobra.Command{
		Use:   "undo EVENT --reason TEXT",
		Short: "Take back one write of the guard",
		Long: "Take back one write of the guard: exactly the ids that it added. The policy is then exempt\n" +
			"until guard apply, or until the list of accounts changes.",
		Args: args("EVENT"),
		RunE: func(c *cobra.Command, given []string) error {
			order.Event = given[0]
			var done api.GuardReversal
			return e.exchange(c, connection{outside: true}, func(cl *client) ([]byte, error) {
				return e.undo(c.Context(), cl, order, yes, &done)
			}, func(p *printer) {
				p.line("%s %s; the guard leaves it alone until guard apply", p.paint(good, "undone:"), visibleName(done.Policy))
			})
		},
	}
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	reasonFlag(c, &order.Reason)
	return c
}

// undo shows the plan, asks, and carries it out.
func (e *env) undo(ctx context.Context, cl *client, order api.GuardUndo, yes bool, done *api.GuardReversal) ([]byte, error) {
	var plan api.GuardReversal
	order.DryRun = true
	if _, err := cl.post(ctx, route("guard", "undo"), e.tenantQuery(), order, &plan); err != nil {
		return nil, err
	}
	if !yes {
		fmt.Fprintf(e.stderr, "%s: take away %s from the exclusions. Sign-ins of these accounts come under the policy then.\nGo on? [y/N] ",
			visibleName(plan.Policy), strings.Join(append(plan.Remove.Users, plan.Remove.Groups...), ", "))
		answer, _ := bufio.NewReader(e.stdin).ReadString('\n') // no answer is no
		if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
			return nil, &trouble{"nothing was written", "answer y, or give --yes"}
		}
	}
	order.DryRun = false
	return cl.post(ctx, route("guard", "undo"), e.tenantQuery(), order, done)
}
