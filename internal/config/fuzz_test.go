package config

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzParse: whatever the file holds, the loader neither panics nor points
// outside the file, says the same twice, and shows what it accepted.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/bad/*.yaml", "testdata/good/*.yaml", examplePath} {
		paths, err := filepath.Glob(pattern)
		if err != nil || len(paths) == 0 {
			f.Fatalf("no files %s: %v", pattern, err)
		}
		for _, path := range paths {
			f.Add(read(f, path))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg, err := parse("f.yaml", data, ".", false, nil)
		_, again := parse("f.yaml", data, ".", false, nil)
		if (err == nil) != (again == nil) || err != nil && err.Error() != again.Error() {
			t.Fatalf("first %v\nthen %v", err, again)
		}
		if err == nil {
			shown := cfg.Effective(fakeClouds)
			for _, r := range cfg.Receivers {
				if secret := r.URL.Reveal(); len(secret) > 20 && bytes.Contains(shown, []byte(secret)) {
					t.Fatalf("a secret is shown:\n%s", shown)
				}
			}
			return
		}
		if cfg != nil {
			t.Fatal("a configuration and problems")
		}
		var problems *Problems
		if !errors.As(err, &problems) || len(problems.list) == 0 {
			t.Fatalf("no problems in %T", err)
		}
		lines := strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(data)), "\n")
		for _, p := range problems.list {
			line, column := p.Position.Line, p.Position.Column
			if line < 1 || line > len(lines) || column < 1 || column > utf8.RuneCountInString(lines[line-1])+2 {
				t.Fatalf("%v is outside of a file of %d lines", p, len(lines))
			}
			if strings.ContainsAny(p.Text+p.Hint, "\n\r\x00\x1b") {
				t.Fatalf("%q has control characters", p.Text+p.Hint)
			}
		}
	})
}
