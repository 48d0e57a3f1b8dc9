package poll_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/judge"
	"github.com/cadrift/cadrift/internal/notify"
	"github.com/cadrift/cadrift/internal/poll"
)

const guest = "33333333-3333-3333-3333-333333333333"

func pinned(o *poll.Options) { o.AutoPin = true }

// gauge is the sum of a metric's series.
func (r *rig) gauge(name string) float64 {
	r.t.Helper()
	families, err := r.reg.Gather()
	must(r.t, err)
	sum := 0.0
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				sum += m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

func TestAnAcknowledgementIsForOneForm(t *testing.T) {
	inRig(t, pinned, func(r *rig) {
		id := r.policy("CA001", everyone+","+mfa)
		key := drift.Key{Kind: drift.Policy, ID: id}
		r.pass()
		ack := drift.Ack{Until: time.Now().Add(24 * time.Hour).UTC(), Reason: "known", By: "uid 0"}
		if _, err := r.watcher.Acknowledge(key, ack); !errors.Is(err, poll.ErrRefused) {
			t.Fatalf("acknowledging without drift: got %v, want a refusal", err)
		}
		must(t, r.admin.PatchPolicy(id, `{"state":"disabled"}`))
		r.pass()
		f, err := r.watcher.Acknowledge(key, ack)
		must(t, err)
		if f.Ack == nil || f.Ack.Reason != "known" {
			t.Fatalf("got %+v", f.Ack)
		}
		if got := r.gauge("cadrift_drift_acked"); got != 1 {
			t.Errorf("cadrift_drift_acked: got %v, want 1", got)
		}
		if got := r.gauge("cadrift_drift_open"); got != 1 {
			t.Errorf("cadrift_drift_open: got %v, want 1: it includes what is acknowledged", got)
		}
		r.close() // the acknowledgement outlives a restart
		r.open()
		r.pass()
		if got := r.watcher.Status().Findings[0].Ack; got == nil || *got != ack {
			t.Fatalf("after a restart: got %+v, want %+v", got, ack)
		}
		must(t, r.admin.PatchPolicy(id, `{"conditions":{"users":{"excludeUsers":["`+guest+`"]}}}`))
		r.pass()
		if got := r.watcher.Status().Findings[0].Ack; got != nil {
			t.Errorf("after a further change: got %+v, want none", got)
		}
		if got := r.gauge("cadrift_drift_acked"); got != 0 {
			t.Errorf("cadrift_drift_acked after a further change: got %v, want 0", got)
		}
	})
}

func TestAnAcknowledgementRunsOut(t *testing.T) {
	inRig(t, pinned, func(r *rig) {
		id := r.policy("CA001", everyone+","+mfa)
		r.pass()
		must(t, r.admin.PatchPolicy(id, `{"state":"disabled"}`))
		r.pass()
		_, err := r.watcher.Acknowledge(drift.Key{Kind: drift.Policy, ID: id}, drift.Ack{Until: time.Now().Add(time.Hour), Reason: "r", By: "b"})
		must(t, err)
		time.Sleep(2 * time.Hour)
		r.pass()
		if got := r.gauge("cadrift_drift_acked"); got != 0 {
			t.Errorf("cadrift_drift_acked after its end: got %v, want 0", got)
		}
	})
}

// What is announced is recorded as severe as it is and delivered low; lockout
// risk and the deletion of an enforced policy stay loud.
func TestAnnouncedChanges(t *testing.T) {
	account := "55555555-5555-5555-5555-555555555555"
	opts := func(o *poll.Options) { o.AutoPin = true; o.Emergency = judge.Emergency{Users: []string{account}} }
	inRig(t, opts, func(r *rig) {
		excluded := `"conditions":{"users":{"includeUsers":["All"],"excludeUsers":["` + account + `"]},"applications":{"includeApplications":["All"]},"clientAppTypes":["all"]}`
		off := r.policy("Pilot off", excluded+","+mfa)
		gone := r.policy("Pilot gone", excluded+","+mfa)
		locks := r.policy("Pilot locks", excluded+","+mfa)
		other := r.policy("CA001", excluded+","+mfa)
		renamed := r.policy("CA002", excluded+","+mfa)
		byID := r.policy("CA003 [a/b]", excluded+","+mfa)
		r.pass()
		until := time.Now().Add(time.Hour)
		x, err := r.watcher.Expect("Pilot *", until, "change 4711", "uid 0")
		must(t, err)
		_, err = r.watcher.Expect(byID, until, "change 4712", "uid 0")
		must(t, err)
		r.close() // announcements outlive a restart
		r.open()
		n := len(r.events())
		must(t, r.admin.PatchPolicy(off, `{"state":"disabled"}`))
		must(t, r.admin.DeletePolicy(gone))
		must(t, r.admin.PatchPolicy(locks, `{"conditions":{"users":{"excludeUsers":[]}}}`))
		must(t, r.admin.PatchPolicy(other, `{"state":"disabled"}`))
		must(t, r.admin.PatchPolicy(renamed, `{"displayName":"Pilot renamed","state":"disabled"}`))
		must(t, r.admin.PatchPolicy(byID, `{"state":"disabled"}`))
		for range 6 { // a deletion is confirmed by further passes
			time.Sleep(time.Minute)
			r.pass()
		}
		type got struct {
			expected string
			loudest  drift.Severity
		}
		seen := map[string]got{}
		for _, e := range r.since(n) {
			g := got{loudest: e.Loudest()}
			if e.Expected != nil {
				g.expected = e.Expected.Reason
			}
			seen[e.Object.ID] = g
			if e.Object.ID == off && (e.Severity != drift.Critical || e.DeliveredSeverity == nil || e.Expected.ID != x.ID) {
				t.Errorf("announced: got %s, delivered %v, %+v; want critical as ever, delivered low", e.Severity, e.DeliveredSeverity, e.Expected)
			}
			if e.Object.ID == locks && !e.Locks() {
				t.Error("removing the emergency account is no lockout risk: the fault did not fire")
			}
		}
		for id, want := range map[string]got{
			off:     {"change 4711", drift.Low},
			gone:    {"change 4711", drift.Critical},
			locks:   {"change 4711", seen[locks].loudest},
			other:   {"", drift.Critical},
			renamed: {"", drift.Critical},
			byID:    {"change 4712", drift.Low},
		} {
			if seen[id] != want {
				t.Errorf("%s: got %+v, want %+v", id, seen[id], want)
			}
		}
		if seen[locks].loudest < drift.High {
			t.Errorf("lockout risk was delivered %s", seen[locks].loudest)
		}
	})
}

func TestAnnouncementsEnd(t *testing.T) {
	inRig(t, nil, func(r *rig) {
		late, removed := r.policy("late", everyone+","+mfa), r.policy("removed", everyone+","+mfa)
		r.pass()
		if _, err := r.watcher.Expect("x", time.Now().Add(-time.Second), "r", "b"); !errors.Is(err, poll.ErrRefused) {
			t.Errorf("one that is over: got %v, want a refusal", err)
		}
		_, err := r.watcher.Expect("late", time.Now().Add(time.Hour), "r", "b")
		must(t, err)
		x, err := r.watcher.Expect("removed", time.Now().Add(24*time.Hour), "r", "b")
		must(t, err)
		if got := r.watcher.Expectations(); len(got) != 2 || got[0].Pattern != "late" {
			t.Errorf("got %+v, want both, the first to end first", got)
		}
		time.Sleep(61 * time.Minute)
		if _, err := r.watcher.Withdraw("nobody"); !errors.Is(err, drift.ErrNotFound) {
			t.Errorf("an unknown id: got %v, want not found", err)
		}
		_, err = r.watcher.Withdraw(x.ID)
		must(t, err)
		if entries, err := r.store.Entries(tenantID, "expectation"); err != nil || len(entries) != 0 {
			t.Errorf("stored: %+v, %v; want none: one was withdrawn, the other is over", entries, err)
		}
		must(t, r.admin.PatchPolicy(late, `{"state":"disabled"}`))
		must(t, r.admin.PatchPolicy(removed, `{"state":"disabled"}`))
		r.pass()
		for _, e := range r.events() {
			if e.Expected != nil || e.Loudest() != drift.Critical {
				t.Errorf("%s: got %s, %+v; want critical and unannounced", e.Summary, e.Loudest(), e.Expected)
			}
		}
		if n := len(r.events()); n != 2 {
			t.Errorf("got %d events, want 2", n)
		}
	})
}

// Whoever was told that drift opened is told that it is over, whatever their
// filters say of the second event; others are not.
func TestResolutionReachesWhoeverWasTold(t *testing.T) {
	rules := []notify.Rule{
		{Receiver: "oncall", MinSeverity: drift.High, Directions: []drift.Direction{drift.Weaker}},
		{Receiver: "locations", Kinds: []drift.Kind{drift.NamedLocation}},
		{Receiver: "elsewhere", Tenants: []string{"fabrikam"}},
	}
	opts := func(o *poll.Options) {
		o.AutoPin = true
		o.Route = func(e *drift.Event, told []string) []string { return notify.Route(rules, e, told) }
	}
	inRig(t, opts, func(r *rig) {
		loud := r.policy("CA001", everyone+","+mfa)
		quiet := r.policy("CA002", everyone+","+mfa)
		r.pass()
		must(t, r.admin.PatchPolicy(loud, `{"state":"disabled"}`))
		must(t, r.admin.PatchPolicy(quiet, `{"displayName":"CA002 renamed"}`))
		r.pass()
		if got, want := r.summaries("oncall"), []string{"CA001: state on → off"}; !slices.Equal(got, want) {
			t.Fatalf("opening: got %q, want %q", got, want)
		}
		r.close() // who was told is remembered
		r.open()
		must(t, r.admin.PatchPolicy(loud, `{"state":"enabled"}`))
		must(t, r.admin.PatchPolicy(quiet, `{"displayName":"CA002"}`))
		r.pass()
		if got := r.summaries("oncall"); len(got) != 2 || !strings.HasPrefix(got[1], "CA001: state off → on") {
			t.Errorf("resolution: got %q, want that of CA001 after its opening", got)
		}
		for _, other := range []string{"locations", "elsewhere"} {
			if got := r.summaries(other); len(got) > 0 {
				t.Errorf("%s was told %q", other, got)
			}
		}
	})
}

// summaries are the changes that wait for a receiver, in short.
func (r *rig) summaries(receiver string) []string {
	r.t.Helper()
	rows, err := r.store.Pending(receiver, 0)
	must(r.t, err)
	var out []string
	for _, row := range rows {
		if row.Event.Type == drift.DriftChanged {
			out = append(out, row.Event.Summary)
		}
	}
	return out
}
