package config

import (
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// validate checks what the types cannot say. A value that was refused by the
// decode is zero or default here and is not complained about twice.
func (l *loader) validate() {
	l.checkState()
	l.checkWeb()
	l.checkTenants()
	l.checkReceivers()
}

// socketName is the control socket's name within the state directory.
const socketName = "cadrift.sock"

// maxSocketPath is the longest path of a unix socket that Linux takes; macOS
// takes four bytes less.
const maxSocketPath = 103

func (l *loader) checkState() {
	c := &l.cfg
	if c.StateDir == "" {
		l.problem("state_dir", "state_dir is empty")
		return
	}
	c.StateDir = l.absolute(c.StateDir)
	l.directory("state_dir", c.StateDir)
	if c.ControlSocket == "" {
		c.ControlSocket = filepath.Join(c.StateDir, socketName)
	}
	if len(c.ControlSocket) > maxSocketPath {
		l.warn("control_socket", "the control socket's path is longer than the %d bytes that every system takes: set control_socket to a shorter one", maxSocketPath)
	}
}

// absolute resolves a default, which did not come through a field.
func (l *loader) absolute(name string) string {
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	return l.resolve(name)
}

func (l *loader) checkWeb() {
	w := &l.cfg.Web
	if w.Listen == "" {
		l.problemHint("web.listen", "127.0.0.1:9488 is the default; port 0 takes any free port", "listen is empty")
	} else if host, ok := l.listen("web.listen", w.Listen); ok && !loopback(host) && w.ConfigFile == "" && !w.AllowPlaintext && !l.bad["web.config_file"] {
		l.problemHint("web.listen",
			"listen on 127.0.0.1, or name a Prometheus web configuration with TLS and basic auth in web.config_file, or set web.allow_plaintext: true",
			"listen is not a loopback address: the pages and the API would be open to the network without encryption and password")
	}
	if w.HealthListen != "" {
		l.listen("web.health_listen", w.HealthListen)
		if w.HealthListen == w.Listen && !strings.HasSuffix(w.Listen, ":0") {
			l.problem("web.health_listen", "health_listen is the same address as listen")
		}
	}
	if w.ConfigFile != "" {
		l.checkWebConfig(l.readFile("web.config_file", w.ConfigFile, false))
	}
	if w.AllowPlaintext && w.ConfigFile == "" && w.open() {
		l.warn("web.allow_plaintext", "plain text without authentication beyond loopback: the pages and the API are open to the network, unless something in front encrypts and asks for a password")
	}
	if w.ExternalURL != "" {
		w.ExternalURL = l.baseURL("web.external_url", w.ExternalURL, "http", "https")
		l.checkPagePath(w.ExternalURL)
	}
}

var pagePathForm = regexp.MustCompile(`^(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*$`)

// checkPagePath refuses a path that the pages cannot lie below: one that is
// written in several ways, or that is an address of theirs.
func (l *loader) checkPagePath(external string) {
	u, err := url.Parse(external)
	if err != nil || l.bad["web.external_url"] {
		return // told already
	}
	first, _, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	const hint = "for example https://host.example/cadrift"
	switch {
	case !pagePathForm.MatchString(u.EscapedPath()):
		l.problemHint("web.external_url", hint, "the path of external_url may hold letters, digits, -, _, . and ~ only")
	case slices.Contains([]string{"api", "events", "objects", "static", "metrics", "healthz", "readyz"}, first):
		l.problemHint("web.external_url", hint, "the path of external_url begins with /%s, which the pages themselves have", first)
	}
}

var hostForm = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$`)

// listen checks HOST:PORT.
func (l *loader) listen(path, address string) (host string, ok bool) {
	const hint = "an address is HOST:PORT, for example 127.0.0.1:9488 or [::1]:9488; port 0 takes any free port"
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		l.problemHint(path, hint, "%s is not an address: %s", lastKey(path), quote(address))
		return "", false
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
		l.problemHint(path, hint, "%s has no port from 0 to 65535", lastKey(path))
		return "", false
	}
	if _, err := netip.ParseAddr(host); err != nil && host != "" && !hostForm.MatchString(host) {
		l.problemHint(path, hint, "%s has a host that is neither an address nor a name", lastKey(path))
		return "", false
	}
	return host, true
}

// loopback tells whether a host can be reached from this machine only.
func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// baseURL checks an address that paths are appended to, and takes the slashes
// off its end. The value is not repeated in messages: it may hold a password.
func (l *loader) baseURL(path, value string, schemes ...string) string {
	key := lastKey(path)
	u, err := url.Parse(value)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "" || !validPort(u):
		l.problemHint(path, "for example https://host.example", "%s is not an address", key)
	case !slices.Contains(schemes, u.Scheme):
		l.problem(path, "%s must start with %s://", key, strings.Join(schemes, ":// or "))
	case u.User != nil:
		l.problem(path, "%s must not hold a user or password", key)
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		l.problem(path, "%s must end with its path: no ? and no #", key)
	}
	return strings.TrimRight(value, "/")
}

func validPort(u *url.URL) bool {
	port := u.Port()
	if port == "" {
		return !strings.HasSuffix(u.Host, ":")
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}

var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)

// name checks the name of a tenant or receiver, which becomes a metric label,
// a command's argument and a part of event ids; taken has the earlier ones.
func (l *loader) name(path, name string, taken map[string]Position) {
	path = join(path, "name")
	what := strings.TrimSuffix(withoutIndex(path), "s.name")
	switch before, twice := taken[name]; {
	case l.bad[path]:
	case name == "":
		l.missing(path)
	case !nameForm.MatchString(name):
		l.problemHint(path, "a name is 1 to 40 of a-z, 0-9 and -, starting with a letter or digit",
			"%s is not a name for a %s", quote(name), what)
	case twice:
		l.problem(path, "a second %s named %s, the first is in line %d", what, name, before.Line)
	default:
		taken[name] = l.at(path)
	}
}

// missing complains that a key is not there, or has no value.
func (l *loader) missing(path string) {
	if l.bad[path] {
		return
	}
	if l.given(path) {
		l.problem(path, "%s is empty", lastKey(path))
		return
	}
	parent := path[:max(strings.LastIndexByte(path, '.'), 0)]
	l.problem(path, "%s has no %s", parent, lastKey(path))
}

// unique complains of an id that a list has twice.
func (l *loader) unique(path, what, id string, taken map[string]string) {
	if id == "" {
		return
	}
	if before, twice := taken[id]; twice {
		l.problem(path, "%s is the same as %s in line %d", what, withoutIndex(before), l.at(before).Line)
		return
	}
	taken[id] = path
}
