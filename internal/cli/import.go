package cli

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/cadrift/cadrift/internal/api"
)

func (e *env) importCommand() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use:   "import DIR|- --reason TEXT",
		Short: "Make exported files the baseline",
		Long: "Make the objects under DIR/KIND/*.json the baseline. The id inside a file decides which\n" +
			"object it is; the name of the file is for people. A KIND directory without files means\n" +
			"that no object of that kind is approved. - reads what export - wrote.",
		Args: args("DIR"),
		RunE: func(c *cobra.Command, given []string) error {
			order, err := e.importOrder(given[0])
			if err != nil {
				return err
			}
			order.Reason = reason
			return e.move(c, connection{create: true}, api.Import, order)
		},
	}
	reasonFlag(c, &reason)
	return c
}

func (e *env) importOrder(dir string) (api.ImportOrder, error) {
	if dir != "-" {
		return readLayout(dir)
	}
	var order api.ImportOrder
	text, err := io.ReadAll(io.LimitReader(e.stdin, maxDocument+1))
	if err != nil {
		return order, fmt.Errorf("read stdin: %w", err)
	}
	if len(text) > maxDocument {
		return order, fmt.Errorf("read stdin: more than %d MiB", maxDocument>>20)
	}
	if err := json.Unmarshal(text, &order); err != nil {
		return order, fmt.Errorf("read stdin: %w", err)
	}
	return order, nil
}
