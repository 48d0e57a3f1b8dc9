package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cadrift/cadrift/internal/config"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/notify"
	"github.com/cadrift/cadrift/internal/store"
	"github.com/cadrift/cadrift/internal/words"
)

const contosoID = "11111111-1111-1111-1111-111111111111"

// desk is a nudger over a real store, and receivers that take everything.
type desk struct {
	t    *testing.T
	path string
	o    outlook
	// down receivers take nothing.
	down map[string]bool
	got  map[string][]drift.Event
}

func newDesk(t *testing.T, receivers ...config.Receiver) *desk {
	d := &desk{t: t, path: filepath.Join(t.TempDir(), "cadrift.db"), down: map[string]bool{}, got: map[string][]drift.Event{}}
	for _, r := range receivers {
		d.o.receivers = append(d.o.receivers, &Receiver{Receiver: r, Rule: notify.Rule{
			Receiver: r.Name, Tenants: r.Tenants, Kinds: r.Kinds, MinSeverity: r.MinSeverity, Directions: r.Directions,
		}})
	}
	d.o.tenants = []tenantOutlook{{name: "contoso", id: contosoID, objects: 90, lastGood: time.Now()}}
	return d
}

func (d *desk) open(id string, severity drift.Severity) *drift.Finding {
	t := &d.o.tenants[0]
	t.findings = append(t.findings, drift.Finding{
		Object: drift.Ref{Kind: drift.Policy, ID: id, Name: id}, Since: time.Now().UTC(),
		Severity: severity, Direction: drift.Weaker, Summary: id + ": state on → off",
	})
	return &t.findings[len(t.findings)-1]
}

// record writes an event into the history, as the store numbers it.
func (d *desk) record(e drift.Event) drift.Event {
	d.t.Helper()
	s := d.store()
	e.Time = time.Now().UTC()
	done, err := s.Commit(drift.Commit{TenantID: contosoID, Time: e.Time, Events: []drift.NewEvent{{Event: e}}})
	if err != nil {
		d.t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		d.t.Error(err)
	}
	return done.Events[0]
}

func (d *desk) store() *store.Store {
	d.t.Helper()
	s, err := store.Open(d.path, store.Options{Create: true})
	if err != nil {
		d.t.Fatal(err)
	}
	if err := s.Bind("contoso", contosoID); err != nil {
		d.t.Fatal(err)
	}
	return s
}

// live runs the nudger for d, as one process, and delivers what it queues.
func (d *desk) live(span time.Duration) {
	d.t.Helper()
	s := d.store()
	deliver := func() {
		for _, r := range d.o.receivers {
			rows, err := s.Pending(r.Name, 0)
			if err != nil {
				d.t.Error(err)
			}
			for _, row := range rows {
				if d.down[r.Name] {
					continue
				}
				d.got[r.Name] = append(d.got[r.Name], row.Event)
				if err := s.Delivered(r.Name, []string{row.Event.ID}); err != nil {
					d.t.Error(err)
				}
			}
		}
	}
	ctx, cancel := context.WithTimeout(d.t.Context(), span)
	defer cancel()
	deliver()
	n := &nudger{store: s, look: func() outlook { return d.o }, wake: deliver, log: slog.New(slog.DiscardHandler)}
	if err := n.Run(ctx); err != nil {
		d.t.Error(err)
	}
	if err := s.Close(); err != nil {
		d.t.Error(err)
	}
}

// check counts the messages and returns the last.
func (d *desk) check(receiver string, want int) drift.Event {
	d.t.Helper()
	got := d.got[receiver]
	if len(got) != want {
		d.t.Fatalf("%s got %d messages, want %d", receiver, len(got), want)
	}
	if want == 0 {
		return drift.Event{}
	}
	return got[want-1]
}

const day = 24 * time.Hour

func TestRemindersComeOnceAPeriodWhateverRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t,
			config.Receiver{Name: "daily", RemindEvery: day},
			config.Receiver{Name: "high", RemindEvery: 2 * day, MinSeverity: drift.High},
			config.Receiver{Name: "never"},
			config.Receiver{Name: "elsewhere", RemindEvery: day, Tenants: []string{"fabrikam"}})
		d.open("ca001", drift.Critical)
		d.open("ca002", drift.Low)
		for range 5 * 24 { // five days and five minutes of a process that dies every hour
			d.live(time.Hour + 2500*time.Millisecond)
		}
		d.check("high", 2)
		d.check("never", 0)
		d.check("elsewhere", 0)
		e := d.check("daily", 10)
		if e.Type != drift.DriftReminder || e.Seq != 0 || !strings.HasPrefix(e.ID, "contoso-r-") || e.Dir() != drift.Weaker || *e.DriftSeverity != e.Severity {
			t.Errorf("got %+v", e)
		}
		if want := "ca002: state on → off, open for 5 days"; e.Summary != want {
			t.Errorf("got %q, want %q", e.Summary, want)
		}
		seen := map[string]bool{}
		for _, e := range d.got["daily"] {
			if seen[e.ID] {
				t.Errorf("%s came twice", e.ID)
			}
			seen[e.ID] = true
		}
	})
}

func TestAcknowledgedAndClosedDriftIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, config.Receiver{Name: "oncall", RemindEvery: day})
		d.open("ca001", drift.Critical).Ack = &drift.Ack{Until: time.Now().Add(3 * day)}
		d.live(2*day + time.Hour)
		d.check("oncall", 0)
		d.live(day) // the acknowledgement ran out
		d.check("oncall", 1)
		d.o.tenants[0].findings = nil
		d.live(3 * day)
		d.check("oncall", 1)
		d.open("ca001", drift.Critical) // the same object drifts anew: a day from now, not at once
		d.live(day - time.Hour)
		d.check("oncall", 1)
		d.live(2 * time.Hour)
		d.check("oncall", 2)
	})
}

// The reminders of announced drift are as quiet as its change was, while the
// announced time lasts and unless it locks somebody out.
func TestRemindersOfAnnouncedDriftAreQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t,
			config.Receiver{Name: "all", RemindEvery: day},
			config.Receiver{Name: "high", RemindEvery: day, MinSeverity: drift.High})
		x := &drift.Expectation{ID: "x1", Pattern: "ca*", Until: time.Now().Add(3*day + 2*time.Hour), Reason: "change 4711", By: "uid 0"}
		d.open("ca001", drift.Critical).Expected = x
		d.live(2*day + time.Hour)
		d.check("high", 0)
		e := d.check("all", 2)
		if e.Loudest() != drift.Low || e.Severity != drift.Critical || e.Expected == nil || e.Expected.ID != x.ID {
			t.Errorf("got %s, delivered as %s, %+v; want critical, delivered low, announced", e.Severity, e.Loudest(), e.Expected)
		}
		locks := d.open("ca002", drift.Critical)
		locks.Expected, locks.Lockout = x, true
		d.live(day + time.Minute)
		if e := d.check("high", 1); e.Object.ID != "ca002" || e.Loudest() != drift.Critical {
			t.Errorf("got %s of %s, want the lockout as loud as it is", e.Loudest(), e.Object.ID)
		}
		d.live(2 * time.Hour) // the announced time is over: who heard nothing so far hears it now
		if e := d.check("high", 2); e.Object.ID != "ca001" || e.Loudest() != drift.Critical || e.Expected != nil {
			t.Errorf("got %s of %s, announced %+v; want the drift as loud as it is", e.Loudest(), e.Object.ID, e.Expected)
		}
	})
}

// The audit log is late: a reminder names who it was as soon as the store knows,
// with the address, which is for receivers.
func TestRemindersSayWho(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, config.Receiver{Name: "oncall", RemindEvery: day})
		f := d.open("ca001", drift.Critical)
		f.LastEvent = d.record(drift.Event{Type: drift.DriftChanged, Object: &f.Object}).ID
		d.live(day + time.Minute)
		if e := d.check("oncall", 1); e.Actor != nil || strings.Contains(words.Plain(&e), "Who") {
			t.Fatalf("got %+v, want nobody yet", e.Actor)
		}
		sam := &drift.Actor{Kind: "user", ID: "u", Name: "sam@contoso.example", IP: "192.0.2.7"}
		d.record(drift.Event{Type: drift.DriftChanged, Object: &f.Object}) // of somebody else's doing
		f.LastEvent = d.record(drift.Event{Type: drift.DriftChanged, Object: &f.Object}).ID
		d.record(drift.Event{Type: drift.EventAttributed, About: f.LastEvent, Actor: sam})
		d.live(day)
		e := d.check("oncall", 2)
		if e.Actor == nil || *e.Actor != *sam {
			t.Errorf("got %+v, want %+v", e.Actor, sam)
		}
		if text := words.Plain(&e); !strings.Contains(text, "  Who        sam@contoso.example\n") {
			t.Errorf("nobody is named in\n%s", text)
		}
	})
}

func TestAnOutageIsNotFollowedByAWeekOfReminders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, config.Receiver{Name: "oncall", RemindEvery: day, HeartbeatEvery: day})
		d.open("ca001", drift.Critical)
		d.down["oncall"] = true
		d.live(7 * day)
		d.check("oncall", 0)
		d.down["oncall"] = false
		d.live(time.Hour)
		if n := len(d.got["oncall"]); n == 0 || n > 3 {
			t.Errorf("after the outage: %d messages, want 1 to 3", n)
		}
	})
}

func TestHeartbeatsBreakSilenceOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const silence = 5 * day
		d := newDesk(t, config.Receiver{Name: "soc", HeartbeatEvery: silence})
		for range 4 { // restarts do not begin the time anew
			d.live(day)
		}
		d.check("soc", 0)
		d.live(2 * day)
		e := d.check("soc", 1)
		if e.Type != drift.MonitorHeartbeat || e.Severity != drift.Info || !strings.Contains(e.Summary, "objects: 90, open drift: 0, last complete reading 5 days ago") {
			t.Errorf("got %+v", e)
		}
		d.live(2 * day)
		d.check("soc", 1)
		d.o.receivers[0].RemindEvery = day // something else is said: no heartbeat on top
		d.open("ca001", drift.Low)
		d.live(6*day + time.Hour)
		for _, e := range d.got["soc"][1:] {
			if e.Type != drift.DriftReminder {
				t.Errorf("got %s, want reminders", e.Type)
			}
		}
		d.o.tenants[0].findings = nil
		d.o.tenants[0].blind = true
		d.live(6 * day)
		if e := d.got["soc"][len(d.got["soc"])-1]; !strings.Contains(e.Summary, "BLIND") {
			t.Errorf("got %q, want it to say that it is blind", e.Summary)
		}
	})
}

// A store that takes no writes is told once, and nothing is sent on its behalf.
// The clock was a year ahead and is right after a restart: neither silence until
// the old time comes again, nor a message at every look.
func TestClockSetBackOverARestart(t *testing.T) {
	var d *desk
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(365 * day)
		d = newDesk(t, config.Receiver{Name: "oncall", RemindEvery: day}, config.Receiver{Name: "soc", HeartbeatEvery: day})
		d.open("ca001", drift.Critical)
		d.live(25 * time.Hour)
		d.check("oncall", 1)
		d.check("soc", 1)
	})
	synctest.Test(t, func(t *testing.T) {
		d.t = t
		d.live(3*day + time.Hour)
		d.check("oncall", 1+4) // one at once, then one a day
		d.check("soc", 1+3)
	})
}

func TestNudgerWaitsForTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, config.Receiver{Name: "oncall", RemindEvery: time.Minute})
		d.open("ca001", drift.Critical)
		var logs strings.Builder
		n := &nudger{
			store: brokenStore{}, look: func() outlook { return d.o }, wake: func() { t.Error("woken") },
			log: slog.New(slog.NewTextHandler(&logs, nil)),
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := n.Run(ctx); err != nil {
			t.Error(err)
		}
		if got := strings.Count(logs.String(), "disk"); got != 1 {
			t.Errorf("told %d times:\n%s", got, logs.String())
		}
	})
}

// A damaged record costs the name and not the reminder; a store that cannot be
// read at all is waited for.
func TestDamageCostsTheName(t *testing.T) {
	f := &drift.Finding{Object: drift.Ref{Kind: drift.Policy, ID: "ca001"}, LastEvent: "contoso-000000000001"}
	for want, err := range map[bool]error{true: fmt.Errorf("record: %w", store.ErrCorrupt), false: errors.New("disk is full")} {
		e, got := (&nudger{store: brokenStore{author: err}}).reminder(tenantOutlook{name: "contoso"}, f, time.Now())
		if (got == nil) != want || want && e.Object.ID != "ca001" {
			t.Errorf("%v: got %v and %+v", err, got, e)
		}
	}
}

type brokenStore struct{ author error }

func (brokenStore) Nudge(string, time.Time, []store.Nudge, []string) error {
	return errors.New("disk is full")
}
func (brokenStore) Nudged(string) (map[string]time.Time, error)   { return nil, nil }
func (brokenStore) LastDelivered() (map[string]time.Time, error)  { return nil, nil }
func (b brokenStore) Author(string) (*drift.Actor, string, error) { return nil, "", b.author }
func (brokenStore) Queues() map[string]store.Queue                { return nil }
