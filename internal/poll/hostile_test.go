package poll_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/hostile"
)

// No name that people can choose reaches a metric, and every event about it
// has a summary of one visible line.
func TestHostileNamesStayOutOfMetrics(t *testing.T) {
	inRig(t, pinned, func(r *rig) {
		ids := map[string]string{}
		for _, name := range hostile.Names(t) {
			if strings.TrimSpace(name) == "" {
				continue // such a policy is called by its id
			}
			body, err := json.Marshal(name)
			must(t, err)
			id, err := r.admin.CreatePolicy(`{"displayName":` + string(body) + `,"state":"enabled",` + everyone + "," + mfa + `}`)
			if err == nil { // Graph refuses some
				ids[id] = name
			}
		}
		if len(ids) < 80 {
			t.Fatalf("only %d names were taken", len(ids))
		}
		r.pass()
		for id := range ids {
			must(t, r.admin.PatchPolicy(id, `{"state":"disabled"}`))
		}
		time.Sleep(time.Minute)
		r.pass()
		told := 0
		for _, e := range r.events() {
			if e.Type != drift.DriftChanged {
				continue
			}
			told++
			if want := drift.Visible(e.Object.Name) + ": state on → off"; e.Summary != want {
				t.Errorf("%q: summary %q, want %q", e.Object.Name, e.Summary, want)
			}
		}
		if told != len(ids) {
			t.Errorf("%d events for %d policies", told, len(ids))
		}
		families, err := r.reg.Gather()
		must(t, err)
		ours := regexp.MustCompile(`^[a-z0-9_.]*$`)
		for _, f := range families {
			for _, m := range f.GetMetric() {
				for _, l := range m.GetLabel() {
					if !ours.MatchString(l.GetValue()) {
						t.Errorf("%s{%s=%q}", f.GetName(), l.GetName(), l.GetValue())
					}
				}
			}
		}
	})
}
