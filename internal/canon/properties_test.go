package canon_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/cadrift/cadrift/internal/canon"
	"github.com/cadrift/cadrift/internal/drift"
)

// checkIdempotent canonicalises a canonical form with the id put back.
func checkIdempotent(t interface {
	Helper()
	Fatalf(string, ...any)
}, kind drift.Kind, o drift.Object,
) {
	t.Helper()
	raw := o.Canonical
	if o.Odd == "" || o.Odd == brokenText { // else it is the whole body
		raw = withID(o.ID, raw)
	}
	again, err := canon.Object(kind, raw)
	if err != nil {
		t.Fatalf("a second time: %v\n%s", err, raw)
	}
	if !bytes.Equal(again.Canonical, o.Canonical) {
		t.Fatalf("a second time (odd %q, then %q):\n%s\n%s", o.Odd, again.Odd, o.Canonical, again.Canonical)
	}
	if o.Odd == "" && (again.Odd != "" || again.Digest != o.Digest || !slices.Equal(again.UnknownEnum, o.UnknownEnum)) {
		t.Fatalf("a second time: odd %q, digest %s, unknown %v", again.Odd, again.Digest, again.UnknownEnum)
	}
}

const brokenText = "text that is not valid UTF-8"

// withID puts the root id, which the form leaves out, in front of a form.
func withID(id string, form []byte) []byte {
	quoted, err := json.Marshal(id)
	if err != nil {
		panic(err)
	}
	out := append([]byte(`{"id":`), quoted...)
	if len(form) > len("{}") {
		out = append(out, ',')
	}
	return append(out, form[1:]...)
}

func TestIdempotent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom(drift.Kinds()).Draw(t, "kind")
		raw := marshal(drawBody(t, kind))
		o, err := canon.Object(kind, raw)
		if err != nil {
			t.Fatalf("%v\n%s", err, raw)
		}
		if o.Odd != "" {
			t.Fatalf("odd: %s\n%s", o.Odd, raw)
		}
		checkIdempotent(t, kind, o)
	})
}

// One stored state, written twice: order, repeats, case of ids, nulls and
// empties, annotations, volatile properties, flags joined or listed, white space
// and escapes may all differ.
func TestEncodingsOfOneState(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom(drift.Kinds()).Draw(t, "kind")
		body := drawBody(t, kind)
		d := disguise{t: t}
		raw, other := marshal(body), d.write(body, "")
		a, errA := canon.Object(kind, raw)
		b, errB := canon.Object(kind, []byte(other))
		if errA != nil || errB != nil {
			t.Fatalf("%v, %v\n%s", errA, errB, other)
		}
		if a.Digest != b.Digest || a.Odd != "" || b.Odd != "" || a.ID != b.ID {
			t.Fatalf("one state, two forms (odd %q, %q):\n%s\n%s\n\n%s\n%s", a.Odd, b.Odd, raw, other, a.Canonical, b.Canonical)
		}
	})
}

// Any single change of a form is a change of the state, since the form holds
// nothing but state: it gives another digest.
func TestAnyChangeChangesTheDigest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom(drift.Kinds()).Draw(t, "kind")
		o, err := canon.Object(kind, marshal(drawBody(t, kind)))
		if err != nil {
			t.Fatal(err)
		}
		edits := editsOf(decode(t, o.Canonical))
		edit := edits[rapid.IntRange(0, len(edits)-1).Draw(t, "edit")]
		changed, err := canon.Object(kind, withID(o.ID, marshal(edit)))
		if err != nil {
			t.Fatal(err)
		}
		if changed.Digest == o.Digest {
			t.Fatalf("the edit\n%s\nof\n%s\nwas lost", marshal(edit), o.Canonical)
		}
	})
}

// Below properties that the schema does not know, forms are equal exactly when a
// second, naive implementation says so.
func TestUnknownPropertiesAgainstNaive(t *testing.T) {
	equal := 0
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawAny(t, 3), drawAny(t, 3)
		formA := mustForm(t, a)
		formB := mustForm(t, b)
		na, nb := marshal(naive(a)), marshal(naive(b))
		if bytes.Equal(formA, formB) != bytes.Equal(na, nb) {
			t.Fatalf("%s and %s: forms %s and %s, naive %s and %s", marshal(a), marshal(b), formA, formB, na, nb)
		}
		if bytes.Equal(na, nb) {
			equal++
		}
	})
	if equal == 0 {
		t.Error("no two values were equal: the property was tested on one side only")
	}
}

func mustForm(t *rapid.T, v any) []byte {
	o, err := canon.Object(drift.Policy, marshal(map[string]any{"id": "x", "later": v}))
	if err != nil {
		t.Fatal(err)
	}
	return o.Canonical
}

// naive drops what is empty and makes lists sets, on decoded values.
func naive(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, m := range v {
			if m = naive(m); m != nil {
				out[k] = m
			}
		}
		if len(out) == 0 {
			return nil
		}
		return out
	case []any:
		set := map[string]any{}
		for _, item := range v {
			if item = naive(item); item != nil {
				set[string(marshal(item))] = item
			}
		}
		if len(set) == 0 {
			return nil
		}
		out := []any{}
		for _, key := range slices.Sorted(maps.Keys(set)) {
			out = append(out, set[key])
		}
		return out
	}
	return v
}

func FuzzObject(f *testing.F) {
	kinds := drift.Kinds()
	for _, kind := range []drift.Kind{drift.Policy, drift.NamedLocation, drift.AuthenticationStrength} {
		f.Add(uint8(slices.Index(kinds, kind)), readFile(f, "testdata/"+string(kind)+".json"))
	}
	for _, s := range []string{
		`{"id":"x","a":1,"a":2}`, `{"id":"x","displayName":"\ud83d\ude00\ud800"}`, "{\"id\":\"x\",\"a\xff\":\"\x80\"}",
		`{"id":"x","conditions":{"insiderRiskLevels":"minor,,elevated"},"later":[[1,[]],{"a":[null]}]}`,
		`{"id":"x","ipRanges":[{"cidrAddress":"1.2.3.4/8"},{"lowerAddress":"fe80::1%eth0"}]}`,
		`{"id":"x","allowedCombinations":["b,a"," , "],"members":["A",{"id":"B"}]}`,
	} {
		for i := range kinds {
			f.Add(uint8(i), []byte(s))
		}
	}
	for _, path := range published(f) {
		f.Add(uint8(slices.Index(kinds, drift.Policy)), readFile(f, path))
	}
	f.Fuzz(func(t *testing.T, k uint8, raw []byte) {
		kind := kinds[int(k)%len(kinds)]
		before := bytes.Clone(raw)
		o, err := canon.Object(kind, raw)
		if !bytes.Equal(raw, before) {
			t.Fatal("raw was written to")
		}
		if err != nil {
			if o.ID != "" || len(err.Error()) > 60 {
				t.Fatalf("with the error %v: %v", err, o) // an error must not carry the body
			}
			return
		}
		if !json.Valid(o.Canonical) || !utf8.Valid(o.Canonical) || bytes.ContainsAny(o.Canonical, "\n\r\t") {
			t.Fatalf("not canonical JSON: %q", o.Canonical)
		}
		if o.Digest != canon.Digest(kind, o.Canonical) || o.ID == "" || o.Kind != kind {
			t.Fatalf("object %v, digest %s", o.Ref, o.Digest)
		}
		checkIdempotent(t, kind, o)
	})
}

// published are policies of the corpus beside the repository, none where it is
// absent: the fuzzer then has our own seeds only.
func published(f *testing.F) []string {
	f.Helper()
	paths, err := filepath.Glob("../../../shared/corpus/policies/*/*.json")
	if err != nil {
		f.Fatal(err)
	}
	if len(paths) == 0 {
		f.Log("no corpus of published policies beside the repository: own seeds only")
	}
	return paths
}

func decode(t *rapid.T, form []byte) any {
	dec := json.NewDecoder(bytes.NewReader(form))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("decode %s: %v", form, err)
	}
	return v
}

func marshal(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(fmt.Sprintf("marshal %v: %v", v, err))
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
