package slack

import (
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/notify"
	"github.com/cadrift/cadrift/internal/words"
)

// Slack's limits and what we keep below them. Characters are counted as
// UTF-16 units after escaping, the largest way in which anybody counts.
// The sum of all text is undocumented; messages failed from 11,341 on.
const (
	shownEvents = 15
	headerChars = 150 // Slack's
	textChars   = 800
	bodyChars   = 6000 // shared by the events shown
	blockChars  = 2800 // Slack's 3,000
	introChars  = 300
	footChars   = 300
	linkChars   = 400 // an address longer than that is left out
	plainChars  = 280 // per line of the fallback …
	plainLines  = 32  // … which holds a line for each event shown
)

const homeLabel = "All events and open drift"

// payload is the request body.
type payload struct {
	Text        string  `json:"text"`
	Blocks      []block `json:"blocks,omitempty"`
	UnfurlLinks bool    `json:"unfurl_links"`
	UnfurlMedia bool    `json:"unfurl_media"`
}

// block is a header, a section, a context or a divider.
type block struct {
	Type     string `json:"type"`
	Text     *text  `json:"text,omitempty"`
	Elements []text `json:"elements,omitempty"`
}

// text is a plain_text or a mrkdwn object; each allows one of the flags.
type text struct {
	Type     string `json:"type"`
	Text     string `json:"text"`
	Emoji    *bool  `json:"emoji,omitempty"`
	Verbatim *bool  `json:"verbatim,omitempty"`
}

// plain is foreign text: no markup, no emoji codes.
func plain(s string, limit int) text {
	return text{Type: "plain_text", Text: fit(s, limit), Emoji: new(bool)}
}

// markup is text that we wrote, links included.
func markup(s string) text {
	return text{Type: "mrkdwn", Text: s, Verbatim: new(true)}
}

func compose(m *notify.Message, links words.Links) payload {
	if m.Plain {
		return payload{Text: codeBlock(m.Text())}
	}
	headline := marker(m.Top()) + " " + m.Headline()
	p := payload{
		Text:   fit(headline, textChars),
		Blocks: []block{{Type: "header", Text: new(plain(headline, headerChars))}},
	}
	if intro := m.Intro(); intro != "" {
		p.add(plain(intro, introChars))
	}
	if len(m.Items) == 1 && len(m.Folded) == 0 {
		p.single(m.Items[0], headline, links)
	} else {
		share := bodyChars / len(m.Items)
		for _, it := range m.Items {
			p.brief(it, share, links)
		}
		p.context(plain(words.Head(m.Newest()), footChars), markup(link(links.Home(), homeLabel)))
	}
	return p
}

// single shows one event with all that is known of it.
func (p *payload) single(it notify.Item, headline string, links words.Links) {
	e := it.Event
	if size(escape(headline)) > headerChars { // the header was cut
		p.add(plain(words.Clean(e.Summary, bodyChars/4), bodyChars/4))
	}
	var what, around []string
	last := ""
	for _, l := range words.Lines(e) {
		switch {
		case l.Label == words.LabelEvent:
		case l.Label == words.LabelLockout, words.IsChange(l.Label):
			what = append(what, labelled(l, last))
		default:
			around = append(around, labelled(l, last))
		}
		last = l.Label
	}
	p.add(plain(strings.Join(what, "\n"), bodyChars/3))
	p.add(plain(strings.Join(around, "\n"), bodyChars/3))
	lines := words.Lines(e)
	foot := []text{
		plain(it.Mark(lines[len(lines)-1].Text), footChars),
		markup(link(links.Event(e), "Open in cadrift")), markup(link(links.Portal(e), "Open in Entra")),
	}
	if it.Dropped.Events() > 0 {
		foot = append(foot, markup(link(links.Home(), homeLabel)))
	}
	p.context(foot...)
}

// brief shows one event of several in its share of the characters: first line,
// lockout reasons, changes, who.
func (p *payload) brief(it notify.Item, share int, links words.Links) {
	e := it.Event
	foot := plain(it.Mark(words.Clean(e.ID, 80)), min(footChars, share/4))
	open := link(links.Event(e), "Open")
	if size(open) > share/3 {
		open = ""
	}
	share -= size(foot.Text) + size(open)
	out := []string{marker(e) + " " + words.Headline(e)}
	last := ""
	for _, l := range words.Lines(e) {
		if words.InBrief(l.Label) {
			out = append(out, labelled(l, last))
		}
		last = l.Label
	}
	p.add(plain(strings.Join(out, "\n"), min(share, blockChars)))
	p.context(foot, markup(open))
}

// labelled is a line with its label, which is said once: the lines after it
// have a bullet.
func labelled(l words.Line, last string) string {
	if l.Label == last {
		return "• " + l.Text
	}
	return l.Label + ": " + l.Text
}

// add appends a section; Slack refuses empty text.
func (p *payload) add(t text) {
	if t.Text != "" {
		p.Blocks = append(p.Blocks, block{Type: "section", Text: &t})
	}
}

// context appends a line of small print, of those elements that say something.
func (p *payload) context(elements ...text) {
	elements = slices.DeleteFunc(elements, func(t text) bool { return t.Text == "" })
	if len(elements) > 0 {
		p.Blocks = append(p.Blocks, block{Type: "context", Elements: elements})
	}
}

// marker shows the severity at a glance; the word stands beside it.
func marker(e *drift.Event) string {
	severity, _ := words.Verdict(e)
	switch {
	case e.Type == drift.TestEvent:
		return "🧪"
	case e.Locks():
		return "🚨"
	case e.Drift == drift.DriftResolved, e.Type == drift.MonitorRecovered:
		return "🟢"
	}
	switch severity {
	case drift.Critical:
		return "🔴"
	case drift.High:
		return "🟠"
	case drift.Medium:
		return "🟡"
	case drift.Low:
		return "🔵"
	}
	return "⚪"
}

// link is one of our own links; empty when there is no address or it is too
// long to spend characters on.
func link(url, label string) string {
	if url == "" {
		return ""
	}
	// The address comes from our configuration; these three would still end
	// the link early.
	url = strings.NewReplacer("|", "%7C", "<", "%3C", ">", "%3E").Replace(url)
	if out := "<" + escape(url) + "|" + label + ">"; size(out) <= linkChars {
		return out
	}
	return ""
}

// codeBlock is the fallback for a message whose blocks were refused: inside a
// code block Slack reads neither formatting nor bare addresses.
func codeBlock(s string) string {
	lines := strings.Split(strings.TrimSpace(strings.ReplaceAll(s, "`", "ˋ")), "\n")
	if len(lines) > plainLines {
		lines = append(lines[:plainLines], "…")
	}
	for i, l := range lines {
		lines[i] = fit(l, plainChars)
	}
	return "```\n" + strings.Join(lines, "\n") + "\n```"
}

// escape writes Slack's three control characters as it wants them, and no
// others: it would show &#39; literally.
func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}

// fit escapes text and cuts it to limit characters, never inside an escape.
func fit(s string, limit int) string {
	if out := escape(s); size(out) <= limit {
		return out
	}
	var b strings.Builder
	room := limit - 1 // for the "…"
	for _, r := range s {
		piece := escape(string(r))
		if room -= size(piece); room < 0 {
			break
		}
		b.WriteString(piece)
	}
	return b.String() + "…"
}

// size counts characters as UTF-16 units.
func size(s string) int {
	n := 0
	for _, r := range s {
		n += max(utf16.RuneLen(r), 1)
	}
	return n
}
