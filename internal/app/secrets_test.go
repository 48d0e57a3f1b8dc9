package app

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// marker stands in every secret of the test, so that one search finds a leak.
const marker = "MARKERc0ffee"

// safeBuffer is written by the daemon's parts at the same time.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// badReceivers answer with every fault that a receiver has, and each of them
// quotes the address that it was called under.
func badReceivers(hits *sync.Map) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.Split(r.URL.Path, "/")[1]
		hits.Store(name, true)
		io.Copy(io.Discard, r.Body)
		said := "you called https://" + r.Host + r.URL.String() + " with " + r.URL.RawQuery
		switch name {
		case "throttled":
			w.Header().Set("Retry-After", "1")
			http.Error(w, said, http.StatusTooManyRequests)
		case "broken":
			http.Error(w, said, http.StatusBadGateway)
		case "refusing":
			http.Error(w, `{"error":{"code":"WorkflowNotFound","message":"`+said+`"}}`, http.StatusNotFound)
		case "unfit":
			http.Error(w, "invalid_blocks "+said, http.StatusBadRequest)
		case "moved":
			http.Redirect(w, r, "/elsewhere"+r.URL.String(), http.StatusFound)
		case "lying":
			fmt.Fprint(w, "Microsoft Teams endpoint returned HTTP error 403 for "+said)
		case "reset":
			panic(http.ErrAbortHandler)
		case "hanging":
			select {
			case <-r.Context().Done():
			case <-time.After(300 * time.Millisecond):
			}
		}
	})
}

// Secrets stay out of everything that people or programs see, whatever a
// receiver does: out of logs at every level, metrics, pages, the API and its
// errors, and the store's file.
func TestNoSecretLeavesThroughAFault(t *testing.T) {
	var hits sync.Map
	server := httptest.NewServer(badReceivers(&hits))
	defer server.Close()
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead.Close()
	dir, err := os.MkdirTemp("", "cadrift") // t.TempDir is too long for a socket's name
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	secret := filepath.Join(dir, "signing")
	put(t, secret, "whsec_"+base64.StdEncoding.EncodeToString([]byte(marker+marker+marker)))
	t.Setenv("CADRIFT_TEST_SECRET", marker+"-client")
	var config strings.Builder
	config.WriteString(fmt.Sprintf(`state_dir: %s/state
log: {level: debug, format: json}
web: {listen: "127.0.0.1:0"}
tenants:
  - name: contoso
    tenant_id: %s
    cloud: custom
    endpoints: {graph: "https://%[3]s", authority: "https://%[3]s"}
    credentials: {client_id: 22222222-2222-4222-8222-222222222222, client_secret_env: CADRIFT_TEST_SECRET}
    schedule: "@every 1s"
receivers:
`, dir, contosoID, dead.Addr()))
	names := []string{"throttled", "broken", "refusing", "unfit", "moved", "lying", "reset", "dead", "hanging"}
	for i, name := range names {
		kind, host := []string{"slack", "teams", "webhook"}[i%3], server.URL
		if name == "lying" {
			kind = "teams"
		}
		if name == "dead" {
			host = "http://" + dead.Addr().String()
		}
		file := filepath.Join(dir, name)
		put(t, file, fmt.Sprintf("%s/%s/%s-path?sig=%s%%2Fsig&v=1", host, name, marker, marker))
		config.WriteString(fmt.Sprintf("  - {name: %s, type: %s, url_file: %s, heartbeat_every: 1s", name, kind, file))
		if kind == "webhook" {
			config.WriteString(", secret_file: " + secret)
		}
		config.WriteString("}\n")
	}
	file := filepath.Join(dir, "cadrift.yaml")
	put(t, file, config.String())

	var logs safeBuffer
	var web string
	ready := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		done <- Run(ctx, Options{ConfigFile: file, Version: "v0", LogTo: &logs, Color: "never", Listening: func(listener, addr string) {
			if listener == "web" {
				web = addr
				close(ready)
			}
		}})
	}()
	select {
	case <-ready:
	case err := <-done:
		t.Fatalf("run: %v\n%s", err, logs.String())
	}
	time.Sleep(3 * time.Second) // a heartbeat to each, and its retries

	seen := map[string]string{}
	control := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(dir, "state", "cadrift.sock"))
	}}}
	seen["notify test"] = ask(t, control, "POST", "http://cadrift/api/v1/notify/test")
	seen["parked by socket"] = ask(t, control, "GET", "http://cadrift/api/v1/parked")
	for _, path := range []string{"/", "/metrics", "/api/v1/status", "/api/v1/events", "/api/v1/parked", "/api/v1/drifts", "/readyz"} {
		seen[path] = ask(t, http.DefaultClient, "GET", "http://"+web+path)
	}
	cancel()
	if err := <-done; err != nil {
		seen["error of run"] = err.Error()
	}
	seen["log"] = logs.String()
	everyKeyOnce(t, seen["log"])
	maps.Copy(seen, storedIn(t, filepath.Join(dir, "state")))

	for _, name := range names {
		if _, hit := hits.Load(name); !hit && name != "dead" {
			t.Errorf("receiver %s was never called: its fault did not fire", name)
		}
	}
	for _, want := range []string{`"receiver":"dead"`, "HTTP 404", "redirects are not followed", "HTTP 429"} {
		if !strings.Contains(seen["log"]+seen["notify test"], want) {
			t.Errorf("nothing says %q: the fault did not fire\n%.3000s", want, seen["log"])
		}
	}
	if !strings.Contains(seen["parked by socket"], "refusing") {
		t.Errorf("nothing is parked: %s", seen["parked by socket"])
	}
	whole := base64.StdEncoding.EncodeToString([]byte(marker + marker + marker))
	for where, text := range seen {
		for _, leak := range []string{marker, whole[:24]} {
			if i := strings.Index(text, leak); i >= 0 {
				t.Errorf("a secret in %s: %q", where, text[max(0, i-200):min(len(text), i+60)])
			}
		}
	}
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// ask returns a whole answer, headers included.
func ask(t *testing.T, c *http.Client, method, url string) string {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(resp.Status, resp.Header, string(body))
}

// storedIn reads every file below dir.
func storedIn(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		files[path] = string(text)
		return err
	})
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files in %s: %v", len(files), dir, err)
	}
	return files
}
