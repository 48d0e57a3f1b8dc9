package opstest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// sink is the receivers' side: one path each.
type sink struct {
	server *httptest.Server

	mu    sync.Mutex
	got   map[string][]drift.Event
	delay time.Duration
	fail  func() bool
	busy  int
	end   chan struct{}
}

func newSink(t *testing.T) *sink {
	s := &sink{got: map[string][]drift.Event{}, end: make(chan struct{})}
	s.server = httptest.NewServer(s)
	t.Cleanup(func() { close(s.end); s.server.CloseClientConnections(); s.server.Close() })
	return s
}

func (s *sink) url(name string) string { return s.server.URL + "/" + name }

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var e drift.Event
	if err != nil || json.Unmarshal(body, &e) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	delay, fail := s.delay, s.fail != nil && s.fail()
	s.busy++
	s.mu.Unlock()
	select {
	case <-time.After(delay):
	case <-s.end:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy--
	if fail {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	name := strings.TrimPrefix(r.URL.Path, "/")
	s.got[name] = append(s.got[name], e)
}

func (s *sink) slow(d time.Duration) { s.mu.Lock(); defer s.mu.Unlock(); s.delay = d }

// held counts the messages that wait for their answer.
func (s *sink) held() int { s.mu.Lock(); defer s.mu.Unlock(); return s.busy }

// refuse makes every answer a 502, or none.
func (s *sink) refuse(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = func() bool { return on }
}

// events are what a receiver took so far.
func (s *sink) events(name string) []drift.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]drift.Event(nil), s.got[name]...)
}

// count counts a receiver's events of one type.
func (s *sink) count(name string, typ drift.EventType) int {
	n := 0
	for _, e := range s.events(name) {
		if e.Type == typ {
			n++
		}
	}
	return n
}

// changes counts the different changes that a receiver was told of.
func changes(r *rig, name string) int {
	ids := map[string]bool{}
	for _, e := range r.sink.events(name) {
		if e.Type == "drift.changed" {
			ids[e.ID] = true
		}
	}
	return len(ids)
}
