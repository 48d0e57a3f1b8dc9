package beside

import (
	"context"
	"encoding/json"
	"iter"
	"strings"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/schedule"
)

// Names looks up who and what the forms name, so that an alert about them
// shows names.
func (v *View) Names(ctx context.Context, now time.Time, forms ...*drift.Object) {
	n := newWanted()
	for _, form := range forms {
		n.of(form)
	}
	collect(n.objects, v.o.Always)
	v.lookUp(ctx, n, now)
}

// Warm looks up, between the passes, what the objects of a revision name, so
// that an alert seldom has to ask for anything.
func (v *View) Warm(ctx context.Context, now time.Time, revision uint64, objects iter.Seq[drift.Object]) {
	if v.names == nil || v.warmed.revision == revision && !schedule.Lapsed(v.warmed.at, deadAge, now) {
		return
	}
	v.warmed.revision, v.warmed.at = revision, now
	n := newWanted()
	for o := range objects {
		if o.Kind == drift.Policy {
			n.of(&o)
		}
	}
	collect(n.objects, v.o.Always)
	if n = v.names.unknown(n, now); !n.empty() {
		v.lookUp(ctx, n, now)
	}
}

// lookUp looks names up and says once what stays an id.
func (v *View) lookUp(ctx context.Context, n wanted, now time.Time) {
	if v.names == nil {
		return
	}
	withheld, err := v.names.fill(ctx, n, now)
	switch {
	case err != nil:
		v.setback(drift.ReasonNames, "ids instead of names: ", err)
	case withheld:
		v.limit(drift.ReasonNames, "ids instead of some names: the directory gives no names for them")
	case len(n.objects)+len(n.apps) > 0:
		v.unlimit(drift.ReasonNames)
	}
}

// Name is the name that the directory last gave an id: judge.Names. Unlike the
// rest it may be called at any time.
func (v *View) Name(id string) (string, bool) {
	if v.names == nil {
		return "", true
	}
	return v.names.name(id)
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

func (n wanted) empty() bool { return len(n.objects)+len(n.apps)+len(n.roles) == 0 }

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
