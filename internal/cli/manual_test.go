package cli

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

var updateManual = flag.Bool("update-manual", false, "write deploy/man/cadrift.1")

// manual is the one page of all commands, made from the commands themselves.
func manual(t *testing.T) []byte {
	t.Helper()
	t.Setenv("CADRIFT_CONFIG", "")
	e := &env{deps: Deps{Version: "VERSION"}}
	root := e.root()
	root.DisableAutoGenTag = true
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	date := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	var page bytes.Buffer
	if err := doc.GenMan(root, &doc.GenManHeader{Title: "CADRIFT", Section: "1", Date: &date, Source: "cadrift", Manual: "cadrift"}, &page); err != nil {
		t.Fatal(err)
	}
	text := regexp.MustCompile(`(?s)\n\.SH SEE ALSO\n.*`).ReplaceAllString(page.String(), "\n")
	text = strings.Replace(text, `\fBcadrift [flags]\fP`, `\fBcadrift\fP \fICOMMAND\fP [\fIARGUMENTS\fP] [\fIFLAGS\fP]`, 1)
	var out strings.Builder
	out.WriteString(text)
	out.WriteString(".SH COMMANDS\n")
	each(root, func(c *cobra.Command) {
		out.WriteString(".SS " + roff(strings.TrimPrefix(c.CommandPath(), "cadrift ")) + "\n")
		what := c.Long
		if what == "" {
			what = c.Short + "."
		}
		out.WriteString(roff(what) + "\n.PP\n\\fB" + roff(c.UseLine()) + "\\fP\n")
		if flags := strings.TrimRight(c.NonInheritedFlags().FlagUsages(), "\n"); flags != "" {
			out.WriteString(".PP\n.EX\n" + roff(flags) + "\n.EE\n")
		}
	})
	out.WriteString(".SH FILES\n.TP\n/etc/cadrift/cadrift.yaml\nThe configuration. cadrift.example.yaml explains every key.\n" +
		".TP\n/var/lib/cadrift\nThe store, the control socket, and GUARD_STOP, which halts the guard's writes while it exists.\n" +
		".SH ENVIRONMENT\nCADRIFT_CONFIG, NO_COLOR, HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE; NOTIFY_SOCKET and WATCHDOG_USEC from systemd.\n" +
		".SH SIGNALS\nSIGHUP reads the configuration again. SIGTERM and SIGINT end in an orderly way; a second one ends at once.\n" +
		".SH EXIT STATUS\n0: done. 1: an error, also a wrong use. 2: drift or a change was found (check, drifts --exit\\-code).\n")
	return []byte(out.String())
}

// each visits the commands that do something: all that hold no others, and
// those of the rest that take arguments. The shells of completion are one.
func each(c *cobra.Command, visit func(*cobra.Command)) {
	for _, sub := range c.Commands() {
		if sub.Hidden || sub.Name() == "help" {
			continue
		}
		if !sub.HasSubCommands() || sub.Use != sub.Name() {
			visit(sub)
		}
		if sub.Name() != "completion" {
			each(sub, visit)
		}
	}
}

// roff writes text so that no line of it is a command.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}

// The manual page is what the commands say.
func TestManual(t *testing.T) {
	file := filepath.Join("..", "..", "deploy", "man", "cadrift.1")
	want := manual(t)
	if *updateManual {
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("deploy/man/cadrift.1 is stale: make man")
	}
	for _, text := range []string{
		".SS run\n", ".SS baseline pin\n", ".SS notify test\n", `\-\-exit\-code`,
		".SS expect\n", ".SS expect list\n", ".SS completion\n", `\fICOMMAND\fP`,
	} {
		if !bytes.Contains(got, []byte(text)) {
			t.Errorf("the page has no %q", text)
		}
	}
}
