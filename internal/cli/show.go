package cli

import (
	"context"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/cadrift/cadrift/internal/api"
)

func (e *env) showCommand() *cobra.Command {
	var at string
	form := choice{value: "raw", words: []string{"raw", "canonical"}}
	c := &cobra.Command{
		Use:   "show OBJECT",
		Short: "Print one object as Graph returned it, or in canonical form",
		Long:  "Print one object. OBJECT is an id, an unambiguous start of an id, or an exact display name.",
		Args:  args("OBJECT"),
		RunE: func(c *cobra.Command, given []string) error {
			cl, err := e.connect(c.Context(), connection{})
			if err != nil {
				return err
			}
			defer cl.close()
			found, err := e.find(c.Context(), cl, given[0])
			if err != nil {
				return err
			}
			q := url.Values{"form": {form.value}}
			set(q, "at", at)
			var answer api.Object
			text, err := cl.get(c.Context(), route("objects", found.Tenant, string(found.Object.Kind), found.Object.ID), q, &answer)
			if err != nil {
				return err
			}
			if !e.json() {
				text = answer.Body
			}
			return e.printer().json(text)
		},
	}
	c.Flags().StringVar(&at, "at", "", "as it was at a `revision` or time (RFC 3339, or how long ago)")
	c.Flags().Var(&form, "form", "raw or canonical")
	return c
}

// find asks which object a person means.
func (e *env) find(ctx context.Context, cl *client, text string) (api.Found, error) {
	q := e.tenantQuery()
	q.Set("object", text)
	var found api.Found
	_, err := cl.get(ctx, route("find"), q, &found)
	return found, err
}
