package cli

import (
	"bufio"
	"cmp"
	"os"
	"path/filepath"
	"strings"
)

// socketOf guesses the control socket from a configuration that cannot be
// loaded: the running daemon still has the old one, and "cadrift status" is
// how people learn why. It reads two top-level keys, line by line; empty when
// the file cannot even be opened.
func socketOf(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	var state, socket string
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), "state_dir:"); ok {
			state = plainScalar(value)
		}
		if value, ok := strings.CutPrefix(lines.Text(), "control_socket:"); ok {
			socket = plainScalar(value)
		}
	}
	if socket == "" {
		socket = filepath.Join(cmp.Or(state, "/var/lib/cadrift"), "cadrift.sock")
	}
	if !filepath.IsAbs(socket) {
		socket = filepath.Join(filepath.Dir(path), socket)
	}
	return socket
}

// plainScalar is a one-line YAML scalar without quotes and comment.
func plainScalar(text string) string {
	text = strings.TrimSpace(text)
	for _, quote := range []string{`"`, `'`} {
		if inner, ok := strings.CutPrefix(text, quote); ok {
			text, _, _ = strings.Cut(inner, quote)
			return text
		}
	}
	text, _, _ = strings.Cut(text, " #")
	return strings.TrimSpace(text)
}
