package words

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// Line is one labelled line under the first one. Label is one of the constants
// of this package, never foreign text.
type Line struct{ Label, Text string }

// The labels, in the order in which [Lines] gives them.
const (
	LabelLockout   = "Lockout"
	LabelChanged   = "Changed"
	LabelHas       = "It has" // what an object that appeared is made of
	LabelHad       = "It had" // what one that vanished was made of
	LabelPolicy    = "Policy"
	LabelAdded     = "Added"
	LabelResult    = "Result"
	LabelReason    = "Reason"
	LabelDetail    = "Detail"
	LabelKinds     = "Kinds"
	LabelWho       = "Who"
	LabelWhen      = "When"
	LabelBaseline  = "Baseline"
	LabelAffects   = "Affects"
	LabelAnnounced = "Announced"
	LabelRelated   = "Related"
	LabelObject    = "Object"
	LabelDigest    = "Digest"
	LabelAbout     = "About"
	LabelEvent     = "Event"
)

// What a list may show before "and N more".
const (
	maxChanges = 12
	maxReasons = 6
	maxNames   = 8
	lineRunes  = 500
)

// Lines is everything that is known of the event, most useful first; the last
// line, [LabelEvent], is the footer with id, revision and chain head.
func Lines(e *drift.Event) []Line {
	var out lines
	out.each(LabelLockout, e.LockoutReasons, maxReasons)
	label, texts := changed(e)
	out.each(label, texts, maxChanges)
	if e.Policy != nil {
		out.add(LabelPolicy, refWords(*e.Policy))
	}
	out.add(LabelAdded, list(e.Added, maxNames))
	out.add(LabelResult, e.Result)
	out.add(LabelReason, reason(e))
	out.add(LabelDetail, e.Detail)
	out.add(LabelKinds, kindWords(e.Kinds))
	out.add(LabelWho, who(e))
	out.add(LabelWhen, when(e))
	out.add(LabelBaseline, againstBaseline(e))
	out.add(LabelAffects, affects(e.Affects))
	out.add(LabelAnnounced, announced(e))
	if e.Related != "" {
		out.add(LabelRelated, "the same name under another id: "+e.Related)
	}
	if e.Object != nil {
		out.add(LabelObject, refWords(*e.Object)+" ("+e.Object.ID+")")
	}
	out.add(LabelDigest, e.Digest)
	out.add(LabelAbout, e.About)
	out.add(LabelEvent, footer(e))
	return out
}

type lines []Line

// add appends a line, unless there is nothing to say.
func (l *lines) add(label, text string) {
	if text != "" {
		*l = append(*l, Line{label, Clean(text, lineRunes)})
	}
}

// each appends one line per text, capped.
func (l *lines) each(label string, texts []string, limit int) {
	for i, text := range texts {
		if i == limit {
			l.add(label, more(len(texts)-limit))
			return
		}
		l.add(label, text)
	}
}

func more(n int) string { return fmt.Sprintf("… and %d more", n) }

// list joins names, capped, each made visible by itself.
func list(names []string, limit int) string {
	var shown []string
	for i, name := range names {
		if i == limit {
			shown = append(shown, more(len(names)-limit))
			break
		}
		shown = append(shown, Clean(name, 80))
	}
	return strings.Join(shown, ", ")
}

// changeTexts are the changed fields, each with its own direction where it
// says more than the event's.
func changeTexts(e *drift.Event, changes []drift.Change) []string {
	var out []string
	for _, c := range changes {
		text := c.Text
		if text == "" {
			text = c.Path + ": " + value(c.Old) + " → " + value(c.New)
		}
		if c.Direction != drift.Neutral && c.Direction != e.Dir() {
			// The mark must survive a long list of members.
			text = Clean(text, lineRunes-12) + " (" + c.Direction.String() + ")"
		}
		out = append(out, text)
	}
	return out
}

// value is a JSON value as a change without words shows it.
func value(raw json.RawMessage) string {
	if len(raw) == 0 {
		return "nothing"
	}
	return Clean(string(raw), 120)
}

// refWords is "policy CA001".
func refWords(r drift.Ref) string {
	return strings.TrimSpace(r.Kind.Words() + " " + drift.Visible(r.Name))
}

func kindWords(kinds []drift.Kind) string {
	var names []string
	for _, k := range kinds {
		names = append(names, k.Words())
	}
	return list(names, maxNames)
}

// affects counts and names what a change touches: policies, by the contract.
func affects(refs []drift.Ref) string {
	var names []string
	for _, r := range refs {
		names = append(names, drift.Visible(r.Name))
	}
	switch len(refs) {
	case 0:
		return ""
	case 1:
		return refWords(refs[0])
	}
	return fmt.Sprintf("%d policies: %s", len(refs), list(names, maxNames))
}

// reason is the reason and, for a pin, who gave it.
func reason(e *drift.Event) string {
	text := Clean(e.Reason, lineRunes-80)
	if e.By == "" {
		return text
	}
	return strings.TrimSpace(text + " (by " + Clean(e.By, 64) + ")")
}

// who is the actor. Graph publishes audit records minutes later: until then
// nothing is said, and event.attributed follows.
func who(e *drift.Event) string {
	a := e.Actor
	if a == nil || a.Kind == "unknown" {
		if e.Type == drift.EventAttributed {
			return "unknown: no audit record was found"
		}
		return ""
	}
	name := a.Words()
	if !a.Time.IsZero() {
		name += ", " + clock(a.Time)
	}
	return name
}

// when is the span in which it happened.
func when(e *drift.Event) string {
	switch {
	case e.Window == nil || e.Window.To.IsZero():
		return clock(e.Time)
	case e.Window.From.IsZero():
		return "before " + clock(e.Window.To)
	}
	return Span(e.Window.From, e.Window.To)
}

// Span is "from – to" without repeating a day that both share.
func Span(from, to time.Time) string {
	from, to = from.UTC(), to.UTC()
	end := clock(to)
	if from.Format(time.DateOnly) == to.Format(time.DateOnly) {
		end = to.Format("15:04:05") + " UTC"
	}
	return from.Format("2006-01-02 15:04:05") + " – " + end
}

func clock(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05") + " UTC"
}

// againstBaseline says what became of the drift, and its verdict where that
// differs from the event's.
func againstBaseline(e *drift.Event) string {
	var text string
	switch {
	case e.Type == drift.DriftReminder:
		text = "drift still open"
	case e.Drift == drift.DriftOpened:
		text = "drift opened"
	case e.Drift == drift.DriftUpdated:
		text = "drift goes on"
	case e.Drift == drift.DriftResolved && e.Cause == "baseline":
		text = "drift resolved"
	case e.Drift == drift.DriftResolved:
		text = "as approved again, drift resolved"
	case e.Drift == drift.DriftNone:
		text = "no drift against a baseline"
	default:
		return ""
	}
	if e.Cause == "baseline" {
		text += "; the baseline moved, the object did not change"
	}
	if e.Drift == drift.DriftResolved || e.DriftSeverity == nil || e.DriftDirection == nil {
		return text
	}
	if *e.DriftSeverity == e.Severity && *e.DriftDirection == e.Dir() {
		return text
	}
	return text + fmt.Sprintf("; against the baseline: %s, %s", e.DriftDirection, e.DriftSeverity)
}

// announced is the expectation that a change matched, and what it would have
// been without.
func announced(e *drift.Event) string {
	x := e.Expected
	if x == nil {
		return ""
	}
	text := Clean(x.Reason, 200) + " (by " + Clean(x.By, 64) + ", until " + clock(x.Until) + ")"
	if e.DeliveredSeverity != nil && *e.DeliveredSeverity != e.Severity {
		text += "; " + e.Severity.String() + " if it had not been"
	}
	return text
}

// footer proves the alert: the id is found in the history, and the chain head
// shows a store that was rolled back.
func footer(e *drift.Event) string {
	parts := []string{Clean(e.ID, 80)}
	if e.Revision > 0 {
		parts = append(parts, fmt.Sprintf("revision %d", e.Revision))
	}
	if head := Head(e); head != "" {
		parts = append(parts, head)
	}
	return strings.Join(parts, separator)
}

// Head is the head of the hash chain after the event, as "cadrift verify
// --head" takes it; empty for events that are not part of history.
func Head(e *drift.Event) string {
	if e.Chain == "" {
		return ""
	}
	return fmt.Sprintf("chain %d:%s", e.Seq, Clean(e.Chain, 64))
}
