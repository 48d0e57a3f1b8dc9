package api_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cadrift/cadrift/internal/api"
	"github.com/cadrift/cadrift/internal/canon"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/store"
)

const (
	contosoID  = "aaaaaaaa-0000-4000-8000-000000000001"
	fabrikamID = "bbbbbbbb-0000-4000-8000-000000000002"

	blockID  = "11111111-aaaa-4000-8000-000000000001"
	blockID2 = "11111111-bbbb-4000-8000-000000000002"
	goneID   = "33333333-aaaa-4000-8000-000000000003"
	placeID  = "44444444-aaaa-4000-8000-000000000004"
)

var start = time.Date(2026, 11, 21, 20, 0, 0, 0, time.UTC)

// policy is a body in Graph's shape whose member order and number spelling
// must survive.
func policy(id, name, state string) string {
	return `{"id":"` + id + `","state":"` + state + `","displayName":` + quote(name) + `,` +
		`"createdDateTime":"2026-01-01T00:00:00Z","conditions":{"users":{"includeUsers":["All"]},` +
		`"applications":{"includeApplications":["All"]},"clientAppTypes":["all"]},` +
		`"grantControls":{"operator":"OR","builtInControls":["mfa"]},"zNew":1.50}`
}

func quote(text string) string {
	b, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func object(t *testing.T, kind drift.Kind, body string) drift.Object {
	t.Helper()
	o, err := canon.Object(kind, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func commit(t *testing.T, s *store.Store, c drift.Commit) drift.Committed {
	t.Helper()
	done, err := s.Commit(c)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func changed(o drift.Object, action drift.Action, severity drift.Severity, summary string) drift.NewEvent {
	return drift.NewEvent{
		Event: drift.Event{
			Time: start, Type: drift.DriftChanged, Object: &o.Ref, Action: action,
			Direction: new(drift.Weaker), Severity: severity, Summary: summary,
			Changes: []drift.Change{}, Actor: &drift.Actor{Kind: "user", ID: "u", Name: "alex", IP: "192.0.2.7"},
		},
		Receivers: []string{"oncall"},
	}
}

// fill makes two revisions of contoso with a baseline at the first, and one
// revision of fabrikam without.
func fill(t *testing.T, path string) *store.Store {
	t.Helper()
	s, err := store.Open(path, store.Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	for name, id := range map[string]string{"contoso": contosoID, "fabrikam": fabrikamID} {
		if err := s.Bind(name, id); err != nil {
			t.Fatal(err)
		}
	}
	block := object(t, drift.Policy, policy(blockID, "CA001", "enabled"))
	second := object(t, drift.Policy, policy(blockID2, "CA002 <b>\u202e", "enabled"))
	gone := object(t, drift.Policy, policy(goneID, "CA003", "enabled"))
	commit(t, s, drift.Commit{
		TenantID: contosoID, Time: start, Put: []drift.Object{block, second, gone},
		Events: []drift.NewEvent{changed(gone, drift.Created, drift.Medium, "CA003: created")},
		Seen:   []drift.Kind{drift.Policy, drift.NamedLocation},
		Baseline: &drift.Baseline{
			Revision: 1, Pinned: start, By: "uid 0 (root)", Reason: "start", GraphVersion: "v1.0",
			Kinds:   []drift.Kind{drift.Policy, drift.NamedLocation},
			Objects: map[drift.Key]drift.Object{block.Key(): block, second.Key(): second, gone.Key(): gone},
		},
	})
	off := object(t, drift.Policy, policy(blockID, "CA001", "disabled"))
	later := start.Add(time.Hour)
	down, away := changed(off, drift.Updated, drift.Critical, "CA001: state on → off"), changed(gone, drift.Deleted, drift.High, "CA003: deleted")
	down.Time, away.Time = later, later
	commit(t, s, drift.Commit{
		TenantID: contosoID, Time: later, Put: []drift.Object{off}, Gone: []drift.Key{gone.Key()},
		Events: []drift.NewEvent{down, away},
		Findings: []drift.Finding{
			{Object: gone.Ref, Since: later, Severity: drift.High, Summary: "CA003: deleted"},
			{Object: off.Ref, Since: later, Severity: drift.Critical, Direction: drift.Weaker, Summary: "CA001: state on → off", Told: []string{"oncall"}},
		},
	})
	place := object(t, drift.NamedLocation, `{"@odata.type":"#microsoft.graph.ipNamedLocation","id":"`+placeID+`","displayName":"Office","isTrusted":true,"ipRanges":[]}`)
	commit(t, s, drift.Commit{TenantID: fabrikamID, Time: start, Put: []drift.Object{place}, Seen: []drift.Kind{drift.NamedLocation}})
	return s
}

// keeper records what it is asked for.
type keeper struct {
	changes []api.BaselineChange
	tenants []string
	err     error
}

func (k *keeper) Status(context.Context) (api.Status, error) {
	return api.Status{Version: "v1", Started: start, Tenants: []api.TenantStatus{{Name: "contoso"}, {Name: "fabrikam"}}}, nil
}

func (k *keeper) Check(_ context.Context, tenant string) (api.CheckResult, error) {
	k.tenants = append(k.tenants, tenant)
	return api.CheckResult{Tenants: []api.TenantCheck{{
		Name: "contoso", Result: "ok", Good: true,
		Drifts: []drift.Finding{{Severity: drift.Low, Told: []string{"x"}}, {Severity: drift.Critical}},
	}}}, k.err
}

func (k *keeper) ChangeBaseline(_ context.Context, tenant string, c api.BaselineChange) ([]drift.Event, error) {
	k.tenants = append(k.tenants, tenant)
	k.changes = append(k.changes, c)
	return nil, k.err
}

type fixture struct {
	api    *api.API
	keeper *keeper
	store  *store.Store
	path   string
	logs   bytes.Buffer
	wakes  int
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cadrift.db")
	f := &fixture{keeper: &keeper{}, store: fill(t, path), path: path}
	f.api = api.New(api.Options{
		Store: f.store, Keeper: f.keeper,
		Tenants: func() []api.TenantName {
			return []api.TenantName{{Name: "contoso", ID: contosoID}, {Name: "fabrikam", ID: fabrikamID}}
		},
		Receivers: func() []string { return []string{"oncall"} },
		Wake:      func() { f.wakes++ },
		Logger:    slog.New(slog.NewTextHandler(&f.logs, nil)),
	})
	return f
}

// damage breaks the seals of whatever has a sequence number of contoso, in the
// open file.
func (f *fixture) damage(t *testing.T, seq uint64) {
	t.Helper()
	file, err := os.OpenFile(f.path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	text, err := io.ReadAll(file)
	if err != nil {
		t.Fatal(err)
	}
	key := binary.BigEndian.AppendUint64([]byte(contosoID+"\x00\x01"), seq)
	broken := 0
	for i := range text {
		if bytes.HasPrefix(text[i:], key) {
			seal := i + len(key) + 1 // behind the format
			if _, err := file.WriteAt([]byte{^text[seal]}, int64(seal)); err != nil {
				t.Fatal(err)
			}
			broken++
		}
	}
	if broken == 0 {
		t.Fatalf("nothing in %s has number %d", f.path, seq)
	}
}

// ask sends a request as the local user root would.
func ask(h http.Handler, method, target, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/json")
	}
	r = r.WithContext(api.WithPeer(r.Context(), api.Peer{UID: 0}))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// both runs the reading tests over the two handlers: same bytes either way.
func both(t *testing.T, f *fixture, target string) *httptest.ResponseRecorder {
	t.Helper()
	read := ask(f.api.Read(), "GET", target, "")
	control := ask(f.api.Control(), "GET", target, "")
	if read.Code != control.Code || read.Body.String() != control.Body.String() {
		t.Errorf("%s: read says %d %s, control says %d %s", target, read.Code, read.Body, control.Code, control.Body)
	}
	if got := read.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("%s: content type %q", target, got)
	}
	return read
}

func decode[T any](t *testing.T, w *httptest.ResponseRecorder) T {
	t.Helper()
	var v T
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		t.Fatalf("%v in %s", err, w.Body)
	}
	return v
}
