package canon_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cadrift/cadrift/internal/canon"
	"github.com/cadrift/cadrift/internal/drift"
)

// Real policies and locations, collected beside the repository: single bodies,
// lists, templates that carry the policy under details, and exports of the
// PowerShell module, whose upper-case names are unknown properties here.
func TestCorpus(t *testing.T) {
	const dir = "../../../shared/corpus"
	if _, err := os.Stat(dir); err != nil {
		t.Skip("the corpus is not beside the repository")
	}
	seen := map[drift.Kind]int{}
	for _, sub := range []string{"policies", "named-locations", "snapshots", "drift-pairs"} {
		err := filepath.WalkDir(filepath.Join(dir, sub), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(path) != ".json" {
				return err
			}
			for _, body := range bodies(t, readFile(t, path)) {
				kind := drift.Policy
				if bytes.Contains(body, []byte(`NamedLocation"`)) {
					kind = drift.NamedLocation
				}
				seen[kind]++
				checkCorpusBody(t, path, kind, body)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("canonicalised %v", seen)
	if seen[drift.Policy] < 400 || seen[drift.NamedLocation] < 7 {
		t.Errorf("got %v bodies: the corpus was not read", seen)
	}
}

// templateStrength are hand-written templates that name a strength by its
// displayName only. Graph never sends such a body.
var templateStrength = []string{"drift-pairs/199/old.json", "drift-pairs/203/old.json"}

func checkCorpusBody(t *testing.T, path string, kind drift.Kind, body []byte) {
	o, err := canon.Object(kind, withSomeID(t, body))
	if err != nil {
		t.Errorf("%s: %v", path, err)
		return
	}
	wantOdd := slices.ContainsFunc(templateStrength, func(p string) bool { return strings.HasSuffix(path, p) })
	if got := o.Odd != ""; got != wantOdd {
		t.Errorf("%s: odd is %t (%s), want %t", path, got, o.Odd, wantOdd)
	}
	checkIdempotent(t, kind, o)
	if wantOdd || strings.Contains(path, "scubagear") {
		return
	}
	if len(o.UnknownEnum) > 0 {
		t.Logf("%s: unknown enums %v", path, o.UnknownEnum)
	}
	for _, noise := range []string{"@odata.context", "#microsoft.graph.restore", "DateTime\":", "\"templateId\"", ":null", ":[]", ":{}"} {
		if bytes.Contains(o.Canonical, []byte(noise)) {
			t.Errorf("%s: %s left in %s", path, noise, o.Canonical)
		}
	}
}

// bodies takes the wrapping off.
func bodies(t *testing.T, doc []byte) []json.RawMessage {
	t.Helper()
	var list []json.RawMessage
	if json.Unmarshal(doc, &list) == nil {
		return list
	}
	var wrapped struct {
		Details json.RawMessage
		Value   []json.RawMessage
	}
	if err := json.Unmarshal(doc, &wrapped); err != nil {
		t.Fatal(err)
	}
	switch {
	case wrapped.Details != nil:
		return []json.RawMessage{wrapped.Details}
	case wrapped.Value != nil:
		return wrapped.Value
	}
	return []json.RawMessage{doc}
}

// withSomeID gives templates, which have none, an id.
func withSomeID(t *testing.T, body []byte) []byte {
	t.Helper()
	var head map[string]json.RawMessage
	if err := json.Unmarshal(body, &head); err != nil {
		t.Fatal(err)
	}
	if id := string(head["id"]); id != "" && id != "null" && id != `""` {
		return body
	}
	delete(head, "id")
	return withID("a0000000-0000-4000-8000-000000000001", marshal(head))
}
