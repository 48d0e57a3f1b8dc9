package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/notify"
	"github.com/cadrift/cadrift/internal/store"
	"github.com/cadrift/cadrift/internal/words"
)

// nudgeEvery is how often somebody looks whether a reminder or a heartbeat is
// due; shorter periods, which only trials have, are looked at twice each.
const nudgeEvery = 15 * time.Second

// heartbeatMatter is under what the store keeps the last heartbeat.
const heartbeatMatter = "heartbeat"

// nudgeStore is where reminders and heartbeats become durable.
type nudgeStore interface {
	// Nudge queues messages and keeps when, in one transaction.
	Nudge(receiver string, at time.Time, nudges []store.Nudge, forget []string) error
	// Nudged is when the receiver was last told of each matter.
	Nudged(receiver string) (map[string]time.Time, error)
	// LastDelivered is when each receiver last took a message.
	LastDelivered() (map[string]time.Time, error)
	// Queues counts what waits for each receiver.
	Queues() map[string]store.Queue
	// Author is who made the change that an event tells of, nil while nobody
	// knows. The error is drift.ErrNotFound for an event that was pruned.
	Author(event string) (actor *drift.Actor, by string, err error)
}

// nudger reminds of open drift and gives signs of life. When somebody was last
// told is in the store, so a restart neither repeats nor forgets.
type nudger struct {
	store nudgeStore
	// look is what there is to tell, and to whom.
	look func() outlook
	wake func()
	log  *slog.Logger
	told string // the failure last logged
}

// outlook is what the nudger sees of the daemon.
type outlook struct {
	receivers []*Receiver
	tenants   []tenantOutlook
}

type tenantOutlook struct {
	name, id string
	findings []drift.Finding
	objects  int
	lastGood time.Time
	blind    bool
}

func (a *App) outlook() outlook {
	s := a.setup.Load()
	var o outlook
	for _, r := range s.receivers {
		o.receivers = append(o.receivers, r.Receiver)
	}
	for _, u := range s.tenants {
		st := u.watcher.Status()
		t := tenantOutlook{name: u.Name, id: u.TenantID, findings: st.Findings, lastGood: st.LastGood, blind: len(st.Blind) > 0}
		for _, n := range st.Objects {
			t.objects += n
		}
		o.tenants = append(o.tenants, t)
	}
	return o
}

// newNudger makes the daemon's nudger.
func (a *App) newNudger() *nudger {
	return &nudger{store: a.store, look: a.outlook, wake: a.wake, log: a.log}
}

// Run looks again and again until ctx ends.
func (n *nudger) Run(ctx context.Context) error {
	for {
		o := n.look()
		if err := n.round(o, time.Now().UTC()); err != nil && err.Error() != n.told {
			n.told = err.Error()
			n.log.Warn("reminders and heartbeats wait", "err", err)
		} else if err == nil {
			n.told = ""
		}
		if !pause(ctx, o.period()) {
			return nil
		}
	}
}

// period is the time between two looks.
func (o outlook) period() time.Duration {
	p := nudgeEvery
	for _, r := range o.receivers {
		for _, every := range []time.Duration{r.RemindEvery, r.HeartbeatEvery} {
			if every > 0 {
				p = min(p, max(every/2, 500*time.Millisecond))
			}
		}
	}
	return p
}

// round queues what is due now. A receiver with anything in its queue gets
// nothing: it either hears of something at once, or cannot be reached, and
// must not find a week of reminders when it can.
func (n *nudger) round(o outlook, now time.Time) error {
	queues := n.store.Queues()
	last, err := n.store.LastDelivered()
	if err != nil {
		return err
	}
	sent := false
	for _, r := range o.receivers {
		if r.RemindEvery == 0 && r.HeartbeatEvery == 0 || queues[r.Name].Queued > 0 {
			continue
		}
		nudged, err := n.store.Nudged(r.Name)
		if err != nil {
			return err
		}
		nudges, err := n.reminders(o, r, nudged, now)
		if err != nil {
			return err
		}
		if len(nudges) == 0 {
			nudges = o.heartbeat(r, nudged[heartbeatMatter], last[r.Name], now)
		}
		if err := n.store.Nudge(r.Name, now, nudges, o.over(nudged)); err != nil {
			return err
		}
		sent = sent || len(nudges) > 0
	}
	if sent {
		n.wake()
	}
	return nil
}

// matter names an open drift towards the store.
func matter(tenantID string, f *drift.Finding) string { return tenantID + "/" + f.Key().String() }

// reminders are those of the open, unacknowledged drifts that the receiver has
// not heard of for long enough and that its filters let through.
func (n *nudger) reminders(o outlook, r *Receiver, nudged map[string]time.Time, now time.Time) ([]store.Nudge, error) {
	if r.RemindEvery == 0 {
		return nil, nil
	}
	var out []store.Nudge
	for _, t := range o.tenants {
		for i := range t.findings {
			f := &t.findings[i]
			about := matter(t.id, f)
			heard := latest(now, f.Since, nudged[about])
			if now.Before(heard.Add(r.RemindEvery)) || acknowledged(f, now) {
				continue
			}
			e, err := n.reminder(t, f, now)
			if err != nil {
				return nil, err
			}
			if len(notify.Route([]notify.Rule{r.Rule}, &e, nil)) > 0 {
				out = append(out, store.Nudge{TenantID: t.id, About: about, Event: &e})
			}
		}
	}
	return out, nil
}

func acknowledged(f *drift.Finding, now time.Time) bool {
	return f.Ack != nil && (f.Ack.Until.IsZero() || f.Ack.Until.After(now))
}

// reminder speaks of the drift alone: its verdict is the event's, and its actor
// the one of the change that led to it, once the audit log has told. One of
// drift that was announced is as quiet as its change was.
func (n *nudger) reminder(t tenantOutlook, f *drift.Finding, now time.Time) (drift.Event, error) {
	e := drift.Event{
		ID: notify.PassingID(t.name, now), Time: now, Type: drift.DriftReminder,
		Tenant: t.name, TenantID: t.id, Object: &f.Object,
		Direction: &f.Direction, Severity: f.Severity, LockoutRisk: &f.Lockout,
		Summary: fmt.Sprintf("%s, open for %s", f.Summary, words.Lasting(now.Sub(f.Since))),
		Changes: f.Changes, Drift: drift.DriftUpdated,
		DriftDirection: &f.Direction, DriftSeverity: &f.Severity, BaselinePatch: f.BaselinePatch,
	}
	if f.Announced(now) {
		e.Expected, e.DeliveredSeverity = f.Expected, new(drift.Low)
	}
	actor, _, err := n.store.Author(f.LastEvent)
	if errors.Is(err, drift.ErrNotFound) || errors.Is(err, store.ErrCorrupt) { // that costs the name, not the reminder
		err = nil
	}
	e.Actor = actor
	return e, err
}

// heartbeat is due when the receiver got nothing for long enough. One that
// never got anything is noted first, and its time begins to run.
func (o outlook) heartbeat(r *Receiver, marked, delivered, now time.Time) []store.Nudge {
	if r.HeartbeatEvery == 0 {
		return nil
	}
	t, ok := o.first(r)
	heard := latest(now, marked, delivered)
	switch {
	case !ok:
		return nil
	case heard.IsZero():
		return []store.Nudge{{TenantID: t.id, About: heartbeatMatter}}
	case now.Before(heard.Add(r.HeartbeatEvery)):
		return nil
	}
	return []store.Nudge{{TenantID: t.id, About: heartbeatMatter, Event: &drift.Event{
		ID: notify.PassingID(t.name, now), Time: now, Type: drift.MonitorHeartbeat,
		Tenant: t.name, TenantID: t.id, Severity: drift.Info, Summary: o.pulse(r, now),
	}}}
}

// watched are the tenants that the receiver hears of.
func (o outlook) watched(r *Receiver) []tenantOutlook {
	return slices.DeleteFunc(slices.Clone(o.tenants), func(t tenantOutlook) bool {
		return len(r.Tenants) > 0 && !slices.Contains(r.Tenants, t.name)
	})
}

func (o outlook) first(r *Receiver) (tenantOutlook, bool) {
	if all := o.watched(r); len(all) > 0 {
		return all[0], true
	}
	return tenantOutlook{}, false
}

// pulse is what a heartbeat says of all the tenants that its receiver hears
// of: alive is not the same as seeing.
func (o outlook) pulse(r *Receiver, now time.Time) string {
	var objects, open, blind int
	var oldest time.Time
	tenants := o.watched(r)
	for _, t := range tenants {
		objects += t.objects
		open += len(t.findings)
		if t.blind {
			blind++
		}
		if oldest.IsZero() || t.lastGood.Before(oldest) {
			oldest = t.lastGood
		}
	}
	text := fmt.Sprintf("cadrift is alive; objects: %d, open drift: %d", objects, open)
	if len(tenants) > 1 {
		text += fmt.Sprintf(", tenants: %d", len(tenants))
	}
	if blind > 0 {
		text += fmt.Sprintf(", BLIND: %d", blind)
	}
	if oldest.IsZero() {
		return text + ", no complete reading yet"
	}
	return text + ", last complete reading " + words.Lasting(now.Sub(oldest)) + " ago"
}

// over are the matters that are no longer open.
func (o outlook) over(nudged map[string]time.Time) []string {
	open := map[string]bool{heartbeatMatter: true}
	for _, t := range o.tenants {
		for i := range t.findings {
			open[matter(t.id, &t.findings[i])] = true
		}
	}
	return slices.DeleteFunc(slices.Sorted(maps.Keys(nudged)), func(about string) bool { return open[about] })
}

// latest is the latest of times. One that lies ahead was noted before the clock
// was set back and counts for nothing: it would silence us until it comes.
func latest(now time.Time, times ...time.Time) time.Time {
	var last time.Time
	for _, at := range times {
		if at.After(last) && !at.After(now) {
			last = at
		}
	}
	return last
}

var _ nudgeStore = (*store.Store)(nil)
