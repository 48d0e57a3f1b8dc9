package cli

import (
	"errors"
	"strings"
	"testing"
)

// full is a disk without space.
type full struct{ asked bool }

func (f *full) Write([]byte) (int, error) {
	f.asked = true
	return 0, errors.New("no space left on device")
}

// What could not be written was not said: a report in a cron job must not look
// fine and be empty.
func TestOutputThatCannotBeWritten(t *testing.T) {
	r := newRig(t)
	r.fill()
	for _, args := range [][]string{
		{"status"},
		{"drifts"},
		{"drifts", "--exit-code"},
		{"history"},
		{"show", "CA001"},
		{"verify"},
		{"version"},
		{"version", "--output", "json"},
		{"status", "--output", "json"},
		{"export", "-"},
		{"completion", "bash"},
		{"--help"},
		{"--version"},
	} {
		var out full
		var said strings.Builder
		code := Main(t.Context(), r.deps, append([]string{"--config", r.config}, args...), strings.NewReader(""), &out, &said)
		if !out.asked {
			t.Errorf("%v wrote nothing: %s", args, said.String())
		}
		if code != 1 || strings.Count(said.String(), "no space left on device") != 1 || !strings.HasPrefix(said.String(), "error: ") {
			t.Errorf("%v: exit %d, %q; want 1 and the cause once", args, code, said.String())
		}
	}
}
