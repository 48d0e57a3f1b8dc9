package api

import (
	"context"
	"fmt"
	"net"
	"os/user"
	"strconv"
)

// Peer is the local user at the other end of the unix socket. Only requests
// with a peer may change anything.
type Peer struct {
	// UID is the user id, -1 where the system cannot tell.
	UID int
}

// String is what the chain records: "uid 0 (root)".
func (p Peer) String() string {
	if p.UID < 0 {
		return "local user"
	}
	if u, err := user.LookupId(strconv.Itoa(p.UID)); err == nil && u.Username != "" {
		return fmt.Sprintf("uid %d (%s)", p.UID, u.Username)
	}
	return fmt.Sprintf("uid %d", p.UID)
}

type peerKey struct{}

// WithPeer marks the requests of a context as the peer's, for the handler
// that a command runs in process.
func WithPeer(ctx context.Context, p Peer) context.Context {
	return context.WithValue(ctx, peerKey{}, p)
}

// ConnContext is for http.Server: it asks the kernel who is at the other end
// of a unix socket. Connections of any other kind have no peer.
func ConnContext(ctx context.Context, c net.Conn) context.Context {
	unix, ok := c.(*net.UnixConn)
	if !ok {
		return ctx
	}
	uid, err := peerUID(unix)
	if err != nil {
		return ctx
	}
	return WithPeer(ctx, Peer{UID: uid})
}

func peerOf(ctx context.Context) (Peer, bool) {
	p, ok := ctx.Value(peerKey{}).(Peer)
	return p, ok
}
