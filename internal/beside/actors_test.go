package beside_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cadrift/cadrift/internal/beside"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/graph"
)

var thePolicy = drift.Key{Kind: drift.Policy, ID: id(0)}

// record is of a write to the policy, so many seconds after noon.
func record(name string, after int, by, activity string) graph.AuditRecord {
	return graph.AuditRecord{
		ID: name, Time: noon.Add(time.Duration(after) * time.Second), Activity: activity,
		Initiator: drift.Actor{Kind: "user", ID: by, Name: by, IP: "203.0.113.9"}, Target: thePolicy.ID,
	}
}

const update = "update conditional access policy"

// minute is a write to the policy in the minute after noon.
func minute(action drift.Action) beside.Write {
	return beside.Write{Key: thePolicy, Action: action, Window: drift.Window{From: noon, To: noon.Add(time.Minute)}}
}

func TestActor(t *testing.T) {
	other := record("elsewhere", 20, "eve", update)
	other.Target = id(7)
	timed := minute(drift.Updated)
	timed.At = noon.Add(50 * time.Second)
	early := minute(drift.Updated) // Graph's time lies before the last reading, which met a lagging replica
	early.At = noon.Add(-5 * time.Minute)
	for _, c := range []struct {
		name    string
		records []graph.AuditRecord
		write   beside.Write
		want    string
		reason  string
	}{
		{"nobody wrote", nil, minute(drift.Updated), "", ""},
		{"one wrote", []graph.AuditRecord{record("1", 20, "kim", update), other}, minute(drift.Updated), "kim", ""},
		{"the last of two", []graph.AuditRecord{record("2", 40, "sam", update), record("1", 20, "kim", update)}, minute(drift.Updated), "sam", "2 accounts"},
		{"too old", []graph.AuditRecord{record("1", -31, "kim", update)}, minute(drift.Updated), "", ""},
		{"too new", []graph.AuditRecord{record("1", 91, "kim", update)}, minute(drift.Updated), "", ""},
		{"an update is no deletion", []graph.AuditRecord{record("1", 20, "kim", update)}, minute(drift.Deleted), "", ""},
		{"a deletion long ago", []graph.AuditRecord{record("1", -1200, "kim", "delete conditional access policy")}, minute(drift.Deleted), "kim", ""},
		{"of the time Graph gives", []graph.AuditRecord{record("1", 10, "kim", update), record("2", 45, "sam", update)}, timed, "sam", "2 accounts"},
		{"an earlier write", []graph.AuditRecord{record("1", 10, "kim", update)}, timed, "", ""},
		{"before the last reading", []graph.AuditRecord{record("1", -310, "kim", update)}, early, "kim", ""},
	} {
		v := newView(&directory{records: c.records}, nil)
		v.Ask(t.Context(), noon.Add(time.Minute), c.write)
		got, reason, records := v.Actor(c.write)
		switch {
		case c.want == "" && got != nil, c.want != "" && (got == nil || got.Name != c.want || got.IP != ""):
			t.Errorf("%s: got %+v, want %q", c.name, got, c.want)
		case !strings.HasPrefix(reason, c.reason) || (reason == "") != (c.reason == ""):
			t.Errorf("%s: got reason %q", c.name, reason)
		}
		if v.Spend(records); c.want == "" {
			continue
		}
		if again, _, _ := v.Actor(c.write); again != nil {
			t.Errorf("%s: one record explains two changes", c.name)
		}
	}
}

// A record of a write of our own explains nothing but that write.
func TestOwnWrites(t *testing.T) {
	r := record("1", 20, id(5), update)
	r.Initiator.Kind = "app"
	for _, app := range []string{"our-app", "their-app"} {
		d := &directory{records: []graph.AuditRecord{r}, principals: map[string]graph.Principal{id(5): {ID: id(5), Name: "Robot", AppID: app}}}
		v := newView(d, nil)
		v.Ask(t.Context(), noon.Add(time.Minute))
		if got, _, _ := v.Actor(minute(drift.Updated)); got == nil || (got.Kind == "cadrift") != (app == "our-app") {
			t.Errorf("%s: got %+v before anything was noted", app, got)
		}
		v.NoteOwn(thePolicy, noon.Add(22*time.Second))
		if got, _, _ := v.Actor(minute(drift.Updated)); (got == nil) != (app == "our-app") {
			t.Errorf("%s: got %+v", app, got)
		}
	}
}

// The log is asked as far back as the writes it is asked about, for
// memberships when a group changed, and rarely without a reason.
func TestAsk(t *testing.T) {
	d := &directory{}
	v := newView(d, nil)
	if !v.Due(noon, false) {
		t.Error("not due though it was never asked")
	}
	now := noon.Add(time.Hour)
	group := beside.Write{Key: drift.Key{Kind: drift.Group, ID: id(1)}, Window: drift.Window{From: noon}}
	v.Ask(t.Context(), now, minute(drift.Updated), group, group)
	if want := []graph.AuditLog{graph.AccessLog, graph.MembershipLog}; !slices.Equal(d.parts, want) {
		t.Errorf("asked for %v, want %v", d.parts, want)
	}
	if want := noon.Add(-30 * time.Second); !d.reaches[0].Equal(want) {
		t.Errorf("asked since %v, want %v", d.reaches[0], want)
	}
	v.Ask(t.Context(), now)
	if got := len(d.parts); got != 3 || now.Sub(d.reaches[2]) != 25*time.Minute {
		t.Errorf("asked %d times, at last since %v", got, d.reaches[2])
	}
	for _, c := range []struct {
		after  time.Duration
		reason bool
		want   bool
	}{
		{4 * time.Second, true, false},
		{5 * time.Second, true, true},
		{14 * time.Minute, false, false},
		{15 * time.Minute, false, true},
	} {
		if got := v.Due(now.Add(c.after), c.reason); got != c.want {
			t.Errorf("after %v, reason %v: due %v", c.after, c.reason, got)
		}
	}
}

// The log proves a deletion only when it is later than the last write.
func TestDeleted(t *testing.T) {
	v := newView(&directory{records: []graph.AuditRecord{record("1", 20, "kim", "delete conditional access policy")}}, nil)
	v.Ask(t.Context(), noon.Add(time.Minute))
	if !v.Deleted(thePolicy, noon) || v.Deleted(thePolicy, noon.Add(15*time.Second)) || v.Deleted(drift.Key{Kind: drift.Policy, ID: id(1)}, noon) {
		t.Error("a deletion is taken for another")
	}
}

// Bodies of the log that cannot be read are none; MFA is mfa.
func TestSteps(t *testing.T) {
	r := record("1", 20, "kim", update)
	r.Old = []byte(`{"id":"` + id(0) + `","grantControls":{"builtInControls":["MFA"]}}`)
	r.New = []byte(`{"id":`)
	v := newView(&directory{records: []graph.AuditRecord{r}}, nil)
	v.Ask(t.Context(), noon.Add(time.Minute))
	got := v.Steps(minute(drift.Updated))
	if len(got) != 1 || got[0].Old == nil || got[0].New != nil || !strings.Contains(string(got[0].Old.Canonical), `"mfa"`) {
		t.Errorf("got %+v", got)
	}
}

func TestPassages(t *testing.T) {
	add := record("add", 10, "kim", "add conditional access policy")
	add.New = []byte(`{"id":"` + id(0) + `","displayName":"Nobody gets in","state":"enabled"}`)
	gone := record("gone", 30, "sam", "delete conditional access policy")
	d := &directory{records: []graph.AuditRecord{add}}
	v := newView(d, nil)
	v.Ask(t.Context(), noon.Add(time.Minute))
	if got := v.Passages(); len(got) != 0 {
		t.Fatalf("got %+v of what is still there", got)
	}
	d.records = append(d.records, gone)
	v.Ask(t.Context(), noon.Add(2*time.Minute))
	got := v.Passages()
	if len(got) != 1 || got[0].Key != thePolicy || got[0].Form.Name != "Nobody gets in" ||
		got[0].Actor.Name != "kim" || got[0].Window.To.Sub(got[0].Window.From) != 20*time.Second {
		t.Fatalf("got %+v", got)
	}
	v.Spend(got[0].Records)
	if got := v.Passages(); len(got) != 0 {
		t.Errorf("told twice: %+v", got)
	}
	// What is old is forgotten.
	d.records = nil
	v.Ask(t.Context(), noon.Add(time.Hour))
	if v.Deleted(thePolicy, noon) {
		t.Error("an old record is kept")
	}
}
