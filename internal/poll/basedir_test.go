package poll_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/poll"
)

// baseDir writes the tenant's present objects as baseline files and gives
// their directory.
func (r *rig) baseDir() string {
	r.t.Helper()
	dir := filepath.Join(r.dir, "base [prod]") // a name with a pattern in it is a name
	for _, kind := range []drift.Kind{drift.Policy, drift.NamedLocation} {
		must(r.t, os.MkdirAll(filepath.Join(dir, string(kind)), 0o700))
		for _, id := range r.tenant.IDs(kind) {
			must(r.t, os.WriteFile(filepath.Join(dir, string(kind), id+".json"), r.tenant.Body(kind, id), 0o600))
		}
	}
	return dir
}

// gaugeOf is one series of a gauge.
func (r *rig) gaugeOf(name, label, value string) float64 {
	r.t.Helper()
	families, err := r.reg.Gather()
	must(r.t, err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if f.GetName() == name && l.GetName() == label && l.GetValue() == value {
					return m.GetGauge().GetValue()
				}
			}
		}
	}
	r.t.Fatalf("no series %s{%s=%q}", name, label, value)
	return 0
}

// inBaseDir runs a test over a tenant with two policies and a location, whose
// baseline are files, and with CA001 switched off since.
func inBaseDir(t *testing.T, test func(r *rig, dir string)) {
	t.Helper()
	inRig(t, nil, func(r *rig) {
		id := r.policy("CA001", everyone+","+mfa)
		r.policy("CA002", everyone+","+mfa)
		_, err := r.admin.CreateLocation(`{"@odata.type":"#microsoft.graph.ipNamedLocation","displayName":"HQ","ipRanges":[{"@odata.type":"#microsoft.graph.iPv4CidrRange","cidrAddress":"203.0.113.0/24"}]}`)
		must(t, err)
		dir := r.baseDir()
		r.close()
		r.opts = func(o *poll.Options) { o.BaselineDir = dir }
		r.open()
		r.pass()
		must(t, r.admin.PatchPolicy(id, `{"state":"disabled"}`))
		r.pass()
		if n := len(r.watcher.Status().Findings); n != 1 {
			t.Fatalf("%d findings, want the one of CA001", n)
		}
		test(r, dir)
	})
}

// Half a checkout: a folder that vanishes is no approval, and neither is one
// that cannot be read. The last good baseline stays, over a restart too,
// everybody is told, and it is over when the files are back.
func TestUnreadableFilesKeepTheBaselineAndAreTold(t *testing.T) {
	for name, spoil := range map[string]func(folder string) error{
		"folder gone":       os.RemoveAll,
		"file for a folder": func(folder string) error { return errors.Join(os.RemoveAll(folder), os.WriteFile(folder, nil, 0o600)) },
		"link to itself":    func(folder string) error { return errors.Join(os.RemoveAll(folder), os.Symlink(folder, folder)) },
		"file without id":   func(folder string) error { return os.WriteFile(filepath.Join(folder, "zz.json"), []byte("{}"), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			inBaseDir(t, func(r *rig, dir string) {
				before, folder := len(r.events()), filepath.Join(dir, "policy")
				must(t, os.CopyFS(dir+".aside", os.DirFS(dir)))
				must(t, spoil(folder))
				r.pass()
				if st := r.watcher.Status(); len(st.Findings) != 1 || !strings.Contains(st.BaselineProblem, "policy") {
					t.Errorf("%d findings, problem %q", len(st.Findings), st.BaselineProblem)
				}
				if got := r.gaugeOf("cadrift_blind", "reason", "baseline"); got != 1 {
					t.Errorf("cadrift_blind{reason=baseline} is %v", got)
				}
				r.close()
				r.open()
				for range 4 {
					r.pass()
				}
				expect(t, r.since(before), "monitor.blind baseline")
				if e := r.since(before)[0]; e.Severity != drift.High || !strings.Contains(e.Summary, folder) || !strings.Contains(e.Summary, "last good") {
					t.Errorf("%s %q", e.Severity, e.Summary)
				}
				if s := r.watcher.Sight(); s.Blocked != "" {
					t.Errorf("the guard, which needs no baseline, is blocked: %s", s.Blocked)
				}
				must(t, os.RemoveAll(dir))
				must(t, os.Rename(dir+".aside", dir))
				r.pass()
				expect(t, r.since(before), "monitor.blind baseline", "monitor.recovered baseline")
				if st := r.watcher.Status(); len(st.Findings) != 1 || st.BaselineProblem != "" {
					t.Errorf("mended: %d findings, problem %q", len(st.Findings), st.BaselineProblem)
				}
				if got := r.gaugeOf("cadrift_blind", "reason", "baseline"); got != 0 {
					t.Errorf("mended: cadrift_blind{reason=baseline} is %v", got)
				}
			})
		})
	}
}

// A sync under way is over before anybody is told.
func TestAShortProblemOfTheFilesIsNotTold(t *testing.T) {
	inBaseDir(t, func(r *rig, dir string) {
		before, file := len(r.events()), filepath.Join(dir, "policy", "zz.json")
		must(t, os.WriteFile(file, []byte("{"), 0o600))
		r.pass()
		if r.gaugeOf("cadrift_blind", "reason", "baseline") != 1 {
			t.Error("the problem was not seen")
		}
		must(t, os.Remove(file))
		r.pass()
		expect(t, r.since(before))
	})
}

// An empty folder approves no object of its kind: what is there is extra. It
// takes no file to keep a folder in git.
func TestAnEmptyFolderApprovesNone(t *testing.T) {
	inBaseDir(t, func(r *rig, dir string) {
		before := len(r.events())
		folder := filepath.Join(dir, "named_location")
		must(t, os.RemoveAll(folder))
		must(t, os.Mkdir(folder, 0o700))
		must(t, os.WriteFile(filepath.Join(folder, ".gitkeep"), nil, 0o600))
		r.pass()
		expect(t, r.since(before), "baseline.pinned", "baseline: HQ drift opened")
		if p := r.watcher.Status().BaselineProblem; p != "" {
			t.Errorf("problem %q", p)
		}
	})
}

// A kind that a person takes out of the baseline closes its drift, and the
// words for it are true.
func TestClosingsSayWhy(t *testing.T) {
	inRig(t, pinned, func(r *rig) {
		id := r.policy("CA001", everyone+","+mfa)
		gone := r.policy("CA002", everyone+","+mfa)
		loc, err := r.admin.CreateLocation(`{"@odata.type":"#microsoft.graph.countryNamedLocation","displayName":"AT","countriesAndRegions":["AT"]}`)
		must(t, err)
		r.pass()
		base := r.watcher.Status().Baseline.Objects
		must(t, r.admin.PatchPolicy(id, `{"state":"disabled"}`))
		must(t, r.admin.DeletePolicy(gone))
		for range 4 {
			r.pass()
		}
		move := poll.Move{Reason: "r", By: "uid 0"}
		closing := func(events []drift.Event, err error) string {
			t.Helper()
			must(t, err)
			var out []string
			for _, e := range events {
				if e.Drift == drift.DriftResolved || e.Type == drift.BaselinePinned {
					out = append(out, e.Summary)
				}
			}
			slices.Sort(out)
			return strings.Join(out, "\n")
		}
		for _, c := range []struct {
			what, want string
			not        string
			do         func() ([]drift.Event, error)
		}{
			{"accepting a deletion", "CA002: deleted, and no longer in the baseline", "matches", func() ([]drift.Event, error) {
				return r.watcher.Accept(drift.Key{Kind: drift.Policy, ID: gone}, move)
			}},
			{"a baseline without policies", "CA001: no longer compared, the baseline holds no policy", "matches", func() ([]drift.Event, error) {
				return r.watcher.Import([]drift.Object{base[drift.Key{Kind: drift.NamedLocation, ID: loc}]}, nil, move)
			}},
		} {
			if got := closing(c.do()); !strings.Contains(got, c.want) || strings.Contains(got, c.not) {
				t.Errorf("%s:\n%s\nwant %q", c.what, got, c.want)
			}
		}
		if e := r.events()[len(r.events())-1]; e.Type == drift.BaselinePinned && !strings.Contains(e.Summary, "no longer compared: policies") {
			t.Errorf("the pin does not say what left the baseline: %q", e.Summary)
		}
	})
}
