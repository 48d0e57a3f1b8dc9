package web

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// policy allows the embedded stylesheet and icon and nothing else: no script,
// no frame, no base, no request to anybody.
const policy = "default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"

// shield puts the security headers on every answer, errors included, and lets
// reading methods through only. Cross-origin writes are refused as such
// before the method is looked at.
func shield(next http.Handler) http.Handler {
	origin := http.NewCrossOriginProtection()
	readOnly := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			plain(w, http.StatusMethodNotAllowed, "read-only: commands go through the unix socket")
			return
		}
		next.ServeHTTP(w, r)
	})
	checked := origin.Handler(readOnly)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		checked.ServeHTTP(w, r)
	})
}

// hosts are the values of Host that are answered. A page of somebody else's
// whose name was rebound to our address asks under its own name and is turned
// away.
type hosts struct {
	names map[string]bool
	// addresses lets every literal IP address through: nobody can rebind one.
	// It is set for wildcard listeners, which cannot know their addresses.
	addresses bool
}

func newHosts(listen, external string, more []string) (*hosts, error) {
	h := &hosts{names: map[string]bool{"localhost": true}}
	if listen != "" {
		host, _, err := net.SplitHostPort(listen)
		if err != nil {
			return nil, fmt.Errorf("read listen address: %w", err)
		}
		ip, err := netip.ParseAddr(host)
		h.addresses = host == "" || err == nil && ip.IsUnspecified()
		h.add(host)
	}
	if external != "" {
		u, err := url.Parse(external)
		if err != nil || u.Hostname() == "" {
			return nil, fmt.Errorf("read external URL: %q has no host", external)
		}
		h.add(u.Hostname())
	}
	for _, name := range more {
		h.add(name)
	}
	return h, nil
}

func (h *hosts) add(name string) {
	if name != "" {
		h.names[plainHost(name)] = true
	}
}

// plainHost is a host name without case, root dot and brackets.
func plainHost(name string) string {
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	return strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")
}

func (h *hosts) allows(hostport string) bool {
	name := hostport
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		name = host
	}
	name = plainHost(name)
	if h.names[name] {
		return true
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && (h.addresses || ip.Unmap().IsLoopback())
}

func (h *hosts) only(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !h.allows(r.Host) {
			plain(w, http.StatusMisdirectedRequest,
				"this host name is not served here: use the address in web.listen or the host of web.external_url")
			return
		}
		next.ServeHTTP(w, r)
	})
}
