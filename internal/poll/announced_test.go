package poll_test

import (
	"testing"
	"time"

	"github.com/cadrift/cadrift/internal/baseline"
	"github.com/cadrift/cadrift/internal/drift"
)

// announcement is of the one open drift, "" when none covers it.
func (r *rig) announcement() string {
	r.t.Helper()
	open := r.watcher.Status().Findings
	if len(open) != 1 {
		r.t.Fatalf("got %d open drifts, want 1", len(open))
	}
	if open[0].Expected == nil {
		return ""
	}
	return open[0].Expected.Reason
}

// Drift is covered by an announcement only as long as all that led to it was
// announced.
func TestWhichDriftAnAnnouncementCovers(t *testing.T) {
	const (
		off      = `{"state":"disabled"}`
		report   = `{"state":"enabledForReportingButNotEnforced"}`
		excludes = `{"conditions":{"users":{"excludeUsers":["` + guest + `"]}}}`
	)
	for _, c := range []struct {
		name         string
		before, then []string // changes before the announcement and while it holds
		after        string   // a change once it is over
		withdrawn    bool
		want         string
	}{
		{name: "opened by what was announced", then: []string{off}, want: "change"},
		{name: "moved on by what was announced", then: []string{off, excludes}, want: "change"},
		{name: "open before", before: []string{off}},
		{name: "open before, moved on by what was announced", before: []string{excludes}, then: []string{off}},
		{name: "moved on after the end", then: []string{report}, after: excludes},
		{name: "withdrawn", then: []string{off}, withdrawn: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			inRig(t, pinned, func(r *rig) {
				id := r.policy("CA001", everyone+","+mfa)
				r.pass()
				apply := func(changes ...string) {
					for _, body := range changes {
						time.Sleep(time.Minute)
						must(t, r.admin.PatchPolicy(id, body))
						r.pass()
					}
				}
				apply(c.before...)
				x, err := r.watcher.Expect("CA*", time.Now().Add(time.Hour), "change", "uid 0")
				must(t, err)
				n := len(r.events())
				apply(c.then...)
				for _, e := range r.since(n) {
					if e.Type == drift.DriftChanged && e.Loudest() != drift.Low {
						t.Errorf("%s was delivered %s: it was not announced", e.Summary, e.Loudest())
					}
				}
				if c.after != "" {
					time.Sleep(2 * time.Hour)
					apply(c.after)
				}
				if c.withdrawn {
					_, err := r.watcher.Withdraw(x.ID)
					must(t, err)
				}
				r.close() // it outlives a restart
				r.open()
				if got := r.announcement(); got != c.want {
					t.Errorf("got %q, want %q", got, c.want)
				}
			})
		})
	}
}

// What was announced is that keys are asked for; that a password will do as
// well was not.
func TestAnnouncedDriftBecomesWorse(t *testing.T) {
	inRig(t, pinned, func(r *rig) {
		keys, err := r.admin.Create(drift.AuthenticationStrength, `{"displayName":"Keys","allowedCombinations":["fido2"]}`)
		must(t, err)
		id := r.policy("CA001", everyone+","+mfa)
		r.pass()
		_, err = r.watcher.Expect("CA*", time.Now().Add(time.Hour), "change", "uid 0")
		must(t, err)
		must(t, r.admin.PatchPolicy(id, `{"grantControls":{"operator":"OR","builtInControls":[],"authenticationStrength":{"id":"`+keys+`"}}}`))
		r.later()
		if got := r.announcement(); got != "change" {
			t.Fatalf("got %q, want the announced drift", got)
		}
		before := r.watcher.Status().Findings[0]
		must(t, r.admin.Patch(drift.AuthenticationStrength, keys, `{"allowedCombinations":["fido2","password"]}`))
		r.later()
		found := false
		for _, f := range r.watcher.Status().Findings {
			if f.Object.ID != id {
				continue
			}
			found = true
			if f.Severity <= before.Severity || !baseline.SamePatch(f.BaselinePatch, before.BaselinePatch) {
				t.Fatalf("judged %s, then %s: want the same drift, only graver", before.Severity, f.Severity)
			}
			if f.Expected != nil {
				t.Errorf("%s drift is covered by %q", f.Severity, f.Expected.Reason)
			}
		}
		if !found {
			t.Error("the drift is gone")
		}
	})
}
