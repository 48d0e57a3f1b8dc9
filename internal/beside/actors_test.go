package beside_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
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
	soon := timed
	soon.After = noon.Add(50*time.Second + 500*time.Millisecond)
	soon.At = noon.Add(52 * time.Second)
	back := timed
	back.After = noon.Add(55 * time.Second)
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
		{"of the time Graph gives", []graph.AuditRecord{record("1", 10, "kim", update), record("2", 51, "sam", update)}, timed, "sam", "2 accounts"},
		{"an earlier write", []graph.AuditRecord{record("1", 10, "kim", update)}, timed, "", ""},
		{"the known write before", []graph.AuditRecord{record("1", 51, "kim", update)}, soon, "", ""},
		{"two that cannot be told apart", []graph.AuditRecord{record("1", 51, "kim", update), record("2", 53, "sam", update)}, timed, "", ""},
		{"before the last reading", []graph.AuditRecord{record("1", -299, "kim", update)}, early, "kim", ""},
		{"its body says when", []graph.AuditRecord{dated(record("1", 58, "kim", update), 49), dated(record("2", 59, "sam", update), 50)}, timed, "sam", "2 accounts"},
		{"its body says otherwise", []graph.AuditRecord{dated(record("1", 51, "kim", update), 49)}, timed, "", ""},
		{"Graph went back to an older form", []graph.AuditRecord{dated(record("1", 51, "kim", update), 50)}, back, "", ""},
		{"its body says nothing sound", []graph.AuditRecord{dated(record("1", 51, "kim", update), -90)}, timed, "kim", ""},
		{"somebody else's event claims it", []graph.AuditRecord{record("1", 2, "kim", update)}, minute(drift.Updated), "", ""},
	} {
		v := newView(&directory{records: c.records}, nil)
		v.Ask(t.Context(), noon.Add(6*time.Minute), c.write)
		var others []beside.Write
		if strings.Contains(c.name, "claims") {
			others = []beside.Write{{Key: thePolicy, Action: drift.Updated, Window: drift.Window{From: noon.Add(-time.Minute), To: noon.Add(2 * time.Second)}}}
		}
		got, reason, records := v.Actor(c.write, others)
		switch {
		case c.want == "" && got != nil, c.want != "" && (got == nil || got.Name != c.want || got.IP != ""):
			t.Errorf("%s: got %+v, want %q", c.name, got, c.want)
		case !strings.HasPrefix(reason, c.reason) || (reason == "") != (c.reason == ""):
			t.Errorf("%s: got reason %q", c.name, reason)
		}
		if v.Spend(records); c.want == "" {
			continue
		}
		if again, _, _ := v.Actor(c.write, nil); again != nil {
			t.Errorf("%s: one record explains two changes", c.name)
		}
	}
}

// dated gives a record a body that was written so many seconds after noon.
func dated(r graph.AuditRecord, after int) graph.AuditRecord {
	r.New = fmt.Appendf(nil, `{"id":%q,"modifiedDateTime":%q}`, thePolicy.ID, noon.Add(time.Duration(after)*time.Second).Format(time.RFC3339))
	return r
}

// What our application wrote is ours when the guard knows of it, and else the
// work of somebody who has its credential. Records of our own explain nothing
// but our own writes.
func TestOwnWrites(t *testing.T) {
	r := record("1", 21, id(5), update)
	r.Initiator.Kind = "app"
	exact := []drift.Window{{From: noon.Add(20 * time.Second), To: noon.Add(20 * time.Second)}}
	for _, c := range []struct {
		app   string
		own   []drift.Window
		bare  string // who wrote, by a record without a body
		dated string
	}{
		{"our-app", nil, "stolen", "stolen"},
		{"our-app", exact, "", "cadrift"},
		{"our-app", []drift.Window{{From: noon.Add(15 * time.Second), To: noon.Add(90 * time.Second)}}, "", "cadrift"},
		{"our-app", []drift.Window{{From: noon.Add(40 * time.Second), To: noon.Add(50 * time.Second)}}, "stolen", "stolen"},
		{"their-app", exact, "app", "app"},
	} {
		for _, r := range []graph.AuditRecord{r, dated(r, 20)} {
			d := &directory{records: []graph.AuditRecord{r}, principals: map[string]graph.Principal{id(5): {ID: id(5), Name: "Robot", AppID: c.app}}}
			v := newView(d, nil)
			w := minute(drift.Updated)
			w.At, w.Own = noon.Add(20*time.Second), c.own
			v.Ask(t.Context(), noon.Add(6*time.Minute), w)
			got, want := "", c.bare
			if r.New != nil {
				want = c.dated
			}
			switch a, _, _ := v.Actor(w, nil); {
			case a != nil && a.OwnCredential:
				got = "stolen"
			case a != nil:
				got = a.Kind
			}
			if got != want {
				t.Errorf("%s, own %v, body %v: got %q, want %q", c.app, c.own, r.New != nil, got, want)
			}
		}
	}
}

// Whom an event names is final: it waits until it is known whose the app is,
// unless that cannot be found out.
func TestUnknownAppsWait(t *testing.T) {
	r := dated(record("1", 21, id(5), update), 20)
	r.Initiator.Kind = "app"
	d := &directory{records: []graph.AuditRecord{r}, lost: errors.New("busy")}
	v := newView(d, nil)
	w := minute(drift.Updated)
	w.At = noon.Add(20 * time.Second)
	for i := range 3 {
		if a, _, _ := v.Actor(w, nil); a != nil {
			t.Errorf("after %d questions: got %+v", i, a)
		}
		v.Ask(t.Context(), noon.Add(time.Duration(i)*time.Minute), w)
	}
	if a, _, _ := v.Actor(w, nil); a == nil {
		t.Error("nobody is named though names cannot be had")
	}
}

// Records without bodies, of writers seconds apart, in any order: whoever is
// named wrote, as long as the log brings them within five minutes.
func TestBareRecordsNameNobodyWrong(t *testing.T) {
	named := 0
	for seed := range uint64(3000) {
		random := rand.New(rand.NewPCG(seed, 0))
		d := &directory{}
		v := newView(d, nil)
		var writes []beside.Write
		var truth []string
		var shown []time.Duration // when the log has the record
		var log []graph.AuditRecord
		at, read, before := 0.0, noon, time.Time{}
		for i := range 2 + random.IntN(3) {
			at += random.Float64() * 12
			r := record(fmt.Sprint(i), 0, fmt.Sprintf("writer%d", random.IntN(2)), update)
			written := noon.Add(time.Duration(at * float64(time.Second)))
			r.Time = written.Add(1200 * time.Millisecond)
			log, shown = append(log, r), append(shown, time.Duration(random.IntN(240))*time.Second)
			if random.IntN(3) == 0 {
				continue // the next write comes before the reading
			}
			now := written.Add(time.Second)
			writes = append(writes, beside.Write{Key: thePolicy, Action: drift.Updated, At: written, After: before, Window: drift.Window{From: read, To: now}})
			truth, read, before = append(truth, r.Initiator.Name), now, written
		}
		open := slices.Repeat([]bool{true}, len(writes))
		for now := noon.Add(20 * time.Second); now.Before(noon.Add(10 * time.Minute)); now = now.Add(30 * time.Second) {
			d.records = nil
			for i, r := range log {
				if !r.Time.Add(shown[i]).After(now) {
					d.records = append(d.records, r)
				}
			}
			v.Ask(t.Context(), now, writes...)
			spent, others := []string{}, []beside.Write{}
			for i, w := range writes {
				if open[i] {
					others = append(others, w)
				}
			}
			for i, w := range writes {
				a, _, records := v.Actor(w, others)
				if !open[i] || a == nil {
					continue
				}
				open[i], spent = false, append(spent, records...)
				if named++; a.Name != truth[i] {
					t.Fatalf("seed %d: write %d is put down to %s, it was %s", seed, i, a.Name, truth[i])
				}
			}
			v.Spend(spent)
		}
	}
	if named < 1500 {
		t.Errorf("only %d writers were named", named)
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
	if want := noon.Add(-5 * time.Minute); !d.reaches[0].Equal(want) { // members spread slowly
		t.Errorf("asked since %v, want %v", d.reaches[0], want)
	}
	for action, early := range map[drift.Action]time.Duration{drift.Updated: 30 * time.Second, drift.Deleted: 25 * time.Minute} {
		v.Ask(t.Context(), now, minute(action))
		if got := d.reaches[len(d.reaches)-1]; !got.Equal(noon.Add(-early)) {
			t.Errorf("%s: asked since %v, want %s before noon", action, got, early)
		}
	}
	v.Ask(t.Context(), now)
	if got := len(d.parts); got != 5 || now.Sub(d.reaches[4]) != 25*time.Minute {
		t.Errorf("asked %d times, at last since %v", got, d.reaches[4])
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

// What is asked for is kept as long as a window reaches back to it, and no
// longer; what explained a change is not fetched again for another.
func TestLongWindows(t *testing.T) {
	for _, long := range []time.Duration{40 * time.Minute, 3 * time.Hour, 24 * time.Hour} {
		early, between := record("1", 20, "kim", update), record("2", 40*60, id(5), update)
		between.Initiator.Kind = "app"
		d := &directory{records: []graph.AuditRecord{early}, principals: map[string]graph.Principal{id(5): {ID: id(5), AppID: "our-app"}}}
		v := newView(d, nil)
		w := minute(drift.Updated)
		w.Window.To = noon.Add(long)
		v.Ask(t.Context(), w.Window.To, w)
		if a, _, _ := v.Actor(w, nil); a == nil || a.Name != "kim" {
			t.Errorf("%s after the write: got %+v, want kim", long, a)
		}
		d.records = append(d.records, between)
		v.Ask(t.Context(), w.Window.To.Add(time.Minute), w)
		a, _, records := v.Actor(w, nil)
		if a == nil || !a.OwnCredential {
			t.Errorf("%s after the write: got %+v, want our credential", long, a)
		}
		v.Spend(records)
		d.records = nil
		v.Ask(t.Context(), w.Window.To.Add(time.Hour))
		if got := v.Steps(w, nil); len(got) != 0 {
			t.Errorf("%s: %d records are kept that no window reaches back to", long, len(got))
		}
		d.records = []graph.AuditRecord{early, between}
		v.Ask(t.Context(), w.Window.To.Add(2*time.Hour), w)
		if a, _, _ := v.Actor(w, nil); a != nil {
			t.Errorf("%s: one record explains two changes: %+v", long, a)
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
	got := v.Steps(minute(drift.Updated), nil)
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
