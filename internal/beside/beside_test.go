package beside_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cadrift/cadrift/internal/beside"
	"github.com/cadrift/cadrift/internal/canon"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/graph"
)

// directory is what Graph would answer from; everything asked is counted.
type directory struct {
	principals map[string]graph.Principal
	members    map[string][]string
	records    []graph.AuditRecord
	beta       []string
	err, lost  error // lost: nothing but the log can be read

	asked   []string // ids and groups, in their order
	reaches []time.Time
	parts   []graph.AuditLog
}

func (d *directory) Objects(_ context.Context, ids []string) (map[string]graph.Principal, error) {
	d.asked = append(d.asked, ids...)
	out := map[string]graph.Principal{}
	for _, id := range ids {
		if p, ok := d.principals[id]; ok {
			out[id] = p
		}
	}
	return out, cmp.Or(d.err, d.lost)
}

func (d *directory) Apps(ctx context.Context, ids []string) (map[string]graph.Principal, error) {
	return d.Objects(ctx, ids)
}

func (d *directory) Roles(context.Context) (map[string]string, error) { return nil, d.err }

func (d *directory) Members(_ context.Context, group string) ([]string, error) {
	d.asked = append(d.asked, group)
	list, ok := d.members[group]
	if !ok {
		return nil, drift.ErrNotFound
	}
	return list, d.err
}

func (d *directory) Audits(_ context.Context, part graph.AuditLog, since time.Time) ([]graph.AuditRecord, error) {
	d.parts, d.reaches = append(d.parts, part), append(d.reaches, since)
	return d.records, d.err
}

func (d *directory) HiddenIDs(context.Context) ([]string, error) { return d.beta, d.err }

// taken gives what was asked since the last time.
func (d *directory) taken() []string {
	out := d.asked
	d.asked = nil
	return out
}

func newView(d *directory, log *bytes.Buffer) *beside.View {
	logger := slog.New(slog.DiscardHandler)
	if log != nil {
		logger = slog.New(slog.NewTextHandler(log, nil))
	}
	return beside.New(beside.Options{
		Tenant: "contoso", GraphVersion: "v1.0", Directory: d, Members: d, Audit: d, Hidden: d,
		ResolveNames: true, Always: []string{id(99)}, ClientIDs: []string{"our-app"}, Logger: logger,
	})
}

func id(n int) string { return fmt.Sprintf("aaaaaaaa-0000-4000-8000-%012d", n) }

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func policy(t *testing.T, state, users string) drift.Object {
	t.Helper()
	o, err := canon.Object(drift.Policy, []byte(`{"id":"`+id(0)+`","displayName":"CA001","state":"`+state+`","conditions":{"users":{`+users+`}}}`))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// A name is believed for a day, an unknown id for an hour; nothing is claimed
// about an id that nobody asked about, or that could not be asked about.
func TestNames(t *testing.T) {
	d := &directory{principals: map[string]graph.Principal{id(1): {ID: id(1), Name: "kim"}}}
	v := newView(d, nil)
	form := policy(t, "enabled", `"includeUsers":["All"],"excludeUsers":["`+id(1)+`","`+id(2)+`"]`)
	check := func(when string, who int, name string, alive bool) {
		t.Helper()
		if got, ok := v.Name(strings.ToUpper(id(who))); got != name || ok != alive {
			t.Errorf("%s: %d is %q, %v, want %q, %v", when, who, got, ok, name, alive)
		}
	}
	check("before", 2, "", true)
	v.Names(t.Context(), noon, &form, nil)
	if got := d.taken(); !slices.Equal(got, []string{id(1), id(2), id(99)}) {
		t.Errorf("asked %v, want the ids of the form and the one that is always wanted", got)
	}
	check("at once", 1, "kim", true)
	check("at once", 2, "", false)
	v.Names(t.Context(), noon.Add(2*time.Hour), &form)
	if got := d.taken(); !slices.Equal(got, []string{id(2), id(99)}) {
		t.Errorf("two hours later: asked %v, want the unknown ones", got)
	}
	d.err = &graph.Error{Reason: drift.ReasonPermission, Message: "no"}
	v.Names(t.Context(), noon.Add(25*time.Hour), &form)
	check("refused a day later", 1, "", true)
	if got := v.Limits()[drift.ReasonNames]; !strings.Contains(got, "no") {
		t.Errorf("got limit %q", got)
	}
}

// Between the passes the same revision is asked about once an hour.
func TestWarm(t *testing.T) {
	d := &directory{}
	v := newView(d, nil)
	form := policy(t, "enabled", `"includeUsers":["`+id(1)+`"]`)
	objects := map[drift.Key]drift.Object{form.Key(): form}
	for i, c := range []struct {
		revision uint64
		after    time.Duration
		want     int
	}{
		{1, 0, 2}, {1, time.Minute, 0}, {2, 2 * time.Minute, 0}, {2, 90 * time.Minute, 2},
	} {
		v.Warm(t.Context(), noon.Add(c.after), c.revision, maps.Values(objects))
		if got := d.taken(); len(got) != c.want {
			t.Errorf("%d: asked %v, want %d ids", i, got, c.want)
		}
	}
}

// A view without sources knows nothing, and is not limited by that.
func TestWithoutSources(t *testing.T) {
	v := beside.New(beside.Options{})
	form := policy(t, "enabled", `"includeUsers":["`+id(1)+`"]`)
	v.Names(t.Context(), noon, &form)
	v.Warm(t.Context(), noon, 1, maps.Values(map[drift.Key]drift.Object{form.Key(): form}))
	v.Ask(t.Context(), noon)
	v.LookForHidden(t.Context(), noon, nil)
	if _, ok := v.Groups(t.Context(), []string{id(1)}, nil); ok {
		t.Error("groups were read")
	}
	if _, err := v.Group(t.Context(), id(1), drift.Object{}); err == nil {
		t.Error("a group was read")
	}
	if name, alive := v.Name(id(1)); name != "" || !alive {
		t.Errorf("got %q, %v", name, alive)
	}
	if v.Attributes() || len(v.Limits()) != 0 {
		t.Errorf("got %v, %v", v.Attributes(), v.Limits())
	}
}

// A refusal is a limit at once, anything else only when it goes on; each is
// logged when it begins and when it ends.
func TestLimits(t *testing.T) {
	var log bytes.Buffer
	d := &directory{err: &graph.Error{Reason: drift.ReasonUnreachable, Message: "busy"}}
	v := newView(d, &log)
	for i := range 5 {
		v.Ask(t.Context(), noon.Add(time.Duration(i)*time.Minute))
		if got, want := v.Limits()[drift.ReasonAudit] != "", i >= 2; got != want {
			t.Errorf("failure %d: limited %v, want %v", i+1, got, want)
		}
	}
	d.err = nil
	v.Ask(t.Context(), noon.Add(time.Hour))
	if len(v.Limits()) != 0 {
		t.Errorf("got %v", v.Limits())
	}
	if got := strings.Count(log.String(), "limited view") + 10*strings.Count(log.String(), "no longer limited"); got != 11 {
		t.Errorf("logged\n%s", log.String())
	}
	d.err = errors.Join(&graph.Error{Reason: drift.ReasonPermission})
	v.Ask(t.Context(), noon.Add(2*time.Hour))
	if v.Limits()[drift.ReasonAudit] == "" {
		t.Error("a refusal is no limit")
	}
}

// Policies that beta lists are looked for once an hour.
func TestLookForHidden(t *testing.T) {
	d := &directory{beta: []string{strings.ToUpper(id(1)), id(2)}}
	v := newView(d, nil)
	watched := func(_ context.Context, s string) bool { return s == id(1) }
	v.LookForHidden(t.Context(), noon, watched)
	got := v.Limits()[drift.ReasonHidden]
	if !strings.Contains(got, id(2)) || strings.Contains(strings.ToLower(got), id(1)) || !strings.Contains(got, "v1.0") {
		t.Errorf("got %q, want the second named", got)
	}
	d.beta = d.beta[:1]
	v.LookForHidden(t.Context(), noon.Add(time.Minute), watched)
	if v.Limits()[drift.ReasonHidden] == "" {
		t.Error("asked again after a minute")
	}
	v.LookForHidden(t.Context(), noon.Add(time.Hour), watched)
	if got := v.Limits()[drift.ReasonHidden]; got != "" {
		t.Errorf("got %q when all are watched", got)
	}
}

// What was asked under a clock that was ahead is asked again once it is right.
func TestClockSetBack(t *testing.T) {
	d := &directory{beta: []string{id(2)}, principals: map[string]graph.Principal{id(1): {ID: id(1), Name: "kim"}}}
	v := newView(d, nil)
	watched := func(context.Context, string) bool { return false }
	form := policy(t, "enabled", `"includeUsers":["`+id(1)+`"]`)
	ahead := noon.Add(365 * 24 * time.Hour)
	ask := func(now time.Time) []string {
		v.Warm(t.Context(), now, 1, slices.Values([]drift.Object{form}))
		v.LookForHidden(t.Context(), now, watched)
		return d.taken()
	}
	if got := ask(ahead); len(got) == 0 {
		t.Fatal("nothing was asked")
	}
	if got := ask(ahead.Add(time.Minute)); len(got) != 0 {
		t.Fatalf("asked %v again after a minute", got)
	}
	d.beta = nil
	if got := ask(noon); len(got) == 0 || v.Limits()[drift.ReasonHidden] != "" {
		t.Errorf("a year back: asked %v, limits %v", got, v.Limits())
	}
	v.Ask(t.Context(), ahead)
	if !v.Due(noon, false) {
		t.Error("the log is not asked for a year")
	}
}
