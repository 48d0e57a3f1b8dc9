package beside_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/cadrift/cadrift/internal/beside"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/graph"
)

// Only what is enforced exempts anybody.
func TestExcluded(t *testing.T) {
	on := policy(t, "enabled", `"excludeGroups":["`+strings.ToUpper(id(2))+`","`+id(1)+`","All"]`)
	off := policy(t, "disabled", `"excludeGroups":["`+id(3)+`"]`)
	got := beside.Excluded(slices.Values([]drift.Object{off, on, on}))
	if want := []string{id(1), id(2)}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := beside.Excluded(slices.Values([]drift.Object{off})); got == nil || len(got) != 0 {
		t.Errorf("got %#v, want an empty list", got)
	}
}

// Of many groups each reading takes some, in turn, and carries the others as
// they were; those beyond the cap are named as a limit.
func TestGroupsTakeTurns(t *testing.T) {
	d := &directory{principals: map[string]graph.Principal{}, members: map[string][]string{}}
	var ids []string
	for i := range 210 {
		ids = append(ids, id(i))
		d.principals[id(i)] = graph.Principal{ID: id(i), Name: fmt.Sprintf("G%d", i)}
		d.members[id(i)] = []string{id(1000)}
	}
	v := newView(d, nil)
	known := map[drift.Key]drift.Object{}
	for pass := range 8 {
		g, ok := v.Groups(t.Context(), ids, known)
		if !ok || len(g.Asked) != 200 || len(g.Objects) != 25*(pass+1) {
			t.Fatalf("pass %d: %v, %d asked for, %d objects", pass, ok, len(g.Asked), len(g.Objects))
		}
		for _, o := range g.Objects {
			known[o.Key()] = o
		}
	}
	if got := v.Limits()[drift.ReasonGroups]; !strings.Contains(got, "210 groups, of which the first 200") {
		t.Errorf("got limit %q", got)
	}
	// A member who joins the group whose turn is last is seen in a whole turn.
	d.members[id(199)] = append(d.members[id(199)], id(1001))
	key := drift.Key{Kind: drift.Group, ID: id(199)}
	seen := 0
	for range 8 {
		g, _ := v.Groups(t.Context(), ids, known)
		if g.Objects[id(199)].Digest != known[key].Digest {
			seen++
		}
	}
	if seen != 1 {
		t.Errorf("seen in %d of 8 readings", seen)
	}
}

// What cannot be read is a limit: a group that is gone or never was, a busy
// directory; what was known of the rest stays.
func TestGroupsThatCannotBeRead(t *testing.T) {
	d := &directory{
		principals: map[string]graph.Principal{id(1): {ID: id(1), Name: "One"}, id(2): {ID: id(2), Name: "Two"}},
		members:    map[string][]string{id(1): {id(9)}, id(2): {id(9)}},
	}
	v := newView(d, nil)
	g, ok := v.Groups(t.Context(), []string{id(1), id(2), id(3)}, nil)
	if !ok || len(g.Objects) != 2 || !strings.Contains(v.Limits()[drift.ReasonGroups], id(3)) {
		t.Fatalf("got %v, %d objects, limits %v", ok, len(g.Objects), v.Limits())
	}
	known := map[drift.Key]drift.Object{}
	for o := range maps.Values(g.Objects) {
		known[o.Key()] = o
	}
	delete(d.principals, id(2)) // deleted: no longer named once it was known
	g, ok = v.Groups(t.Context(), []string{id(1), id(2)}, known)
	if !ok || len(g.Objects) != 1 || !g.Asked[id(2)] || len(v.Limits()) != 0 {
		t.Errorf("got %v, %d objects, limits %v", ok, len(g.Objects), v.Limits())
	}
	// A name that may not be read any more stays what it was.
	d.principals[id(1)] = graph.Principal{ID: id(1)}
	g, _ = v.Groups(t.Context(), []string{id(1)}, known)
	if got := g.Objects[id(1)]; got.Name != "One" || got.Digest != known[got.Key()].Digest {
		t.Errorf("got %q", got.Name)
	}
	if o, err := v.Group(t.Context(), id(1), known[g.Objects[id(1)].Key()]); err != nil || o.Name != "One" {
		t.Errorf("got %q, %v", o.Name, err)
	}
	d.err = &graph.Error{Reason: drift.ReasonPermission, Message: "no"}
	if _, ok := v.Groups(t.Context(), []string{id(1)}, known); ok || v.Limits()[drift.ReasonGroups] == "" {
		t.Errorf("a directory that refuses gave a reading; limits %v", v.Limits())
	}
}

func TestMovers(t *testing.T) {
	changes := []drift.Change{
		{Path: "/displayName", New: json.RawMessage(`"Exempt"`)},
		{Path: "/members", Added: []json.RawMessage{[]byte(`"a"`)}, Removed: []json.RawMessage{[]byte(`"b"`)}},
	}
	if got := beside.Movers(drift.Group, changes); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("got %v", got)
	}
	if got := beside.Movers(drift.Policy, changes); got != nil {
		t.Errorf("got %v of a policy", got)
	}
}
