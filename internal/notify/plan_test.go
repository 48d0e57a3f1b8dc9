package notify

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cadrift/cadrift/internal/drift"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func delivery(e drift.Event) drift.Delivery { return drift.Delivery{Receiver: "oncall", Event: e} }

// all are the rows that are ready when none is held.
func all(deliveries []drift.Delivery) []row {
	rows, _ := ready(deliveries, noon)
	return rows
}

// queue draws an outbox: several tenants, passes, objects and odd times.
func queue(t *rapid.T) []drift.Delivery {
	var rows []drift.Delivery
	for i := range rapid.IntRange(1, 80).Draw(t, "rows") {
		e := change(i+1, strconv.Itoa(rapid.IntRange(0, 8).Draw(t, "object")),
			drift.Severity(rapid.IntRange(0, 4).Draw(t, "severity")),
			noon.Add(time.Duration(rapid.IntRange(-3, 9).Draw(t, "pass"))*time.Minute))
		e.Tenant = "t" + strconv.Itoa(rapid.IntRange(0, 2).Draw(t, "tenant"))
		if rapid.IntRange(0, 9).Draw(t, "lockout") == 0 {
			e.LockoutRisk = new(true)
		}
		d := delivery(e)
		d.Attempts = rapid.SampledFrom([]int{0, 0, 0, 1, 3}).Draw(t, "attempts")
		rows = append(rows, d)
	}
	return rows
}

// Every row is settled by exactly one message, nothing critical is folded, no
// message is too large, and in the order in which pick sends them no object's
// events change places.
func TestPlanKeepsItsPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := queue(t)
		limits := rapid.SampledFrom([]Limits{{Events: 1}, {Events: 3, PerMinute: 5}, {Events: 12, PerMinute: 5}}).Draw(t, "limits")
		batches := plan(all(rows), limits)
		settled := map[uint64]int{}
		last := map[string]uint64{}
		for len(batches) > 0 {
			i := pick(batches)
			b := batches[i]
			if len(b.rows) == 0 || len(b.rows) > limits.Events {
				t.Fatalf("got a message of %d events, limit %d", len(b.rows), limits.Events)
			}
			for d := range b.all() {
				settled[d.Event.Seq]++
				if key := d.Event.Subject(); d.Event.Seq < last[key] {
					t.Fatalf("%s: %d after %d", key, d.Event.Seq, last[key])
				} else {
					last[key] = d.Event.Seq
				}
			}
			for _, d := range b.folded {
				if d.Event.Severity == drift.Critical || d.Event.Locks() {
					t.Fatalf("critical event %d was folded", d.Event.Seq)
				}
			}
			tenant := b.rows[0].Event.Tenant
			for d := range b.all() {
				if d.Event.Tenant != tenant {
					t.Fatalf("one message about %s and %s", tenant, d.Event.Tenant)
				}
			}
			batches = append(batches[:i:i], batches[i+1:]...)
		}
		for _, d := range rows {
			if n := settled[d.Event.Seq]; n != 1 {
				t.Fatalf("event %d is in %d messages, want 1", d.Event.Seq, n)
			}
		}
	})
}

func TestReadyHoldsLaterEventsOfTheObject(t *testing.T) {
	a1, a2, b := delivery(change(1, "a", drift.Low, noon)), delivery(change(2, "a", drift.Low, noon)), delivery(change(3, "b", drift.Low, noon))
	a1.Next = noon.Add(time.Minute)
	got, next := ready([]drift.Delivery{a1, a2, b}, noon)
	if len(got) != 1 || got[0].Event.Seq != 3 || !next.Equal(a1.Next) {
		t.Errorf("got %d rows and %v, want row 3 and %v", len(got), next, a1.Next)
	}
	// The clock was set back since: no wait is that long.
	got, next = ready([]drift.Delivery{a1, a2, b}, noon.Add(-2*time.Hour))
	if len(got) != 3 || !next.IsZero() {
		t.Errorf("got %d rows and %v two hours before noon, want 3 and none held", len(got), next)
	}
	got, next = ready([]drift.Delivery{a1, a2, b}, noon.Add(time.Minute))
	if len(got) != 3 || !next.IsZero() {
		t.Errorf("got %d rows and %v when due, want 3 and none held", len(got), next)
	}
}

func TestSpillSaysWhatFollows(t *testing.T) {
	var rows []drift.Delivery
	for i := range 30 {
		severity := drift.Critical
		if i >= 25 {
			severity = drift.Low
		}
		rows = append(rows, delivery(change(i+1, strconv.Itoa(i), severity, noon)))
	}
	got := plan(all(rows), Limits{Events: 12, PerMinute: 5})
	if len(got) != 3 {
		t.Fatalf("got %d messages, want 3", len(got))
	}
	if got[0].following != 18 || got[1].following != 6 || got[2].following != 0 {
		t.Errorf("got following %d, %d, %d, want 18, 6, 0", got[0].following, got[1].following, got[2].following)
	}
	m := got[0].message()
	if want := "12 events: 12 critical; 18 more in further messages"; m.Intro() != want {
		t.Errorf("got %q, want %q", m.Intro(), want)
	}
}

func TestIntroTellsWhatIsFolded(t *testing.T) {
	var rows []drift.Delivery
	for i := range 40 {
		rows = append(rows, delivery(change(i+1, strconv.Itoa(i), drift.Low, noon)))
	}
	m := plan(all(rows), Limits{Events: 12})[0].message()
	if want := "40 events: 40 low; 12 shown and 28 more"; m.Intro() != want {
		t.Errorf("got %q, want %q", m.Intro(), want)
	}
}

// The first line is that of the worst event, even where an earlier event about
// the same object has to stand before it.
func TestTopIsTheWorst(t *testing.T) {
	rows := []drift.Delivery{delivery(change(1, "a", drift.Low, noon)), delivery(change(2, "a", drift.Critical, noon))}
	m := plan(all(rows), Limits{Events: 12})[0].message()
	if m.Items[0].Event.Seq != 1 || m.Top().Seq != 2 {
		t.Errorf("got first %d and top %d, want 1 and 2", m.Items[0].Event.Seq, m.Top().Seq)
	}
}

// An expired credential and its recovery are one subject, another reason is
// not.
func TestSubjectsOfMonitorEvents(t *testing.T) {
	of := func(typ drift.EventType, reason string) string {
		e := drift.Event{Type: typ, Tenant: "contoso", Reason: reason}
		return e.Subject()
	}
	if of(drift.MonitorBlind, "credential") != of(drift.MonitorRecovered, "credential") {
		t.Error("blind and recovered are two subjects, want one")
	}
	if of(drift.MonitorBlind, "credential") == of(drift.MonitorBlind, "quarantine") {
		t.Error("two reasons are one subject, want two")
	}
}

func BenchmarkPlan1000(b *testing.B) {
	var rows []drift.Delivery
	for i := range window {
		rows = append(rows, delivery(change(i+1, strconv.Itoa(i%200), drift.Severity(i%5), noon.Add(time.Duration(i/10)*time.Minute))))
	}
	for b.Loop() {
		for _, m := range plan(all(rows), chatLimits) {
			_ = m.message()
		}
	}
}

// What keeps failing comes after what was not tried yet, however severe.
func TestPickPrefersTheLeastTried(t *testing.T) {
	tried := delivery(change(1, "a", drift.Critical, noon))
	tried.Attempts = 1
	rows := []drift.Delivery{tried, delivery(change(2, "b", drift.Low, noon)), delivery(change(3, "c", drift.Critical, noon)), delivery(change(4, "a", drift.Critical, noon))}
	batches := plan(all(rows), webhookLimits)
	var got []uint64
	for len(batches) > 0 {
		i := pick(batches)
		got = append(got, batches[i].rows[0].Event.Seq)
		batches = append(batches[:i:i], batches[i+1:]...)
	}
	if want := []uint64{3, 2, 1, 4}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
