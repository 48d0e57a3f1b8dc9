package judge_test

import (
	"slices"
	"testing"

	"github.com/cadrift/cadrift/internal/canon"
	"github.com/cadrift/cadrift/internal/diff"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/judge"
)

// A created object reads as plain statements, its sets included, with the
// changes that package diff really makes.
func TestCreatedReadsAsStatements(t *testing.T) {
	obj, err := canon.Object(drift.Policy, []byte(`{"id":"5c75eff9-6bfc-4815-804f-fbb53a56b3b0","displayName":"CA002","state":"enabled",
		"conditions":{"users":{"includeUsers":["All"]},"applications":{"includeApplications":["Office365","MicrosoftAdminPortals"]},"clientAppTypes":["all"]},
		"grantControls":{"operator":"OR","builtInControls":["block"]}}`))
	if err != nil {
		t.Fatal(err)
	}
	changes, _, err := diff.Objects(nil, obj.Canonical)
	if err != nil {
		t.Fatal(err)
	}
	v := judge.NewWorld(slices.Values([]drift.Object{obj}), judge.Emergency{}, nil).Judge(judge.Case{New: &obj, Changes: changes})
	var got []string
	for _, c := range v.Changes {
		if !c.Part {
			got = append(got, c.Text)
		}
	}
	want := []string{
		"Included apps: Microsoft Admin Portals, Office 365", "Client apps: All client apps",
		"Included users: All users", "Grant: block access", "State: on",
	}
	if !slices.Equal(got, want) {
		t.Errorf("a created policy reads\n got %q\nwant %q", got, want)
	}
}
