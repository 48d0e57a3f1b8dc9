package beside

import (
	"strings"

	"github.com/cadrift/cadrift/internal/canon"
	"github.com/cadrift/cadrift/internal/drift"
)

// Step is what the audit log holds of one write: the object before and after,
// nil where the log has no body that can be read. The log writes bodies in a
// manner of its own: they can be compared with each other only.
type Step struct{ Old, New *drift.Object }

// Steps are the steps that make up a write, oldest first, as far as the log
// has them by now.
func (v *View) Steps(w Write, others []Write) []Step {
	var out []Step
	for _, r := range v.span(w, others) {
		out = append(out, Step{loggedForm(w.Key.Kind, r.Old), loggedForm(w.Key.Kind, r.New)})
	}
	return out
}

// loggedForm reads a body of the audit log. The log writes MFA where Graph
// writes mfa.
func loggedForm(kind drift.Kind, raw []byte) *drift.Object {
	if len(raw) == 0 {
		return nil
	}
	obj, err := canon.Object(kind, []byte(strings.ReplaceAll(string(raw), `"MFA"`, `"mfa"`)))
	if err != nil || obj.Odd != "" {
		return nil
	}
	return &obj
}

// Passage is an object that came and went, by the audit log.
type Passage struct {
	Key    drift.Key
	Form   *drift.Object
	Window drift.Window // from its creation to its deletion
	Actor  *drift.Actor // who created it
	// Records are those that tell of it, for [View.Spend].
	Records []string
}

// Passages are the objects that were created and deleted while the log was
// watched, those that are in no listing among them: a policy that lets nobody
// in, on for a minute. What was told before is for the caller to know.
func (v *View) Passages() []Passage {
	var out []Passage
	for id, add := range v.audits.records {
		kind, ok := kindOf(add.Activity)
		if !ok || v.audits.isSpent(id) || !strings.HasPrefix(add.Activity, "add ") {
			continue
		}
		form, gone := loggedForm(kind, add.New), v.deletion(add)
		if form == nil || gone == nil {
			continue
		}
		out = append(out, Passage{
			Key: drift.Key{Kind: kind, ID: add.Target}, Form: form,
			Window: drift.Window{From: add.Time, To: gone.Time},
			Actor:  v.actor(add, false), Records: []string{id, gone.ID},
		})
	}
	return out
}

// kindOf is the kind that an activity is about, of those that the log shows
// with their bodies.
func kindOf(activity string) (drift.Kind, bool) {
	switch {
	case strings.HasSuffix(activity, " conditional access policy"):
		return drift.Policy, true
	case strings.HasSuffix(activity, " named location"):
		return drift.NamedLocation, true
	}
	return "", false
}

// deletion is the record that ends what add began.
func (v *View) deletion(add record) *record {
	for _, r := range v.audits.records {
		if r.Target == add.Target && strings.HasPrefix(r.Activity, "delete ") && r.Time.After(add.Time) {
			return &r
		}
	}
	return nil
}
