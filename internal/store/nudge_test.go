package store

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cadrift/cadrift/internal/drift"
)

func TestNudge(t *testing.T) {
	s := mustOpen(t)
	e := drift.Event{ID: "contoso-r-01ARZ3NDEKTSV4RRFFQ69G5FAV", Type: drift.DriftReminder, Time: noon}
	long := string(make([]byte, 5000)) // longer than a key's part may be
	nudges := []Nudge{{contosoID, "policy/a", &e}, {contosoID, "heartbeat", nil}, {contosoID, long, nil}}
	if err := s.Nudge("oncall", noon, nudges, nil); err != nil {
		t.Fatal(err)
	}
	if got := pending(t, s, "oncall", 0); got != "1ARZ3NDEKTSV4RRFFQ69G5FAV" {
		t.Errorf("queued: %s", got)
	}
	if err := s.Delivered("oncall", []string{e.ID}); err != nil {
		t.Fatal(err)
	}
	want := map[string]time.Time{"policy/a": noon, "heartbeat": noon, long: noon}
	got, err := s.Nudged("oncall")
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	if other, err := s.Nudged("on"); err != nil || len(other) != 0 {
		t.Errorf("another receiver: %v, %v", other, err)
	}
	last, err := s.LastDelivered()
	if err != nil || len(last) != 1 || last["oncall"].IsZero() {
		t.Errorf("last delivered: %v, %v; a nudge is no delivery", last, err)
	}
	if err := s.Nudge("oncall", noon, nil, []string{"policy/a", "policy/unknown"}); err != nil {
		t.Fatal(err)
	}
	if got, _ := s.Nudged("oncall"); len(got) != 2 {
		t.Errorf("after one was forgotten: %v", got)
	}
	bad := drift.Event{ID: "contoso-000000000001", Seq: 1}
	if err := s.Nudge("oncall", noon, []Nudge{{contosoID, "policy/b", &bad}}, nil); err == nil {
		t.Error("an event of the history was queued as a reminder")
	}
	if got, _ := s.Nudged("oncall"); len(got) != 2 {
		t.Errorf("a refused nudge left a trace: %v", got)
	}
}
