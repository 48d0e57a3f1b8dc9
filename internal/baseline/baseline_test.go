package baseline_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cadrift/cadrift/internal/baseline"
	"github.com/cadrift/cadrift/internal/canon"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/judge"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func object(t *testing.T, kind drift.Kind, body string) drift.Object {
	t.Helper()
	o, err := canon.Object(kind, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func policy(t *testing.T, rest string) drift.Object {
	t.Helper()
	return object(t, drift.Policy, `{"id":"a","displayName":"CA001","state":"enabled","conditions":{"users":{"includeUsers":["All"]},`+
		`"applications":{"includeApplications":["All"]},"clientAppTypes":["all"]},"grantControls":{"operator":"OR","builtInControls":["mfa"]}`+rest+`}`)
}

// against compares with a baseline of the given objects, read through v1.0.
func against(version string, kinds []drift.Kind, objects ...drift.Object) baseline.Comparison {
	b := &drift.Baseline{GraphVersion: "v1.0", Kinds: kinds, Objects: map[drift.Key]drift.Object{}}
	for _, o := range objects {
		b.Objects[o.Key()] = o
	}
	return baseline.Comparison{
		Tenant: "contoso", GraphVersion: version, Baseline: b, Now: now,
		World: func() *judge.World { return judge.NewWorld(slices.Values(objects), judge.Emergency{}, nil) },
	}
}

func TestFinding(t *testing.T) {
	approved := policy(t, "")
	off := object(t, drift.Policy, strings.Replace(string(approved.Raw), `"enabled"`, `"disabled"`, 1))
	group := object(t, drift.Group, `{"id":"g","displayName":"Exempt","members":["x"]}`)
	both := []drift.Kind{drift.Policy, drift.Group}
	// What only beta knows is not compared with a baseline of v1.0.
	beta := policy(t, `,"sessionControls":{"continuousAccessEvaluation":{"mode":"strictLocation"}}`)
	for _, c := range []struct {
		name    string
		with    baseline.Comparison
		key     drift.Key
		current *drift.Object
		want    string
	}{
		{"as approved", against("v1.0", both, approved), approved.Key(), &approved, ""},
		{"weaker", against("v1.0", both, approved), approved.Key(), &off, "CA001: "},
		{"gone", against("v1.0", both, approved), approved.Key(), nil, "CA001 deleted"},
		{"not approved", against("v1.0", both), approved.Key(), &approved, "CA001 created"},
		{"a kind that the baseline does not hold", against("v1.0", both[1:]), approved.Key(), &approved, ""},
		{"a group that a policy began to exclude", against("v1.0", both), group.Key(), &group, ""},
		{"a group that no policy excludes any more", against("v1.0", both, group), group.Key(), nil, ""},
		{"of the same version", against("v1.0", both, approved), approved.Key(), &beta, "CA001: "},
		{"of another version", against("beta", both, approved), approved.Key(), &beta, ""},
	} {
		f, err := c.with.Finding(c.key, c.current)
		switch {
		case err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want == "" && f != nil:
			t.Errorf("%s: got %+v, want none", c.name, f)
		case c.want != "" && (f == nil || !strings.HasPrefix(f.Summary, c.want) || f.Object.Name != "CA001" || !f.Since.Equal(now) || len(f.BaselinePatch) == 0):
			t.Errorf("%s: got %+v", c.name, f)
		}
	}
}

// An acknowledgement is for exactly one form; the beginning and who was told
// stay.
func TestStep(t *testing.T) {
	patch := func(path string) drift.Patch { return drift.Patch{{Op: "replace", Path: path, Value: []byte("1")}} }
	old := &drift.Finding{Since: now, Told: []string{"oncall"}, Ack: &drift.Ack{By: "kim"}, LastEvent: "e", BaselinePatch: patch("/a")}
	same := &drift.Finding{Since: now.Add(time.Hour), BaselinePatch: patch("/a")}
	moved := &drift.Finding{Since: now.Add(time.Hour), BaselinePatch: patch("/b")}
	for _, c := range []struct {
		old, new *drift.Finding
		want     drift.DriftStep
	}{
		{nil, nil, drift.DriftNone},
		{nil, &drift.Finding{}, drift.DriftOpened},
		{old, nil, drift.DriftResolved},
		{old, same, drift.DriftUpdated},
		{old, moved, drift.DriftUpdated},
	} {
		if got := baseline.Step(c.old, c.new); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	if same.Ack != old.Ack || same.LastEvent != "e" || !same.Since.Equal(now) || len(same.Told) != 1 {
		t.Errorf("the same form: got %+v", same)
	}
	if moved.Ack != nil || !moved.Since.Equal(now) || len(moved.Told) != 1 {
		t.Errorf("another form: got %+v", moved)
	}
}

// An announcement covers a drift as it was judged: whatever makes it worse was
// not announced. An acknowledgement is for the form, and stays.
func TestStepOfAnAnnouncedDrift(t *testing.T) {
	for _, c := range []struct {
		name      string
		direction drift.Direction
		severity  drift.Severity
		covered   bool
	}{
		{"judged the same", drift.Weaker, drift.Medium, true},
		{"judged milder", drift.Weaker, drift.Low, true},
		{"judged graver", drift.Weaker, drift.High, false},
		{"another direction", drift.Mixed, drift.Medium, false},
	} {
		old := &drift.Finding{Direction: drift.Weaker, Severity: drift.Medium, Expected: &drift.Expectation{ID: "x"}, Ack: &drift.Ack{By: "kim"}}
		f := &drift.Finding{Direction: c.direction, Severity: c.severity}
		baseline.Step(old, f)
		if (f.Expected != nil) != c.covered || f.Ack == nil {
			t.Errorf("%s: announcement %+v, acknowledgement %+v", c.name, f.Expected, f.Ack)
		}
	}
}

// Only what is at the paths is taken over; what has no place for it stays.
func TestTakeOver(t *testing.T) {
	for _, c := range []struct{ base, form, path, want string }{
		{`{"id":"a","state":"on"}`, `{"id":"a","state":"off","new":{"x":1}}`, "/new/x", `{"id":"a","new":{"x":1},"state":"on"}`},
		{`{"id":"a","new":{"x":1,"y":2}}`, `{"id":"a"}`, "/new/x", `{"id":"a","new":{"y":2}}`},
		{`{"id":"a"}`, `{"id":"a","p/q~":3}`, "/p~1q~0", `{"id":"a","p/q~":3}`},
		{`{"id":"a","new":[1]}`, `{"id":"a","new":{"x":1}}`, "/new/x", `{"id":"a","new":[1]}`},
		{`{"id":"a","n":1.50}`, `{"id":"a","big":12345678901234567890}`, "/big", `{"big":12345678901234567890,"id":"a","n":1.50}`},
	} {
		got := baseline.TakeOver(object(t, drift.Policy, c.base), object(t, drift.Policy, c.form), []string{c.path})
		if string(got.Raw) != c.want {
			t.Errorf("%s of %s: got %s, want %s", c.path, c.form, got.Raw, c.want)
		}
	}
}

func TestReadDir(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	refused := func(what string) {
		t.Helper()
		if _, _, err := baseline.ReadDir(dir); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("got error %v, want %q in it", err, what)
		}
	}
	refused("no KIND/NAME--ID.json files")
	write("policy/CA001--a.json", `{"id":"a","displayName":"CA001"}`)
	write("named_location/README.md", "an empty folder: no location shall be")
	empty := baseline.Stamp(dir)
	objects, kinds, err := baseline.ReadDir(dir)
	if err != nil || len(objects) != 1 || objects[0].ID != "a" || !slices.Contains(kinds, drift.NamedLocation) || len(kinds) != 2 {
		t.Fatalf("got %d objects, kinds %v, %v", len(objects), kinds, err)
	}
	if baseline.Stamp(dir) != empty {
		t.Error("the stamp of unchanged files moved")
	}
	write("policy/again--a.json", `{"id":"a"}`)
	if baseline.Stamp(dir) == empty {
		t.Error("the stamp does not see a new file")
	}
	refused("hold the same object a")
	write("policy/again--a.json", `{"no":"id"}`)
	refused("again--a.json")
	write("policy/again--a.json", `{"id":"b","x":"`+strings.Repeat("x", 4<<20)+`"}`)
	refused("larger than 4 MiB")
}
