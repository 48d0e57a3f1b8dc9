package cli

import (
	"runtime"

	"github.com/spf13/cobra"
)

func (e *env) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  args(),
		RunE: func(*cobra.Command, []string) error {
			p := e.printer()
			if !e.json() {
				p.line("cadrift %s (%s, %s/%s)", e.deps.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
				return nil
			}
			return p.document(map[string]string{
				"version": e.deps.Version, "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH,
			})
		},
	}
}
