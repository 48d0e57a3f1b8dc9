package cli

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/cadrift/cadrift/internal/config"
	"github.com/cadrift/cadrift/internal/drift"
)

// offer tells the shell what the values of flags may be, for c and the commands
// below it. What is not a file must not be completed as one.
func (e *env) offer(c *cobra.Command) {
	for _, flags := range []*pflag.FlagSet{c.Flags(), c.PersistentFlags()} {
		flags.VisitAll(func(f *pflag.Flag) {
			if values := e.values(f); values != nil {
				// It fails for a flag that is not there, or was seen before.
				_ = c.RegisterFlagCompletionFunc(f.Name, func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
					return values(), cobra.ShellCompDirectiveNoFileComp
				})
			}
		})
	}
	for _, sub := range c.Commands() {
		e.offer(sub)
	}
}

// values gives what a flag may be; nil for files.
//
//	flag                  offered
//	one of a few words    the words
//	severity              the severities
//	tenant, receiver      the names in the configuration
//	config, state-dir     files and directories, as the shell does
//	anything else         nothing
func (e *env) values(f *pflag.Flag) func() []string {
	if one, ok := f.Value.(*choice); ok {
		return func() []string { return one.words }
	}
	switch f.Name {
	case "config", "state-dir":
		return nil
	case "severity":
		return severities
	case "tenant":
		return func() []string {
			return e.names(func(c *config.Config) (names []string) {
				for _, t := range c.Tenants {
					names = append(names, t.Name)
				}
				return names
			})
		}
	case "receiver":
		return func() []string {
			return e.names(func(c *config.Config) (names []string) {
				for _, r := range c.Receivers {
					names = append(names, r.Name)
				}
				return names
			})
		}
	}
	return func() []string { return nil }
}

func severities() (all []string) {
	for _, s := range drift.Severities() {
		all = append(all, s.String())
	}
	return all
}

// names are names in the configuration; a shell is told of none when it cannot
// be read.
func (e *env) names(of func(*config.Config) []string) []string {
	c, err := e.configuration()
	if err != nil {
		return nil
	}
	return of(c)
}
