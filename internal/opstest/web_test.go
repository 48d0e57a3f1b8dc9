package opstest

import (
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// The listener of the running program: loopback unless told otherwise, headers
// on every answer, other names and writes refused, slow and greedy clients cut.
func TestWebSecurity(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	r.config["web"] = map[string]any{"listen": "0.0.0.0:0"}
	r.write()
	d := r.launch(nil)
	eventually(t, 10*time.Second, "a refusal", d.ended)
	if out := d.output(); d.err == nil || !strings.Contains(out, "allow_plaintext") || !strings.Contains(out, "cadrift.yaml:") {
		t.Errorf("a listener beyond loopback without TLS: %v\n%s", d.err, out)
	}
	delete(r.config, "web")
	r.config["web"] = map[string]any{"listen": "127.0.0.1:0"}
	r.write()
	d = r.start(nil)
	eventually(t, 20*time.Second, "a first pass", d.ready)
	ask := func(method, path, host string) *http.Response {
		t.Helper()
		req, err := http.NewRequest(method, d.web+path, nil)
		must(t, err)
		if host != "" {
			req.Host = host
		}
		resp, err := http.DefaultClient.Do(req)
		must(t, err)
		resp.Body.Close()
		return resp
	}
	for _, path := range []string{"/", "/metrics", "/healthz", "/api/v1/status", "/api/v1/none", "/nothing"} {
		resp := ask("GET", path, "")
		for _, h := range []string{"Content-Security-Policy", "X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy"} {
			if resp.Header.Get(h) == "" {
				t.Errorf("%s has no %s", path, h)
			}
		}
		// Probes and scrapers come under any name; everything else is for ours.
		want := http.StatusMisdirectedRequest
		if path == "/metrics" || path == "/healthz" {
			want = http.StatusOK
		}
		if got := ask("GET", path, "evil.example").StatusCode; got != want {
			t.Errorf("%s under another name: %d, want %d", path, got, want)
		}
		if got := ask("POST", path, "").StatusCode; got != http.StatusMethodNotAllowed {
			t.Errorf("POST %s: %d", path, got)
		}
	}
	// Headers beyond the limit end the conversation.
	conn, err := net.Dial("tcp", strings.TrimPrefix(d.web, "http://"))
	must(t, err)
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	conn.Write([]byte("GET / HTTP/1.1\r\nHost: localhost\r\nX: " + strings.Repeat("a", 100<<10) + "\r\n\r\n"))
	answer := make([]byte, 64)
	n, _ := conn.Read(answer)
	if !strings.Contains(string(answer[:n]), " 431 ") {
		t.Errorf("100 KiB of headers: %q", answer[:n])
	}
}
