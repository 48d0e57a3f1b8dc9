package opstest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/graphsim"
)

// SIGTERM ends the daemon well within the supervisor's patience, whatever it
// is doing, and loses nothing.
func TestDrain(t *testing.T) {
	t.Parallel()
	t.Run("during a pass", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, 1)
		d := r.start(nil)
		eventually(t, 20*time.Second, "a first pass", d.ready)
		slow := graphsim.Fault{Delay: time.Minute}
		asked := make(chan struct{}, 100)
		r.cloud.OnRequest(func(req *http.Request) *graphsim.Fault { asked <- struct{}{}; return &slow })
		<-asked
		stopsWithin(t, d, 5*time.Second)
	})
	t.Run("during a send", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, 1)
		d := r.start(nil)
		eventually(t, 20*time.Second, "a first pass", d.ready)
		eventually(t, 20*time.Second, "the baseline told", func() bool {
			return r.sink.count("a", "baseline.pinned") == 1 && r.sink.count("b", "baseline.pinned") == 1
		})
		r.sink.slow(2 * time.Second)
		r.switchTo(0, 0, "disabled")
		eventually(t, 20*time.Second, "the change recorded", func() bool { return strings.Contains(d.output(), "drift.changed") })
		time.Sleep(200 * time.Millisecond) // the message is under way
		stopsWithin(t, d, 22*time.Second)
		if n := r.sink.count("a", "drift.changed"); n != 1 {
			t.Errorf("%d messages arrived, want the one that was under way", n)
		}
		r.sink.slow(0)
		d = r.start(nil)
		eventually(t, 20*time.Second, "a pass after the restart", d.ready)
		time.Sleep(500 * time.Millisecond)
		if n := r.sink.count("a", "drift.changed"); n != 1 {
			t.Errorf("%d messages after the restart: the answer was not waited for", n)
		}
	})
}

func stopsWithin(t *testing.T, d *daemon, limit time.Duration) {
	t.Helper()
	took, err := d.stop(syscall.SIGTERM, 25*time.Second)
	if err != nil || took > limit {
		t.Errorf("ended after %s with %v, want 0 within %s", took, err, limit)
	}
}

// However slow a receiver is, the end comes in time and the event arrives: now,
// or after the next start.
func TestDrainSlowReceiver(t *testing.T) {
	if !long() {
		t.Skip("with CADRIFT_LONG=1 only")
	}
	for name, c := range map[string]struct {
		slow time.Duration
		most int // times that it may be told
	}{"answers after 8 s": {8 * time.Second, 1}, "never answers": {time.Hour, 2}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, 1)
			d := r.start(nil)
			eventually(t, 20*time.Second, "the baseline told", func() bool {
				return r.sink.count("a", "baseline.pinned") == 1 && r.sink.count("b", "baseline.pinned") == 1
			})
			r.sink.slow(c.slow)
			r.switchTo(0, 0, "disabled")
			eventually(t, 20*time.Second, "two messages under way", func() bool { return r.sink.held() == 2 })
			stopsWithin(t, d, 22*time.Second)
			r.sink.slow(0)
			d = r.start(nil)
			eventually(t, 20*time.Second, "the change told to both", func() bool { return changes(r, "a") == 1 && changes(r, "b") == 1 })
			verified(t, r, d)
			for _, name := range []string{"a", "b"} {
				if n := r.sink.count(name, "drift.changed"); n > c.most {
					t.Errorf("%s was told %d times, want at most %d", name, n, c.most)
				}
			}
		})
	}
}

// guarded makes the rig's guard write: every policy lacks the emergency account.
func (r *rig) guarded() (account string) {
	r.t.Helper()
	account = "33333333-0000-4000-8000-00000000000a"
	r.tenants[0].AddApp(graphsim.App{
		ClientID: clientID, ObjectID: "app", Secret: secret,
		Roles: []string{graphsim.PolicyReadAll, graphsim.PolicyWrite, graphsim.UserRead},
	})
	r.tenants[0].PutUser(graphsim.DirectoryUser{ID: account, PrincipalName: "bg1@contoso.example"})
	r.tenant(0)["emergency_access"] = map[string]any{"mode": "enforce", "users": []string{account}}
	r.write()
	return account
}

// written are the guard's writes that took effect, by policy.
func (r *rig) written() map[string]int {
	out := map[string]int{}
	for _, w := range r.tenants[0].Writes() {
		if w.Actor.ID == "app" && w.Status == http.StatusNoContent {
			out[w.ID]++
		}
	}
	return out
}

// SIGTERM while a write to Graph is under way: its answer is waited for as long
// as there is time, and what became of it is found out by reading before
// anything is written again. No policy is written twice.
func TestDrainDuringAWrite(t *testing.T) {
	for _, tt := range []struct {
		name    string
		fault   graphsim.Fault
		reading bool // the fault strikes what is read after it as well
		applied bool // before the end
		within  time.Duration
		slow    bool
	}{
		{"the answer is lost", graphsim.Fault{Lose: true}, false, true, 5 * time.Second, false},
		{"the answer is late", graphsim.Fault{Delay: 8 * time.Second}, false, true, 12 * time.Second, true},
		{"no answer comes", graphsim.Fault{Delay: time.Hour}, false, false, 20 * time.Second, true},
		{"no answer comes to anything", graphsim.Fault{Delay: time.Hour}, true, false, 22 * time.Second, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.slow && !long() {
				t.Skip("with CADRIFT_LONG=1 only")
			}
			t.Parallel()
			r := newRig(t, 1)
			account := r.guarded()
			asked := make(chan string, 100)
			struck := false
			r.cloud.OnRequest(func(req *http.Request) *graphsim.Fault {
				if req.Method == http.MethodPatch {
					asked <- req.URL.Path
					struck = true
					return &tt.fault
				}
				if struck && tt.reading {
					return &tt.fault
				}
				return nil
			})
			d := r.start(nil)
			var policy string
			select {
			case path := <-asked:
				policy = path[strings.LastIndexByte(path, '/')+1:]
			case <-time.After(20 * time.Second):
				t.Fatal("the guard wrote nothing")
			}
			stopsWithin(t, d, tt.within)
			if n := len(asked); n > 0 {
				t.Errorf("%d more writes after SIGTERM", n)
			}
			if got := r.written(); (got[policy] == 1) != tt.applied || len(got) > 1 {
				t.Errorf("writes that took effect at the end: %v", got)
			}
			r.cloud.OnRequest(nil)
			d = r.start(nil)
			// What nobody saw is settled after two minutes.
			eventually(t, 150*time.Second, "every policy written", func() bool { return len(r.written()) == 4 })
			for id, n := range r.written() {
				if n != 1 {
					t.Errorf("%s was written %d times", id, n)
				}
				if body := string(r.tenants[0].Body(drift.Policy, id)); !strings.Contains(body, account) {
					t.Errorf("%s lacks the account: %s", id, body)
				}
			}
			told := func() bool {
				return r.sink.count("a", drift.GuardWritten) == 4 && r.sink.count("b", drift.GuardWritten) == 4
			}
			eventually(t, 20*time.Second, "every write told to both", told)
			verified(t, r, d)
			var policies []string
			for _, e := range r.sink.events("a") {
				if e.Type == drift.GuardWritten {
					policies = append(policies, fmt.Sprint(e.Policy.ID))
				}
			}
			if slices.Sort(policies); len(slices.Compact(policies)) != 4 {
				t.Errorf("told of %v, want each policy once", policies)
			}
		})
	}
}
