package demo

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"regexp"
	"sync"
	"time"
)

//go:embed sink.html
var files embed.FS

// sinkKeeps is how many messages of each receiver the page shows.
const sinkKeeps = 25

// slackLink is a text that is a link and nothing else.
var slackLink = regexp.MustCompile(`^<(https?://[^|>]+)\|([^>]+)>$`)

// sink takes the place of Slack, Teams and a webhook receiver on loopback. It
// answers as they do and keeps the last messages.
type sink struct {
	page *template.Template
	// alert is called with the body of every webhook.
	alert func(body []byte)

	mu       sync.Mutex
	messages map[string][]message
}

// message is one body that arrived.
type message struct {
	At    time.Time
	Bytes int
	// Parts are the message's texts in their order, as far as a page can show
	// them without being Slack or Teams.
	Parts []part
	JSON  string
}

// part is one text with the weight it has in the message.
type part struct {
	Class, Text, URL string
}

func newSink(alert func(body []byte)) (*sink, error) {
	page, err := template.ParseFS(files, "sink.html")
	if err != nil {
		return nil, fmt.Errorf("read sink page: %w", err)
	}
	return &sink{page: page, alert: alert, messages: map[string][]message{}}, nil
}

// ServeHTTP takes posts to /slack, /teams and /webhook and shows the page.
func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		s.show(w, r)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		http.Error(w, "cannot read", http.StatusBadRequest)
		return
	}
	s.keep(r.URL.Path, body)
	switch r.URL.Path {
	case "/slack": // an incoming webhook says ok, and nothing else is success
		fmt.Fprint(w, "ok")
	case "/teams": // a flow accepts before it runs
		w.WriteHeader(http.StatusAccepted)
	default:
		s.alert(body)
	}
}

func (s *sink) keep(path string, body []byte) {
	m := message{At: time.Now(), Bytes: len(body)}
	var doc any
	if json.Unmarshal(body, &doc) == nil {
		m.Parts = texts(doc, "")
	}
	var indented bytes.Buffer
	if json.Indent(&indented, body, "", "  ") == nil {
		m.JSON = indented.String()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := append([]message{m}, s.messages[path]...)
	s.messages[path] = kept[:min(len(kept), sinkKeeps)]
}

// texts walks a Slack message or an Adaptive Card and collects its texts.
func texts(node any, class string) []part {
	switch n := node.(type) {
	case []any:
		var out []part
		for _, child := range n {
			out = append(out, texts(child, class)...)
		}
		return out
	case map[string]any:
		kind, _ := n["type"].(string)
		switch kind {
		case "header", "context", "section", "Container", "RichTextBlock", "FactSet":
			class = kind
		case "Action.OpenUrl", "button":
			title, _ := n["title"].(string)
			url, _ := n["url"].(string)
			return []part{{"link", title, url}}
		}
		if text, ok := n["text"].(string); ok && kind != "" {
			if n["weight"] == "Bolder" || n["size"] == "Large" {
				class = "header"
			}
			if link := slackLink.FindStringSubmatch(text); link != nil {
				return []part{{"link", link[2], link[1]}}
			}
			return []part{{class, text, ""}}
		}
		var out []part
		for _, key := range []string{"attachments", "content", "body", "blocks", "text", "items", "columns", "inlines", "fields", "facts", "elements", "actions"} {
			if child, ok := n[key]; ok {
				out = append(out, texts(child, class)...)
			}
		}
		return out
	}
	return nil
}

func (s *sink) show(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	s.mu.Lock()
	data := struct {
		Path  string
		Paths []string
		Shown []message
	}{path, []string{"/slack", "/teams", "/webhook"}, append([]message(nil), s.messages[path]...)}
	s.mu.Unlock()
	if path == "/" {
		http.Redirect(w, r, "/slack", http.StatusFound)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Refresh", "3")
	// An error here is a browser that went away.
	_ = s.page.Execute(w, data)
}
