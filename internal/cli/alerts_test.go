package cli

import (
	"context"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cadrift/cadrift/internal/api"
	"github.com/cadrift/cadrift/internal/config"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/store"
)

// alerts answers like a daemon.
type alerts struct{ tested api.Tested }

func (a *alerts) Acknowledge(_ context.Context, tenant string, key drift.Key, ack drift.Ack) (drift.Finding, error) {
	return drift.Finding{Tenant: tenant, Object: drift.Ref{Kind: key.Kind, ID: key.ID, Name: "CA001\x1b[31m"}, Ack: &ack}, nil
}

func (a *alerts) Expect(_ context.Context, _ string, x drift.Expectation) (drift.Expectation, error) {
	x.ID = "abc"
	return x, nil
}

func (a *alerts) Withdraw(_ context.Context, _, id string) (drift.Expectation, error) {
	return drift.Expectation{ID: id, Pattern: "CA*"}, nil
}

func (a *alerts) Expectations(context.Context, string) ([]drift.Expectation, error) {
	return []drift.Expectation{{ID: "abc", Pattern: "CA*\n", Until: time.Now().Add(2 * time.Hour), Reason: "r\x1b[2J", By: "uid 0"}}, nil
}
func (a *alerts) TestReceivers(context.Context, string) (api.Tested, error) { return a.tested, nil }

func alertRig(t *testing.T) (*rig, *alerts) {
	r, a := newRig(t), &alerts{}
	r.fill()
	r.deps.Local = func(_ context.Context, c *config.Config, _ LocalOptions) (http.Handler, func() error, error) {
		s, err := store.Open(filepath.Join(c.StateDir, "cadrift.db"), store.Options{})
		if err != nil {
			return nil, nil, err
		}
		return api.New(api.Options{
			Store: s, Keeper: r.keeper, Alerts: a, Logger: slog.New(slog.DiscardHandler),
			Tenants:   func() []api.TenantName { return []api.TenantName{{Name: "contoso", ID: tenantID}} },
			Receivers: func() []string { return []string{"oncall"} },
		}).Control(), s.Close, nil
	}
	return r, a
}

func TestAckAndExpect(t *testing.T) {
	r, _ := alertRig(t)
	contains(t, r.want(0, "ack", "CA001", "--for", "7d", "--reason", "known"), "acknowledged until ", "(in 7 d)", `CA001\u{1b}[31m`)
	contains(t, r.want(0, "ack", "CA001", "--reason", "known"), "acknowledged until it changes")
	contains(t, r.want(0, "expect", "CA*", "--for", "2h", "--reason", "change"), "announced until ", "CA* (abc)")
	contains(t, r.want(0, "expect", "list"), "abc", "PATTERN", `CA*\u{a}`, `r\u{1b}[2J`)
	contains(t, r.want(0, "expect", "remove", "abc"), "no longer announced: CA*")
	contains(t, r.want(0, "--output", "json", "expect", "list"), `"expectations":`)
	for _, args := range [][]string{
		{"ack", "CA001"},
		{"ack", "--reason", "x"},
		{"expect", "CA*", "--reason", "x"},
		{"expect", "CA*", "--for", "2h"},
		{"expect"},
		{"expect", "remove"},
		{"ack", "CA001", "--for", "soon", "--reason", "x"},
	} {
		if code, out, err := r.run(args...); code != 1 || out != "" || err == "" {
			t.Errorf("%v: exit %d, stdout %q, stderr %q", args, code, out, err)
		}
	}
}

// Nobody remembers for years what was made quiet: that is told, and where the
// quiet ends.
func TestLongAnnouncementsAreWarnedOf(t *testing.T) {
	r, _ := alertRig(t)
	r.fill()
	for _, c := range []struct {
		want string
		args []string
	}{
		{"", []string{"expect", "CA*", "--for", "30d", "--reason", "x"}},
		{"warning: this holds for 31 days; cadrift expect remove abc ends it\n", []string{"expect", "CA*", "--for", "31d", "--reason", "x"}},
		{"warning: this holds for 31 days; cadrift expect remove abc ends it\n", []string{"expect", "CA*", "--for", "31d", "--reason", "x", "--output", "json"}},
		{"", []string{"ack", "CA001", "--reason", "x"}},
		{"warning: this holds for 100000 days; another cadrift ack --for ends it sooner\n", []string{"ack", "CA001", "--for", "100000d", "--reason", "x"}},
	} {
		if code, _, got := r.run(c.args...); code != 0 || got != c.want {
			t.Errorf("%v: exit %d, stderr %q, want %q", c.args, code, got, c.want)
		}
	}
}

// An acknowledgement and an announcement are shown with their ends.
func TestDriftsShowWhatIsQuiet(t *testing.T) {
	now := time.Now()
	in := func(d time.Duration) time.Time { return now.Add(d) }
	for want, f := range map[string]drift.Finding{
		"acknowledged by root: known, until it changes":                          {Ack: &drift.Ack{By: "root", Reason: "known"}},
		"acknowledged by root: r, until " + clock(in(8*time.Hour)) + " (in 8 h)": {Ack: &drift.Ack{Until: in(8 * time.Hour), By: "root", Reason: "r"}},
		"acknowledged by root: r, over since " + clock(in(-time.Hour)):           {Ack: &drift.Ack{Until: in(-time.Hour), By: "root", Reason: "r"}},
		"announced by root: work, until " + clock(in(time.Hour)) + " (in 1 h)":   {Expected: &drift.Expectation{Until: in(time.Hour), By: "root", Reason: "work"}},
		"open for 1 h 30 min, policy ":                                           {Since: in(-90 * time.Minute), Expected: &drift.Expectation{Until: in(-time.Hour)}},
	} {
		f.Object.Kind = drift.Policy
		var b strings.Builder
		(&printer{w: &b, now: now}).findings([]drift.Finding{f}, false)
		contains(t, b.String(), want)
	}
}

// History shows what a change was delivered as, beside its severity.
func TestHistoryShowsWhatWasAnnounced(t *testing.T) {
	x := &drift.Expectation{Reason: "work", By: "root"}
	for want, e := range map[string]drift.Event{
		"CA1 off [drift opened, announced, delivered as low]": {Drift: drift.DriftOpened, Expected: x, DeliveredSeverity: new(drift.Low)},
		"LOCKOUT RISK CA1 off [announced]":                    {Expected: x, LockoutRisk: new(true)},
		"CA1 off\n":                                           {Drift: drift.DriftNone},
	} {
		e.Summary, e.Severity = "CA1 off", drift.Critical
		var b strings.Builder
		(&printer{w: &b, now: time.Now()}).events([]drift.Event{e})
		contains(t, b.String(), "critical", want)
	}
}

// A baseline of files that were read before the first snapshot has no revision.
func TestStatusOfABaselineFromFiles(t *testing.T) {
	p := &printer{now: time.Now()}
	for revision, want := range map[uint64]string{0: "from files, ", 7: "revision 7, "} {
		if got := p.baseline(&api.BaselineStatus{Revision: revision, By: "/etc/cadrift/baseline"}); !strings.HasPrefix(got, want) {
			t.Errorf("revision %d: got %q, want %q first", revision, got, want)
		}
	}
}

func TestNotifyTest(t *testing.T) {
	t.Setenv("NONE", "secret")
	r, a := alertRig(t)
	a.tested = api.Tested{Receivers: []api.TestedReceiver{{
		Name: "soc", Type: "teams", OK: true, Note: "202 is not delivery",
		Messages: []api.Attempt{{Severity: drift.Critical, Result: "delivered", Reason: "HTTP 202"}},
	}}}
	contains(t, r.want(0, "notify", "test"), "soc (teams)", "critical  delivered  HTTP 202", "note: 202 is not delivery")
	a.tested.Receivers[0].OK = false
	a.tested.Receivers[0].Messages[0] = api.Attempt{Severity: drift.Info, Result: "refused", Reason: "HTTP 403", Answer: "no\x1b[2J"}
	contains(t, r.want(1, "notify", "test", "--receiver", "oncall"), `refused    HTTP 403, answer: no\u{1b}[2J`)
	contains(t, r.want(1, "--output", "json", "notify", "test"), `"result": "refused"`)
}

func TestNotifyParkedAndDiscard(t *testing.T) {
	r, _ := alertRig(t)
	s, err := store.Open(filepath.Join(r.dir, "state", "cadrift.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	e := drift.Event{ID: "contoso-r-1", Type: drift.DriftReminder, Time: time.Now()}
	if err := s.Nudge("old", e.Time, []store.Nudge{{TenantID: tenantID, About: "a", Event: &e}}, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	contains(t, r.want(0, "notify", "parked"), "nothing is parked")
	if code, _, stderr := r.run("notify", "discard", "oncall"); code != 1 || !strings.Contains(stderr, "receiver oncall is configured") {
		t.Errorf("a configured receiver: exit %d, %s", code, stderr)
	}
	contains(t, r.want(0, "notify", "discard", "old"), "1 message given up; the history still has them")
	if code, _, stderr := r.run("notify", "discard", "old"); code != 1 || !strings.Contains(stderr, `nothing waits for a receiver "old"`) {
		t.Errorf("again: exit %d, %s", code, stderr)
	}
}
