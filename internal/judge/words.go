package judge

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cadrift/cadrift/internal/drift"
)

const (
	// maxListed is how many names a line shows of one list.
	maxListed = 8
	// maxValue is how much of a value without words a line shows, in runes.
	maxValue = 120
	// maxSummed is how many changes the summary tells.
	maxSummed = 2

	noneText     = "none"
	allOf, anyOf = "all of ", "any of "
)

// worded is a change with its words.
type worded struct {
	drift.Change
	// rest is the text without the field in front.
	rest     string
	severity drift.Severity
}

// word fills in the words and the directions of the changes.
func (w *World) word(c subject, effects []effect) []worded {
	out := make([]worded, 0, len(c.Changes))
	told := map[*composite]int{} // where the whole of a setting is told
	for i, change := range c.Changes {
		x := worded{Change: change}
		var notes []string
		if !c.whole() || change.Path == "" {
			notes = x.judge(effects)
		}
		whole := compositeOf(c.kind(), change.Path)
		at, isTold := told[whole]
		x.Part = whole != nil && isTold || isSwitch(c.Changes, change.Path) || c.whole() && change.Path == "/displayName"
		if step := w.step(whole, c); step != "" && !x.Part {
			x.Field, x.rest = whole.label, step
			x.Unknown = x.Unknown || !w.known(c.kind(), &change)
			told[whole] = i
		} else {
			w.put(&x, c)
		}
		if isTold { // who skips the parts must still learn of it
			out[at].Unknown = out[at].Unknown || x.Unknown
		}
		if len(notes) > 0 && !x.Part && change.Path != "" {
			slices.Sort(notes)
			x.rest += " (" + strings.Join(notes, "; ") + ")"
		}
		x.Text = x.Field + ": " + x.rest
		out = append(out, x)
	}
	return out
}

// judge gives the change the directions of the effects that concern it, and
// returns what is said beside it.
func (x *worded) judge(effects []effect) (notes []string) {
	for _, e := range effects {
		if !concerns(e.path, x.Path) {
			continue
		}
		x.Direction = x.Direction.Join(e.dir)
		x.severity = max(x.severity, e.severity)
		x.Unknown = x.Unknown || e.unseen && len(x.Path) >= len(e.path)
		if e.note != "" && !slices.Contains(notes, e.note) {
			notes = append(notes, e.note)
		}
	}
	return notes
}

// whole tells of an object that was created or deleted. Its fields are plain
// statements of what it says or said: no signs, no arrows, and no direction of
// their own, since none of them changed anything by itself.
func (c Case) whole() bool { return c.Old == nil || c.New == nil }

// isSwitch tells of the isEnabled of a session control that changed together
// with what it switches on or off.
func isSwitch(changes []drift.Change, path string) bool {
	control, ok := strings.CutSuffix(path, "/isEnabled")
	return ok && under(path, sessionPath) && slices.ContainsFunc(changes, func(c drift.Change) bool {
		return c.Path != path && under(c.Path, control)
	})
}

// concerns tells whether an effect at one path is an effect of a change at
// another: the same field, a part of it, or the object around it.
func concerns(effect, change string) bool { return under(change, effect) || under(effect, change) }

// put words one change by its own field.
func (w *World) put(x *worded, c subject) {
	kind := c.kind()
	if x.Path == "" {
		x.Field = upperFirst(kind.Words())
		if c.New == nil {
			x.rest = "deleted, was " + w.describe(c.Old, c.before)
		} else {
			x.rest = "created: " + w.describe(c.New, c.after)
		}
		return
	}
	x.Field = label(kind, x.Path)
	x.Unknown = x.Unknown || !w.known(kind, &x.Change)
	f := fieldsOf[kind][x.Path]
	switch members := slices.Concat(x.Added, x.Removed); {
	case c.whole() && len(members) > 0:
		words, _ := w.values(f, members)
		x.rest = capped(words, maxListed)
		return
	case c.whole():
		x.rest, _ = w.value(f, slices.Concat(x.Old, x.New)) // one of them is empty
		return
	case len(members) > 0:
		added, _ := w.values(f, x.Added)
		removed, _ := w.values(f, x.Removed)
		x.rest = setText(added, removed)
		return
	}
	before, _ := w.value(f, x.Old)
	after, _ := w.value(f, x.New)
	x.rest = before + " → " + after
}

// known tells whether this version knows the field and all values of a change.
func (w *World) known(kind drift.Kind, c *drift.Change) bool {
	f, ok := fieldsOf[kind][c.Path]
	values := slices.Concat(c.Added, c.Removed)
	if len(values) == 0 {
		values = []json.RawMessage{c.Old, c.New}
	}
	_, heard := w.values(f, values)
	return ok && heard
}

// step tells a composite before and after; empty when its parts tell more. A
// formula whose operator alone moved says so without repeating the list. Of a
// created or deleted policy it is the setting alone.
func (w *World) step(c *composite, in subject) string {
	if c == nil {
		return ""
	}
	before, after := c.text(w, in.before), c.text(w, in.after)
	switch {
	case in.Old == nil:
		return after
	case in.New == nil:
		return before
	}
	if before == after || !c.always && before != noneText && after != noneText {
		return ""
	}
	for _, flip := range [...]struct{ from, to string }{{allOf, anyOf}, {anyOf, allOf}} {
		a, was := strings.CutPrefix(before, flip.from)
		b, is := strings.CutPrefix(after, flip.to)
		if was && is && a == b {
			return before + " → " + flip.to + "them"
		}
	}
	return before + " → " + after
}

// setText is what came and went in a set: "+ a, b; - c".
func setText(added, removed []string) string {
	var parts []string
	if len(added) > 0 {
		parts = append(parts, "+ "+capped(added, maxListed))
	}
	if len(removed) > 0 {
		parts = append(parts, "- "+capped(removed, maxListed))
	}
	return strings.Join(parts, "; ")
}

// capped joins names, at most limit of them.
func capped(names []string, limit int) string {
	if len(names) > limit {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:limit-1], ", "), len(names)-limit+1)
	}
	return strings.Join(names, ", ")
}

// values words the members of a set, in the order of their words: ids sort by
// what nobody sees.
func (w *World) values(f field, raw []json.RawMessage) (words []string, known bool) {
	known = true
	for _, r := range raw {
		text, ok := w.value(f, r)
		words, known = append(words, text), known && ok
	}
	slices.Sort(words)
	return words, known
}

// value words one value of a field: a scalar by the field's vocabulary, an
// array by its members, an object by what is known of it.
func (w *World) value(f field, raw json.RawMessage) (words string, known bool) {
	if f.words == nil {
		f.words = plain
	}
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || string(raw) == "null" {
		if words, _ := f.words(w, absent); words != "" {
			return words, true
		}
		return noneText, true
	}
	if text, ok := scalar(raw); ok {
		return f.words(w, text)
	}
	if raw[0] == '[' {
		var items []json.RawMessage
		if json.Unmarshal(raw, &items) == nil {
			if len(items) == 0 {
				return noneText, true
			}
			all, known := w.values(f, items)
			return capped(all, maxListed), known
		}
	}
	return w.objectText(raw), true
}

// objectText words a member of a set of objects: an address range, a
// directory object, a combination setting, or its JSON.
func (w *World) objectText(raw json.RawMessage) string {
	var f fields
	if json.Unmarshal(raw, &f) == nil {
		switch {
		case rangeText(f) != "":
			return drift.Visible(rangeText(f))
		case f["appliesToCombinations"] != nil:
			return configText(f)
		case f.text("userPrincipalName") != "":
			return drift.Visible(f.text("userPrincipalName"))
		case f.text("id") != "":
			return w.directory(f.text("id"))
		}
	}
	return cut(statement(f), maxValue)
}

// statement is an object of which nothing is known, without its JSON: "level
// high, scope a, b".
func statement(f fields) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(f)) {
		if strings.Contains(name, "@odata") {
			continue
		}
		text := compact(f[name])
		if list, ok := texts(f[name]); ok {
			text = strings.Join(list, ", ")
		}
		parts = append(parts, spaced(name)+" "+drift.Visible(text))
	}
	return strings.Join(parts, ", ")
}

// configText words a combination configuration.
func configText(f fields) string {
	combos, _ := texts(f["appliesToCombinations"])
	var parts []string
	for _, list := range [...]struct{ name, words string }{
		{"allowedAAGUIDs", "allowed key models"}, {"allowedIssuerSkis", "allowed issuers"}, {"allowedPolicyOIDs", "allowed policy OIDs"},
	} {
		values, ok := texts(f[list.name])
		for i, v := range values {
			values[i] = short(v)
		}
		if ok && len(values) > 0 {
			parts = append(parts, list.words+" "+capped(values, maxNamed))
		}
	}
	for i, c := range combos {
		combos[i], _ = combinations(nil, c)
	}
	if len(parts) == 0 {
		return strings.Join(combos, ", ")
	}
	return strings.Join(combos, ", ") + ": " + strings.Join(parts, ", ")
}

// scalar is the text of a JSON string, number or boolean.
func scalar(raw json.RawMessage) (string, bool) {
	if len(raw) == 0 || raw[0] == '{' || raw[0] == '[' {
		return "", false
	}
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s, true
	}
	return string(raw), true
}

func cut(s string, limit int) string {
	if r := []rune(s); len(r) > limit {
		return string(r[:limit]) + "…"
	}
	return s
}

// lowerFirst makes a label go on in a sentence; names and abbreviations stay.
func lowerFirst(s string) string {
	if s == "" || strings.ToLower(s[1:]) != s[1:] {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}

func upperFirst(s string) string {
	return strings.ToUpper(s[:min(1, len(s))]) + s[min(1, len(s)):]
}
