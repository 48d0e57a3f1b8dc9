package graphsim

import (
	"crypto/rand"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Options shape a Server. The zero value is the global cloud.
type Options struct {
	// Graph and Login are further hosts that RoundTrip answers for, beside
	// those of Microsoft's clouds: "graph.example". The handler answers
	// whatever host it is reached at.
	Graph, Login []string
	// Seed makes ids and stale reads repeatable; tenants draw from it.
	Seed uint64
}

// Server is the simulated cloud: login, Graph and managed identity for any
// number of tenants. Use it as an [http.Handler] or an [http.RoundTripper].
type Server struct {
	options Options
	model   *model
	key     []byte
	serial  atomic.Uint64 // of tokens
	asked   atomic.Uint64 // requests to Graph, for request-id

	mu        sync.Mutex
	tenants   map[string]*Tenant
	fault     func(*http.Request) *Fault
	authority *authority
	record    requestLog
}

// New makes a cloud without tenants.
func New(o Options) *Server {
	key := make([]byte, 32)
	rand.Read(key) // never fails; it only keeps tokens of two servers apart
	return &Server{options: o, model: newModel(), key: key, tenants: make(map[string]*Tenant), record: newRequestLog()}
}

// AddTenant adds a tenant that has what every tenant is born with: built-in
// strengths and security defaults (off).
func (s *Server) AddTenant(id, name string) *Tenant {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := newTenant(strings.ToLower(id), name, s.model, s.options.Seed+uint64(len(s.tenants)))
	s.tenants[t.ID] = t
	return t
}

// Tenant is the tenant of that id, nil when there is none.
func (s *Server) Tenant(id string) *Tenant {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tenants[strings.ToLower(id)]
}

// all lists the tenants by id.
func (s *Server) all() []*Tenant {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Values(s.tenants), func(a, b *Tenant) int { return strings.Compare(a.ID, b.ID) })
}

// reply is an answer before faults and transport are done with it.
type reply struct {
	status int
	header http.Header
	body   []byte
	page   *page // body, where it is a listing that is kept
	noGzip bool
}

func jsonReply(status int, body any) reply {
	return reply{status: status, body: encode(body), header: http.Header{"Content-Type": {"application/json; charset=utf-8"}}}
}

// outcome is what happens to a request in the end.
type outcome struct {
	reply
	cut int   // bytes of the body that arrive; -1: all
	err error // the connection fails instead
}

// errReset is the connection that dies, as a client sees it.
var errReset = &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}

// exchange runs one request. r has an absolute URL and a body that can be
// read more than once.
func (s *Server) exchange(r *http.Request, body []byte) outcome {
	entry := s.open(r)
	f := s.faultFor(r, body)
	if f.Delay > 0 {
		timer := time.NewTimer(f.Delay)
		select {
		case <-timer.C:
		case <-r.Context().Done():
			timer.Stop()
			return outcome{err: r.Context().Err()}
		}
	}
	if f.Refuse {
		return outcome{err: errReset}
	}
	answer := f.reply()
	if f.Status == 0 {
		answer = s.handle(r, body)
		f.edit(&answer)
	}
	s.finish(r, &answer, f.Header)
	s.close(entry, answer.status)
	if f.Lose {
		return outcome{err: errReset}
	}
	out := outcome{reply: answer, cut: -1}
	if f.Cut > 0 && f.Cut < len(answer.body) {
		out.cut = f.Cut
	}
	return out
}

// finish adds what every answer carries.
func (s *Server) finish(r *http.Request, answer *reply, extra http.Header) {
	if answer.header == nil {
		answer.header = make(http.Header)
	}
	h := answer.header
	h.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	h.Set("Strict-Transport-Security", "max-age=31536000")
	h.Set("Vary", "Accept-Encoding")
	maps.Copy(h, extra)
	if len(answer.body) == 0 || answer.noGzip || h.Get("Content-Encoding") != "" || !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		return
	}
	if answer.page != nil {
		answer.body = answer.page.gzipped()
	} else {
		answer.body = pack(answer.body)
	}
	h.Set("Content-Encoding", "gzip")
}

// handle routes by host where the host says which service it is, else by path.
func (s *Server) handle(r *http.Request, body []byte) reply {
	path := r.URL.Path
	isGraph := strings.HasPrefix(path, "/v1.0/") || strings.HasPrefix(path, "/beta/")
	host := strings.ToLower(r.URL.Host)
	switch {
	case path == "/msi/token" && r.Method == http.MethodGet:
		return s.identityToken(r)
	case slices.Contains(s.graphHosts(), host):
		isGraph = true
	case slices.Contains(s.loginHosts(), host):
		isGraph = false
	}
	if isGraph {
		return s.graph(r, body)
	}
	return s.login(r, body)
}

func (s *Server) graphHosts() []string {
	return append([]string{"graph.microsoft.com", "graph.microsoft.us", "dod-graph.microsoft.us", "microsoftgraph.chinacloudapi.cn"}, s.options.Graph...)
}

func (s *Server) loginHosts() []string {
	return append([]string{"login.microsoftonline.com", "login.microsoftonline.us", "login.chinacloudapi.cn", "login.partner.microsoftonline.cn"}, s.options.Login...)
}

// isGraph tells whether a resource in a scope is Graph: one of the known
// hosts, or a loopback address, where the demonstration lives.
func (s *Server) isGraph(r *http.Request, resource string) bool {
	u, err := url.Parse(resource)
	if err != nil || u.Host == "" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return slices.Contains(s.graphHosts(), strings.ToLower(u.Host)) || sameHost(resource, origin(r)) ||
		u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// origin is the scheme and host of a request.
func origin(r *http.Request) string { return r.URL.Scheme + "://" + r.URL.Host }

// maxBody is the largest request body.
const maxBody = 4 << 20

var errTooLarge = errors.New("request body too large")

func readBody(r *http.Request) ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	defer r.Body.Close()
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err == nil && len(body) > maxBody {
		err = errTooLarge
	}
	return body, err
}
