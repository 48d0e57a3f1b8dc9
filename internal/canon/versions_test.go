package canon_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cadrift/cadrift/internal/canon"
	"github.com/cadrift/cadrift/internal/drift"
)

// The v1.0 and the beta body of one stored object have one form. testdata/
// versions.json shows how they differ: beta sends properties that v1.0 does not
// have as null, leaves others out that v1.0 sends empty, and expands more.
func TestVersionsOfOneObject(t *testing.T) {
	var bodies []struct {
		Name string
		Kind drift.Kind
		V1   json.RawMessage `json:"v1.0"`
		Beta json.RawMessage
	}
	if err := json.Unmarshal(readFile(t, "testdata/versions.json"), &bodies); err != nil {
		t.Fatal(err)
	}
	if len(bodies) < 5 {
		t.Errorf("only %d bodies", len(bodies))
	}
	for _, b := range bodies {
		t.Run(b.Name, func(t *testing.T) {
			v1, beta := mustObject(t, b.Kind, b.V1), mustObject(t, b.Kind, b.Beta)
			if v1.Odd != "" || beta.Odd != "" {
				t.Fatalf("odd: %q, %q", v1.Odd, beta.Odd)
			}
			if diff := cmp.Diff(string(v1.Canonical), string(beta.Canonical)); diff != "" {
				t.Errorf("one object, two forms (-v1.0 +beta):\n%s", diff)
			}
			if v1.Digest != beta.Digest || v1.ID != beta.ID {
				t.Errorf("digests %s and %s, ids %s and %s", v1.Digest, beta.Digest, v1.ID, beta.ID)
			}
		})
	}
}

// A setting that only beta shows is no encoding: the forms differ, and the
// comparison across versions is poll's business.
func TestSettingsThatOnlyBetaShows(t *testing.T) {
	const v1 = `{"id":"x","state":"enabled","conditions":{"clientAppTypes":["all"]},"sessionControls":null}`
	plain, err := canon.Object(drift.Policy, []byte(v1))
	if err != nil {
		t.Fatal(err)
	}
	for _, beta := range []string{
		`{"id":"x","state":"enabled","conditions":{"clientAppTypes":["all"]},"sessionControls":{"continuousAccessEvaluation":{"mode":"strictLocation"}}}`,
		`{"id":"x","state":"enabled","conditions":{"clientAppTypes":["all"],"agentIdRiskLevels":"high"},"sessionControls":null}`,
		`{"id":"x","state":"enabled","conditions":{"clientAppTypes":["all"],"devices":{"includeDevices":["All"]}},"sessionControls":null}`,
		`{"id":"x","state":"enabled","partialEnablementStrategy":"half","conditions":{"clientAppTypes":["all"]}}`,
	} {
		if o := mustObject(t, drift.Policy, []byte(beta)); o.Digest == plain.Digest {
			t.Errorf("the digest does not see %s", beta)
		}
	}
}

// A form of another version of the canonicaliser becomes one of this version;
// a body that cannot be read any more leaves what there was.
func TestCurrent(t *testing.T) {
	now := mustObject(t, drift.Policy, []byte(`{"id":"x","displayName":"CA001","state":"enabled"}`))
	if diff := cmp.Diff(now, canon.Current(now)); diff != "" {
		t.Errorf("of this version (-want +got):\n%s", diff)
	}
	earlier := now
	earlier.Canonical, earlier.Digest = []byte(`{"state":"ENABLED"}`), drift.Digest{1}
	if diff := cmp.Diff(now, canon.Current(earlier)); diff != "" {
		t.Errorf("of an earlier version (-want +got):\n%s", diff)
	}
	earlier.Raw = []byte(`{"no":"id"}`)
	if diff := cmp.Diff(earlier, canon.Current(earlier)); diff != "" {
		t.Errorf("unreadable (-want +got):\n%s", diff)
	}
}
