package guard

import (
	"context"
	"errors"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/graph"
)

// account is what is known of one emergency id.
type account struct {
	group bool
	name  string
	// usable: it exists, can sign in, and nobody but this directory decides
	// about it.
	usable bool
	// never says why the id is never written; empty: it may be. Only what the
	// directory says for certain counts: not being allowed to ask does not.
	never string
	// note says what is wrong or unknown, for people.
	note string
	// unseen tells that the directory did not say.
	unseen bool
}

// AccountStatus is one emergency account as people see it.
type AccountStatus struct {
	ID     string `json:"id"`
	Kind   string `json:"kind"`
	Name   string `json:"name,omitempty"`
	Usable bool   `json:"usable"`
	Unseen bool   `json:"unseen,omitempty"`
	Note   string `json:"note,omitempty"`
}

// lookEvery is how old the knowledge of the accounts may be.
const lookEvery = 5 * time.Minute

// lookAtAccounts asks the directory for every configured id.
func (g *Guard) lookAtAccounts(ctx context.Context, now time.Time) {
	if !g.looked.IsZero() && now.Sub(g.looked) < lookEvery {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	found := map[string]account{}
	for _, id := range g.s.Users {
		a, err := g.o.Graph.User(ctx, id)
		found[id] = judgeUser(a, err)
	}
	for _, id := range g.s.Groups {
		a, err := g.o.Graph.Group(ctx, id)
		found[id] = judgeGroup(a, err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for id, a := range found {
		old, known := g.accounts[id]
		if a.unseen && known && !old.unseen && !errors.Is(ctx.Err(), context.Canceled) && !a.denied() {
			continue // a failed reading does not undo a good one
		}
		g.accounts[id] = a
		if a.note != "" && a.note != old.note {
			g.o.Logger.Warn("emergency account", "tenant", g.o.Tenant, "id", id, "note", a.note)
		}
	}
	g.looked = now
	g.o.Metrics.usable(g)
}

func (a account) denied() bool { return a.note == noPermission }

const noPermission = "not checked: the permission to read it lacks"

// judgeUser says what an account is good for:
//
//	directory says     usable  written
//	no such user       no      never
//	disabled           no      never
//	synced             no      yes, but it falls with the on-premises directory
//	may not be asked   unseen  yes
//	no answer          unseen  yes
//	otherwise          yes     yes
func judgeUser(a graph.Account, err error) account {
	if err != nil {
		return unread(err, "user")
	}
	out := account{name: a.Name}
	switch {
	case !a.Enabled:
		out.never, out.note = "the account is disabled", "the account is disabled"
	case a.Synced:
		out.note = "synced from an on-premises directory, not cloud-only"
	default:
		out.usable = true
	}
	return out
}

// judgeGroup is judgeUser for groups; a group whose members a rule decides is
// not usable: whoever can set the attribute is in it.
func judgeGroup(a graph.Account, err error) account {
	if err != nil {
		out := unread(err, "group")
		out.group = true
		return out
	}
	out := account{group: true, name: a.Name}
	switch {
	case a.Dynamic:
		out.note = "its members are decided by a rule: whoever can set the attribute is exempt"
	case a.Synced:
		out.note = "synced from an on-premises directory, not cloud-only"
	default:
		out.usable = true
	}
	return out
}

func unread(err error, noun string) account {
	switch {
	case errors.Is(err, drift.ErrNotFound):
		return account{never: "Graph knows no such " + noun, note: "Graph knows no such " + noun}
	case errors.Is(err, graph.ErrUnavailable):
		return account{unseen: true, note: noPermission}
	}
	return account{unseen: true, note: "not checked: " + graph.Plain(err)}
}

// accountsLocked lists the accounts in the order of the configuration.
func (g *Guard) accountsLocked() []AccountStatus {
	out := []AccountStatus{}
	list := func(ids []string, kind string) {
		for _, id := range ids {
			a, known := g.accounts[id]
			s := AccountStatus{ID: id, Kind: kind, Name: a.name, Usable: a.usable, Unseen: a.unseen || !known, Note: a.note}
			if !known {
				s.Note = "not checked yet"
			}
			out = append(out, s)
		}
	}
	if g.s.Mode != Off {
		list(g.s.Users, "user")
		list(g.s.Groups, "group")
	}
	return out
}
