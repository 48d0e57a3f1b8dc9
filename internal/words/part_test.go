package words_test

import (
	"strings"
	"testing"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/words"
)

// TestPartsAreLeftOut: what another change tells as a whole is not told again,
// of a changed object and of one that came whole.
func TestPartsAreLeftOut(t *testing.T) {
	changes := []drift.Change{
		{Path: "/conditions/devices/deviceFilter/mode", Field: "Device filter", Text: "Device filter: exclude where x"},
		{Path: "/conditions/devices/deviceFilter/rule", Field: "Device filter rule", Text: "Device filter rule: x", Part: true},
	}
	for name, patch := range map[string]drift.Patch{
		"changed": {{Op: "add", Path: "/conditions/devices", Value: []byte(`{}`)}},
		"created": {{Op: "add", Path: "", Value: []byte(`{}`)}},
	} {
		e := drift.Event{Type: drift.DriftChanged, Severity: drift.High, Changes: changes, Patch: patch}
		got := words.Plain(&e)
		if !strings.Contains(got, "Device filter: exclude where x") || strings.Contains(got, "Device filter rule") {
			t.Errorf("%s: got\n%s", name, got)
		}
	}
}
