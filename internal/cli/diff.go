package cli

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/cadrift/cadrift/internal/api"
)

func (e *env) diffCommand() *cobra.Command {
	var from, to string
	form := choice{value: "human", words: []string{"human", "patch"}}
	c := &cobra.Command{
		Use:   "diff",
		Short: "Say what changed between two revisions, or baseline and current",
		Long: "Say what changed between two states. Each is a revision number, a time (RFC 3339, or how\n" +
			"long ago), baseline or current. By default from is the baseline, or the revision before the\n" +
			"newest when there is none, and to is current.",
		Args: args(),
		RunE: func(c *cobra.Command, _ []string) error {
			cl, err := e.connect(c.Context(), connection{})
			if err != nil {
				return err
			}
			defer cl.close()
			q := e.tenantQuery()
			set(q, "from", from)
			set(q, "to", to)
			var answer api.Diff
			text, err := cl.get(c.Context(), route("diff"), q, &answer)
			if err != nil {
				return err
			}
			p := e.printer()
			switch {
			case e.json():
				return p.json(text)
			case form.value == "patch":
				return p.patches(text)
			}
			p.line("%s", p.paint(quiet, "from "+answer.From+" to "+answer.To))
			if len(answer.Objects) == 0 {
				p.line("no difference")
			}
			p.changes(answer.Objects)
			return nil
		},
	}
	c.Flags().StringVar(&from, "from", "", "`state` to start from")
	c.Flags().StringVar(&to, "to", "", "`state` to end at (default current)")
	c.Flags().Var(&form, "format", "human or patch (RFC 6902)")
	return c
}

// patches prints the patches of a diff, without the words, as one document.
func (p *printer) patches(diff []byte) error {
	var short struct {
		From    string `json:"from"`
		To      string `json:"to"`
		Objects []struct {
			Object json.RawMessage `json:"object"`
			Patch  json.RawMessage `json:"patch"`
		} `json:"objects"`
	}
	if err := json.Unmarshal(diff, &short); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(short); err != nil {
		return fmt.Errorf("encode patches: %w", err)
	}
	return p.json(b.Bytes())
}
