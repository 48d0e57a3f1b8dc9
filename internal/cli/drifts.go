package cli

import (
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cadrift/cadrift/internal/api"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/words"
)

func (e *env) driftsCommand() *cobra.Command {
	var exit bool
	c := &cobra.Command{
		Use:   "drifts",
		Short: "List open drift from the baseline, most severe first",
		Args:  args(),
		RunE: func(c *cobra.Command, _ []string) error {
			var answer api.Drifts
			if err := e.ask(c, route("drifts"), e.tenantQuery(), &answer, func(p *printer) { p.drifts(answer) }); err != nil {
				return err
			}
			if exit && len(answer.Drifts) > 0 {
				return exitCode(2)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&exit, "exit-code", false, "exit 2 when there is open drift")
	return c
}

func (p *printer) drifts(answer api.Drifts) {
	if !answer.Baseline {
		p.line("no baseline: pin one with cadrift baseline pin --reason TEXT")
		return
	}
	p.findings(answer.Drifts, true)
	if len(answer.Drifts) == 0 {
		p.line("%s", p.paint(good, "no drift from the baseline"))
	}
	if len(answer.Unpinned) > 0 {
		p.line("%s %s", p.paint(quiet, "no baseline:"), strings.Join(answer.Unpinned, ", "))
	}
}

// findings prints open drifts: a row each, its changes below.
func (p *printer) findings(drifts []drift.Finding, tenant bool) {
	for _, d := range drifts {
		marks := p.verdict(d.Severity, d.Direction, d.Lockout)
		p.line("%s  %s", marks, words.Clean(d.Summary, lineRunes))
		about := "open for " + words.Duration(p.now.Sub(d.Since))
		if tenant {
			about = d.Tenant + ", " + about
		}
		if d.Actor != nil {
			about += ", by " + d.Actor.Words()
		}
		if d.Ack != nil {
			about += ", acknowledged by " + drift.Visible(d.Ack.By) + ": " + drift.Visible(d.Ack.Reason) + ", " + p.until(d.Ack.Until)
		}
		if d.Announced(p.now) {
			about += ", announced by " + drift.Visible(d.Expected.By) + ": " + drift.Visible(d.Expected.Reason) + ", " + p.until(d.Expected.Until)
		}
		p.line("    %s", p.paint(quiet, about+", "+string(d.Object.Kind)+" "+drift.Visible(d.Object.ID)))
		p.fields(d.Changes)
	}
}

// until says how long something holds; without an end, as long as the form of
// the object stays.
func (p *printer) until(end time.Time) string {
	switch {
	case end.IsZero():
		return "until it changes"
	case end.After(p.now):
		return "until " + p.when(end)
	}
	return "over since " + p.when(end)
}

// lineRunes is the longest line of text that is printed.
const lineRunes = 1000

// verdict is severity, direction and lockout in fixed columns.
func (p *printer) verdict(s drift.Severity, d drift.Direction, lockout bool) string {
	text := p.pad(severityStyle(s), s.String(), 8) + "  " + p.pad(directionStyle(d), d.String(), 8)
	if lockout {
		text += "  " + p.paint(loud, "LOCKOUT RISK")
	}
	return text
}

func (p *printer) pad(s style, text string, width int) string {
	return p.paint(s, text) + strings.Repeat(" ", max(0, width-len(text)))
}

// fields prints changed fields below their object.
func (p *printer) fields(changes []drift.Change) {
	for _, c := range changes {
		if c.Part {
			continue
		}
		p.line("    %s", p.paint(directionStyle(c.Direction), words.Clean(c.Text, lineRunes)))
	}
}

// changes prints changed objects: a row each, its fields below.
func (p *printer) changes(objects []api.ObjectChange) {
	for _, o := range objects {
		p.line("%s  %s", p.verdict(o.Severity, o.Direction, o.Lockout), words.Clean(o.Summary, lineRunes))
		p.line("    %s", p.paint(quiet, string(o.Action)+", "+string(o.Object.Kind)+" "+drift.Visible(o.Object.ID)))
		p.fields(o.Changes)
	}
}
