package cli

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cadrift/cadrift/internal/api"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/words"
)

func (e *env) historyCommand() *cobra.Command {
	var object, since, severity string
	var limit int
	c := &cobra.Command{
		Use:   "history",
		Short: "List events, newest first",
		Args:  args(),
		RunE: func(c *cobra.Command, _ []string) error {
			var answer api.Events
			return e.exchange(c, connection{}, func(cl *client) ([]byte, error) {
				q := e.tenantQuery()
				if object != "" {
					found, err := e.find(c.Context(), cl, object)
					if err != nil {
						return nil, err
					}
					q.Set("tenant", found.Tenant)
					q.Set("object", found.Object.ID)
				}
				set(q, "since", since)
				set(q, "severity", severity)
				q.Set("limit", strconv.Itoa(limit))
				return cl.get(c.Context(), route("events"), q, &answer)
			}, func(p *printer) {
				p.events(answer.Events)
				if len(answer.Events) == limit {
					p.line("%s", p.paint(quiet, "there may be more: --limit, --since or --object"))
				}
			})
		},
	}
	c.Flags().StringVar(&object, "object", "", "only this object: id, start of an id, or exact `name`")
	c.Flags().StringVar(&since, "since", "", "only events since then: 24h, 7d or an RFC 3339 `time`")
	c.Flags().StringVar(&severity, "severity", "", "only events of this `severity` or above")
	c.Flags().IntVar(&limit, "limit", 200, "at most so many")
	return c
}

func set(q url.Values, key, value string) {
	if value != "" {
		q.Set(key, value)
	}
}

func (p *printer) events(events []drift.Event) {
	if len(events) == 0 {
		p.line("no events")
		return
	}
	rows := [][]cell{header("TIME", "SEVERITY", "DIRECTION", "TYPE", "TENANT", "ID", "WHAT")}
	for i := range events {
		ev := &events[i]
		direction := cell{"-", quiet}
		if ev.Direction != nil {
			direction = cell{ev.Direction.String(), directionStyle(*ev.Direction)}
		}
		rows = append(rows, []cell{
			{p.when(ev.Time), plain},
			{ev.Severity.String(), severityStyle(ev.Severity)},
			direction,
			{words.TypeWord(ev), plain},
			{ev.Tenant, plain},
			{ev.ID, quiet},
			{what(ev), plain},
		})
	}
	p.table(rows)
}

// what is the event's own line with what it did to the drift, and as what it
// was delivered where that is less than its severity.
func what(ev *drift.Event) string {
	text := words.Clean(ev.Summary, lineRunes)
	if ev.Locks() {
		text = "LOCKOUT RISK " + text
	}
	var notes []string
	if ev.Drift != "" && ev.Drift != drift.DriftNone {
		notes = append(notes, "drift "+string(ev.Drift))
	}
	if ev.Expected != nil {
		notes = append(notes, "announced")
	}
	if told := ev.Loudest(); told < ev.Severity {
		notes = append(notes, "delivered as "+told.String())
	}
	if len(notes) > 0 {
		text += " [" + strings.Join(notes, ", ") + "]"
	}
	return text
}
