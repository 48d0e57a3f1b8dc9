package store

import (
	"os"
	"syscall"
	"testing"
)

// mountTmpfs mounts a file system of its own, for which the test must be root.
func mountTmpfs(t *testing.T, dir, options string) {
	t.Helper()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Skipf("cannot mount a tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
}

func remount(t *testing.T, dir, options string) {
	t.Helper()
	flags := uintptr(syscall.MS_REMOUNT)
	if options == "ro" {
		flags, options = flags|syscall.MS_RDONLY, ""
	}
	if err := syscall.Mount("", dir, "", flags, options); err != nil {
		t.Fatalf("remount %s: %v", options, err)
	}
}

// locked tells whether somebody holds the lock on a file.
func locked(t *testing.T, path string) bool {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil
}
