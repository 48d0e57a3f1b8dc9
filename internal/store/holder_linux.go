package store

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// holder names the process that holds the lock on the file, as far as the
// kernel tells: " (pid 42, cadrift)", or nothing.
func holder(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	locks, err := os.ReadFile("/proc/locks")
	if err != nil {
		return ""
	}
	// 1: FLOCK  ADVISORY  WRITE 42 fe:00:1234 0 EOF
	inode := fmt.Sprintf(":%d", stat.Ino)
	for line := range strings.Lines(string(locks)) {
		f := strings.Fields(line)
		if len(f) < 6 || f[1] != "FLOCK" || !strings.HasSuffix(f[5], inode) {
			continue
		}
		name, _ := os.ReadFile("/proc/" + f[4] + "/comm")
		return fmt.Sprintf(" (pid %s, %s)", f[4], strings.TrimSpace(string(name)))
	}
	return ""
}
