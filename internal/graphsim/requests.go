package graphsim

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// Request is one request that the cloud saw.
type Request struct {
	Time   time.Time
	Method string
	Host   string
	Path   string
	Query  string
	// Status of the answer; 0 when the connection broke before there was one.
	Status int
}

// remembered is how many requests are kept one by one: a simulated year has
// millions, which are only counted.
const remembered = 2000

type requestLog struct {
	recent []*Request
	counts map[string]int
}

func newRequestLog() requestLog { return requestLog{counts: make(map[string]int)} }

func (s *Server) open(r *http.Request) *Request {
	entry := &Request{Time: time.Now(), Method: r.Method, Host: r.URL.Host, Path: r.URL.Path, Query: r.URL.RawQuery}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.record.counts[r.Method+" "+r.URL.Path]++
	s.record.counts["host "+strings.ToLower(r.URL.Host)]++
	if len(s.record.recent) == 2*remembered {
		s.record.recent = slices.Clone(s.record.recent[remembered:])
	}
	s.record.recent = append(s.record.recent, entry)
	return entry
}

func (s *Server) close(entry *Request, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	entry.Status = status
}

// Count is how many requests of that method came for that path, whatever the
// host and the query.
func (s *Server) Count(method, path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.record.counts[method+" "+path]
}

// CountHost is how many requests went to a host, the unknown ones of
// RoundTrip included.
func (s *Server) CountHost(host string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.record.counts["host "+strings.ToLower(host)]
}

// Requests lists the most recent requests, oldest first.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Request, len(s.record.recent))
	for i, entry := range s.record.recent {
		out[i] = *entry
	}
	return out
}
