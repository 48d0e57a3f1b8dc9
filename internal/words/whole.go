package words

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"github.com/cadrift/cadrift/internal/drift"
)

// IsChange tells whether lines of this label say what changed.
func IsChange(label string) bool {
	return label == LabelChanged || label == LabelHas || label == LabelHad
}

// InBrief tells whether a line is worth its place when several events share a
// message.
func InBrief(label string) bool {
	switch label {
	case LabelLockout, LabelWho, LabelReason, LabelAbout:
		return true
	}
	return IsChange(label)
}

// changed are the lines of what changed: the fields, or for an object that
// came or went whole what it is made of. Nothing of that was edited, so there
// are no signs, arrows and directions in it.
func changed(e *drift.Event) (label string, texts []string) {
	changes := withoutParts(e.Changes)
	switch came, went := Whole(e.Patch, e.BaselinePatch); {
	case came:
		return LabelHas, contents(changes)
	case went:
		return LabelHad, contents(changes)
	}
	return LabelChanged, changeTexts(e, changes)
}

// Whole tells from a patch whether the object came or went as a whole: against
// its previous form, or for drift alone, where that one is empty, against the
// baseline.
func Whole(previous, fromBaseline drift.Patch) (came, went bool) {
	p := previous
	if len(p) == 0 {
		p = fromBaseline
	}
	if len(p) != 1 || p[0].Path != "" {
		return false, false
	}
	gone := bytes.Equal(bytes.TrimSpace(p[0].Value), []byte("null")) || len(p[0].Value) == 0
	return !gone, gone
}

// withoutParts drops the changes that another one tells as a whole.
func withoutParts(changes []drift.Change) []drift.Change {
	return slices.DeleteFunc(slices.Clone(changes), func(c drift.Change) bool { return c.Part })
}

// contents words the fields of an object that came or went: what it asks for
// first, then of whom, where, and the rest. Its name and state stand in the
// first line.
func contents(changes []drift.Change) []string {
	fields := slices.DeleteFunc(slices.Clone(changes), func(c drift.Change) bool {
		return c.Path == "/displayName" || c.Path == "/state" || c.Path == "/@odata.type"
	})
	slices.SortStableFunc(fields, func(a, b drift.Change) int { return cmp.Compare(place(a.Path), place(b.Path)) })
	var out []string
	for i := range fields {
		if text := content(&fields[i]); text != "" {
			out = append(out, text)
		}
	}
	return out
}

// place orders the fields of a policy as people ask for them.
func place(path string) int {
	for i, prefix := range []string{
		"/grantControls", "/sessionControls",
		"/conditions/users/include", "/conditions/users/exclude", "/conditions/users", "/conditions/clientApplications",
		"/conditions/applications", "/conditions",
	} {
		if strings.HasPrefix(path, prefix) {
			return i
		}
	}
	return len(path) // other kinds have few fields: the short names first
}

// content is one field of such an object, as package judge states it.
func content(c *drift.Change) string {
	if c.Text != "" {
		return c.Text
	}
	raw := c.New
	if len(raw) == 0 || string(raw) == "null" {
		raw = c.Old
	}
	return cmp.Or(c.Field, c.Path) + ": " + value(raw)
}
