package app

import (
	"encoding/json"
	"strings"
	"testing"
)

// everyKeyOnce checks the records of a JSON log: strict readers refuse one that
// has a key twice, and others keep either value.
func everyKeyOnce(t *testing.T, log string) {
	t.Helper()
	for line := range strings.Lines(log) {
		if key, err := repeated(line); err != nil || key != "" {
			t.Errorf("key %q comes twice (%v) in %s", key, err, line)
		}
	}
	if !strings.Contains(log, `"level":"DEBUG"`) {
		t.Error("no record of level debug")
	}
}

// repeated is the first key that a flat record has twice.
func repeated(record string) (key string, err error) {
	dec := json.NewDecoder(strings.NewReader(record))
	if _, err := dec.Token(); err != nil {
		return "", err
	}
	seen := map[string]bool{}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return "", err
		}
		key, _ := name.(string)
		if seen[key] {
			return key, nil
		}
		seen[key] = true
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return "", err
		}
	}
	return "", nil
}

func TestRepeated(t *testing.T) {
	for record, want := range map[string]string{
		`{"a":1,"b":{"a":2},"c":"a"}`: "",
		`{"a":1,"b":[2],"a":3}`:       "a",
	} {
		if got, err := repeated(record); err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", record, got, err, want)
		}
	}
}
