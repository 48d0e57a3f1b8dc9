package api

import (
	"fmt"
	"net"
	"syscall"
)

// peerUID is the user id that connected, as SO_PEERCRED recorded it.
func peerUID(c *net.UnixConn) (int, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, fmt.Errorf("read peer of socket: %w", err)
	}
	var cred *syscall.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) {
		cred, credErr = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	})
	if err != nil {
		return 0, fmt.Errorf("read peer of socket: %w", err)
	}
	if credErr != nil {
		return 0, fmt.Errorf("read peer of socket: %w", credErr)
	}
	return int(cred.Uid), nil
}
