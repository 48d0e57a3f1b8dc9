package cli_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// delivery is one POST that a receiver got.
type delivery struct {
	at     time.Time
	header http.Header
	body   []byte
	event  drift.Event
	status int // what was answered
}

// receiver is somebody's webhook.
type receiver struct {
	url    string
	server *http.Server

	mu     sync.Mutex
	status int
	got    []delivery
	gate   chan struct{} // answers wait for its end; nil: they do not
	held   int

	echo bool // answers repeat the address and the headers of the request
}

func newReceiver() (*receiver, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &receiver{url: "http://" + ln.Addr().String() + "/hook", status: http.StatusNoContent}
	r.server = &http.Server{Handler: r, ReadHeaderTimeout: 10 * time.Second}
	go r.server.Serve(ln)
	return r, nil
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	d := delivery{at: time.Now(), header: req.Header, body: body}
	if err := json.Unmarshal(body, &d.event); err != nil {
		d.event.Summary = "unreadable: " + err.Error()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	d.status = r.status
	r.got = append(r.got, d)
	if gate := r.gate; gate != nil {
		r.held++
		r.mu.Unlock()
		<-gate
		r.mu.Lock()
		r.held--
	}
	w.WriteHeader(d.status)
	if r.echo {
		fmt.Fprintf(w, "cannot take http://%s%s with %v", req.Host, req.URL, req.Header)
	}
}

// hold lets every answer wait until release is called.
func (r *receiver) hold() (release func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	gate := make(chan struct{})
	r.gate = gate
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		close(gate)
		r.gate = nil
	}
}

// waiting counts the requests that wait for their answers.
func (r *receiver) waiting() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.held
}

// answer sets the status of every answer from now on.
func (r *receiver) answer(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

// deliveries are all POSTs so far, the refused ones included.
func (r *receiver) deliveries() []delivery {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]delivery(nil), r.got...)
}

// await waits for a delivery that fits, and returns the first one.
func (r *receiver) await(within time.Duration, fits func(delivery) bool) (delivery, error) {
	deadline := time.Now().Add(within)
	for {
		got := r.deliveries()
		for _, d := range got {
			if fits(d) {
				return d, nil
			}
		}
		if time.Now().After(deadline) {
			var text strings.Builder
			for _, d := range got {
				text.WriteString(fmt.Sprintf("\n  %s %s %s %d %s", d.at.Format(time.TimeOnly), d.event.Type, d.event.Reason, d.status, d.event.Summary))
			}
			return delivery{}, errors.New("no such delivery within " + within.String() + "; there were:" + text.String())
		}
		time.Sleep(50 * time.Millisecond)
	}
}
