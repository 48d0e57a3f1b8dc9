package cli

import (
	"cmp"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/cadrift/cadrift/internal/api"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/words"
)

func (e *env) checkCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Make one pass now and say what drifted and what changed; record and send nothing",
		Long: "Make one full pass per tenant and compare with the baseline and with the newest snapshot.\n\n" +
			"Exit code 0: nothing found. 2: open unacknowledged drift, or a change. 1: a pass was not good,\n" +
			"or there is neither baseline nor snapshot to compare with.",
		Args: args(),
		RunE: func(c *cobra.Command, _ []string) error {
			var result api.CheckResult
			err := e.send(c, connection{outside: true}, route("check"), struct{}{}, &result, func(p *printer) { p.check(result) })
			if err != nil {
				return err
			}
			if code := checkCode(result); code != 0 {
				return exitCode(code)
			}
			return nil
		},
	}
}

// checkCode is the exit code of a check. A pass that saw too little outranks
// what it found: a script must not take half a look for a result.
func checkCode(result api.CheckResult) int {
	code := 0
	for _, t := range result.Tenants {
		if !t.Good || !t.Baseline && !t.Snapshot {
			return 1
		}
		if len(t.Changed) > 0 || unacknowledged(t.Drifts) > 0 {
			code = 2
		}
	}
	return code
}

func unacknowledged(drifts []drift.Finding) int {
	n := 0
	for _, d := range drifts {
		if d.Ack == nil {
			n++
		}
	}
	return n
}

func (p *printer) check(result api.CheckResult) {
	for i, t := range result.Tenants {
		if i > 0 {
			p.line("")
		}
		mark, s := "pass "+t.Result, good
		if !t.Good {
			mark, s = mark+": "+cmp.Or(words.Clean(t.Error, lineRunes), "policies or named locations are incomplete"), bad
		}
		p.line("%s  %s", p.paint(bold, t.Name), p.paint(s, mark))
		switch {
		case !t.Baseline && !t.Snapshot:
			p.line("nothing to compare with: neither a baseline nor a snapshot")
		case !t.Baseline:
			p.line("no baseline: only changes since the newest snapshot are shown")
		case !t.Snapshot:
			p.line("no snapshot yet: only drift from the baseline is shown")
		}
		if t.Baseline {
			p.line("%s from the baseline", words.Count(len(t.Drifts), "drift", "drifts"))
			p.findings(t.Drifts, false)
		}
		if t.Snapshot {
			p.line("%s since the newest snapshot", words.Count(len(t.Changed), "change", "changes"))
			p.changes(t.Changed)
		}
		for _, ref := range t.Unconfirmed {
			p.line("%s %s %s is not listed and not confirmed as deleted: not counted",
				p.paint(quiet, "unconfirmed:"), ref.Kind.Words(), visibleName(ref))
		}
	}
}

// tenantQuery is the --tenant flag as a query; empty means all tenants.
func (e *env) tenantQuery() url.Values {
	q := url.Values{}
	if e.flags.tenant != "" {
		q.Set("tenant", e.flags.tenant)
	}
	return q
}
