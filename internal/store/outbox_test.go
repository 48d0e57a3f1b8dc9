package store

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// pending lists the ids that a receiver still has to get.
func pending(t *testing.T, s *Store, receiver string, limit int) string {
	t.Helper()
	deliveries, err := s.Pending(receiver, limit)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, d := range deliveries {
		if d.Receiver != receiver {
			t.Errorf("delivery of %s is for %s", d.Event.ID, d.Receiver)
		}
		ids = append(ids, strings.TrimLeft(d.Event.ID[strings.LastIndex(d.Event.ID, "-"):], "-0"))
	}
	return strings.Join(ids, " ")
}

func id(n int) string { return drift.EventID("contoso", uint64(n)) }

func TestOutbox(t *testing.T) {
	s := mustOpen(t)
	a := policy("a", "on")
	for range 3 {
		mustCommit(t, s, drift.Commit{Events: []drift.NewEvent{changed(a, noon, drift.Low, "oncall", "siem", "oncall")}})
	}
	mustCommit(t, s, drift.Commit{TenantID: fabrikamID, Events: []drift.NewEvent{changed(a, noon, drift.Low, "on")}})
	reminder := drift.Event{ID: "contoso-r-01ARZ3NDEKTSV4RRFFQ69G5FAV", Type: drift.DriftReminder, Time: noon, Actor: &drift.Actor{Name: "Alex"}}
	if err := s.Nudge("oncall", noon, []Nudge{{contosoID, "a", &reminder}, {contosoID, "b", &reminder}}, nil); err != nil {
		t.Fatal(err)
	}
	steps := []struct {
		name         string
		do           func() error
		oncall, siem string
	}{
		{"filled", func() error { return nil }, "1 2 3 1ARZ3NDEKTSV4RRFFQ69G5FAV", "1 2 3"},
		{"delivered", func() error { return s.Delivered("oncall", []string{id(1), "contoso-r-01ARZ3NDEKTSV4RRFFQ69G5FAV"}) }, "2 3", "1 2 3"},
		{"delivered again, and unknown", func() error { return s.Delivered("oncall", []string{id(1), id(99), ""}) }, "2 3", "1 2 3"},
		{"put off", func() error { return s.Retry("siem", []string{id(1)}, noon.Add(time.Hour), "503") }, "2 3", "1 2 3"},
		{"parked", func() error { return s.Park("siem", []string{id(1), id(2)}, noon, "404") }, "2 3", "3"},
		{"parked ones are nobody's", func() error { return s.Delivered("siem", []string{id(1)}) }, "2 3", "3"},
		{"replay of another receiver", func() error { return replayed(s, "oncall", 0) }, "2 3", "3"},
		{"replay at the old places", func() error { return replayed(s, "", 2) }, "2 3", "1 2 3"},
	}
	for _, step := range steps {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if got := pending(t, s, "oncall", 0); got != step.oncall {
			t.Errorf("%s: oncall has %q, want %q", step.name, got, step.oncall)
		}
		if got := pending(t, s, "siem", 0); got != step.siem {
			t.Errorf("%s: siem has %q, want %q", step.name, got, step.siem)
		}
		check(t, s)
		switch step.name {
		case "put off":
			d, _ := s.Pending("siem", 1)
			if d[0].Attempts != 1 || !d[0].Next.Equal(noon.Add(time.Hour)) || d[0].LastError != "503" || d[0].Event.Actor.Name != "alex@contoso.example" {
				t.Errorf("put off: %+v", d[0])
			}
		case "parked":
			want := []drift.Parked{{Receiver: "siem", Event: id(1), Since: noon, Reason: "404"}, {Receiver: "siem", Event: id(2), Since: noon, Reason: "404"}}
			got, err := s.Parked()
			if d := diff(want, got); err != nil || d != "" {
				t.Errorf("parked: %v (-want +got):\n%s", err, d)
			}
		}
	}
	if got := pending(t, s, "oncall", 1); got != "2" {
		t.Errorf("limit 1: got %q", got)
	}
	if d := diff(map[string]Queue{"oncall": {Queued: 2}, "siem": {Queued: 3}, "on": {Queued: 1}}, s.Queues()); d != "" {
		t.Errorf("queues (-want +got):\n%s", d)
	}
}

func replayed(s *Store, receiver string, want int) error {
	n, err := s.Replay(receiver)
	if err == nil && n != want {
		err = fmt.Errorf("replayed %d, want %d", n, want)
	}
	return err
}

func TestNudgeRefusesHistory(t *testing.T) {
	s := mustOpen(t)
	for _, e := range []drift.Event{{}, {ID: "contoso-000000000001", Seq: 1}} {
		if err := s.Nudge("oncall", noon, []Nudge{{contosoID, "a", &e}}, nil); err == nil {
			t.Errorf("%+v: no error", e)
		}
	}
}

// The newest tries outlive the process, whatever came of them.
func TestTries(t *testing.T) {
	s := mustOpen(t)
	synctest.Test(t, func(t *testing.T) {
		var want []time.Time
		note := func(op func(string, []string) error) {
			e := mustCommit(t, s, drift.Commit{Events: []drift.NewEvent{changed(policy("a", ""), noon, drift.Low, "oncall")}})
			time.Sleep(time.Second)
			if err := op("oncall", []string{e.Events[0].ID, "contoso-000000000099"}); err != nil {
				t.Fatal(err)
			}
			want = append(want, time.Now().UTC())
		}
		retry := func(to string, ids []string) error { return s.Retry(to, ids, noon, "503") }
		for range 4 {
			note(retry)
			note(func(to string, ids []string) error { return s.Park(to, ids, noon, "410") })
		}
		if last, err := s.LastDelivered(); err != nil || len(last) != 0 {
			t.Errorf("delivered %v, %v, although nothing was", last, err)
		}
		for range 3 {
			note(s.Delivered)
		}
		got, err := s.Tries("oncall")
		if d := diff(want[len(want)-keptTries:], got); err != nil || d != "" {
			t.Errorf("%v (-want +got):\n%s", err, d)
		}
	})
}

func TestLastDelivered(t *testing.T) {
	s := mustOpen(t)
	synctest.Test(t, func(t *testing.T) {
		if got, err := s.LastDelivered(); err != nil || len(got) != 0 {
			t.Errorf("before any: %v, %v", got, err)
		}
		mustCommit(t, s, drift.Commit{Events: []drift.NewEvent{changed(policy("a", ""), noon, drift.Low, "oncall")}})
		time.Sleep(time.Hour)
		if err := s.Delivered("oncall", []string{id(1)}); err != nil {
			t.Fatal(err)
		}
		want := time.Now().UTC()
		time.Sleep(time.Hour)
		if err := s.Delivered("oncall", []string{id(1)}); err != nil { // nothing was delivered
			t.Fatal(err)
		}
		got, err := s.LastDelivered()
		if d := diff(map[string]time.Time{"oncall": want}, got); err != nil || d != "" {
			t.Errorf("%v (-want +got):\n%s", err, d)
		}
	})
}
