package web

import (
	"bytes"
	"context"
	"encoding/xml"
	"html"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// crowd is a site where all of the names stand everywhere at once.
func crowd(names []string) *site {
	s := sample()
	one := s.events[0]
	s.events, s.drifts = nil, nil
	for i, name := range names {
		each := named(name)
		e := each.events[0]
		e.ID, e.Seq = drift.EventID("contoso", uint64(1000+i)), uint64(1000+i)
		s.events = append(s.events, e)
		s.drifts = append(s.drifts, each.drifts[0])
		one.Changes = append(one.Changes, e.Changes...)
	}
	s.events = append(s.events, one)
	return s
}

// chromium loads a page and returns its document after everything ran, and
// what the browser complained of.
func chromium(t *testing.T, program, url string) (dom, console string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var out, messages bytes.Buffer
	c := exec.CommandContext(ctx, program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--enable-logging=stderr",
		"--user-data-dir="+t.TempDir(), "--virtual-time-budget=2000", "--window-size=390,844", "--dump-dom", url)
	c.Stdout, c.Stderr = &out, &messages
	if err := c.Run(); err != nil {
		t.Fatalf("%v\n%s", err, messages.String())
	}
	for line := range strings.Lines(messages.String()) {
		if strings.Contains(line, "CONSOLE") {
			console += line
		}
	}
	return out.String(), console
}

// A real browser agrees with our parser: hostile names run nothing, load
// nothing, and break neither the page nor its security policy.
func TestHostileNamesInChromium(t *testing.T) {
	program, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("no chromium on this machine: pages are judged by our own parser only")
	}
	for names := range slices.Chunk(corpus(t), 80) {
		s := crowd(names)
		server := httptest.NewServer(handler(t, s))
		inspect(t, program, server.URL+"/", names)
		inspect(t, program, server.URL+"/events/contoso-000000000042", names)
		server.Close()
	}
}

// inspect loads a page and fails for everything on it that a name brought.
func inspect(t *testing.T, program, url string, names []string) {
	t.Helper()
	dom, console := chromium(t, program, url)
	if console != "" {
		t.Errorf("%s: the console says\n%s", url, console)
	}
	tags, texts := elements(t, dom)
	for _, tag := range []string{"script", "iframe", "img", "form", "input", "object", "embed", "base", "svg", "style", "plaintext", "textarea"} {
		if tags[tag] > 0 {
			t.Errorf("%s: %d <%s> in the document", url, tags[tag], tag)
		}
	}
	if tags["h1"] != 1 || tags["body"] != 1 {
		t.Errorf("%s: elements %v", url, tags)
	}
	for _, name := range names {
		if seen := drift.Visible(name); len(seen) < drift.NameRunes && !strings.Contains(texts, seen) {
			t.Errorf("%s: no %q", url, seen)
		}
	}
}

// elements counts the elements of a serialised document and joins its texts.
func elements(t *testing.T, dom string) (map[string]int, string) {
	t.Helper()
	tags := map[string]int{}
	var texts strings.Builder
	d := xml.NewDecoder(strings.NewReader(dom))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	for {
		token, err := d.Token()
		if err == io.EOF {
			return tags, texts.String()
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, dom)
		}
		switch token := token.(type) {
		case xml.StartElement:
			tag := strings.ToLower(token.Name.Local)
			tags[tag]++
			if tag != "wbr" { // a place where a long word may break ends no text
				texts.WriteByte('\n')
			}
		case xml.CharData:
			texts.Write(token)
		}
	}
}

// The test above would see a hole: a page with one is found out.
func TestChromiumTestCanFail(t *testing.T) {
	program, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("no chromium on this machine")
	}
	server := httptest.NewServer(handler(t, sample()))
	defer server.Close()
	csp := regexp.MustCompile(`(?i)content.security.policy`)
	h := httptest.NewServer(hole(server.Config.Handler))
	defer h.Close()
	dom, console := chromium(t, program, h.URL+"/")
	if tags, _ := elements(t, dom); tags["script"] == 0 || !csp.MatchString(html.UnescapeString(console)) {
		t.Errorf("an inline script went unnoticed: %v, console %q", tags, console)
	}
}

// hole serves pages with an inline script in them.
func hole(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		maps.Copy(w.Header(), rec.Header())
		w.Header().Del("Content-Length")
		io.WriteString(w, strings.Replace(rec.Body.String(), "<main>", "<main><script>document.title='hole'</script>", 1))
	})
}
