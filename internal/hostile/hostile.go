// Package hostile gives the names that somebody could choose to mislead
// whoever reads an alert. Only tests import it.
package hostile

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Names reads testdata/hostile.txt; it is for packages of internal.
func Names(t testing.TB) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "testdata", "hostile.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		name, err := strconv.Unquote(line)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		names = append(names, name)
	}
	if len(names) < 80 {
		t.Fatalf("only %d hostile names", len(names))
	}
	return names
}
