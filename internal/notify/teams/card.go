package teams

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// envelope is what the flow "Post to a channel when a webhook request is
// received" loops over. A bare card posts nothing.
type envelope struct {
	Type        string       `json:"type"`
	Attachments []attachment `json:"attachments"`
}

type attachment struct {
	ContentType string  `json:"contentType"`
	ContentURL  *string `json:"contentUrl"` // null, as Microsoft's example has it
	Content     card    `json:"content"`
}

type card struct {
	Schema       string    `json:"$schema"`
	Type         string    `json:"type"`
	Version      string    `json:"version"`
	FallbackText string    `json:"fallbackText"`
	MSTeams      width     `json:"msteams"`
	Body         []element `json:"body"`
	Actions      []action  `json:"actions,omitempty"`
}

type width struct {
	Width string `json:"width"`
}

// element is a Container or a RichTextBlock.
type element struct {
	Type      string    `json:"type"`
	Style     string    `json:"style,omitempty"`
	Bleed     bool      `json:"bleed,omitempty"`
	Spacing   string    `json:"spacing,omitempty"`
	Separator bool      `json:"separator,omitempty"`
	Items     []element `json:"items,omitempty"`
	Inlines   []run     `json:"inlines,omitempty"`
}

// run is a TextRun: text without Markdown.
type run struct {
	Type   string `json:"type"`
	Text   string `json:"text"`
	Weight string `json:"weight,omitempty"`
	Size   string `json:"size,omitempty"`
	Color  string `json:"color,omitempty"`
	Subtle bool   `json:"isSubtle,omitempty"`
}

type action struct {
	Type  string `json:"type"`
	Title string `json:"title"`
	URL   string `json:"url"`
}

func newEnvelope(body []element, actions []action) envelope {
	return envelope{Type: "message", Attachments: []attachment{{
		ContentType: "application/vnd.microsoft.card.adaptive",
		Content: card{
			Schema:       "http://adaptivecards.io/schemas/adaptive-card.json",
			Type:         "AdaptiveCard",
			Version:      "1.4",
			FallbackText: "cadrift alert: this app cannot show it, please open it in Teams",
			MSTeams:      width{"full"},
			Body:         body,
			Actions:      actions,
		},
	}}}
}

// paragraph is one block of runs, with the text of the style run split where
// Teams or a flow could see an expression, a date macro or a mention. Readers
// see the same text.
func paragraph(runs ...run) element {
	e := element{Type: "RichTextBlock"}
	for _, r := range runs {
		r.Type = "TextRun"
		for _, piece := range defuse(r.Text) {
			r.Text = piece
			e.Inlines = append(e.Inlines, r)
		}
	}
	return e
}

// defuse splits a text inside "{{", "}}", "${", "@{" and "<at", so that no run
// holds one: TextRuns know {{DATE(…)}}, flows know @{…} and ${…}.
func defuse(text string) []string {
	var out []string
	start := 0
	for i := 1; i < len(text); i++ {
		switch text[i-1 : i+1] {
		case "{{", "}}", "${", "@{", "<a", "<A":
			out = append(out, text[start:i])
			start = i
		}
	}
	return append(out, text[start:])
}

// encode writes JSON without Go's \u003c escapes, which cost bytes.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("encode Teams card: %w", err)
	}
	return bytes.TrimSpace(b.Bytes()), nil
}

// size is what elements cost in the card, their commas included.
func size(elements ...element) int {
	n := 0
	for _, e := range elements {
		raw, err := encode(e)
		if err != nil { // strings and booleans always encode
			return maxBytes
		}
		n += len(raw) + 1
	}
	return n
}

// shrink cuts a text until the paragraph that build makes of it costs at most
// limit bytes; ok is false when even a few words do not fit.
func shrink(text string, limit int, build func(string) element) (e element, cost int, ok bool) {
	runes := []rune(text)
	for cut := text; ; cut = strings.TrimSpace(string(runes)) + "…" {
		e = build(cut)
		if cost = size(e); cost <= limit {
			return e, cost, true
		}
		if len(runes) < 5 {
			return element{}, 0, false
		}
		// Most of the cost is the text's, so the overshoot says how much to
		// take; at least an eighth goes each time.
		runes = runes[:min(len(runes)*limit/cost, len(runes)*7/8)]
	}
}
