package canon_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/cadrift/cadrift/internal/canon"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/golden"
)

// The golden files show a reader the whole form at a glance. They are indented;
// the form itself has no white space.
func TestObjectGolden(t *testing.T) {
	for _, kind := range []drift.Kind{drift.Policy, drift.NamedLocation, drift.AuthenticationStrength} {
		t.Run(string(kind), func(t *testing.T) {
			raw := readFile(t, filepath.Join("testdata", string(kind)+".json"))
			o := mustObject(t, kind, raw)
			if o.Odd != "" {
				t.Fatalf("odd: %s", o.Odd)
			}
			var got bytes.Buffer
			if err := json.Indent(&got, o.Canonical, "", "  "); err != nil {
				t.Fatal(err)
			}
			got.WriteByte('\n')
			golden.Compare(t, filepath.Join("testdata", string(kind)+".golden"), got.String())
		})
	}
}

func TestObjectMetadata(t *testing.T) {
	o := mustObject(t, drift.Policy, readFile(t, "testdata/policy.json"))
	if got, want := o.ID, "6f1b2c3d-0000-4000-8000-0000000000a1"; got != want {
		t.Errorf("id: got %q, want %q", got, want)
	}
	if got, want := o.Name, "CA101: Administrators, phishing-resistant <MFA>"; got != want {
		t.Errorf("name: got %q, want %q", got, want)
	}
	if got, want := o.Created.Format("2006-01-02T15:04:05.999999999Z07:00"), "2026-03-02T08:15:30.1234567Z"; got != want {
		t.Errorf("created: got %s, want %s", got, want)
	}
	if got, want := o.Modified.Format("2006-01-02T15:04:05.999999999Z07:00"), "2026-10-05T17:00:01Z"; got != want {
		t.Errorf("modified: got %s, want %s", got, want)
	}
	if !o.Deleted.IsZero() {
		t.Errorf("deleted: got %s, want none", o.Deleted)
	}
}

// The digest is part of every stored record and of the hash chain: it may only
// move together with Version.
func TestDigestIsStable(t *testing.T) {
	got := canon.Digest(drift.Policy, []byte(`{"displayName":"x"}`)).String()
	const want = "992895a7bb6a31c619235cc85ce93f2587e998c7e8730deb2e52d6c2ed0d2785"
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if canon.Digest(drift.Group, []byte(`{"displayName":"x"}`)).String() == got {
		t.Error("the digest does not cover the kind")
	}
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mustObject(t testing.TB, kind drift.Kind, raw []byte) drift.Object {
	t.Helper()
	o, err := canon.Object(kind, raw)
	if err != nil {
		t.Fatalf("canonicalise: %v\n%s", err, raw)
	}
	return o
}
