package graph

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// AuditRecord is one write to one object, as the directory's audit log has it.
type AuditRecord struct {
	ID   string
	Time time.Time
	// Activity is the log's own word in lower case: "update conditional access
	// policy". Its case differs between documentation and log.
	Activity string
	// Kind of the initiator is user, app or unknown; the id of an app is that
	// of its service principal, since the log leaves appId null.
	Initiator drift.Actor
	// Target is the id of the object, in lower case.
	Target string
	// Subjects are, of a membership, the ids of who joined or left.
	Subjects []string
	// Old and New are the bodies before and after, nil where the log has none
	// or has cut them.
	Old, New json.RawMessage
}

// AuditLog says which part of the audit log is asked for.
type AuditLog string

// The parts. Every edit of Conditional Access makes a second record, of Core
// Directory and under a correlation id of its own: asking for the service
// leaves that twin out. Memberships are logged by Core Directory alone.
const (
	AccessLog     AuditLog = "loggedByService eq 'Conditional Access'"
	MembershipLog AuditLog = "category eq 'GroupManagement'"
)

const auditPermission = "AuditLog.Read.All"

// Audits gives the successful writes since a moment, oldest first. Records
// that the log split are one again. For memberships the target is the group.
func (c *Client) Audits(ctx context.Context, part AuditLog, since time.Time) ([]AuditRecord, error) {
	filter := string(part) + " and activityDateTime ge " + since.UTC().Format("2006-01-02T15:04:05Z")
	items, err := c.listBeside(ctx, c.beside("list audit records", auditPermission), "auditLogs/directoryAudits",
		"$filter="+escapeQuery(filter)+"&$top=500")
	if err != nil {
		return nil, err
	}
	return mergeRecords(items, part), nil
}

// auditBody is the part of a record that is read. Everything may be null.
type auditBody struct {
	ID            string    `json:"id"`
	CorrelationID string    `json:"correlationId"`
	Service       string    `json:"loggedByService"`
	Result        string    `json:"result"`
	Activity      string    `json:"activityDisplayName"`
	Time          time.Time `json:"activityDateTime"`
	InitiatedBy   struct {
		User *struct {
			ID                string `json:"id"`
			UserPrincipalName string `json:"userPrincipalName"`
			DisplayName       string `json:"displayName"`
			IPAddress         string `json:"ipAddress"`
		} `json:"user"`
		App *struct {
			ServicePrincipalID string `json:"servicePrincipalId"`
			AppID              string `json:"appId"`
			DisplayName        string `json:"displayName"`
		} `json:"app"`
	} `json:"initiatedBy"`
	Targets []struct {
		ID       string `json:"id"`
		Type     string `json:"type"`
		Modified []struct {
			Name string `json:"displayName"`
			Old  string `json:"oldValue"`
			New  string `json:"newValue"`
		} `json:"modifiedProperties"`
	} `json:"targetResources"`
}

// mergeRecords reads records and joins those that are parts of one write:
// same correlation, same object, same activity. An item that cannot be read is
// passed over: who wrote is good to know, never worth a failure.
func mergeRecords(items []Item, part AuditLog) []AuditRecord {
	type write struct{ correlation, target, activity string }
	at := map[write]int{}
	var out []AuditRecord
	for _, item := range items {
		var b auditBody
		if json.Unmarshal(item.Raw, &b) != nil || b.Time.IsZero() || b.Result != "" && b.Result != "success" {
			continue
		}
		if part == AccessLog && !strings.EqualFold(b.Service, "Conditional Access") {
			continue
		}
		r, ok := b.record(part)
		if !ok {
			continue
		}
		key := write{b.CorrelationID, r.Target, r.Activity}
		i, split := at[key]
		if !split || b.CorrelationID == "" {
			at[key] = len(out)
			out = append(out, r)
			continue
		}
		whole := &out[i]
		if whole.Old == nil {
			whole.Old = r.Old
		}
		if whole.New == nil {
			whole.New = r.New
		}
	}
	slices.SortFunc(out, func(a, b AuditRecord) int { return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.ID, b.ID)) })
	return out
}

func (b *auditBody) record(part AuditLog) (AuditRecord, bool) {
	r := AuditRecord{ID: b.ID, Time: b.Time.UTC(), Activity: strings.ToLower(strings.TrimSpace(b.Activity)), Initiator: drift.Actor{Kind: "unknown"}}
	switch by := b.InitiatedBy; {
	case by.User != nil:
		r.Initiator = drift.Actor{
			Kind: "user", ID: strings.ToLower(by.User.ID),
			Name: cmp.Or(by.User.UserPrincipalName, by.User.DisplayName), IP: by.User.IPAddress,
		}
	case by.App != nil:
		r.Initiator = drift.Actor{Kind: "app", ID: strings.ToLower(cmp.Or(by.App.ServicePrincipalID, by.App.AppID)), Name: by.App.DisplayName}
	}
	r.Initiator.Time = r.Time
	for i, t := range b.Targets {
		switch {
		case part == MembershipLog && !strings.EqualFold(t.Type, "Group"):
			r.Subjects = append(r.Subjects, strings.ToLower(t.ID))
			continue
		case part == AccessLog && i > 0:
			continue
		}
		r.Target = strings.ToLower(t.ID)
		for _, m := range t.Modified {
			if old := wholeObject(m.Old); old != nil {
				r.Old = old
			}
			if new := wholeObject(m.New); new != nil {
				r.New = new
			}
		}
	}
	return r, r.Target != ""
}

// wholeObject reads a value of the log that should be a JSON object. Values
// are encoded once or twice, and long ones may be cut: those are none.
func wholeObject(value string) json.RawMessage {
	raw := bytes.TrimSpace([]byte(value))
	for range 2 {
		if len(raw) == 0 || !json.Valid(raw) {
			return nil
		}
		if raw[0] == '{' {
			return raw
		}
		s, ok := text(raw)
		if !ok {
			return nil
		}
		raw = bytes.TrimSpace([]byte(s))
	}
	if len(raw) > 0 && raw[0] == '{' && json.Valid(raw) {
		return raw
	}
	return nil
}
