package opstest

import (
	bits "encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/graphsim"
)

// ahead is added to package time of the program under test. Nobody sets the
// clock of the machine for a test, and a time namespace moves the monotonic
// clock only.
const ahead = `package time

import (
	"syscall"
	"unsafe"
)

// shared is how many seconds the wall clock is ahead of the machine's: eight
// bytes of a file, since whoever runs timers may not even make a system call.
var shared = share()

func share() *int64 {
	name, _ := syscall.Getenv("CADRIFT_TEST_CLOCK")
	if name == "" {
		return new(int64)
	}
	fd, err := syscall.Open(name, syscall.O_RDONLY, 0)
	if err != nil {
		panic(err)
	}
	page, err := syscall.Mmap(fd, 0, 8, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		panic(err)
	}
	return (*int64)(unsafe.Pointer(&page[0]))
}
`

// clocked builds the program with a wall clock that a file moves while its
// monotonic clock and its timers go on: that is a clock that was set, and, when
// it moves forward, a machine that slept.
func clocked(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	must(t, err)
	source := filepath.Join(strings.TrimSpace(string(root)), "src", "time")
	text, err := os.ReadFile(filepath.Join(source, "time.go"))
	must(t, err)
	const first = "\tsec, nsec, mono := runtimeNow()\n"
	if strings.Count(string(text), "func Now() Time {\n"+first) != 1 {
		t.Fatal("this Go's time.Now is written in another way: adapt the test")
	}
	moved := strings.Replace(string(text), "func Now() Time {\n"+first, "func Now() Time {\n"+first+"\tsec += *shared\n", 1)
	overlay := map[string]map[string]string{"Replace": {}}
	for name, text := range map[string]string{"time.go": moved, "ahead.go": ahead} {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, []byte(text), 0o600))
		overlay["Replace"][filepath.Join(source, name)] = path
	}
	plan, err := json.Marshal(overlay)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "overlay.json"), plan, 0o600))
	out := filepath.Join(dir, "cadrift")
	cmd := exec.Command("go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", out, "../../cmd/cadrift")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build with another clock: %v\n%s", err, text)
	}
	return out
}

// clock moves the wall clock of a rig's daemons.
type clock struct {
	r       *rig
	program string
}

func (c *clock) set(ahead time.Duration) {
	c.r.t.Helper()
	f, err := os.OpenFile(filepath.Join(c.r.dir, "clock"), os.O_CREATE|os.O_WRONLY, 0o600)
	must(c.r.t, err)
	defer f.Close()
	_, err = f.Write(bits.NativeEndian.AppendUint64(nil, uint64(int64(ahead.Seconds()))))
	must(c.r.t, err)
}

// wrap makes a command one of the program with the clock.
func (c *clock) wrap(cmd *exec.Cmd) {
	cmd.Path, cmd.Args[0] = c.program, c.program
	cmd.Env = append(os.Environ(), "CADRIFT_TEST_CLOCK="+filepath.Join(c.r.dir, "clock"))
}

func (c *clock) start() *daemon {
	c.r.t.Helper()
	d := c.r.start(c.wrap)
	eventually(c.r.t, 20*time.Second, "a first pass", d.ready)
	return d
}

// The wall clock jumps under a running daemon, by what administrators, time
// servers and sleeping machines do to it: passes go on at their pace, changes
// are told as soon as ever, in order, and what waits for another try does not
// wait for the old time to come again. Building the program anew from the
// standard library up takes minutes, so this runs with CADRIFT_LONG=1 only.
func TestClock(t *testing.T) {
	if !long() {
		t.Skip("with CADRIFT_LONG=1 only")
	}
	program := clocked(t)
	for _, schedule := range []string{"@every 1s", "* * * * * *"} {
		for _, jump := range []struct {
			name     string
			from, to time.Duration
			frozen   bool // the process as well, as in a machine that was paused
		}{
			{"an hour back", time.Hour, 0, false},
			{"a day forward", 0, 24 * time.Hour, false},
			{"eight hours of sleep", 0, 8 * time.Hour, false},
			{"paused for eight hours", 0, 8 * time.Hour, true},
			{"a year back", 365 * 24 * time.Hour, 0, false},
		} {
			t.Run(jump.name+" "+schedule, func(t *testing.T) {
				t.Parallel()
				c := &clock{newRig(t, 1), program}
				c.r.tenants[0].AddApp(graphsim.App{ClientID: clientID, Secret: secret, Roles: []string{graphsim.PolicyReadAll, graphsim.AuditRead}})
				delete(c.r.tenant(0), "attribution")
				c.r.tenant(0)["schedule"] = schedule
				c.r.write()
				c.jump(jump.from, jump.to, jump.frozen)
			})
		}
	}
	t.Run("an hour back over a restart", func(t *testing.T) {
		t.Parallel()
		c := &clock{newRig(t, 1), program}
		c.set(time.Hour)
		d := c.start()
		c.shows(d, time.Hour)
		c.told(0, "disabled")
		if _, err := d.stop(syscall.SIGTERM, 25*time.Second); err != nil {
			t.Fatal(err)
		}
		c.r.switchTo(0, 1, "disabled")
		c.set(0)
		d = c.start()
		eventually(t, 5*time.Second, "the change of meanwhile", func() bool { return changes(c.r, "a") == 2 })
		c.told(2, "disabled")
		c.settled(d)
	})
}

// told makes a change and waits until both receivers have it.
func (c *clock) told(i int, state string) {
	c.r.t.Helper()
	a, b := changes(c.r, "a"), changes(c.r, "b")
	c.r.switchTo(0, i, state)
	eventually(c.r.t, 6*time.Second, "a change told to both", func() bool { return changes(c.r, "a") > a && changes(c.r, "b") > b })
}

// shows checks that the daemon's clock is what it was moved to, by the time of
// its last good pass.
func (c *clock) shows(d *daemon, ahead time.Duration) {
	c.r.t.Helper()
	seen := time.Unix(int64(d.metric(`cadrift_last_successful_poll_timestamp_seconds{tenant="tenant1"}`)), 0)
	if age := time.Since(seen.Add(-ahead)); age.Abs() > 5*time.Second {
		c.r.t.Errorf("the last good pass was %s ago by a clock that is %s ahead", age, ahead)
	}
}

// jump moves the clock of a running daemon, frozen or not, while a message waits
// for its next try.
func (c *clock) jump(from, to time.Duration, frozen bool) {
	t := c.r.t
	c.set(from)
	s := &supervisor{}
	path := s.listen(t)
	d := c.r.start(func(cmd *exec.Cmd) {
		c.wrap(cmd)
		cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+path, fmt.Sprintf("WATCHDOG_USEC=%d", time.Second.Microseconds()))
	})
	eventually(t, 20*time.Second, "a first pass", d.ready)
	c.shows(d, from)
	c.told(0, "disabled")
	c.r.sink.refuse(true)
	c.r.switchTo(0, 1, "disabled")
	retried := func(receiver string) func() bool {
		return func() bool {
			return d.metric(fmt.Sprintf(`cadrift_notifications_total{event="drift.changed",receiver=%q,result="retried"}`, receiver)) > 0
		}
	}
	eventually(t, 10*time.Second, "a try that failed for both", func() bool { return retried("a")() && retried("b")() })
	passes := func() float64 { return d.metric(`cadrift_polls_total{result="ok",tenant="tenant1"}`) }
	before, skipped := passes(), d.metric(`cadrift_polls_total{result="skipped",tenant="tenant1"}`)
	if before < 1 || skipped < 0 {
		t.Fatalf("no counters of passes: %v, %v", before, skipped)
	}
	if frozen {
		must(t, d.cmd.Process.Signal(syscall.SIGSTOP))
		time.Sleep(5 * time.Second)
	}
	c.set(to)
	if frozen {
		must(t, d.cmd.Process.Signal(syscall.SIGCONT))
	}
	c.r.sink.refuse(false)
	fed := s.heard("WATCHDOG=1")
	time.Sleep(5 * time.Second)
	if n := s.heard("WATCHDOG=1") - fed; n < 5 {
		t.Errorf("the watchdog was fed %d times in five seconds, want every third of one", n)
	}
	if n := passes() - before; n < 3 || n > 7 {
		t.Errorf("%v passes in the five seconds after the jump, want about 5", n)
	}
	if n := d.metric(`cadrift_polls_total{result="skipped",tenant="tenant1"}`) - skipped; n > 60 {
		t.Errorf("%v passes counted as skipped that nobody could have made", n)
	}
	c.shows(d, to)
	eventually(t, 10*time.Second, "what waited over the jump", func() bool { return changes(c.r, "a") == 2 && changes(c.r, "b") == 2 })
	c.told(2, "disabled")
	if to == 0 { // by a clock that is wrong the audit log's times mean nothing
		eventually(t, 30*time.Second, "whoever made the change named", c.named)
	}
	if code, text := d.get("/healthz"); code != http.StatusOK {
		t.Errorf("healthz: %d %s", code, text)
	}
	c.settled(d)
}

// named tells whether the newest change's actor is known, at once or later.
func (c *clock) named() bool {
	known, newest := map[string]bool{}, ""
	for _, e := range c.r.sink.events("a") {
		switch e.Type {
		case drift.DriftChanged:
			newest, known[e.ID] = e.ID, e.Actor != nil
		case drift.EventAttributed:
			known[e.About] = true
		}
	}
	return known[newest]
}

// settled stops the daemon and looks at what it left: events in the order of
// their numbers, with windows that end after they begin, and a whole chain.
func (c *clock) settled(d *daemon) {
	t := c.r.t
	verified(t, c.r, d)
	var events []drift.Event
	for _, e := range c.r.sink.events("a") {
		if e.Type == drift.DriftChanged {
			events = append(events, e)
		}
	}
	if len(events) != 3 {
		t.Errorf("%d changes told, want 3", len(events))
	}
	for i, e := range events {
		if i > 0 && e.Seq <= events[i-1].Seq {
			t.Errorf("event %d came after event %d", e.Seq, events[i-1].Seq)
		}
		if e.Window == nil || e.Window.To.Before(e.Window.From) || e.Window.To.Sub(e.Window.From) > 366*24*time.Hour {
			t.Errorf("window of %s: %+v", e.ID, e.Window)
		}
	}
}

// A life longer than retention: after a start forty days later the daemon
// itself drops the old records and the names of people, keeps what is open, and
// leaves a chain that goes on from its checkpoint. While no tenant can be read,
// nothing is dropped: the clock may be wrong.
func TestRetention(t *testing.T) {
	if !long() {
		t.Skip("with CADRIFT_LONG=1 only")
	}
	program := clocked(t)
	for _, reachable := range []bool{true, false} {
		t.Run(fmt.Sprintf("reachable %t", reachable), func(t *testing.T) {
			t.Parallel()
			c := &clock{newRig(t, 1), program}
			r := c.r
			r.tenants[0].AddApp(graphsim.App{ClientID: clientID, Secret: secret, Roles: []string{graphsim.PolicyReadAll, graphsim.AuditRead}})
			delete(r.tenant(0), "attribution")
			r.config["retention"] = map[string]any{"history": "30d", "people": "20d"}
			r.write()
			c.set(0)
			d := c.start()
			for range 2 {
				c.told(0, "disabled")
				c.told(0, "enabled")
			}
			c.told(1, "disabled") // stays open
			named := func() int { return strings.Count(r.history(d), "alex@contoso.example") }
			eventually(t, 30*time.Second, "actors known", func() bool { return named() >= 5 })
			before := strings.Count(r.history(d), `"seq"`)
			if _, err := d.stop(syscall.SIGTERM, 25*time.Second); err != nil {
				t.Fatal(err)
			}
			c.set(40 * 24 * time.Hour)
			if !reachable {
				r.cloud.OnRequest(func(*http.Request) *graphsim.Fault { return &graphsim.Fault{Refuse: true} })
				d = c.r.start(c.wrap)
				eventually(t, 150*time.Second, "the refusal to prune", func() bool { return strings.Contains(d.output(), "nothing pruned") })
				if n := strings.Count(r.history(d), `"seq"`); n < before {
					t.Errorf("%d events of %d left", n, before)
				}
				verified(t, r, d)
				return
			}
			d = c.start()
			c.shows(d, 40*24*time.Hour)
			eventually(t, 150*time.Second, "pruning", func() bool {
				return strings.Contains(d.output(), "history pruned") && strings.Contains(d.output(), "people erased")
			})
			if n := strings.Count(r.history(d), `"seq"`); n == 0 || n >= before {
				t.Errorf("%d events of %d left, want those of what is open", n, before)
			}
			if n := named(); n != 0 {
				t.Errorf("people are named %d times", n)
			}
			if n := d.metric(`cadrift_drift_open{kind="policy",severity="critical",tenant="tenant1"}`); n != 1 {
				t.Errorf("%v open drifts, want 1", n)
			}
			c.told(2, "disabled")
			verified(t, r, d)
			var report struct {
				Tenants []struct {
					FromSeq uint64 `json:"from_seq"`
				}
			}
			must(t, json.Unmarshal([]byte(r.cli("--output", "json", "verify")), &report))
			if len(report.Tenants) != 1 || report.Tenants[0].FromSeq < 5 {
				t.Errorf("verify begins at %+v, want the checkpoint", report.Tenants)
			}
		})
	}
}

// history is what the daemon tells of its events.
func (r *rig) history(d *daemon) string {
	r.t.Helper()
	code, text := d.get("/api/v1/events?limit=1000")
	if code != http.StatusOK {
		r.t.Fatalf("events: %d %s", code, text)
	}
	return text
}
