package notify

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/words"
)

// Item is one event that a message shows.
type Item struct {
	Event *drift.Event
	// Repeat tells that the receiver may have this event already: an earlier
	// try ended without an answer that could be trusted.
	Repeat bool
	// Dropped are the events about the same subject that left the queue
	// untold, because it had grown too long; nil when there are none.
	Dropped *drift.Folded
}

// Message is what one send carries. A webhook gets exactly one item and
// nothing else.
type Message struct {
	// Items are the events shown, never empty, most severe first; only an
	// earlier event about the same subject may stand before a severer one.
	Items []Item
	// Folded are events that the message only counts.
	Folded []*drift.Event
	// Dropped sums up what all its events carry, shown and counted.
	Dropped drift.Folded
	// Following counts the events of the same pass that come in further
	// messages.
	Following int
	// Digest tells that the message catches up on several passes.
	Digest bool
	// Plain asks for the plainest form that the receiver takes, because it
	// refused the rich one.
	Plain bool
}

// Top is the most severe event that the message shows.
func (m *Message) Top() *drift.Event {
	top := m.Items[0].Event
	for _, it := range m.Items[1:] {
		if loudness(it.Event) > loudness(top) {
			top = it.Event
		}
	}
	return top
}

// loudness ranks events: a lockout risk before every severity.
func loudness(e *drift.Event) int {
	if e.Locks() {
		return int(drift.Critical) + 1
	}
	return int(e.Loudest())
}

// Headline is the first line of the message.
func (m *Message) Headline() string {
	return words.GroupHeadline(m.Top(), len(m.Items)+len(m.Folded))
}

// Intro says what a message about several events holds and what it leaves
// out; empty for one event alone with nothing before it.
func (m *Message) Intro() string {
	var parts []string
	if m.Digest {
		from, to := m.span()
		parts = append(parts, fmt.Sprintf("Catching up on %d events, %s", len(m.Items)+len(m.Folded), words.Span(from, to)))
	} else if n := len(m.Items) + len(m.Folded); n > 1 {
		parts = append(parts, fmt.Sprintf("%d events: %s", n, m.tally()))
	}
	if n := len(m.Folded); n > 0 {
		parts = append(parts, fmt.Sprintf("%d shown and %d more", len(m.Items), n))
	}
	if m.Following > 0 {
		parts = append(parts, fmt.Sprintf("%d more in further messages", m.Following))
	}
	if n := m.Dropped.Count; n > 0 {
		parts = append(parts, fmt.Sprintf("queue was full, earlier events folded: %d, %s; see the history",
			n, words.Span(m.Dropped.From, m.Dropped.To)))
	}
	return strings.Join(parts, "; ")
}

// tally counts by severity: "3 critical, 9 low".
func (m *Message) tally() string {
	counts := map[drift.Severity]int{}
	for _, e := range m.events() {
		counts[e.Loudest()]++
	}
	var parts []string
	for _, s := range drift.Severities() {
		if counts[s] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[s], s))
		}
	}
	return strings.Join(parts, ", ")
}

// span is the time of the first and of the last event.
func (m *Message) span() (from, to time.Time) {
	for _, e := range m.events() {
		if from.IsZero() || e.Time.Before(from) {
			from = e.Time
		}
		if e.Time.After(to) {
			to = e.Time
		}
	}
	return from, to
}

// Newest is the event whose chain head covers all that the message tells.
func (m *Message) Newest() *drift.Event {
	newest := m.Items[0].Event
	for _, e := range m.events() {
		if e.Seq > newest.Seq {
			newest = e
		}
	}
	return newest
}

func (m *Message) events() []*drift.Event {
	out := make([]*drift.Event, 0, len(m.Items)+len(m.Folded))
	for _, it := range m.Items {
		out = append(out, it.Event)
	}
	return append(out, m.Folded...)
}

// repeatNote is what a message says of an event that the receiver may have
// already.
const repeatNote = "possible repeat"

// Mark puts before a footer what there is to note of the item.
func (it Item) Mark(footer string) string {
	return strings.Join(append(it.notes(), footer), " · ")
}

func (it Item) notes() (out []string) {
	if it.Repeat {
		out = append(out, repeatNote)
	}
	if n := it.Dropped.Events(); n > 0 {
		out = append(out, fmt.Sprintf("%d earlier folded", n))
	}
	return out
}

// headlineRunes is what the plain text of several events shows of each.
const headlineRunes = 220

// Text is the message as plain text, a line feed at the end of each line: all
// of one event, or the first lines of several.
func (m *Message) Text() string {
	var b strings.Builder
	if intro := m.Intro(); intro != "" {
		b.WriteString(intro + "\n")
	}
	for _, it := range m.Items {
		if len(m.Items) == 1 {
			b.WriteString(words.Plain(it.Event))
		} else {
			b.WriteString(words.Cut(words.Headline(it.Event), headlineRunes) + "\n")
		}
		if notes := it.notes(); len(notes) > 0 {
			b.WriteString("  (" + strings.Join(notes, ", ") + ")\n")
		}
	}
	return b.String()
}

// Result is what came of one send.
type Result int

// The results.
const (
	// Delivered: the receiver took it.
	Delivered Result = iota
	// Later: not now; the same message may succeed.
	Later
	// Refused: the receiver will not take messages from us until a person
	// changes something.
	Refused
	// Unfit: the receiver did not like this payload; a plainer one may do.
	Unfit
)

// Outcome is the answer to one send. None of its texts holds a secret.
type Outcome struct {
	Result Result
	// RetryAfter is how long the receiver asked to be left alone, 0 when it
	// did not.
	RetryAfter time.Duration
	// Reason is one short line for logs, status and the outbox.
	Reason string
	// Answer is what the receiver said, shortened and made safe, for
	// "notify test".
	Answer string
}

// Limits are what a sink can carry. The zero value is one event per message
// and no rate.
type Limits struct {
	// Events is how many events one message shows. With 1 nothing is grouped
	// or folded.
	Events int
	// PerMinute bounds the messages of any 60 seconds, Spacing the time
	// between two.
	PerMinute int
	Spacing   time.Duration
}

// grouped tells whether messages may hold several events.
func (l Limits) grouped() bool { return l.Events > 1 }

// Sink is one receiver's way out.
type Sink interface {
	// Send makes one try. It must be safe for concurrent use, end soon after
	// ctx, and keep secrets out of the outcome.
	Send(ctx context.Context, m *Message) Outcome
	// Limits never change.
	Limits() Limits
}
