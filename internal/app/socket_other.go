//go:build !unix

package app

import "net"

// listenUnix relies on the directory's protection: there is no umask here.
func listenUnix(path string) (net.Listener, error) { return net.Listen("unix", path) }
