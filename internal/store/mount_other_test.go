//go:build !linux

package store

import "testing"

func mountTmpfs(t *testing.T, _, _ string) {
	t.Helper()
	t.Skip("mounts on Linux only")
}

func remount(*testing.T, string, string) {}

func locked(*testing.T, string) bool { return false }
