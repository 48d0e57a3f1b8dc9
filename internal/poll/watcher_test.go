package poll_test

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/graphsim"
	"github.com/cadrift/cadrift/internal/poll"
)

func TestFirstSightIsSilent(t *testing.T) {
	inRig(t, nil, func(r *rig) {
		r.policy("CA001", everyone+","+mfa)
		r.pass()
		expect(t, r.events())
		if got := r.watcher.Status().Objects[drift.Policy]; got != 1 {
			t.Errorf("policies after the first pass: got %d, want 1", got)
		}
	})
}

func TestChangesAreToldOnce(t *testing.T) {
	inRig(t, nil, func(r *rig) {
		id := r.policy("CA001", everyone+","+mfa)
		r.start()
		time.Sleep(30 * time.Second)
		must(t, r.admin.PatchPolicy(id, `{"state":"disabled"}`))
		time.Sleep(10 * time.Minute)
		expect(t, r.events(), "updated CA001 weaker critical")
	})
}

func TestReorderedListsAreNoChange(t *testing.T) {
	inRig(t, nil, func(r *rig) {
		id := r.policy("CA001", `"conditions":{"users":{"includeUsers":["All"],"excludeUsers":["33333333-3333-3333-3333-333333333333","44444444-4444-4444-4444-444444444444"]},"applications":{"includeApplications":["All"]},"clientAppTypes":["browser","mobileAppsAndDesktopClients"]},`+mfa)
		r.pass()
		if n := r.tenant.ReorderLists(drift.Policy, id); n < 2 {
			t.Fatalf("reordered %d lists, want at least 2: the fault did not fire", n)
		}
		before := r.watcher.Status().Revision
		r.pass()
		r.pass()
		expect(t, r.events())
		if got := r.watcher.Status().Revision; got != before {
			t.Errorf("revision after a reordering: got %d, want %d: something was written", got, before)
		}
	})
}

func TestAPassWithoutNewsWritesNothing(t *testing.T) {
	inRig(t, nil, func(r *rig) {
		r.policy("CA001", everyone+","+mfa)
		r.pass()
		before, err := os.ReadFile(filepath.Join(r.dir, "cadrift.db"))
		must(t, err)
		for range 5 {
			time.Sleep(time.Minute)
			r.pass()
		}
		after, err := os.ReadFile(filepath.Join(r.dir, "cadrift.db"))
		must(t, err)
		if !bytes.Equal(before, after) {
			t.Error("five passes without news changed the store")
		}
	})
}

func TestStagedWeakeningIsWeaker(t *testing.T) {
	inRig(t, nil, func(r *rig) {
		id := r.policy("CA001", everyone+","+mfa)
		r.start()
		time.Sleep(30 * time.Second) // changes fall between passes
		for _, patch := range []string{
			`{"state":"disabled"}`,
			`{"conditions":{"users":{"excludeUsers":["33333333-3333-3333-3333-333333333333"]}}}`,
			`{"state":"enabled"}`,
		} {
			time.Sleep(time.Minute)
			must(t, r.admin.PatchPolicy(id, patch))
		}
		time.Sleep(2 * time.Minute)
		expect(t, r.events(),
			"updated CA001 weaker critical",
			"updated CA001 neutral low",
			"updated CA001 mixed high")
	})
}

func TestDeletedAndMadeAnew(t *testing.T) {
	inRig(t, nil, func(r *rig) {
		old := r.policy("CA001", everyone+","+mfa)
		r.start()
		time.Sleep(30 * time.Second)
		must(t, r.admin.DeletePolicy(old))
		anew := r.policy("CA001", everyone+","+mfa)
		time.Sleep(5 * time.Minute)
		events := r.events()
		expect(t, events, "deleted CA001 weaker critical", "created CA001 stronger medium")
		if got, want := events[0].Related, anew; got != want {
			t.Errorf("the deletion is related to %q, want the new policy %q", got, want)
		}
		if got, want := events[1].Related, old; got != want {
			t.Errorf("the creation is related to %q, want the old policy %q", got, want)
		}
	})
}

// Without a recycle bin a deletion is confirmed by two 404s, thirty seconds
// apart, the second between two passes.
func TestDeletionIsConfirmedWithin45Seconds(t *testing.T) {
	inRig(t, nil, func(r *rig) {
		r.tenant.Tune(func(b *graphsim.Behaviour) { b.DeletedItemsStatus = http.StatusNotFound })
		id := r.policy("CA001", everyone+","+mfa)
		r.policy("CA002", everyone+","+mfa)
		r.start()
		time.Sleep(50 * time.Second)
		must(t, r.admin.DeletePolicy(id))
		time.Sleep(25 * time.Second)
		expect(t, r.events())
		time.Sleep(35 * time.Second)
		expect(t, r.events(), "deleted CA001 weaker critical")
	})
}

func TestMassAbsenceIsQuarantined(t *testing.T) {
	inRig(t, nil, func(r *rig) {
		r.tenant.Tune(func(b *graphsim.Behaviour) { b.DeletedItemsStatus = http.StatusForbidden })
		for _, name := range []string{"A", "B", "C", "D", "E", "F", "G", "H"} {
			r.policy(name, everyone+","+mfa)
		}
		r.start()
		time.Sleep(30 * time.Second)
		var fired atomic.Int32
		r.sim.OnRequest(func(req *http.Request) *graphsim.Fault {
			if strings.HasSuffix(req.URL.Path, "/conditionalAccess/policies") {
				fired.Add(1)
				return &graphsim.Fault{Status: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: `{"value":[]}`}
			}
			return nil
		})
		time.Sleep(3 * time.Minute)
		if fired.Load() == 0 {
			t.Fatal("the fault did not fire")
		}
		expect(t, r.events(), "monitor.blind quarantine")
		if text := r.events()[0].Summary; !strings.HasPrefix(text, "8 of 8 policies missing from the listing: deleted or unreadable, checking") {
			t.Errorf("quarantine is told as %q", text)
		}
		r.close() // a restart does not end it
		r.open()
		r.start()
		time.Sleep(2 * time.Minute)
		expect(t, r.since(1))
		r.sim.OnRequest(nil)
		time.Sleep(3 * time.Minute)
		expect(t, r.since(1), "monitor.recovered quarantine")
	})
}

func TestMassDeletionIsAnnouncedInOnePass(t *testing.T) {
	inRig(t, nil, func(r *rig) {
		r.tenant.Tune(func(b *graphsim.Behaviour) { b.DeletedItemsStatus = http.StatusForbidden })
		ids := map[string]string{}
		for _, name := range []string{"A", "B", "C", "D", "E", "F", "G", "H"} {
			ids[name] = r.policy(name, everyone+","+mfa)
		}
		r.start()
		time.Sleep(30 * time.Second)
		for _, name := range []string{"A", "B", "C", "D", "E"} {
			must(t, r.admin.DeletePolicy(ids[name]))
		}
		time.Sleep(4 * time.Minute)
		expect(t, r.events(), "monitor.blind quarantine")
		time.Sleep(5 * time.Minute)
		expect(t, r.since(1),
			"deleted A weaker critical", "deleted B weaker critical", "deleted C weaker critical",
			"deleted D weaker critical", "deleted E weaker critical", "monitor.recovered quarantine")
	})
}

func TestBlindAfterThreeIntervalsAndBack(t *testing.T) {
	inRig(t, nil, func(r *rig) {
		r.policy("CA001", everyone+","+mfa)
		r.start()
		time.Sleep(30 * time.Second)
		var fired atomic.Int32
		r.sim.OnRequest(func(*http.Request) *graphsim.Fault {
			fired.Add(1)
			return &graphsim.Fault{Status: http.StatusBadGateway, Body: "<html>bad gateway</html>"}
		})
		time.Sleep(2 * time.Minute)
		expect(t, r.events())
		time.Sleep(3 * time.Minute)
		if fired.Load() == 0 {
			t.Fatal("the fault did not fire")
		}
		expect(t, r.events(), "monitor.blind unreachable")
		r.sim.OnRequest(nil)
		time.Sleep(3 * time.Minute)
		expect(t, r.since(1), "monitor.recovered unreachable")
	})
}

func TestPermissionLostIsToldOnTheSecondPass(t *testing.T) {
	inRig(t, nil, func(r *rig) {
		id := r.policy("CA001", everyone+","+mfa)
		r.start()
		time.Sleep(30 * time.Second)
		r.sim.OnRequest(func(req *http.Request) *graphsim.Fault {
			if strings.HasSuffix(req.URL.Path, "/namedLocations") {
				return &graphsim.Fault{Status: http.StatusForbidden, Body: `{"error":{"code":"AccessDenied","message":"required scopes are missing in the token."}}`}
			}
			return nil
		})
		time.Sleep(time.Minute)
		expect(t, r.events())
		must(t, r.admin.PatchPolicy(id, `{"displayName":"CA001 renamed"}`))
		time.Sleep(time.Minute)
		// The other kinds go on.
		expect(t, r.events(), "monitor.blind permission", "updated CA001 renamed neutral low")
	})
}

func TestBaselineDriftOpensUpdatesResolves(t *testing.T) {
	inRig(t, nil, func(r *rig) {
		id := r.policy("CA001", everyone+","+mfa)
		r.start()
		time.Sleep(30 * time.Second)
		_, err := r.watcher.Pin(0, nil, poll.Move{Reason: "approved", By: "uid 0 (root)"})
		must(t, err)
		must(t, r.admin.PatchPolicy(id, `{"state":"disabled"}`))
		time.Sleep(time.Minute)
		must(t, r.admin.PatchPolicy(id, `{"displayName":"CA001 x"}`))
		time.Sleep(time.Minute)
		must(t, r.admin.PatchPolicy(id, `{"displayName":"CA001","state":"enabled"}`))
		r.policy("CA002", everyone+","+mfa)
		time.Sleep(time.Minute)
		expect(t, r.events(), "baseline.pinned",
			"updated CA001 weaker critical drift opened",
			"updated CA001 x neutral low drift updated",
			"updated CA001 stronger medium drift resolved",
			"created CA002 stronger medium drift opened")
		open := r.watcher.Status().Findings
		if len(open) != 1 || open[0].Object.Name != "CA002" {
			t.Fatalf("open drift: got %+v, want CA002 only", open)
		}
		_, err = r.watcher.Accept(open[0].Key(), poll.Move{Reason: "new policy approved", By: "uid 0 (root)"})
		must(t, err)
		expect(t, r.since(5), "baseline.pinned", "baseline: CA002 drift resolved")
	})
}

func TestCheckRecordsNothing(t *testing.T) {
	inRig(t, nil, func(r *rig) {
		id := r.policy("CA001", everyone+","+mfa)
		r.pass()
		must(t, r.admin.PatchPolicy(id, `{"state":"disabled"}`))
		time.Sleep(10 * time.Second)
		report, err := r.watcher.Check(context.Background())
		must(t, err)
		if len(report.Changed) != 1 || report.Changed[0].Severity != drift.Critical {
			t.Fatalf("check found %d changes, want the policy switched off", len(report.Changed))
		}
		expect(t, r.events())
		r.pass() // the check must not have hidden the change from the next pass
		expect(t, r.events(), "updated CA001 weaker critical")
	})
}

func TestRestartTellsWhatHappenedMeanwhile(t *testing.T) {
	inRig(t, nil, func(r *rig) {
		id := r.policy("CA001", everyone+","+mfa)
		r.start()
		time.Sleep(30 * time.Second)
		r.close()
		must(t, r.admin.PatchPolicy(id, `{"state":"enabledForReportingButNotEnforced"}`))
		time.Sleep(time.Hour)
		r.open()
		r.start()
		time.Sleep(30 * time.Second)
		expect(t, r.events(), "updated CA001 weaker critical")
	})
}

// The metric follows the last good pass and nothing else, a restart included.
func TestOverdueIsExported(t *testing.T) {
	inRig(t, nil, func(r *rig) {
		const name = "cadrift_poll_overdue_timestamp_seconds"
		r.pass()
		want := float64(time.Now().Add(3 * time.Minute).Unix()) // @every rounds to the second
		if got := r.gauge(name); got != want {
			t.Errorf("got %v, want %v", got, want)
		}
		r.tenant.RemoveApp(clientID)
		time.Sleep(time.Hour)
		r.pass()
		if st := r.watcher.Status(); st.LastResult != poll.Failed {
			t.Fatalf("the pass without credentials: %s", st.LastResult)
		}
		r.close()
		r.open()
		if got := r.gauge(name); got != want {
			t.Errorf("after failed passes and a restart: got %v, want %v", got, want)
		}
	})
}
