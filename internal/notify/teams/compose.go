package teams

import (
	"strings"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/notify"
	"github.com/cadrift/cadrift/internal/words"
)

// Teams drops messages above 28,672 bytes after adding some 18 % of its own,
// and says so in the flow's run history only.
const (
	maxBytes    = 20_000
	shownEvents = 12
	frameBytes  = 3_000 // envelope and links
	headBytes   = 1_600 // first line and intro
	bodyBytes   = maxBytes - frameBytes - headBytes
	linkBytes   = 600 // a longer address is left out; at most four links
	idBytes     = 320
	footBytes   = 480
	leftBytes   = 120
)

// compose makes the request body.
func compose(m *notify.Message, links words.Links) ([]byte, error) {
	if m.Plain {
		return encode(newEnvelope(plainBody(m), nil))
	}
	body := head(m)
	if len(m.Items) == 1 && len(m.Folded) == 0 {
		body = append(body, single(m.Items[0])...)
	} else {
		for _, it := range m.Items {
			body = append(body, brief(it, (bodyBytes-footBytes)/len(m.Items))...)
		}
		body = append(body, small(words.Head(m.Newest()))...)
	}
	return encode(newEnvelope(body, actions(m, links)))
}

// head is the coloured first line, and what a message of several holds.
func head(m *notify.Message) []element {
	title, _, _ := shrink(m.Headline(), headBytes/2, func(s string) element {
		return paragraph(run{Text: s, Weight: "Bolder", Size: "Medium"})
	})
	out := []element{{Type: "Container", Style: style(m.Top()), Bleed: true, Items: []element{title}}}
	if intro := m.Intro(); intro != "" {
		out = append(out, paragraph(run{Text: intro, Subtle: true}))
	}
	return out
}

// single shows one event with all that is known of it.
func single(it notify.Item) []element {
	f := filler{room: bodyBytes - footBytes - leftBytes} // the last two must not fall off
	if whole := words.Clean(it.Event.Summary, 1000); !strings.Contains(words.Headline(it.Event), whole) {
		f.add("", whole, 2500) // the first line holds a part of it
	}
	lines := words.Lines(it.Event)
	last := ""
	for _, l := range lines[:len(lines)-1] {
		f.line(l, last, 1500)
		last = l.Label
	}
	f.flush()
	return append(f.out, small(it.Mark(lines[len(lines)-1].Text))...)
}

// brief shows one event of several in its share of the bytes: first line,
// lockout reasons, changes, who.
func brief(it notify.Item, share int) []element {
	foot := small(it.Mark(words.Clean(it.Event.ID, 80)))
	f := filler{room: share - size(foot...)}
	title, cost, ok := shrink(words.Headline(it.Event), f.room*2/3, func(s string) element {
		e := paragraph(run{Text: s, Weight: "Bolder", Color: color(it.Event)})
		e.Separator = true
		return e
	})
	if ok {
		f.room -= cost
		f.out = append(f.out, title)
	}
	last := ""
	for _, l := range words.Lines(it.Event) {
		if words.InBrief(l.Label) {
			f.line(l, last, f.room)
		}
		last = l.Label
	}
	return append(f.out, foot...)
}

// filler appends lines while there is room and counts what it left out.
type filler struct {
	room int
	left int
	out  []element
}

func (f *filler) add(label, text string, limit int) {
	if text == "" {
		return
	}
	e, cost, ok := shrink(text, min(limit, f.room), func(s string) element {
		e := paragraph(run{Text: s})
		if label != "" {
			e = paragraph(run{Text: label + ": ", Weight: "Bolder"}, run{Text: s})
		}
		e.Spacing = "Small"
		return e
	})
	if !ok {
		f.left++
		return
	}
	f.room -= cost
	f.out = append(f.out, e)
}

// line adds a line with its label, which is said once: the lines after it
// have a bullet.
func (f *filler) line(l words.Line, last string, limit int) {
	if l.Label == last {
		f.add("", "• "+l.Text, limit)
		return
	}
	f.add(l.Label, l.Text, limit)
}

// flush says that lines were left out.
func (f *filler) flush() {
	if f.left > 0 {
		f.out = append(f.out, paragraph(run{Text: "… and more: open the event", Subtle: true}))
	}
}

// small is a line of small print, none without text.
func small(text string) []element {
	if text == "" {
		return nil
	}
	e, _, ok := shrink(text, footBytes, func(s string) element {
		e := paragraph(run{Text: s, Size: "Small", Subtle: true})
		e.Spacing = "Small"
		return e
	})
	if !ok {
		return nil
	}
	return []element{e}
}

// actions are the links: those of the event, or the start page for several.
func actions(m *notify.Message, links words.Links) []action {
	var out []action
	add := func(title, url string) {
		if url != "" && len(url) <= linkBytes {
			out = append(out, action{"Action.OpenUrl", title, url})
		}
	}
	if len(m.Items) == 1 {
		add("Open in cadrift", links.Event(m.Items[0].Event))
		add("Open in Entra", links.Portal(m.Items[0].Event))
	}
	if len(m.Items)+len(m.Folded) > 1 || m.Dropped.Count > 0 {
		add("All events and open drift", links.Home())
	}
	return out
}

// plainBody is the smallest card that tells every event: first lines only.
func plainBody(m *notify.Message) []element {
	f := filler{room: bodyBytes}
	f.add("", m.Headline(), headBytes)
	f.add("", m.Intro(), headBytes)
	share := f.room / len(m.Items)
	for _, it := range m.Items {
		f.add("", words.Headline(it.Event), share-idBytes)
		f.add("", words.Clean(it.Event.ID, 80), idBytes)
	}
	return f.out
}

// style is the colour of the card's head.
func style(e *drift.Event) string {
	switch color(e) {
	case "Attention":
		return "attention"
	case "Warning":
		return "warning"
	case "Accent":
		return "accent"
	case "Good":
		return "good"
	}
	return "emphasis"
}

// color follows the severity that the first line says in words; a lockout risk
// is as red as it gets.
func color(e *drift.Event) string {
	severity, _ := words.Verdict(e)
	switch {
	case e.Drift == drift.DriftResolved, e.Type == drift.MonitorRecovered:
		return "Good"
	case e.Type == drift.TestEvent:
		return "Default"
	case e.Locks():
		return "Attention"
	}
	switch severity {
	case drift.Critical:
		return "Attention"
	case drift.High:
		return "Warning"
	case drift.Medium:
		return "Accent"
	}
	return "Default"
}
