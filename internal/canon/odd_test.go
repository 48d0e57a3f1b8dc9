package canon_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/cadrift/cadrift/internal/canon"
	"github.com/cadrift/cadrift/internal/drift"
)

func canonObject(raw string) (drift.Object, error) { return canon.Object(drift.Policy, []byte(raw)) }

// A body with a surprise is kept whole: member names sorted, nothing folded,
// lists in their order.
func TestOddObjects(t *testing.T) {
	rows := []struct {
		name, raw, odd, form string
		kind                 drift.Kind
	}{
		{
			"a member twice", `{"state":"enabled","id":"x","b":[2,1,2],"state":"disabled","modifiedDateTime":null}`,
			`the member "state" appears twice`,
			`{"b":[2,1,2],"id":"x","modifiedDateTime":null,"state":"enabled","state":"disabled"}`, drift.Policy,
		},
		{
			"a member twice, spelled twice", `{"id":"x","later":[{"a":1,"\u0061":2}]}`,
			`the member "a" appears twice`, `{"id":"x","later":[{"a":1,"a":2}]}`, drift.Policy,
		},
		{
			"conditions that are no object", `{"id":"x","conditions":"all"}`,
			"/conditions: a string, which the schema does not have here", `{"conditions":"all","id":"x"}`, drift.Policy,
		},
		{
			"users that are a list", `{"id":"x","conditions":{"users":["All"]}}`,
			"/conditions/users: a list, which the schema does not have here", `{"conditions":{"users":["All"]},"id":"x"}`, drift.Policy,
		},
		{
			"a list that is no list", `{"id":"x","conditions":{"users":{"includeUsers":"All"}}}`,
			"/conditions/users/includeUsers: a string, which the schema does not have here", `{"conditions":{"users":{"includeUsers":"All"}},"id":"x"}`, drift.Policy,
		},
		{
			"an id that is a number", `{"id":"x","conditions":{"users":{"includeUsers":[7,"All"]}}}`,
			"/conditions/users/includeUsers: a number or boolean, which the schema does not have here", `{"conditions":{"users":{"includeUsers":[7,"All"]}},"id":"x"}`, drift.Policy,
		},
		{
			"a client app that is a number", `{"id":"x","conditions":{"clientAppTypes":["browser",7]}}`,
			"/conditions/clientAppTypes: a number or boolean, which the schema does not have here", `{"conditions":{"clientAppTypes":["browser",7]},"id":"x"}`, drift.Policy,
		},
		{
			"a state that is no word", `{"id":"x","state":{"a":"enabled"}}`,
			"/state: an object, which the schema does not have here", `{"id":"x","state":{"a":"enabled"}}`, drift.Policy,
		},
		{
			"a switch that is text", `{"id":"x","isTrusted":"false"}`,
			"/isTrusted: a string, which the schema does not have here", `{"id":"x","isTrusted":"false"}`, drift.NamedLocation,
		},
		{
			"a strength without an id", `{"id":"x","grantControls":{"authenticationStrength":{"displayName":"MFA"}}}`,
			"/grantControls/authenticationStrength: an authentication strength without an id", `{"grantControls":{"authenticationStrength":{"displayName":"MFA"}},"id":"x"}`, drift.Policy,
		},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			o := mustObject(t, row.kind, []byte(row.raw))
			if o.Odd != row.odd {
				t.Errorf("odd: got %q, want %q", o.Odd, row.odd)
			}
			if got := string(o.Canonical); got != row.form {
				t.Errorf("form: got %s, want %s", got, row.form)
			}
			again := mustObject(t, row.kind, o.Canonical)
			if !bytes.Equal(again.Canonical, o.Canonical) || again.Odd != o.Odd {
				t.Errorf("a second time: got %q %s", again.Odd, again.Canonical)
			}
		})
	}
}

func TestDepth(t *testing.T) {
	nest := func(levels int) string {
		return `{"id":"x","a":` + strings.Repeat(`[`, levels-1) + `1` + strings.Repeat(`]`, levels-1) + `}`
	}
	for levels, odd := range map[int]bool{2: false, 50: false, 51: true, 9000: true} {
		o := mustObject(t, drift.Policy, []byte(nest(levels)))
		if got := o.Odd != ""; got != odd {
			t.Errorf("%d levels: odd is %t (%s), want %t", levels, got, o.Odd, odd)
		}
	}
}

// encoding/json reads each of these strings as the same U+FFFD.
func TestBrokenText(t *testing.T) {
	seen := map[drift.Digest]string{}
	for _, s := range []string{"\x80", "\x81", "\xc3", "\xed\xa0\x80", `\ud800`, `\ud801`, `\udc00`, `\ud800\ud800`, `\udc00\ud800`, `\ud800x`, "\\ud800\x80", "\xef\xbf\xbd", `\ufffd`} {
		raw := []byte(`{"id":"A0000000-0000-4000-8000-000000000001","displayName":"` + s + `","conditions":{"users":{"includeUsers":["b","a"]}}}`)
		o := mustObject(t, drift.Policy, raw)
		whole := s == "\xef\xbf\xbd" || s == `\ufffd`
		if got := o.Odd == ""; got != whole {
			t.Errorf("%q: odd is %q", s, o.Odd)
		}
		if !bytes.Contains(o.Canonical, []byte(`["a","b"]`)) {
			t.Errorf("%q: not folded: %s", s, o.Canonical)
		}
		if other, ok := seen[o.Digest]; ok && !whole {
			t.Errorf("%q and %q share a digest: %s", other, s, o.Canonical)
		}
		seen[o.Digest] = s
		checkIdempotent(t, drift.Policy, o)
	}
	if got, want := len(seen), 12; got != want {
		t.Errorf("got %d different forms, want %d", got, want)
	}
}
