package poll

import (
	"strings"

	"github.com/cadrift/cadrift/internal/canon"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/graph"
)

// loggedForm reads a body of the audit log, nil where there is none that can
// be read. The log writes MFA where Graph writes mfa.
func loggedForm(key drift.Key, raw []byte) *drift.Object {
	if len(raw) == 0 {
		return nil
	}
	obj, err := canon.Object(key.Kind, []byte(strings.ReplaceAll(string(raw), `"MFA"`, `"mfa"`)))
	if err != nil || obj.Odd != "" {
		return nil
	}
	return &obj
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
func (w *Watcher) deletion(add graph.AuditRecord) *graph.AuditRecord {
	for _, r := range w.audits.records {
		if r.Target == add.Target && strings.HasPrefix(r.Activity, "delete ") && r.Time.After(add.Time) {
			return &r
		}
	}
	return nil
}
