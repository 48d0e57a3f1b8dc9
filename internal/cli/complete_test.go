package cli

import (
	"os"
	"strings"
	"testing"
)

func TestCompletionOfFlags(t *testing.T) {
	r := newRig(t)
	text, err := os.ReadFile(r.config)
	if err != nil {
		t.Fatal(err)
	}
	r.write(r.config, string(text)+"receivers:\n  - {name: oncall, type: slack, url_file: not-there}\n")
	for line, want := range map[string]string{
		"drifts --output":          "text json",
		"drifts --color":           "auto always never",
		"show x --form":            "raw canonical",
		"diff --format":            "human patch",
		"history --severity":       "critical high medium low info",
		"history --tenant":         "contoso",
		"status --tenant":          "contoso",
		"notify test --receiver":   "oncall",
		"notify replay --receiver": "oncall",
		"ack CA001 --for":          "",
		"ack CA001 --reason":       "",
	} {
		_, out, _ := r.run(append([]string{"__complete"}, append(strings.Fields(line), "")...)...)
		offered, directive, _ := strings.Cut(out, ":")
		if got := strings.Join(strings.Fields(offered), " "); got != want || strings.TrimSpace(directive) != "4" {
			t.Errorf("%s: got %q with directive %q, want %q and no files (4)", line, got, directive, want)
		}
	}
	if _, out, _ := r.run("__complete", "status", "--config", ""); strings.TrimSpace(out) != ":0" {
		t.Errorf("--config: got %q, want files", out)
	}
}
