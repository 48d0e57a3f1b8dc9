package demo

import (
	"bytes"
	"context"
	"io"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// output is a writer that can be read while the demo runs.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// TestDemo runs the whole script against the real daemon on loopback and reads
// the console as a person would: every step is told within its two passes, in
// its words, and the reordering is not told at all.
func TestDemo(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	var out output
	done := make(chan error, 1)
	go func() {
		done <- Run(ctx, Options{Listen: "127.0.0.1:0", Speed: 1000, Version: "test", Color: "never", LogTo: io.Discard, Out: &out})
	}()
	over := func() bool { // the last attribution may come after the last step
		return strings.Contains(out.String(), "the script is over") && strings.Contains(out.String(), "who it was · contoso · CA002")
	}
	for !over() && ctx.Err() == nil {
		select {
		case err := <-done:
			t.Fatalf("the demo ended early: %v\n%s", err, out.String())
		case <-time.After(100 * time.Millisecond):
		}
	}
	// Steps are told between their line and the next one.
	steps := strings.Split(out.String(), "── ")
	for title, want := range map[string]string{
		"renames":                    "LOW · neutral · contoso · CA204",
		"in another order":           "",
		"excludes a user":            "HIGH · WEAKER · contoso · CA101",
		"adds a mobile carrier":      "CRITICAL · WEAKER · contoso · HQ",
		"adds twelve people":         "HIGH · WEAKER · contoso · Travelling staff",
		"managed device\" off":       "CRITICAL · WEAKER · contoso · CA203",
		"requirements alternatives":  "CRITICAL · WEAKER than baseline · contoso · CA203",
		"switches it on again":       "weaker than when it was last enforced",
		"deletes":                    "CRITICAL · WEAKER · contoso · CA002",
		"anew under the same name\n": "MEDIUM · stronger · contoso · CA002",
		"emergency accounts out":     "MEDIUM · guard wrote · RESOLVED · contoso · CA006",
		"its own copy":               "MEDIUM · guard wrote · RESOLVED · contoso · CA006",
		"… and again\n":              "MEDIUM · guard wrote · RESOLVED · contoso · CA006",
		"… and once more":            "HIGH · GUARD FAILED · contoso · CA006",
	} {
		told := ""
		for _, s := range steps {
			if head, rest, _ := strings.Cut(s, "expect:"); strings.Contains(head, title) {
				_, told, _ = strings.Cut(rest, "\n\n")
			}
		}
		switch {
		case want == "" && strings.TrimSpace(told) != "":
			t.Errorf("step %q: told %q, want nothing", title, told)
		case !strings.Contains(told, want):
			t.Errorf("step %q: told %q, want %q in it", title, told, want)
		case title == "deletes" && strings.Contains(told, "Who  "):
			t.Errorf("step %q: told %q at once, though the log is late", title, told)
		}
	}
	for _, want := range []string{"Who +sam@contoso.example", "Who +the app Release pipeline", "put back: .*; taken away by sam@contoso.example", "put back: .*; taken away by the app Policy copier", "who it was · contoso · CA002.* deleted by alex@contoso.example"} {
		if !regexp.MustCompile(want).MatchString(out.String()) {
			t.Errorf("nothing says %q", want)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("the demo ended with %v", err)
	}
}

func TestSinkShowsTexts(t *testing.T) {
	got := texts(map[string]any{"blocks": []any{
		map[string]any{"type": "header", "text": map[string]any{"type": "plain_text", "text": "CRITICAL"}},
		map[string]any{"type": "context", "elements": []any{map[string]any{"type": "mrkdwn", "text": "<http://127.0.0.1/x|Open>"}}},
	}}, "")
	want := []part{{"header", "CRITICAL", ""}, {"link", "Open", "http://127.0.0.1/x"}}
	if len(got) != len(want) || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("texts: got %v, want %v", got, want)
	}
}
