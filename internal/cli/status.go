package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cadrift/cadrift/internal/api"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/words"
)

func (e *env) statusCommand() *cobra.Command {
	var ready bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Say how the watch goes: passes, baseline, drift, queues, blind spots",
		Args:  args(),
		RunE: func(c *cobra.Command, _ []string) error {
			var status api.Status
			err := e.exchange(c, connection{daemonOnly: ready}, func(cl *client) ([]byte, error) {
				return cl.get(c.Context(), route("status"), e.tenantQuery(), &status)
			}, func(p *printer) { p.status(status) })
			if err != nil {
				return err
			}
			if ready && !status.Ready {
				return &trouble{"not ready: " + strings.Join(status.NotReady, "; "), ""}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&ready, "ready", false, "exit 1 while the daemon is not ready, or not running")
	return c
}

func (p *printer) status(s api.Status) {
	if p.daemon {
		p.line("cadrift %s, running since %s", s.Version, p.when(s.Started))
	} else {
		p.line("cadrift %s, %s", s.Version, p.paint(warn, "no daemon is running: this is what the store says"))
	}
	for _, t := range s.Tenants {
		p.line("")
		p.line("%s  %s", p.paint(bold, t.Name), p.paint(quiet, t.TenantID))
		p.tenant(t)
	}
	if len(s.Receivers) > 0 {
		p.line("")
		rows := [][]cell{header("RECEIVER", "QUEUED", "PARKED", "LAST DELIVERY")}
		for _, r := range s.Receivers {
			last := "never"
			if r.LastSuccess != nil {
				last = p.when(*r.LastSuccess)
			}
			parked := plain
			if r.Parked > 0 {
				parked = bad
			}
			name, queued := cell{r.Name, plain}, fmt.Sprint(r.Queued)
			if r.Unconfigured {
				name = cell{r.Name + " (not configured)", bad}
			}
			if r.Folded > 0 {
				queued += fmt.Sprintf(" and %d folded", r.Folded)
			}
			rows = append(rows, []cell{name, {queued, plain}, {fmt.Sprint(r.Parked), parked}, {last, plain}})
		}
		p.table(rows)
	}
	p.configuration(s.Config, p.daemon)
}

func (p *printer) tenant(t api.TenantStatus) {
	row := func(label, text string) []cell { return []cell{{"  " + label, quiet}, {text, plain}} }
	pass := "none yet"
	if t.LastGood != nil {
		pass = p.when(*t.LastGood)
	}
	if t.LastResult != "" && t.LastResult != "ok" {
		pass += ", the last one " + t.LastResult
	}
	rows := [][]cell{
		row("last good pass", pass),
		row("watching", cmp.Or(words.Objects(t.Objects), "nothing yet")),
		row("baseline", p.baseline(t.Baseline)),
		row("open drift", driftCounts(t.DriftOpen)),
		row("chain", fmt.Sprintf("%d:%s", t.Chain.Seq, t.Chain.Hash)),
		row("guard", guard(t.Guard)),
	}
	p.table(rows)
	if t.Baseline != nil && len(t.Baseline.NotCompared) > 0 {
		var kinds []string
		for _, k := range t.Baseline.NotCompared {
			kinds = append(kinds, k.Words())
		}
		p.line("  %s the baseline holds no %s: pin, import or accept to compare them", p.paint(warn, "not compared:"), strings.Join(kinds, ", no "))
	}
	told := slices.ContainsFunc(t.Blind, func(b drift.Blind) bool { return b.Reason == drift.ReasonBaseline })
	if t.BaselineProblem != "" && !told { // no pass has noted it yet
		p.line("  %s %s", p.paint(bad, "baseline files not read, the last good baseline stays:"), words.Clean(t.BaselineProblem, lineRunes))
	}
	for _, x := range t.Expectations {
		p.line("  %s until %s: %s, %s (%s)", p.paint(warn, "announced"), p.when(x.Until),
			words.Clean(x.Pattern, lineRunes), words.Clean(x.Reason, lineRunes), drift.Visible(x.By))
	}
	for _, b := range t.Blind {
		p.line("  %s %s, since %s: %s", p.paint(bad, "blind"), b.Reason, p.when(b.Since), words.Clean(b.Text, lineRunes))
	}
}

func (p *printer) baseline(b *api.BaselineStatus) string {
	if b == nil {
		return "none: cadrift baseline pin --reason TEXT"
	}
	return fmt.Sprintf("%s, %s, by %s, digest %.12s", words.Origin(b.Revision), p.when(b.Pinned), drift.Visible(b.By), b.Digest.String())
}

func driftCounts(open map[drift.Severity]int) string {
	var parts []string
	for _, s := range drift.Severities() {
		if n := open[s]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, s))
		}
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

func guard(g api.GuardStatus) string {
	if g.Mode == "" || g.Mode == "off" {
		return "off"
	}
	text := fmt.Sprintf("%s, %s missing", g.Mode, words.Count(g.Missing, "exclusion", "exclusions"))
	if g.Stopped {
		text += ", stopped"
	}
	return text
}

func (p *printer) configuration(c api.ConfigStatus, daemon bool) {
	if !daemon {
		return
	}
	p.line("")
	if c.OK {
		p.line("configuration loaded %s", p.when(c.Loaded))
	} else {
		p.line("%s; the one loaded %s is in use:", p.paint(bad, "configuration refused"), p.when(c.Loaded))
		p.line("%s", c.Error)
	}
	if len(c.PendingRestart) > 0 {
		p.line("%s %s", p.paint(warn, "waiting for a restart:"), strings.Join(c.PendingRestart, ", "))
	}
}
