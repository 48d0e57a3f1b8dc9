package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cadrift/cadrift/internal/api"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/store"
)

func TestUsageErrors(t *testing.T) {
	r := newRig(t)
	tests := []struct {
		args []string
		says string
	}{
		{[]string{"frob"}, "error: unknown command \"frob\" for \"cadrift\"\nhint: cadrift --help\n"},
		{[]string{"statsu"}, "hint: did you mean status?"},
		{[]string{"baseline"}, "error: cadrift baseline: which one? accept, export, import, pin"},
		{[]string{"baseline", "unpin"}, "unknown command"},
		{[]string{"show"}, "error: cadrift show: OBJECT is missing\nhint: cadrift show --help\n"},
		{[]string{"show", "a", "b"}, `unexpected argument "b"`},
		{[]string{"status", "x"}, `unexpected argument "x"`},
		{[]string{"--nope"}, "unknown flag: --nope"},
		{[]string{"status", "--output", "yaml"}, "want one of text, json"},
		{[]string{"status", "--color=blue"}, "want one of auto, always, never"},
		{[]string{"run", "--log-level", "loud"}, "want one of debug, info, warn, error"},
		{[]string{"baseline", "pin"}, "--reason is missing"},
		{[]string{"baseline", "pin", "--reason", " "}, "--reason is missing"},
		{[]string{"baseline", "accept", "--reason", "r"}, "OBJECT is missing"},
		{[]string{"show", "x", "--form", "yaml"}, "want one of raw, canonical"},
		{[]string{"demo", "--speed", "0"}, "--speed must be above 0"},
		{[]string{"demo", "--speed", "NaN"}, "--speed must be above 0"},
	}
	for _, tt := range tests {
		code, stdout, stderr := r.run(tt.args...)
		if code != 1 || stdout != "" || !strings.Contains(stderr, tt.says) || !strings.HasPrefix(stderr, "error: ") {
			t.Errorf("%v: exit %d, stdout %q, stderr %q, want %q", tt.args, code, stdout, stderr, tt.says)
		}
	}
	if r.served > 0 {
		t.Error("a usage error opened the store")
	}
}

func TestRunPassesFlags(t *testing.T) {
	r := newRig(t)
	var got RunOptions
	r.deps.Run = func(_ context.Context, o RunOptions) error { got = o; return nil }
	r.want(0, "run", "--log-level", "debug", "--log-format", "json", "--color", "never")
	if got.ConfigFile != r.config || got.Log.Level != "debug" || got.Log.Format != "json" || got.Log.Color != "never" || got.Version != "v9" || got.Log.Out == nil {
		t.Errorf("got %+v", got)
	}
	r.deps.Run = func(context.Context, RunOptions) error {
		return &store.OpenError{Path: "p", Err: store.ErrLocked, Hint: "stop it"}
	}
	if code, _, stderr := r.run("run"); code != 1 || stderr != "error: open store p: store is in use by another process\nhint: stop it\n" {
		t.Errorf("exit %d, stderr %q", code, stderr)
	}
}

func TestConfigProblemsComeWithTheirPlace(t *testing.T) {
	r := newRig(t)
	r.write(r.config, "state_dir: state\ntenant: []\n")
	code, _, stderr := r.run("drifts")
	if code != 1 || !strings.HasPrefix(stderr, r.config+":") || !strings.Contains(stderr, r.config+":2:1: unknown key tenant") {
		t.Errorf("exit %d, stderr %q", code, stderr)
	}
	t.Setenv("CADRIFT_CONFIG", filepath.Join(r.dir, "none.yaml"))
	var out, errs bytes.Buffer
	if code := Main(t.Context(), r.deps, []string{"drifts"}, nil, &out, &errs); code != 1 || !strings.Contains(errs.String(), "none.yaml: cannot read") {
		t.Errorf("exit %d, stderr %q", code, errs.String())
	}
}

func TestWithoutAnything(t *testing.T) {
	r := newRig(t)
	for _, args := range [][]string{{"drifts"}, {"history"}, {"show", "x"}, {"diff"}, {"export", r.dir + "/x"}, {"verify"}, {"backup", r.dir + "/b"}, {"notify", "parked"}} {
		code, _, stderr := r.run(args...)
		if code != 1 || !strings.Contains(stderr, "nothing has been recorded") || !strings.Contains(stderr, "\nhint: ") {
			t.Errorf("%v: exit %d, stderr %q", args, code, stderr)
		}
	}
	if left, err := filepath.Glob(r.dir + "/*"); err != nil || len(left) != 1 {
		t.Errorf("files left behind: %v %v", left, err)
	}
}

func TestDrifts(t *testing.T) {
	r := newRig(t)
	r.fill()
	contains(t, r.want(0, "drifts"), "critical  weaker    LOCKOUT RISK  CA001: state on → off", "contoso, open for 1 h, by kim@contoso.example, ", "    State: on → off")
	r.want(2, "drifts", "--exit-code")
	var doc api.Drifts
	if err := json.Unmarshal([]byte(r.want(2, "drifts", "--exit-code", "--output", "json")), &doc); err != nil || len(doc.Drifts) != 1 || !doc.Baseline {
		t.Errorf("%+v, %v", doc, err)
	}
	contains(t, r.want(0, "drifts", "--color", "always"), "\x1b[1;97;41mcritical\x1b[0m")
	if _, _, stderr := r.run("drifts", "--tenant", "nobody"); !strings.Contains(stderr, "hint: the configuration has contoso") {
		t.Errorf("stderr %q", stderr)
	}
}

func TestHistory(t *testing.T) {
	r := newRig(t)
	r.fill()
	contains(t, r.want(0, "history"), "contoso-000000000002", "critical", "TYPE", "changed", "[drift opened]", "(1 h ago)")
	contains(t, r.want(0, "history", "--object", "CA001", "--since", "2h", "--severity", "high"), "contoso-000000000002")
	contains(t, r.want(0, "history", "--since", "10m"), "no events")
	for _, args := range [][]string{{"--since", "soon"}, {"--severity", "loud"}, {"--object", "nosuch"}, {"--limit", "0"}} {
		if code, _, stderr := r.run(append([]string{"history"}, args...)...); code != 1 || !strings.HasPrefix(stderr, "error: ") {
			t.Errorf("%v: exit %d, stderr %q", args, code, stderr)
		}
	}
}

func TestShowAndDiff(t *testing.T) {
	r := newRig(t)
	r.fill()
	if got, want := r.want(0, "show", "CA001", "--at", "1"), "{\n  \"zz\": 1.50,\n  \"id\": \""+policyID+"\",\n  \"displayName\": \"CA001\",\n  \"state\": \"enabled\"\n}\n"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	contains(t, r.want(0, "show", "1111", "--form", "canonical"), `"state": "disabled"`)
	contains(t, r.want(0, "show", policyID, "--output", "json"), `"form": "raw"`, `"revision": 2`)
	contains(t, r.want(0, "diff"), "from baseline to current", "updated, policy "+policyID)
	var patch struct {
		Objects []struct{ Patch drift.Patch }
	}
	if err := json.Unmarshal([]byte(r.want(0, "diff", "--from", "1", "--to", "2", "--format", "patch")), &patch); err != nil || len(patch.Objects) != 1 || patch.Objects[0].Patch[0].Path != "/state" {
		t.Errorf("%+v %v", patch, err)
	}
	contains(t, r.want(0, "diff", "--from", "2"), "no difference")
	if _, _, stderr := r.run("show", "nosuch"); !strings.Contains(stderr, `error: no object is called "nosuch"`) {
		t.Errorf("stderr %q", stderr)
	}
}

func TestCheckCodes(t *testing.T) {
	good := api.TenantCheck{Name: "contoso", Result: "ok", Good: true, Baseline: true, Snapshot: true}
	with := func(change func(*api.TenantCheck)) api.TenantCheck {
		t := good
		change(&t)
		return t
	}
	open := with(func(t *api.TenantCheck) {
		t.Drifts = []drift.Finding{{Severity: drift.High, Summary: "CA001: off"}}
	})
	tests := []struct {
		name    string
		tenants []api.TenantCheck
		code    int
		says    string
	}{
		{"nothing", []api.TenantCheck{good}, 0, "0 drifts from the baseline"},
		{"drift", []api.TenantCheck{good, open}, 2, "CA001: off"},
		{"acknowledged drift", []api.TenantCheck{with(func(t *api.TenantCheck) {
			t.Drifts = []drift.Finding{{Ack: &drift.Ack{By: "uid 0", Reason: "known"}}}
		})}, 0, "acknowledged by uid 0: known"},
		{"change", []api.TenantCheck{with(func(t *api.TenantCheck) { t.Changed = []api.ObjectChange{{Summary: "CA002: new"}} })}, 2, "CA002: new"},
		{"unconfirmed", []api.TenantCheck{with(func(t *api.TenantCheck) { t.Unconfirmed = []drift.Ref{{Kind: drift.Policy, Name: hostileName}} })}, 0, `\u{202e}\u{1b}[31m`},
		{"incomplete counts as good", []api.TenantCheck{with(func(t *api.TenantCheck) { t.Result = "incomplete" })}, 0, "pass incomplete"},
		{"not good outranks drift", []api.TenantCheck{open, with(func(t *api.TenantCheck) { t.Good, t.Result, t.Error = false, "failed", "403" })}, 1, "pass failed: 403"},
		{"nothing to compare", []api.TenantCheck{with(func(t *api.TenantCheck) { t.Baseline, t.Snapshot = false, false })}, 1, "nothing to compare with"},
		{"baseline only", []api.TenantCheck{with(func(t *api.TenantCheck) { t.Snapshot = false })}, 0, "no snapshot yet"},
		{"snapshot only", []api.TenantCheck{with(func(t *api.TenantCheck) { t.Baseline = false })}, 0, "no baseline"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			t.Setenv("NONE", "secret")
			r.keeper.check = api.CheckResult{Tenants: tt.tenants}
			contains(t, r.want(tt.code, "check"), tt.says)
			r.want(tt.code, "check", "--output", "json")
		})
	}
}

func TestStatus(t *testing.T) {
	r := newRig(t)
	at := time.Now().Add(-12 * time.Second)
	r.keeper.status = api.Status{Version: "v9", Tenants: []api.TenantStatus{{
		Name: "contoso", TenantID: tenantID, LastGood: &at, LastResult: "ok", Objects: map[drift.Kind]int{drift.Policy: 64},
		DriftOpen: map[drift.Severity]int{drift.Critical: 1, drift.Low: 2},
		Blind:     []drift.Blind{{Reason: drift.ReasonPermission, Since: at, Text: "403"}},

		Expectations: []drift.Expectation{{ID: "x1", Pattern: "CA1*", Until: time.Now().Add(2 * time.Hour), Reason: "change 4711", By: "uid 0"}},
	}}, Receivers: []api.ReceiverStatus{{Name: "oncall", Queued: 1}, {Name: "old", Queued: 480, Folded: 9520, Unconfigured: true}}}
	contains(t, r.want(0, "status"), "old (not configured)  480 and 9520 folded")
	contains(t, r.want(0, "status"), "no daemon is running", "12 s ago", "64 policies", "1 critical, 2 low", "blind permission", "oncall                1", "(in 2 h): CA1*, change 4711 (uid 0)")
	if code, _, stderr := r.run("status", "--ready"); code != 1 || !strings.Contains(stderr, "no daemon is running") {
		t.Errorf("exit %d, stderr %q", code, stderr)
	}
}

// TestDaemon goes through the socket, also when the configuration went bad
// since the daemon read it.
func TestDaemon(t *testing.T) {
	r := newRig(t)
	r.keeper.status = api.Status{Version: "v9", Config: api.ConfigStatus{Error: "cadrift.yaml:3:1: unknown key"}, NotReady: []string{"contoso: no pass yet"}}
	if err := os.MkdirAll(filepath.Join(r.dir, "state"), 0o700); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("unix", filepath.Join(r.dir, "state", "cadrift.sock"))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: r.handler(nil), ConnContext: api.ConnContext}
	defer server.Close()
	go server.Serve(ln)
	contains(t, r.want(0, "status"), "cadrift v9, running since", "configuration refused", "unknown key")
	r.write(r.config, "state_dir: 'state' # here\ntenants: [\n")
	contains(t, r.want(0, "status"), "running since")
	if code, _, stderr := r.run("status", "--ready"); code != 1 || stderr != "error: not ready: contoso: no pass yet\n" {
		t.Errorf("exit %d, stderr %q", code, stderr)
	}
	r.keeper.err = api.Refuse("the baseline is kept in files", "edit them")
	if code, _, stderr := r.run("baseline", "pin", "--reason", "r"); code != 1 || stderr != "error: the baseline is kept in files\nhint: edit them\n" {
		t.Errorf("exit %d, stderr %q", code, stderr)
	}
	if r.served > 0 {
		t.Error("the store was opened beside a daemon")
	}
	server.Close() // leaves no file behind, as a daemon that ended well
	if code, _, stderr := r.run("status"); code != 1 || !strings.HasPrefix(stderr, r.config+":2:") {
		t.Errorf("without the daemon: exit %d, stderr %q", code, stderr)
	}
}

func TestBaselineCommands(t *testing.T) {
	r := newRig(t)
	r.fill()
	contains(t, r.want(0, "baseline", "pin", "--reason", "approved", "--revision", "1"), "baseline.pinned  baseline moved [drift resolved]")
	r.want(0, "baseline", "accept", "CA001", "--reason", "fine")
	if len(r.keeper.changes) != 2 || r.keeper.changes[0].Revision != 1 || r.keeper.changes[1].Object.ID != policyID {
		t.Fatalf("got %+v", r.keeper.changes)
	}
	if got, want := r.keeper.changes[0].By, (api.Peer{UID: os.Getuid()}).String(); got != want {
		t.Errorf("by %q, want %q", got, want)
	}
	if code, _, stderr := r.run("baseline", "accept", "nosuch", "--reason", "r"); code != 1 || !strings.Contains(stderr, "no object") {
		t.Errorf("exit %d, stderr %q", code, stderr)
	}
}

func TestBackupAndVerify(t *testing.T) {
	r := newRig(t)
	r.fill()
	file := filepath.Join(r.dir, "copy.db")
	contains(t, r.want(0, "backup", file), "bytes written to "+file)
	r.want(0, "backup", file) // replaces its own earlier one
	contains(t, r.want(0, "verify"), "contoso", "ok")
	out := r.want(0, "verify", file, "--output", "json")
	var doc api.Verified
	if err := json.Unmarshal([]byte(out), &doc); err != nil || !doc.OK || len(doc.Tenants) != 1 {
		t.Fatalf("%s %v", out, err)
	}
	head := doc.Tenants[0].Head
	r.want(0, "verify", file, "--head", fmt.Sprintf("%d:%s", doc.Tenants[0].ToSeq, head))
	r.want(0, "verify", "--head", fmt.Sprintf("%d:%s", doc.Tenants[0].ToSeq, head))
	contains(t, r.want(1, "verify", file, "--head", "99:"+head), "rolled back")
	for _, args := range [][]string{{"verify", file, "--head", "x"}, {"verify", file + ".none"}, {"verify", r.config}, {"verify", file, "--tenant", "nobody", "--head", "1:" + head}} {
		if code, _, stderr := r.run(args...); code != 1 || !strings.HasPrefix(stderr, "error: ") {
			t.Errorf("%v: exit %d, stderr %q", args, code, stderr)
		}
	}
	live := filepath.Join(r.dir, "state", "cadrift.db")
	if code, _, stderr := r.run("backup", live); code != 1 || !strings.Contains(stderr, "is the store itself") {
		t.Errorf("over the store: exit %d, stderr %q", code, stderr)
	}
	if code, _, _ := r.run("backup", r.dir); code != 1 {
		t.Errorf("over a directory: exit %d", code)
	}
	if drafts, err := filepath.Glob(filepath.Join(r.dir, ".*")); err != nil || len(drafts) > 0 {
		t.Errorf("drafts left: %v %v", drafts, err)
	}
}

func TestInterrupted(t *testing.T) {
	r := newRig(t)
	r.deps.Run = func(ctx context.Context, _ RunOptions) error { <-ctx.Done(); return nil }
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if code := Main(ctx, r.deps, []string{"run"}, nil, io.Discard, io.Discard); code != 0 {
		t.Errorf("an orderly end of run: exit %d", code)
	}
	r.fill()
	var errs bytes.Buffer
	if code := Main(ctx, r.deps, []string{"--config", r.config, "drifts"}, nil, io.Discard, &errs); code != 1 || errs.String() != "error: interrupted\n" {
		t.Errorf("exit %d, stderr %q", code, errs.String())
	}
}
