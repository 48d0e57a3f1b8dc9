package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cadrift/cadrift/internal/config"
)

// Main runs the command line and returns the exit code.
func Main(ctx context.Context, deps Deps, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	out := &output{to: stdout}
	e := &env{deps: deps, stdin: stdin, stdout: out, terminal: isTerminal(stdout), stderr: stderr}
	root := e.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	var code exitCode
	switch {
	case out.err != nil && (err == nil || errors.As(err, &code)):
		err = fmt.Errorf("write output: %w", out.err) // an answer cut short is none
	case err == nil:
		return 0
	case errors.As(err, &code):
		return int(code)
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		err = errors.New("interrupted")
	}
	e.printError(err)
	return 1
}

// output is stdout, and why it stopped taking what was written: a report on a
// full disk must not look like one that says nothing.
type output struct {
	to  io.Writer
	err error
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.to.Write(p)
	if o.err == nil {
		o.err = err
	}
	return n, err
}

// exitCode ends a command that has said all there is to say.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

// env is what every command has.
type env struct {
	deps           Deps
	stdin          io.Reader
	stdout, stderr io.Writer
	terminal       bool // stdout is one
	flags          globals
}

// globals are the flags of every command.
type globals struct {
	config, tenant string
	logLevel       choice
	logFormat      choice
	color          choice
	output         choice
}

func (e *env) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "cadrift",
		Short: "Watch Microsoft Entra Conditional Access for drift",
		Long: "cadrift watches the Conditional Access policies of Microsoft Entra tenants, tells what\n" +
			"changed, in which direction and how bad, and how they differ from an approved baseline.",
		Version:       e.deps.Version,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE:          group,
	}
	e.flags = globals{
		logLevel:  choice{words: []string{"debug", "info", "warn", "error"}},
		logFormat: choice{words: []string{"auto", "text", "json"}},
		color:     choice{value: "auto", words: []string{"auto", "always", "never"}},
		output:    choice{value: "text", words: []string{"text", "json"}},
	}
	f := root.PersistentFlags()
	f.StringVar(&e.flags.config, "config", cmp.Or(os.Getenv("CADRIFT_CONFIG"), "/etc/cadrift/cadrift.yaml"), "configuration `file`, also $CADRIFT_CONFIG")
	f.StringVar(&e.flags.tenant, "tenant", "", "`name` of the tenant, where there are several")
	f.Var(&e.flags.logLevel, "log-level", "debug, info, warn or error (default from the configuration)")
	f.Var(&e.flags.logFormat, "log-format", "auto, text or json (default from the configuration)")
	f.Var(&e.flags.color, "color", "auto, always or never")
	f.Var(&e.flags.output, "output", "text or json")
	root.SetVersionTemplate("cadrift {{.Version}}\n")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usage(c, "%v", err)
	})
	root.AddCommand(
		e.runCommand(), e.demoCommand(), e.checkCommand(), e.configCommand(), e.statusCommand(),
		e.driftsCommand(), e.historyCommand(), e.showCommand(), e.diffCommand(), e.baselineCommand(),
		e.exportCommand(), e.guardCommand(), e.verifyCommand(), e.backupCommand(), e.notifyCommand(), e.ackCommand(), e.expectCommand(), e.versionCommand(),
	)
	root.SetIn(e.stdin)
	root.SetOut(e.stdout)
	root.SetErr(e.stderr)
	root.InitDefaultCompletionCmd() // remembers where to write
	for _, c := range root.Commands() {
		if c.Name() == "completion" { // cobra's own answers an unknown shell with its help and exit 0
			c.Use, c.Args, c.RunE = "completion SHELL", cobra.ArbitraryArgs, group
			c.Long = "Print the completion script of a shell: bash, fish, powershell or zsh. With --help behind\n" +
				"the shell it says how to load the script."
		}
	}
	e.offer(root)
	return root
}

func (e *env) log() LogOptions {
	return LogOptions{
		Level: e.flags.logLevel.value, Format: e.flags.logFormat.value,
		Color: e.flags.color.value, Out: e.stderr,
	}
}

func (e *env) json() bool { return e.flags.output.value == "json" }

// printError writes what failed and the next step. Problems of the
// configuration come as they are, file:line:column first, so that an editor
// can jump to them.
func (e *env) printError(err error) {
	text := err.Error()
	var problems *config.Problems
	var one *config.Problem
	if errors.As(err, &problems) || errors.As(err, &one) { // they hold their hints
		fmt.Fprintln(e.stderr, strings.TrimRight(text, "\n"))
		return
	}
	fmt.Fprintln(e.stderr, "error: "+strings.TrimRight(text, "\n"))
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) && hinted.Hint() != "" {
		fmt.Fprintln(e.stderr, "hint: "+hinted.Hint())
	}
}

// trouble is an error with a next step.
type trouble struct{ text, hint string }

func (t *trouble) Error() string { return t.text }
func (t *trouble) Hint() string  { return t.hint }
