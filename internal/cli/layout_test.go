package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cadrift/cadrift/internal/api"
	"github.com/cadrift/cadrift/internal/drift"
)

func body(id, name string) json.RawMessage {
	text, err := json.Marshal(name)
	if err != nil {
		panic(err)
	}
	return json.RawMessage(`{"zNumber":10000000000000000001.50,"id":"` + id + `","displayName":` + string(text) + `,"a":[null,{}],"html":"<&>"}`)
}

func snapshot(objects ...api.SnapshotObject) api.Snapshot {
	return api.Snapshot{Tenant: "contoso", Kinds: []drift.Kind{drift.Policy, drift.NamedLocation}, Objects: objects}
}

func TestLayoutRoundTripLosesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "dir")
	want := snapshot(
		api.SnapshotObject{Kind: drift.Policy, Name: "CA001: Block <all>", Body: body("1111-a", "CA001: Block <all>")},
		api.SnapshotObject{Kind: drift.Policy, Name: "", Body: body("1111-b", "")},
	)
	if _, err := writeLayout(dir, want); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"policy/CA001-Block-all--1111-a.json", "policy/unnamed--1111-b.json", "named_location/.gitkeep"} {
		if _, err := os.Stat(filepath.Join(dir, file)); err != nil {
			t.Error(err)
		}
	}
	order, err := readLayout(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]drift.Kind{drift.NamedLocation, drift.Policy}, order.Kinds); diff != "" {
		t.Errorf("kinds:\n%s", diff)
	}
	if len(order.Objects) != 2 {
		t.Fatalf("%d objects", len(order.Objects))
	}
	for i, o := range order.Objects {
		if got, want := strip(string(o.Body)), strip(string(want.Objects[i].Body)); got != want {
			t.Errorf("body\ngot  %s\nwant %s", got, want)
		}
	}
}

// strip drops the white space that indenting adds; none is in these values.
func strip(text string) string {
	return strings.NewReplacer("\n", "", " ", "").Replace(text)
}

func TestExportReplacesItsOwnFilesOnly(t *testing.T) {
	dir := t.TempDir()
	foreign := map[string]string{
		"README.md": "mine", "policy/notes.json": `{"id":"zz"}`, "policy/broken--zz.json": `{`, "policy/other--zz.json": `{"id":"yy"}`,
	}
	for name, text := range foreign {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	first := snapshot(
		api.SnapshotObject{Kind: drift.Policy, Name: "old", Body: body("1", "old")},
		api.SnapshotObject{Kind: drift.Policy, Name: "gone", Body: body("2", "gone")},
		api.SnapshotObject{Kind: drift.NamedLocation, Name: "gone", Body: body("3", "gone")},
	)
	if _, err := writeLayout(dir, first); err != nil {
		t.Fatal(err)
	}
	second := api.Snapshot{Kinds: []drift.Kind{drift.Policy}, Objects: []api.SnapshotObject{
		{Kind: drift.Policy, Name: "new", Body: body("1", "new")},
	}}
	done, err := writeLayout(dir, second)
	if err != nil || done != (written{Written: 1, Removed: 3}) {
		t.Errorf("got %+v, %v", done, err)
	}
	for name, text := range foreign {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != text {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if left, err := filepath.Glob(filepath.Join(dir, "policy", "*--1.json")); err != nil || len(left) != 1 || filepath.Base(left[0]) != "new--1.json" {
		t.Errorf("left %v, %v", left, err)
	}
}

func TestNoNameLeadsOut(t *testing.T) {
	outside := t.TempDir()
	dir := t.TempDir()
	names := []string{"../../escape", "/etc/passwd", "..", ".", "", "con", "a\x00b", "-rf", ".hidden", "C:\\x", strings.Repeat("long ", 200), "\u202eгость"}
	var objects []api.SnapshotObject
	for i, name := range names {
		id := "../" + name + string(rune('a'+i))
		text, err := json.Marshal(map[string]string{"id": id, "displayName": name})
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, api.SnapshotObject{Kind: drift.Policy, Name: name, Body: text})
	}
	if _, err := writeLayout(dir, snapshot(objects...)); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(filepath.Join(dir, "policy"))
	if err != nil || len(entries) != len(names) {
		t.Errorf("%d files for %d objects, %v", len(entries), len(names), err)
	}
	for _, entry := range entries {
		if name := entry.Name(); strings.ContainsAny(name, "/\\:\x00 ") || name[0] == '.' || name[0] == '-' || len(name) > 160 {
			t.Errorf("file name %q", name)
		}
	}
	// A symbolic link that waits where a directory should be made.
	if err := os.RemoveAll(filepath.Join(dir, "named_location")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "named_location")); err != nil {
		t.Fatal(err)
	}
	place := api.SnapshotObject{Kind: drift.NamedLocation, Name: "x", Body: body("9", "x")}
	if _, err := writeLayout(dir, snapshot(place)); err == nil {
		t.Error("wrote through a link that leads out")
	}
	if left, err := os.ReadDir(outside); err != nil || len(left) > 0 {
		t.Errorf("outside: %v, %v", left, err)
	}
}

func TestBadLayouts(t *testing.T) {
	tests := []struct {
		name  string
		files map[string]string
		says  []string
	}{
		{"nothing", nil, []string{"no KIND/NAME--ID.json"}},
		{"only a readme", map[string]string{"README.md": ""}, []string{"no KIND/NAME--ID.json"}},
		{"unknown kind", map[string]string{"policies/x.json": `{"id":"x"}`}, []string{"policies: not a kind", "named_location"}},
		{"all problems at once", map[string]string{
			"policy/a.json": `{}`, "policy/b.json": `{`, "policy/c.json": `[]`, "policy/d.json": `{"id":7}`, "policy/e.json": `{"ID":"x"}`,
			"policy/f.json": `{"id":"same"}`, "policy/g.json": `{"id":"SAME"}`, "policy/h.json": `{"id":"big","x":"` + strings.Repeat("x", maxFile) + `"}`,
		}, []string{"a.json: no \"id\"", "b.json: not a JSON object", "c.json: not a JSON object", "d.json: no \"id\"", "e.json: no \"id\"", "g.json: the same id as in policy/f.json", "h.json: larger than 4 MiB"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range tt.files {
				path := filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			_, err := readLayout(dir)
			if err == nil {
				t.Fatal("it was taken")
			}
			contains(t, err.Error(), tt.says...)
		})
	}
	if _, err := readLayout(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a missing directory was taken")
	}
}

func TestImportReadsWhatExportWrote(t *testing.T) {
	r := newRig(t)
	r.fill()
	dir := filepath.Join(r.dir, "out")
	contains(t, r.want(0, "export", dir), "2 objects of contoso at revision 2 written to "+dir)
	contains(t, r.want(0, "baseline", "export", dir), "2 objects of contoso at revision 1")
	r.want(0, "baseline", "import", dir, "--reason", "restore")
	r.stdin = r.want(0, "baseline", "export", "-")
	r.want(0, "baseline", "import", "-", "--reason", "restore")
	if len(r.keeper.changes) != 2 || !r.created {
		t.Fatalf("%d imports, create %v", len(r.keeper.changes), r.created)
	}
	for _, c := range r.keeper.changes {
		if len(c.Objects) != 2 || len(c.Kinds) != 2 || c.Reason != "restore" {
			t.Errorf("got %+v", c)
		}
	}
	if got, want := strip(string(r.keeper.changes[1].Objects[0].Body)), `"zz":1.50`; !strings.Contains(got, want) {
		t.Errorf("got %s", got)
	}
	contains(t, r.want(0, "export", dir, "--at", "1", "--output", "json"), `"written": 2`)
	r.stdin = "not json"
	if code, _, stderr := r.run("baseline", "import", "-", "--reason", "r"); code != 1 || !strings.Contains(stderr, "read stdin") {
		t.Errorf("exit %d, stderr %q", code, stderr)
	}
}

func TestJSONOnATerminalIsSafe(t *testing.T) {
	in := "{\n  \"name\": \"a\u202eb\u009b31mc\U000e0041d ü\"\n}"
	out := escapeHidden(in)
	if want := "{\n  \"name\": \"a\\u202eb\\u009b31mc\\udb40\\udc41d ü\"\n}"; out != want {
		t.Errorf("got  %s\nwant %s", out, want)
	}
	var before, after map[string]string
	if json.Unmarshal([]byte(in), &before) != nil || json.Unmarshal([]byte(out), &after) != nil || before["name"] != after["name"] {
		t.Error("the document means something else")
	}
}
