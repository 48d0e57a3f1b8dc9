package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// choice is a flag that takes one of a few words.
type choice struct {
	value string
	words []string
}

func (c *choice) String() string { return c.value }
func (c *choice) Type() string   { return strings.Join(c.words, "|") }

func (c *choice) Set(word string) error {
	if !slices.Contains(c.words, word) {
		return fmt.Errorf("want one of %s", strings.Join(c.words, ", "))
	}
	c.value = word
	return nil
}

// usage is the error for a command line that cannot be meant.
func usage(c *cobra.Command, format string, args ...any) error {
	return &trouble{fmt.Sprintf(format, args...), fmt.Sprintf("%s --help", c.CommandPath())}
}

// args takes exactly the named arguments; a name in brackets may be left out.
func args(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, given []string) error {
		for i, name := range names {
			if i >= len(given) && !strings.HasPrefix(name, "[") {
				return usage(c, "%s: %s is missing", c.CommandPath(), name)
			}
		}
		if len(given) > len(names) {
			return usage(c, "%s: unexpected argument %q", c.CommandPath(), given[len(names)])
		}
		return nil
	}
}

// group is a command that only holds others.
func group(c *cobra.Command, given []string) error {
	if len(given) == 0 {
		if !c.HasParent() {
			return c.Help()
		}
		return usage(c, "%s: which one? %s", c.CommandPath(), subcommands(c))
	}
	err := &trouble{
		fmt.Sprintf("unknown command %q for %q", given[0], c.CommandPath()),
		c.CommandPath() + " --help",
	}
	c.SuggestionsMinimumDistance = 2
	if near := c.SuggestionsFor(given[0]); len(near) > 0 {
		err.hint = "did you mean " + strings.Join(near, " or ") + "?"
	}
	return err
}

func subcommands(c *cobra.Command) string {
	var names []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	return strings.Join(names, ", ")
}

// reasonFlag adds --reason, which every change of the baseline needs.
func reasonFlag(c *cobra.Command, reason *string) {
	c.Flags().StringVar(reason, "reason", "", "`why`; recorded in the hash chain")
	run := c.RunE
	c.RunE = func(c *cobra.Command, args []string) error {
		if strings.TrimSpace(*reason) == "" {
			return &trouble{c.CommandPath() + ": --reason is missing", "say why: the reason is recorded in the hash chain"}
		}
		return run(c, args)
	}
}
