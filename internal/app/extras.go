package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/cadrift/cadrift/internal/config"
	"github.com/cadrift/cadrift/internal/graph"
)

// Extra is what asking for something beside the watch came to: names, or who
// made a change. The watch is held without it, so it is no failure.
type Extra struct {
	Tenant string `json:"tenant"`
	What   string `json:"what"`
	OK     bool   `json:"ok"`
	// Without says what stops working.
	Without string `json:"without,omitempty"`
	Error   string `json:"error,omitempty"`
	Hint    string `json:"hint,omitempty"`
}

// extras asks for what the configuration wants beside the watched kinds.
func (t *Tenant) extras(ctx context.Context) []Extra {
	var all []Extra
	ask := func(what, without string, do func(context.Context) error) {
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		e := Extra{Tenant: t.Name, What: what, OK: true}
		if err := do(ctx); err != nil {
			e.OK, e.Without, e.Error = false, without, err.Error()
			var ge *graph.Error
			if errors.As(err, &ge) {
				e.Hint = ge.Hint
			}
		}
		all = append(all, e)
	}
	if t.Attribution != config.AttributionOff {
		ask("audit records", "events say that their actor is unknown (or set attribution: off)", func(ctx context.Context) error {
			_, err := t.Client.Audits(ctx, graph.AccessLog, time.Now().Add(-time.Minute))
			return err
		})
	}
	if t.ResolveNames {
		ask("directory names", "events show ids in the place of names (or set resolve_names: false)", func(ctx context.Context) error {
			_, err := t.Client.Objects(ctx, []string{t.TenantID}) // no such object: an empty answer is an answer
			return err
		})
	}
	return all
}

func (e *Extra) print(out io.Writer) {
	if e.OK {
		fmt.Fprintf(out, "ok      %s  %s\n", e.Tenant, e.What)
		return
	}
	fmt.Fprintf(out, "MISSING %s  %-24s %s\nwithout it: %s\n", e.Tenant, e.What, e.Error, e.Without)
	if e.Hint != "" {
		fmt.Fprintf(out, "hint: %s\n", e.Hint)
	}
}
