package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cadrift/cadrift/internal/api"
	"github.com/cadrift/cadrift/internal/canon"
	"github.com/cadrift/cadrift/internal/config"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/store"
)

const (
	tenantID    = "aaaaaaaa-0000-4000-8000-000000000001"
	policyID    = "11111111-aaaa-4000-8000-000000000001"
	hostileName = "CA002 \u202e\x1b[31m ../../etc/passwd"
)

// rig is a program with a store, a configuration and a fake keeper.
type rig struct {
	t      *testing.T
	dir    string
	config string
	deps   Deps
	keeper *keeper
	guards api.Guards
	stdin  string
	// served counts the handlers that were made without a daemon, open those
	// not closed yet.
	served, open int
	created      bool
}

type keeper struct {
	check   api.CheckResult
	status  api.Status
	changes []api.BaselineChange
	err     error
}

func (k *keeper) Status(context.Context) (api.Status, error) { return k.status, k.err }
func (k *keeper) Check(context.Context, string) (api.CheckResult, error) {
	return k.check, k.err
}

func (k *keeper) ChangeBaseline(_ context.Context, _ string, c api.BaselineChange) ([]drift.Event, error) {
	k.changes = append(k.changes, c)
	return []drift.Event{{Type: drift.BaselinePinned, Summary: "baseline moved", Drift: drift.DriftResolved}}, k.err
}

func newRig(t *testing.T) *rig {
	t.Helper()
	t.Setenv("CADRIFT_CONFIG", "")
	t.Setenv("NO_COLOR", "")
	dir, err := os.MkdirTemp("", "cadrift") // t.TempDir is too long for a socket's name
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	r := &rig{t: t, dir: dir, config: filepath.Join(dir, "cadrift.yaml"), keeper: &keeper{}}
	r.write(r.config, "state_dir: state\ntenants:\n"+
		"  - name: contoso\n    tenant_id: "+tenantID+"\n"+
		"    credentials: {client_id: 22222222-2222-4222-8222-222222222222, client_secret_env: NONE}\n")
	r.deps = Deps{
		Version: "v9",
		Run:     func(context.Context, RunOptions) error { return nil },
		Local: func(_ context.Context, c *config.Config, o LocalOptions) (http.Handler, func() error, error) {
			r.served++
			r.created = o.Create
			s, err := store.Open(filepath.Join(c.StateDir, "cadrift.db"), store.Options{})
			if errors.Is(err, store.ErrMissing) {
				return r.handler(nil), func() error { return nil }, nil
			}
			if err != nil {
				return nil, nil, err
			}
			r.open++
			return r.handler(s), func() error { r.open--; return s.Close() }, nil
		},
	}
	return r
}

func (r *rig) handler(s *store.Store) http.Handler {
	return api.New(api.Options{
		Store: s, Keeper: r.keeper, Guards: r.guards, Logger: slog.New(slog.DiscardHandler),
		Tenants:   func() []api.TenantName { return []api.TenantName{{Name: "contoso", ID: tenantID}} },
		Receivers: func() []string { return []string{"oncall"} },
		Wake:      func() {},
	}).Control()
}

func (r *rig) write(path, text string) {
	r.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// fill makes a store with one critical drift.
func (r *rig) fill() {
	r.t.Helper()
	state := filepath.Join(r.dir, "state")
	if err := os.MkdirAll(state, 0o700); err != nil {
		r.t.Fatal(err)
	}
	s, err := store.Open(filepath.Join(state, "cadrift.db"), store.Options{Create: true})
	if err != nil {
		r.t.Fatal(err)
	}
	defer s.Close()
	if err := s.Bind("contoso", tenantID); err != nil {
		r.t.Fatal(err)
	}
	one := r.object(policyID, "CA001", "enabled")
	two := r.object("22222222-aaaa-4000-8000-000000000002", hostileName, "enabled")
	r.commit(s, drift.Commit{
		TenantID: tenantID, Time: time.Now().Add(-2 * time.Hour), Put: []drift.Object{one, two},
		Seen: []drift.Kind{drift.Policy, drift.NamedLocation},
		Baseline: &drift.Baseline{
			Revision: 1, Pinned: time.Now(), By: "uid 0 (root)", Reason: "r", GraphVersion: "v1.0",
			Kinds: []drift.Kind{drift.Policy, drift.NamedLocation}, Objects: map[drift.Key]drift.Object{one.Key(): one, two.Key(): two},
		},
	})
	off := r.object(policyID, "CA001", "disabled")
	at := time.Now().Add(-time.Hour)
	changes := []drift.Change{{Path: "/state", Field: "State", Text: "State: on → off", Direction: drift.Weaker}}
	r.commit(s, drift.Commit{
		TenantID: tenantID, Time: at, Put: []drift.Object{off},
		Events: []drift.NewEvent{{Event: drift.Event{
			Time: at, Type: drift.DriftChanged, Object: &off.Ref, Action: drift.Updated, Severity: drift.Critical,
			Direction: new(drift.Weaker), Summary: "CA001: state on → off", Changes: changes, Drift: drift.DriftOpened,
			Actor: &drift.Actor{Kind: "user", ID: "k", Name: "kim@contoso.example"},
		}}},
		Findings: []drift.Finding{{
			Object: off.Ref, Since: at, Severity: drift.Critical, Direction: drift.Weaker,
			Lockout: true, Summary: "CA001: state on → off", Changes: changes,
		}},
	})
}

func (r *rig) object(id, name, state string) drift.Object {
	r.t.Helper()
	display, err := json.Marshal(name)
	if err != nil {
		r.t.Fatal(err)
	}
	o, err := canon.Object(drift.Policy, []byte(`{"zz":1.50,"id":"`+id+`","displayName":`+string(display)+`,"state":"`+state+`"}`))
	if err != nil {
		r.t.Fatal(err)
	}
	return o
}

func (r *rig) commit(s *store.Store, c drift.Commit) {
	r.t.Helper()
	if _, err := s.Commit(c); err != nil {
		r.t.Fatal(err)
	}
}

// run runs a command line and returns its exit code and output.
func (r *rig) run(args ...string) (code int, stdout, stderr string) {
	r.t.Helper()
	var out, err bytes.Buffer
	code = Main(r.t.Context(), r.deps, append([]string{"--config", r.config}, args...), strings.NewReader(r.stdin), &out, &err)
	if r.open != 0 {
		r.t.Errorf("%v left a store open", args)
	}
	return code, out.String(), err.String()
}

func (r *rig) want(code int, args ...string) (stdout string) {
	r.t.Helper()
	got, stdout, stderr := r.run(args...)
	if got != code {
		r.t.Fatalf("%v: exit %d, want %d\n%s%s", args, got, code, stdout, stderr)
	}
	if code == 0 && stderr != "" {
		r.t.Errorf("%v: stderr %s", args, stderr)
	}
	return stdout
}

func contains(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("no %q in:\n%s", part, text)
		}
	}
}
