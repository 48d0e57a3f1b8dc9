package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const minimal = `tenants:
  - name: contoso
    tenant_id: 11111111-1111-1111-1111-111111111111
    credentials: {managed_identity: system}
`

// write puts a file into a new directory and gives its name.
func write(t testing.TB, name, text string, mode fs.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoadUnreadable(t *testing.T) {
	dir := t.TempDir()
	for _, test := range []struct{ name, path, want string }{
		{
			"missing", filepath.Join(dir, "none.yaml"),
			"DIR/none.yaml: cannot read the configuration: no such file or directory\nhint: name the file with --config FILE or CADRIFT_CONFIG",
		},
		{"directory", dir, "DIR: cannot read the configuration: is a directory"},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg, err := Load(test.path)
			if cfg != nil || err == nil {
				t.Fatalf("Load = %v, %v, want an error", cfg, err)
			}
			if got := strings.ReplaceAll(err.Error(), dir, "DIR"); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if want := test.name == "missing"; errors.Is(err, fs.ErrNotExist) != want {
				t.Errorf("errors.Is(err, fs.ErrNotExist) = %v, want %v", !want, want)
			}
		})
	}
}

func TestLoadHuge(t *testing.T) {
	text := minimal + strings.Repeat("# filler\n", maxSize/9)
	if cfg, err := Load(write(t, "fits.yaml", text[:maxSize], 0o600)); err != nil || cfg == nil {
		t.Errorf("a file of exactly the limit: %v", err)
	}
	path := write(t, "huge.yaml", text[:maxSize+1], 0o600)
	_, err := Load(path)
	if err == nil || !strings.HasPrefix(err.Error(), path+":1:1: the file is larger than 1024 KiB") {
		t.Errorf("a file above the limit: %v", err)
	}
}

// A megabyte of complaints helps nobody, and one of keys must not take long.
func TestManyProblems(t *testing.T) {
	var b bytes.Buffer
	for i := range 50_000 {
		fmt.Fprintf(&b, "key%d: x\n", i)
	}
	_, err := Parse("many.yaml", b.Bytes(), ".")
	if err == nil {
		t.Fatal("no problems")
	}
	got := err.Error()
	if lines := strings.Count(got, "\n"); lines > 2*maxProblems+1 {
		t.Errorf("%d lines are told", lines)
	}
	if want := "… and 49901 more problems"; !strings.HasSuffix(got, want) {
		t.Errorf("got an end of %q, want %q", got[len(got)-60:], want)
	}
	var problems *Problems
	if !errors.As(err, &problems) || len(problems.Unwrap()) != 50_001 {
		t.Errorf("%T with %d problems, want all of them", err, len(problems.Unwrap()))
	}
}

// TestSyntaxLine pins the line of a syntax error far below where the library
// saw its block begin, and the fallback for files too long to search.
func TestSyntaxLine(t *testing.T) {
	long := "receivers:\n" + strings.Repeat("  - {name: a,\n     type: slack}\n", 20)
	_, err := Parse("a.yaml", []byte(long+"   - x\n"+long), ".")
	if err == nil || !strings.HasPrefix(err.Error(), "a.yaml:42:4: not valid YAML") {
		t.Errorf("got %v, want a problem in line 42", err)
	}
	huge := "a: \"open\n" + strings.Repeat("b: \"x\n", 100_000)
	_, err = Parse("a.yaml", []byte(huge), ".")
	if err == nil || !strings.HasPrefix(err.Error(), "a.yaml:") {
		t.Errorf("got %v, want a position", err)
	}
}

func TestWarnings(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("file modes mean something else on Windows")
	}
	secret := write(t, "secret", "SECRETMARKER", 0o644)
	quiet := write(t, "quiet", "SECRETMARKER", 0o640)
	text := fmt.Sprintf(`state_dir: /%s
web: {listen: "0.0.0.0:9488", allow_plaintext: true}
tenants:
  - name: contoso
    tenant_id: 11111111-1111-1111-1111-111111111111
    credentials: {client_id: 22222222-2222-2222-2222-222222222222, client_secret_file: %s}
    baseline: {auto_pin: true, dir: not-there}
  - name: fabrikam
    tenant_id: 21111111-1111-1111-1111-111111111111
    credentials: {client_id: 22222222-2222-2222-2222-222222222222, managed_identity: system}
  - name: tailspin
    tenant_id: 31111111-1111-1111-1111-111111111111
    credentials: {client_id: 22222222-2222-2222-2222-222222222222, client_secret_file: %s}
receivers:
  - {name: a, type: slack, url: "https://hooks.slack.example/SECRETMARKER"}
  - {name: b, type: teams, url: "https://x.1f.environment.api.powerplatform.com:443/workflows/1/invoke?api-version=1"}
  - {name: c, type: teams, url: "https://teams.example/?sig=SECRETMARKER"}
  - {name: d, type: teams, url: "https://x.1f.environment.api.powerplatform.com:443/workflows/1/invoke?sig=SECRETMARKER"}
  - {name: e, type: teams, url: "http://127.0.0.1:1/"}
  - {name: f, type: slack, url: "https://hooks.slack.com/services/SECRETMARKER"}
  - {name: g, type: webhook, url: "http://[::1]:1/", remind_every: 10m}
  - {name: h, type: webhook, url: "http://[::1]:1/", remind_every: 9m, heartbeat_every: 1s}
`, strings.Repeat("x", 100), secret, quiet)
	path := write(t, "cadrift.yaml", text, 0o666)
	cfg, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	replace := strings.NewReplacer(path, "FILE", secret, "SECRET", filepath.Dir(path), "DIR")
	var got []string
	for _, warning := range cfg.Warnings {
		keepsSecrets(t, warning)
		got = append(got, replace.Replace(warning))
	}
	want := []string{
		"FILE: others may write to this file (mode 0666): whoever can, decides what is watched",
		"FILE:1:1: the control socket's path is longer than the 103 bytes that every system takes: set control_socket to a shorter one",
		"FILE:2:48: plain text without authentication beyond loopback: the pages and the API are open to the network, unless something in front encrypts and asks for a password",
		"FILE:6:88: client_secret_file SECRET can be read by everybody on this machine (mode 0644)",
		"FILE:7:26: auto_pin has no effect: the files in baseline.dir are the baseline",
		"FILE:7:37: DIR/not-there does not exist yet",
		"FILE:10:30: client_id is not used with managed_identity; a user-assigned identity is named by its own client id: managed_identity: CLIENT_ID",
		"FILE:15:33: the address is not at hooks.slack.com",
		"FILE:16:33: the address has no sig= in it: the workflow's trigger is open to users of the tenant only and will answer 401; set it to Anyone and copy the new URL",
		"FILE:17:33: the address is not at a known host of Teams workflows",
		"FILE:22:68: remind_every is 9m: the receiver gets a message that often, day and night",
		"FILE:22:89: heartbeat_every is 1s: the receiver gets a message that often, day and night",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

// A person who runs status may not be able to read the daemon's secrets.
func TestLoadText(t *testing.T) {
	path := write(t, "cadrift.yaml", `
tenants:
  - name: contoso
    tenant_id: 11111111-1111-1111-1111-111111111111
    ca_file: none.pem
    credentials: {client_id: 22222222-2222-2222-2222-222222222222, client_secret_env: CADRIFT_TEST_UNSET}
    baseline: {dir: none}
receivers:
  - {name: a, type: webhook, url_file: none, secret_file: none}
`, 0o666)
	if _, err := Load(path); err == nil {
		t.Fatal("Load finds nothing wrong, so LoadText proves nothing")
	}
	cfg, err := LoadText(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Warnings) > 0 {
		t.Errorf("warnings %q, want none", cfg.Warnings)
	}
	if _, err := LoadText(write(t, "bad.yaml", "tenant: []\n", 0o600)); err == nil {
		t.Error("LoadText lets an unknown key pass")
	}
}

func TestEnvironment(t *testing.T) {
	text := strings.Replace(minimal, "managed_identity: system", "client_id: 22222222-2222-2222-2222-222222222222, client_secret_env: CADRIFT_TEST_SECRET", 1)
	for value, ok := range map[string]bool{"SECRETMARKER": true, " ": false, "": false} {
		t.Setenv("CADRIFT_TEST_SECRET", value)
		cfg, err := Parse("a.yaml", []byte(text), ".")
		if (err == nil) != ok {
			t.Errorf("with %q: %v", value, err)
		}
		if ok {
			keepsSecrets(t, string(cfg.Effective(fakeClouds)))
		}
	}
}

func TestPositions(t *testing.T) {
	text := minimal + "    watch: [policies,\n      named_locations]\nreceivers:\n  - name: a\n    type: slack\n    url: \"https://hooks.slack.com/x\"\n"
	cfg, err := Parse("dir/a.yaml", []byte(text), ".")
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"tenants[0].tenant_id":                    "dir/a.yaml:3:16",
		"tenants[0].watch[1]":                     "dir/a.yaml:6:7",
		"tenants[0].watch[7]":                     "dir/a.yaml:5:12",
		"tenants[0].schedule":                     "dir/a.yaml:2:5", // not in the file: its tenant
		"tenants[0].emergency_access.credentials": "dir/a.yaml:2:5",
		"receivers[0].url":                        "dir/a.yaml:10:10",
		"web.listen":                              "dir/a.yaml:1:1",
		"":                                        "dir/a.yaml:1:1",
	} {
		if got := cfg.At(path).String(); got != want {
			t.Errorf("At(%q) = %s, want %s", path, got, want)
		}
	}
}

type hinted struct{}

func (hinted) Error() string { return "it never fires" }
func (hinted) Hint() string  { return "30 February does not come" }

func TestProblem(t *testing.T) {
	cfg, err := Parse("a.yaml", []byte(minimal+"    schedule: 0 0 30 2 *\n"), ".")
	if err != nil {
		t.Fatal(err)
	}
	got := cfg.Problem("tenants[0].schedule", "schedule: %w", hinted{})
	if want := "a.yaml:5:15: schedule: it never fires\nhint: 30 February does not come"; got.Error() != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if !errors.Is(got, hinted{}) {
		t.Error("the cause is lost")
	}
}

// What package schedule thinks of one is told together with what is wrong
// here, in the order of the file.
func TestChecks(t *testing.T) {
	text := "log: {level: loud}\n" + minimal + "    schedule: \"* * *\"\n    cloud: mars\n"
	calls := 0
	check := func(c *Config) []error {
		calls++
		return []error{c.Problem("tenants[0].schedule", "bad schedule %s", c.Tenants[0].Schedule), errors.New("and something else"), nil}
	}
	_, err := Parse("a.yaml", []byte(text), ".", check)
	want := `: and something else
a.yaml:1:14: level cannot be "loud"
hint: one of debug, info, warn, error
a.yaml:6:15: bad schedule * * *
a.yaml:7:12: cloud cannot be "mars"
hint: one of global, usgov, usgov-dod, china, custom`
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
	if calls != 1 {
		t.Errorf("%d calls of the check, want 1", calls)
	}
	if err := Join(nil, Join(), nil); err != nil {
		t.Errorf("Join of nothing = %v, want nil", err)
	}
}
