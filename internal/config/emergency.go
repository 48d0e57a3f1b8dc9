package config

import (
	"slices"
	"strings"

	"github.com/cadrift/cadrift/internal/drift"
)

// maxEmergencyIDs is the most ids that the guard takes: whoever edits the list
// must not be able to exclude a department.
const maxEmergencyIDs = 10

func (l *loader) checkEmergency(path string, t *Tenant) {
	e := t.EmergencyAccess
	if e == nil || l.bad[path] {
		return
	}
	if e.Mode == "" {
		l.problemMode(path)
	}
	l.checkEmergencyIDs(path, e)
	if len(e.Groups) > 0 && e.Mode != ModeOff && !slices.Contains(t.Watch, drift.Group) {
		l.warn(join(path, "groups"), "who joins these groups is not watched: add excluded_groups to watch")
	}
	policies := map[string]string{}
	for i, x := range e.ExemptPolicies {
		at := element(join(path, "exempt_policies"), i)
		if l.bad[at] {
			continue
		}
		if x.ID == "" {
			l.missing(join(at, "id"))
		}
		l.unique(join(at, "id"), "id", x.ID, policies)
		if strings.TrimSpace(x.Reason) == "" && !l.bad[join(at, "reason")] {
			l.problemHint(at, "say why the guard leaves this policy alone", "an exempt policy without a reason")
		}
	}
	if at := join(path, "credentials"); e.Credentials != nil && !l.bad[at] {
		if *e.Credentials == (Credentials{}) && !l.complained(at) {
			e.Credentials = nil
			return
		}
		l.checkCredentials(at, e.Credentials)
	}
}

func (l *loader) problemMode(path string) {
	mode := join(path, "mode")
	if l.bad[mode] {
		return
	}
	l.problemHint(mode, "one of off, plan, enforce; plan writes nothing and shows what enforce would write",
		"emergency_access has no mode")
}

func (l *loader) checkEmergencyIDs(path string, e *EmergencyAccess) {
	ids := map[string]string{}
	for i, id := range e.Users {
		l.unique(element(join(path, "users"), i), "the id", id, ids)
	}
	for i, id := range e.Groups {
		l.unique(element(join(path, "groups"), i), "the id", id, ids)
	}
	n := len(e.Users) + len(e.Groups)
	switch {
	case n > maxEmergencyIDs:
		l.problemHint(path, "two accounts, or one group that holds them, are usual",
			"emergency_access lists %d ids, more than %d", n, maxEmergencyIDs)
	case n == 0 && e.Mode != "" && e.Mode != ModeOff && !l.complained(join(path, "users")) && !l.complained(join(path, "groups")):
		l.problemHint(path, "list the object ids of the accounts in users, or of their group in groups",
			"emergency_access lists no account")
	}
}

// complained tells whether a path or anything below it was complained about.
func (l *loader) complained(path string) bool {
	for bad := range l.bad {
		if rest, ok := strings.CutPrefix(bad, path); ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			return true
		}
	}
	return false
}
