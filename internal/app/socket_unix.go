//go:build unix

package app

import (
	"net"
	"os"
	"syscall"
)

// listenUnix makes the socket with mode 0600 from the first moment: a chmod
// after the fact leaves a gap.
func listenUnix(path string) (net.Listener, error) {
	old := syscall.Umask(0o177)
	defer syscall.Umask(old)
	ln, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	return ln, os.Chmod(path, 0o600)
}
