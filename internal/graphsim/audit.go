package graphsim

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// auditEntry is one record of the audit log.
type auditEntry struct {
	at, shown                   time.Time // of the activity, and when the log begins to show it
	id, correlation             string
	service, category, activity string
	by                          Actor
	target, name, kind          string
	property                    string
	subject                     string // who joined or left a group
	old, new                    map[string]any
}

// activities are the names as the log writes them, which is not the way the
// documentation does. The name of a restore is not known.
func activity(op Op, kind drift.Kind) string {
	verb := map[Op]string{Create: "Add", Update: "Update", Delete: "Delete", Restore: "Restore", Purge: "Hard delete"}[op]
	switch kind {
	case drift.Policy:
		return verb + " conditional access policy"
	case drift.NamedLocation:
		return verb + " named location"
	case drift.AuthenticationContext:
		return verb + " AuthenticationContextClassReference"
	case drift.SecurityDefaults:
		return verb + " security defaults"
	}
	return ""
}

// logWrite records a write as the service does: a record of Conditional
// Access, and for policies a twin of Core Directory under an id and a
// correlation of its own.
func (t *Tenant) logWrite(w Write, old, new map[string]any) {
	word := activity(w.Op, w.Kind)
	if word == "" {
		return // which service logs authentication strengths is not known
	}
	if w.Op == Delete || w.Op == Purge {
		new = nil
	}
	e := auditEntry{
		at: w.Time.Add(1200 * time.Millisecond), service: "Conditional Access", category: "Policy", activity: word, by: w.Actor,
		target: w.ID, name: w.Name, kind: "Policy", property: "ConditionalAccessPolicy", old: old, new: new,
	}
	t.log(e)
	if w.Kind == drift.Policy {
		e.service, e.activity, e.property = "Core Directory", strings.Fields(word)[0]+" policy", "PolicyDetail"
		e.old, e.new = nil, nil
		t.log(e)
	}
}

// log adds a record, which the log shows after Behaviour.AuditLeast and up to
// Behaviour.AuditDelay more.
func (t *Tenant) log(e auditEntry) {
	e.correlation = t.newID()
	e.shown = time.Now().Add(t.behaviour.AuditLeast)
	if d := t.behaviour.AuditDelay; d > 0 {
		e.shown = e.shown.Add(time.Duration(t.random.Float64() * float64(d)))
	}
	parts := []auditEntry{e}
	if t.behaviour.SplitAudits && e.old != nil && e.new != nil {
		first, second := e, e
		first.new, second.old = nil, nil
		parts = []auditEntry{first, second}
	}
	prefix := "IPCGraph"
	if e.service == "Core Directory" {
		prefix = "Directory"
	}
	for i, part := range parts {
		part.id = fmt.Sprintf("%s_%s_%s_%d", prefix, e.correlation, "SIM1", i+1)
		t.audit = append(t.audit, part)
	}
	old := time.Now().Add(-auditAge)
	t.audit = slices.DeleteFunc(t.audit, func(e auditEntry) bool { return e.at.Before(old) })
}

var auditFilter = regexp.MustCompile(`^(loggedByService|category) eq '([^']*)' and activityDateTime ge (\S+)$`)

// audits lists the records that are visible by now, the newest first.
func (t *Tenant) audits(values url.Values, _ []byte) ([]map[string]any, *Refusal) {
	parts := auditFilter.FindStringSubmatch(values.Get("$filter"))
	if parts == nil {
		return nil, badRequest(0, "The filter is not supported here.")
	}
	since, err := time.Parse(time.RFC3339, parts[3])
	if err != nil {
		return nil, badRequest(0, "Invalid filter clause.")
	}
	now, out := time.Now(), []map[string]any{}
	for _, e := range slices.Backward(t.audit) {
		value := e.service
		if parts[1] == "category" {
			value = e.category
		}
		if value == parts[2] && !e.at.Before(since) && !e.shown.After(now) {
			out = append(out, e.render())
		}
	}
	return out, nil
}

func (e *auditEntry) render() map[string]any {
	var user, app any
	switch e.by.Kind {
	case "user":
		user = map[string]any{"id": e.by.ID, "displayName": nil, "userPrincipalName": e.by.Name, "ipAddress": e.by.IP}
	default: // appId is null in practice, the service principal tells who it was
		app = map[string]any{"appId": nil, "displayName": e.by.Name, "servicePrincipalId": e.by.ID, "servicePrincipalName": nil}
	}
	modified := []any{}
	if e.property != "" {
		modified = append(modified, map[string]any{"displayName": e.property, "oldValue": logged(e.old), "newValue": logged(e.new)})
	}
	targets := []any{map[string]any{"id": e.target, "displayName": e.name, "type": e.kind, "userPrincipalName": nil, "groupType": nil, "modifiedProperties": modified}}
	if e.subject != "" { // comes first, as in the real log
		targets = []any{map[string]any{"id": e.subject, "displayName": nil, "type": "User", "modifiedProperties": []any{}}, targets[0]}
	}
	return map[string]any{
		"id": e.id, "category": e.category, "correlationId": e.correlation, "result": "success", "resultReason": nil,
		"activityDisplayName": e.activity, "activityDateTime": stamp(e.at), "loggedByService": e.service,
		"operationType": strings.Fields(e.activity)[0], "additionalDetails": []any{},
		"initiatedBy":     map[string]any{"user": user, "app": app},
		"targetResources": targets,
	}
}

// logged is a body as the log holds it: a string of JSON without nulls, dates
// with a numeric zone, and MFA in capitals.
func logged(body map[string]any) any {
	if body == nil {
		return nil
	}
	return string(encode(withoutNulls("", body)))
}

func withoutNulls(name string, value any) any {
	switch v := value.(type) {
	case map[string]any:
		out := maps.Clone(v)
		maps.DeleteFunc(out, func(_ string, member any) bool { return member == nil })
		for name, member := range out {
			out[name] = withoutNulls(name, member)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, member := range v {
			out[i] = withoutNulls(name, member)
		}
		return out
	case string:
		switch {
		case name == "builtInControls" && v == "mfa":
			return "MFA"
		case strings.HasSuffix(name, "DateTime"):
			return strings.TrimSuffix(v, "Z") + "+00:00"
		}
	}
	return value
}
