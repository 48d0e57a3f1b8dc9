// Package deploy holds no code: it is what operators install, and the tests
// that keep it true to the program.
package deploy

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// program is the path of a command, or skips the test that needs it.
func program(t *testing.T, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skipf("%s is not installed: this check did not run", names[0])
	return ""
}

// oracles skips what asks other people's programs and takes its time.
func oracles(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CADRIFT_ORACLES") != "1" {
		t.Skipf("CADRIFT_ORACLES=1 runs this: %s", what)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func decode(t *testing.T, name string, into any) {
	t.Helper()
	d := yaml.NewDecoder(strings.NewReader(read(t, name)))
	d.KnownFields(true)
	if err := d.Decode(into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// run runs a command that must succeed and gives its output.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", filepath.Base(name), strings.Join(args, " "), err, out)
	}
	return string(out)
}

// built builds the program as a release is built.
func built(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "cadrift")
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid=", "-o", bin, "../cmd/cadrift")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return bin
}

// Scripts, units and manifests are read on servers with any locale, and by
// tools that choke on typographic characters. Prose may have them.
func TestPlainText(t *testing.T) {
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) == ".md" {
			return err
		}
		text := read(t, path)
		if i := strings.IndexFunc(text, func(r rune) bool { return r > 126 || r < 32 && r != '\n' && r != '\t' }); i >= 0 {
			t.Errorf("%s: character %q", path, []rune(text[i:])[0])
		}
		for line := range strings.SplitSeq(text, "\n") {
			if !slices.Contains([]string{".go", ".mod"}, filepath.Ext(path)) && strings.HasSuffix(line, " ") {
				t.Errorf("%s: a line ends in blanks: %q", path, line)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
