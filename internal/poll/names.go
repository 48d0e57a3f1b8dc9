package poll

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// fillNames looks names up and says once what stays an id.
func (w *Watcher) fillNames(ctx context.Context, n wanted, now time.Time) {
	if w.names == nil {
		return
	}
	withheld, err := w.names.fill(ctx, n, now)
	switch {
	case err != nil:
		w.setback(drift.ReasonNames, "ids instead of names: ", err)
	case withheld:
		w.limit(drift.ReasonNames, "ids instead of some names: the directory gives no names for them")
	case len(n.objects)+len(n.apps) > 0:
		w.unlimit(drift.ReasonNames)
	}
}

// warmNames looks up, between the passes, what the snapshot names, so that an
// alert seldom has to ask for anything.
func (w *Watcher) warmNames(ctx context.Context, now time.Time) {
	w.mu.Lock()
	revision := w.state.Revision
	w.mu.Unlock()
	if w.names == nil || w.warmed.revision == revision && now.Sub(w.warmed.at) < deadAge {
		return
	}
	w.warmed.revision, w.warmed.at = revision, now
	n := newWanted()
	for _, o := range w.state.Objects {
		if o.Kind == drift.Policy {
			n.of(&o)
		}
	}
	w.emergencyNames(n)
	n = w.names.unknown(n, now)
	if len(n.objects)+len(n.apps)+len(n.roles) > 0 {
		w.fillNames(ctx, n, now)
	}
}

func (w *Watcher) emergencyNames(n wanted) {
	collect(n.objects, w.o.Emergency.Users)
	collect(n.objects, w.o.Emergency.Groups)
}

// Name is the name that the directory last gave an id: judge.Names.
func (w *Watcher) Name(id string) (string, bool) {
	if w.names == nil {
		return "", true
	}
	return w.names.name(id)
}

// wanted are the ids of objects and apps that a form names.
type wanted struct{ objects, apps, roles map[string]bool }

func newWanted() wanted {
	return wanted{map[string]bool{}, map[string]bool{}, map[string]bool{}}
}

// of adds the ids of a policy's or a group's canonical form.
func (n wanted) of(o *drift.Object) {
	if o == nil {
		return
	}
	var form struct {
		Members    []string `json:"members"`
		Conditions struct {
			Users struct {
				IncludeUsers, ExcludeUsers   []string
				IncludeGroups, ExcludeGroups []string
				IncludeRoles, ExcludeRoles   []string
			}
			Applications       struct{ IncludeApplications, ExcludeApplications []string }
			ClientApplications struct{ IncludeServicePrincipals, ExcludeServicePrincipals []string }
		}
	}
	if o.Kind != drift.Policy && o.Kind != drift.Group || json.Unmarshal(o.Canonical, &form) != nil {
		return // other kinds name nobody; an odd policy is shown as JSON
	}
	c := form.Conditions
	for _, list := range [][]string{
		form.Members, c.Users.IncludeUsers, c.Users.ExcludeUsers, c.Users.IncludeGroups, c.Users.ExcludeGroups,
		c.ClientApplications.IncludeServicePrincipals, c.ClientApplications.ExcludeServicePrincipals,
	} {
		collect(n.objects, list)
	}
	collect(n.apps, c.Applications.IncludeApplications)
	collect(n.apps, c.Applications.ExcludeApplications)
	collect(n.roles, c.Users.IncludeRoles)
	collect(n.roles, c.Users.ExcludeRoles)
}

// collect adds the GUIDs of a list; tokens such as All have no name to find.
func collect(into map[string]bool, list []string) {
	for _, id := range list {
		if isGUID(id) {
			into[strings.ToLower(id)] = true
		}
	}
}

func isGUID(s string) bool {
	return len(s) == 36 && s[8] == '-' && s[13] == '-' && s[18] == '-' && s[23] == '-' && strings.Trim(s, "0123456789abcdefABCDEF-") == ""
}
