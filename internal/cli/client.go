package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"

	"github.com/cadrift/cadrift/internal/api"
	"github.com/cadrift/cadrift/internal/config"
)

// client speaks to package api's handler.
type client struct {
	http *http.Client
	// daemon tells that the other side is the running daemon.
	daemon bool
	close  func() error
}

// connection says what a command needs of the other side.
type connection struct {
	// create makes a store when there is none.
	create bool
	// outside tells that Graph is asked: without a daemon the files that the
	// configuration names are needed too.
	outside bool
	// daemonOnly refuses to go on without a daemon.
	daemonOnly bool
}

// connect reaches the daemon, or runs its handler in process. The caller
// closes the client.
func (e *env) connect(ctx context.Context, need connection) (*client, error) {
	c, loadErr := e.configuration()
	socket := ""
	if loadErr == nil {
		socket = c.ControlSocket
	} else {
		// The daemon keeps its old configuration when the file went bad, and
		// this is when people ask it for its status.
		socket = socketOf(e.flags.config)
	}
	if socket != "" {
		if cl, err := dial(ctx, socket); err != nil || cl != nil {
			return cl, err
		}
	}
	if loadErr == nil && need.outside {
		c, loadErr = config.Load(e.flags.config)
	}
	if loadErr != nil {
		return nil, loadErr
	}
	if need.daemonOnly {
		return nil, &trouble{"no daemon is running", "start one with cadrift run"}
	}
	handler, stop, err := e.deps.Local(ctx, c, LocalOptions{Create: need.create, Version: e.deps.Version, Log: e.log()})
	if err != nil {
		return nil, err
	}
	return inProcess(handler, stop), nil
}

// configuration reads the configuration without the files that it names:
// people who run commands may not be allowed to read the daemon's secrets.
func (e *env) configuration() (*config.Config, error) { return config.LoadText(e.flags.config) }

// dial connects to the control socket; nil and no error when nobody listens.
func dial(ctx context.Context, socket string) (*client, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", socket)
	switch {
	case err == nil:
		conn.Close()
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, nil
	case errors.Is(err, fs.ErrPermission):
		return nil, &trouble{
			fmt.Sprintf("connect to daemon: %v", err),
			"run the command as the user of the daemon, or as root",
		}
	default:
		return nil, fmt.Errorf("connect to daemon: %w", err)
	}
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return d.DialContext(ctx, "unix", socket)
	}}
	return &client{
		http:   &http.Client{Transport: transport},
		daemon: true,
		close:  func() error { transport.CloseIdleConnections(); return nil },
	}, nil
}

// inProcess serves the handler over pipes, so that a command without a daemon
// goes through the very same HTTP.
func inProcess(handler http.Handler, stop func() error) *client {
	l := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
	server := &http.Server{
		Handler: handler,
		BaseContext: func(net.Listener) context.Context {
			return api.WithPeer(context.Background(), api.Peer{UID: os.Getuid()})
		},
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(l) // always http.ErrServerClosed: the pipes do not fail
	}()
	transport := &http.Transport{DialContext: l.dial}
	return &client{
		http: &http.Client{Transport: transport},
		close: func() error {
			transport.CloseIdleConnections()
			err := server.Close()
			<-served
			return errors.Join(err, stop())
		},
	}
}

// pipes is a listener whose connections are made by dial.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.conns <- there:
		return here, nil
	case <-p.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

// Close is called once, by the server.
func (p *pipes) Close() error   { close(p.done); return nil }
func (p *pipes) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "in process" }

// route is the path of a resource; parts may hold anything.
func route(parts ...string) string {
	var path strings.Builder
	path.WriteString("/api/v1")
	for _, part := range parts {
		path.WriteString("/" + url.PathEscape(part))
	}
	return path.String()
}

// get asks for a document and decodes it into to; it returns the bytes as
// well, for --output json.
func (c *client) get(ctx context.Context, path string, query url.Values, to any) ([]byte, error) {
	return c.call(ctx, http.MethodGet, path, query, nil, to)
}

func (c *client) post(ctx context.Context, path string, query url.Values, body, to any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body); err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	return c.call(ctx, http.MethodPost, path, query, &b, to)
}

func (c *client) call(ctx context.Context, method, path string, query url.Values, body io.Reader, to any) ([]byte, error) {
	answer, err := c.open(ctx, method, path, query, body)
	if err != nil {
		return nil, err
	}
	defer answer.Close()
	text, err := io.ReadAll(answer)
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	if err := json.Unmarshal(text, to); err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	return text, nil
}

// open starts a request and returns the body of a successful answer.
func (c *client) open(ctx context.Context, method, path string, query url.Values, body io.Reader) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://cadrift"+path+"?"+query.Encode(), body)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("ask daemon: %w", err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	var f api.Failure
	if err := json.NewDecoder(resp.Body).Decode(&f); err != nil || f.Error == "" {
		return nil, fmt.Errorf("ask daemon: answer %s", resp.Status)
	}
	return nil, &trouble{f.Error, f.Hint}
}
