package judge_test

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/judge"
)

// A labelled case is one line of testdata/cases.jsonl: what was, what is, and
// what a security engineer expects to be told. See testdata/README.md.
type labelled struct {
	Name string
	Law  string
	// Rows are the rows of the law that the case is an example of, by their
	// ids in testdata/rows.tsv.
	Rows []string
	Why  string
	Kind drift.Kind
	Base string
	// Old and New are merge patches over the base; absent means the base as it
	// is, null means that there is no object.
	Old, New json.RawMessage
	// Last and Baseline are patches for the last acting and the approved form.
	Last, Baseline json.RawMessage
	// World are further objects of the snapshot.
	World []struct {
		Base  string
		Patch tree
	}
	// NoEmergency drops the configured emergency accounts.
	NoEmergency bool
	// Want, Mirror and Off are "direction severity [lockout]": of the change,
	// of the change backwards, and of the change while the policy is off, or
	// every policy of the world for an object that is none.
	Want, Mirror, Off string
}

// fixture is testdata/world.json.
type fixture struct {
	Aliases   map[string]string
	Names     map[string]string
	Emergency judge.Emergency
	// Objects are in every snapshot, Bases only where a case names them.
	Objects, Bases map[string]struct {
		Kind drift.Kind
		ID   string
		Form tree
	}
}

func loadFixture(t testing.TB) *fixture {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "world.json"))
	if err != nil {
		t.Fatal(err)
	}
	var aliases struct{ Aliases map[string]string }
	if err := json.Unmarshal(raw, &aliases); err != nil {
		t.Fatal(err)
	}
	var fx fixture
	if err := json.Unmarshal(expand(raw, aliases.Aliases), &fx); err != nil {
		t.Fatal(err)
	}
	return &fx
}

// expand writes the ids for "@alex" and its like.
func expand(raw []byte, aliases map[string]string) []byte {
	for name, id := range aliases {
		raw = bytes.ReplaceAll(raw, []byte(`"@`+name+`"`), []byte(`"`+id+`"`))
	}
	return raw
}

func (fx *fixture) names(id string) (string, bool) { name, ok := fx.Names[id]; return name, ok }

// object is a base with a patch on it.
func (fx *fixture) object(t testing.TB, kind drift.Kind, base string, patch json.RawMessage) *drift.Object {
	t.Helper()
	if string(patch) == "null" {
		return nil
	}
	b, ok := fx.Bases[base]
	if !ok {
		b, ok = fx.Objects[base]
	}
	if !ok {
		t.Fatalf("no base %q", base)
	}
	if kind == "" {
		kind = b.Kind
	}
	if len(patch) == 0 {
		return object(kind, b.ID, b.Form)
	}
	return object(kind, b.ID, merge(b.Form, decode(t, patch)))
}

func loadCases(t testing.TB, fx *fixture) []labelled {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "cases.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var out []labelled
	lines := bufio.NewScanner(bytes.NewReader(expand(raw, fx.Aliases)))
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var c labelled
		dec := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&c); err != nil {
			t.Fatalf("cases.jsonl:%d: %v", n, err)
		}
		if strings.Contains(strings.ReplaceAll(lines.Text(), `"@odata.`, ""), `"@`) {
			t.Fatalf("cases.jsonl:%d: unknown alias in %s", n, lines.Text())
		}
		out = append(out, c)
	}
	return out
}

func TestLabelledCases(t *testing.T) {
	fx := loadFixture(t)
	cases := loadCases(t, fx)
	if len(cases) < 270 {
		t.Errorf("%d labelled cases, want at least 270", len(cases))
	}
	seen := map[string]bool{}
	for _, c := range cases {
		if seen[c.Name] {
			t.Errorf("two cases are named %s", c.Name)
		}
		seen[c.Name] = true
		t.Run(c.Name, func(t *testing.T) {
			old := fx.object(t, c.Kind, c.Base, c.Old)
			new := fx.object(t, c.Kind, c.Base, c.New)
			expect(t, c, "", c.Want, fx.judge(t, c, old, new))
			expect(t, c, "backwards: ", c.Mirror, fx.judge(t, c, new, old))
			expect(t, c, "while off: ", c.Off, fx.judgeOff(t, c, old, new))
		})
	}
}

// judge judges one case in its world: the standing objects, the case's own, and
// the new form of the object itself.
func (fx *fixture) judge(t testing.TB, c labelled, old, new *drift.Object) drift.Verdict {
	t.Helper()
	self := new
	if self == nil {
		self = old
	}
	objects := []*drift.Object{new}
	for _, o := range fx.Objects {
		if o.ID != self.ID {
			objects = append(objects, object(o.Kind, o.ID, o.Form))
		}
	}
	for _, o := range c.World {
		b := fx.Bases[o.Base]
		objects = append(objects, object(b.Kind, b.ID, merge(b.Form, o.Patch)))
	}
	em := fx.Emergency
	if c.NoEmergency {
		em = judge.Emergency{}
	}
	in := judge.Case{Old: old, New: new, Changes: changes(old, new)}
	if len(c.Last) > 0 {
		in.LastActing = fx.object(t, c.Kind, c.Base, c.Last)
	}
	if len(c.Baseline) > 0 {
		in.Baseline = fx.object(t, c.Kind, c.Base, c.Baseline)
	}
	return world(em, fx.names, objects...).Judge(in)
}

// judgeOff judges the case unenforced: the policy off, before and after, or the
// object while every policy that may use it is off.
func (fx *fixture) judgeOff(t testing.TB, c labelled, old, new *drift.Object) drift.Verdict {
	t.Helper()
	if cmp.Or(old, new).Kind == drift.Policy {
		return fx.judge(t, c, off(t, old), off(t, new))
	}
	c.World = slices.Clone(c.World)
	for i := range c.World {
		c.World[i].Patch = merge(c.World[i].Patch, tree{"state": "disabled"})
	}
	return fx.judge(t, c, old, new)
}

// TestEveryRowHasACase: rows.tsv lists the rows of the law's tables, and each
// is shown by a case, with its way back and its unenforced version.
func TestEveryRowHasACase(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("testdata", "rows.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]int{}
	for line := range strings.Lines(string(raw)) {
		fields := strings.Split(strings.TrimSpace(line), "\t")
		if len(fields) != 3 || rows[fields[0]] != 0 {
			t.Fatalf("rows.tsv: want id, section and text once, got %q", line)
		}
		rows[fields[0]] = 1
	}
	for _, c := range loadCases(t, loadFixture(t)) {
		if len(c.Rows) == 0 || c.Mirror == "" || c.Off == "" || c.Why == "" {
			t.Errorf("%s: rows %q, mirror %q, off %q, why %q: want all of them", c.Name, c.Rows, c.Mirror, c.Off, c.Why)
		}
		for _, row := range c.Rows {
			if rows[row] == 0 {
				t.Errorf("%s: no row %q in rows.tsv", c.Name, row)
			}
			rows[row]++
		}
	}
	for row, n := range rows {
		if n == 1 {
			t.Errorf("no case shows the row %s", row)
		}
	}
}

// off is the object as a disabled policy.
func off(t testing.TB, o *drift.Object) *drift.Object {
	t.Helper()
	if o == nil {
		return nil
	}
	return object(o.Kind, o.ID, merge(decode(t, o.Canonical), tree{"state": "disabled"}))
}

func expect(t *testing.T, c labelled, version, want string, got drift.Verdict) {
	t.Helper()
	said := got.Direction.String() + " " + got.Severity.String()
	if got.Lockout {
		said += " lockout"
	}
	if said != want {
		t.Errorf("%s%s (%s)\n got %s\nwant %s\nbecause %s", version, c.Name, c.Law, show(got), want, c.Why)
	}
	if got.Lockout != (len(got.Reasons) > 0) {
		t.Errorf("%s%s: lockout %v with reasons %q", version, c.Name, got.Lockout, got.Reasons)
	}
	if strings.ContainsAny(got.Summary, "\n\r") || got.Summary == "" {
		t.Errorf("%s%s: summary %q is not one line", version, c.Name, got.Summary)
	}
	if testing.Verbose() {
		t.Log(show(got))
	}
}
