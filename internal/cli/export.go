package cli

import (
	"context"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/cadrift/cadrift/internal/api"
	"github.com/cadrift/cadrift/internal/words"
)

func (e *env) exportCommand() *cobra.Command {
	var at string
	c := &cobra.Command{
		Use:   "export DIR|-",
		Short: "Write every object of a snapshot, one JSON file each",
		Long: "Write every object of a snapshot as DIR/KIND/NAME--ID.json in Graph's own shape.\n" +
			exportLong,
		Args: args("DIR"),
		RunE: func(c *cobra.Command, given []string) error {
			q := e.tenantQuery()
			set(q, "at", at)
			return e.export(c.Context(), route("snapshot"), q, given[0])
		},
	}
	c.Flags().StringVar(&at, "at", "", "the snapshot of a `revision` or time (default the newest)")
	return c
}

func (e *env) baselineExportCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "export DIR|-",
		Short: "Write the baseline, one JSON file per object",
		Long:  "Write the baseline as DIR/KIND/NAME--ID.json in Graph's own shape.\n" + exportLong,
		Args:  args("DIR"),
		RunE: func(c *cobra.Command, given []string) error {
			return e.export(c.Context(), route("baseline"), e.tenantQuery(), given[0])
		},
	}
}

const exportLong = "Files of an earlier export whose object is gone or was renamed are removed; other files in\n" +
	"DIR are left alone. With - one JSON document goes to stdout."

// export fetches a snapshot and writes it to a directory, or to stdout.
func (e *env) export(ctx context.Context, path string, q url.Values, dir string) error {
	cl, err := e.connect(ctx, connection{})
	if err != nil {
		return err
	}
	defer cl.close()
	var snapshot api.Snapshot
	text, err := cl.get(ctx, path, q, &snapshot)
	if err != nil {
		return err
	}
	p := e.printer()
	if dir == "-" {
		return p.json(text)
	}
	result, err := writeLayout(dir, snapshot)
	if err != nil {
		return err
	}
	if e.json() {
		return p.document(result)
	}
	p.line("%s of %s at revision %d written to %s", words.Count(result.Written, "object", "objects"),
		snapshot.Tenant, snapshot.Revision, dir)
	if result.Removed > 0 {
		p.line("%s of an earlier export removed", words.Count(result.Removed, "file", "files"))
	}
	return nil
}
