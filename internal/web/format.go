package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html/template"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/words"
)

// funcs are what the templates can say, with base before every path. Whatever
// they return is text: html/template encodes it for where it stands.
func funcs(base string) template.FuncMap {
	return template.FuncMap{
		"page":      func(path string) string { return base + path },
		"age":       age,
		"clock":     func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
		"day":       func(t time.Time) string { return t.UTC().Format("2006-01-02") },
		"machine":   func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"name":      name,
		"clean":     func(text string) string { return words.Clean(text, textRunes) },
		"what":      what,
		"marks":     marks,
		"loudest":   func(e drift.Event) drift.Severity { return e.Loudest() },
		"locks":     func(e drift.Event) bool { return e.Locks() },
		"arrow":     arrow,
		"eventURL":  func(id string) string { return base + words.EventPath(id) },
		"objectURL": func(tenant string, r drift.Ref) string { return base + words.ObjectPath(tenant, r) },
		"patch":     patch,
		"listed":    listed,
		"pieces":    pieces,
		"guard":     guardWords,
		"origin":    words.Origin,
		"head":      head,
		"kinds":     words.Objects,
	}
}

// textRunes is the longest line of text on a page.
const textRunes = 1000

// age is how long ago t was.
func age(t, now time.Time) string { return words.Duration(now.Sub(t)) }

// name is what an object is called on a page; names are chosen by others.
func name(r drift.Ref) string {
	if r.Name == "" {
		return r.ID
	}
	return drift.Visible(r.Name)
}

// what is the event's own line. Severity and direction stand beside it as
// marks, so it is not the whole first line of an alert.
func what(e drift.Event) string {
	if e.Summary == "" {
		return words.Headline(&e)
	}
	return words.Clean(e.Summary, textRunes)
}

// marks are the words that severity and direction do not say.
func marks(e drift.Event) []string {
	var all []string
	if e.Type != drift.DriftChanged {
		all = append(all, string(e.Type))
	}
	if e.Drift != "" && e.Drift != drift.DriftNone {
		all = append(all, "drift "+string(e.Drift))
	}
	if e.Expected != nil {
		all = append(all, "announced")
	}
	return all
}

// arrow draws a direction beside the word for it.
func arrow(d drift.Direction) string {
	return [...]string{"→", "↓", "↑", "↕"}[d&drift.Mixed]
}

// listing is what changed, field by field. Of an object that came or went
// whole, no field was edited: Parts says that none has a direction.
type listing struct {
	Title   string
	Parts   bool
	Changes []drift.Change
}

// listed is nil when there is nothing to list.
func listed(changes []drift.Change, previous, fromBaseline drift.Patch) *listing {
	if len(changes) == 0 {
		return nil
	}
	switch came, went := words.Whole(previous, fromBaseline); {
	case came:
		return &listing{"What it has", true, changes}
	case went:
		return &listing{"What it had", true, changes}
	}
	return &listing{"What changed", false, changes}
}

// lineRunes is what a phone shows of a heavy text in one line, whatever its
// letters.
const lineRunes = 24

// pieces cuts a text where a word that is too long for a line may break: an
// address before its @, and not anywhere.
func pieces(text string) []string {
	var out []string
	start := 0
	for i := 0; i < len(text); {
		end := i + len(text[i:])
		if space := strings.IndexByte(text[i:], ' '); space >= 0 {
			end = i + space + 1
		}
		at := strings.LastIndexByte(text[i:end], '@')
		if at > 0 && utf8.RuneCountInString(text[i:end]) > lineRunes {
			out = append(out, text[start:i+at])
			start = i + at
		}
		i = end
	}
	return append(out, text[start:])
}

// guardWords says how the guard stands, as "cadrift status" does.
func guardWords(g Guard) string {
	text := g.Mode + ", " + words.Count(g.Missing, "exclusion", "exclusions") + " missing"
	if g.Stopped {
		text += ", stopped"
	}
	return text
}

// patch is an RFC 6902 patch as people read JSON.
func patch(p drift.Patch) (string, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(p); err != nil {
		return "", fmt.Errorf("encode patch: %w", err)
	}
	return b.String(), nil
}

// head is the end of a chain, short enough to compare by eye.
func head(h drift.Head) string {
	if h.Hash.IsZero() {
		return "empty"
	}
	return fmt.Sprintf("%d:%s…", h.Seq, h.Hash.String()[:12])
}
