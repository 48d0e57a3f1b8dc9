package app

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/guard"
	"github.com/cadrift/cadrift/internal/web"
)

// The front page names the policies that count as missing, and says nothing of
// a guard that is off.
func TestGuardOnTheFrontPage(t *testing.T) {
	if got := guardOf(guard.Status{Mode: guard.Off, Stops: []string{"GUARD_STOP is there"}}); got.Mode != "" || got.Stops != nil {
		t.Errorf("off: got %+v", got)
	}
	open := drift.Ref{Kind: drift.Policy, ID: "1", Name: "CA1"}
	got := guardOf(guard.Status{
		Mode: guard.Enforce, Missing: 2, Stopped: true, Stops: []string{"GUARD_STOP is there", "CA4: a fight"},
		Rows: []guard.Row{
			{Object: open, State: "enabled", Verdict: guard.Missing, Reason: "on hold: x"},
			{Object: drift.Ref{ID: "2"}, State: "disabled", Verdict: guard.Missing},
			{Object: drift.Ref{ID: "3"}, State: "enabled", Verdict: guard.Covered},
			{Object: drift.Ref{ID: "4", Name: "CA4"}, State: "enabled", Verdict: guard.Missing, Reason: "stopped: a fight"},
		},
	})
	want := web.Guard{
		Mode: "enforce", Missing: 2, Stopped: true, Stops: []string{"GUARD_STOP is there", "CA4: a fight"},
		Gaps: []web.Gap{{Policy: open, Reason: "on hold: x"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
