package graphsim

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// RoundTrip answers without sockets, for tests in fake time. A host that is
// no part of the simulated cloud does not resolve.
func (s *Server) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := readBody(r)
	if err != nil {
		return nil, err
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if !s.resolves(r.URL) {
		s.close(s.open(r), 0)
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: r.URL.Hostname(), IsNotFound: true}}
	}
	out := s.exchange(r.Clone(r.Context()), body)
	if out.err != nil {
		return nil, out.err
	}
	return &http.Response{
		Status: strconv.Itoa(out.status) + " " + http.StatusText(out.status), StatusCode: out.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: out.header, Body: out.reader(), ContentLength: int64(len(out.body)), Request: r,
	}, nil
}

func (s *Server) resolves(u interface{ Hostname() string }) bool {
	name := strings.ToLower(u.Hostname())
	ip := net.ParseIP(name)
	known := func(host string) bool { h, _, _ := strings.Cut(host, ":"); return h == name }
	return name == "localhost" || ip != nil && ip.IsLoopback() ||
		slices.ContainsFunc(s.graphHosts(), known) || slices.ContainsFunc(s.loginHosts(), known)
}

// reader is the body as it arrives.
func (o outcome) reader() io.ReadCloser {
	if o.cut < 0 {
		return io.NopCloser(bytes.NewReader(o.body))
	}
	return io.NopCloser(io.MultiReader(bytes.NewReader(o.body[:o.cut]), broken{}))
}

// broken is the end of a body that was promised to be longer.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// ServeHTTP answers on a real connection.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := readBody(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	req := r.Clone(r.Context())
	req.URL.Host, req.URL.Scheme = r.Host, "http"
	if r.TLS != nil {
		req.URL.Scheme = "https"
	}
	out := s.exchange(req, body)
	if out.err != nil {
		panic(http.ErrAbortHandler) // the connection dies without an answer
	}
	header := w.Header()
	maps.Copy(header, out.header)
	sent := out.body
	if out.cut >= 0 {
		sent = out.body[:out.cut]
	}
	if out.status != http.StatusNoContent {
		header.Set("Content-Length", strconv.Itoa(len(out.body)))
	}
	w.WriteHeader(out.status)
	w.Write(sent) // a client that went away is its own business
	if out.cut >= 0 {
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

// ServeTLS serves the cloud over TLS on the listener until the context ends,
// with a certificate for loopback and for the hosts of the cloud, signed by
// the authority of [Server.CAPEM]. It returns when every request has ended.
func (s *Server) ServeTLS(ctx context.Context, ln net.Listener) error {
	config, err := s.tlsConfig()
	if err != nil {
		ln.Close()
		return err
	}
	server := &http.Server{
		Handler: s, TLSConfig: config, ReadHeaderTimeout: 10 * time.Second,
		ErrorLog: log.New(io.Discard, "", 0), // clients that do not trust the authority are a test case
	}
	return serve(ctx, server, func() error { return server.ServeTLS(ln, "", "") })
}

// Serve is ServeTLS without TLS, for the managed identity endpoint.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	server := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	return serve(ctx, server, func() error { return server.Serve(ln) })
}

func serve(ctx context.Context, server *http.Server, run func() error) error {
	done := make(chan error, 1)
	go func() { done <- run() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	// A scripted delay may last longer than anybody wants to wait.
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if server.Shutdown(grace) != nil {
		server.Close()
	}
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
