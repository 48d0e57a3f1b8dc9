package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cadrift/cadrift/internal/api"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/store"
)

func TestBaselineOrders(t *testing.T) {
	root := api.Peer{UID: 0}.String()
	body := policy(blockID, "CA001", "enabled")
	tests := []struct {
		path, order string
		want        api.BaselineChange
	}{
		{"pin", `{"reason":" approved "}`, api.BaselineChange{Verb: api.Pin, Reason: "approved", By: root}},
		{"pin", `{"revision":1,"reason":"back"}`, api.BaselineChange{Verb: api.Pin, Revision: 1, Reason: "back", By: root}},
		{"accept", `{"object":"CA001","reason":"r"}`, api.BaselineChange{
			Verb: api.Accept, Object: drift.Key{Kind: drift.Policy, ID: blockID}, Reason: "r", By: root,
		}},
		{"accept", `{"object":"CA003","reason":"gone for good"}`, api.BaselineChange{
			Verb: api.Accept, Object: drift.Key{Kind: drift.Policy, ID: goneID}, Reason: "gone for good", By: root,
		}},
		{"import", `{"kinds":["named_location"],"objects":[{"kind":"policy","body":` + body + `}],"reason":"r"}`, api.BaselineChange{
			Verb: api.Import, Kinds: []drift.Kind{drift.Policy, drift.NamedLocation},
			Objects: []api.RawObject{{Kind: drift.Policy, Body: json.RawMessage(body)}}, Reason: "r", By: root,
		}},
	}
	f := newFixture(t)
	for _, tt := range tests {
		f.keeper.changes = nil
		w := ask(f.api.Control(), "POST", "/api/v1/baseline/"+tt.path+"?tenant=contoso", tt.order)
		if w.Code != http.StatusOK || strings.TrimSpace(w.Body.String()) != `{"events":[]}` {
			t.Errorf("%s %s: %d %s", tt.path, tt.order, w.Code, w.Body)
			continue
		}
		if diff := cmp.Diff([]api.BaselineChange{tt.want}, f.keeper.changes); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", tt.path, tt.order, diff)
		}
		if f.keeper.tenants[0] != "contoso" {
			t.Errorf("%s: tenant %q", tt.path, f.keeper.tenants)
		}
	}
}

func TestBadOrders(t *testing.T) {
	tests := []struct {
		path, order string
		status      int
		says        string
	}{
		{"pin?tenant=contoso", `{"reason":"  "}`, 400, "reason is missing"},
		{"pin?tenant=contoso", `{"reson":"typo"}`, 400, "reson"},
		{"pin?tenant=contoso", `{"reason":"r"} {}`, 400, "follows"},
		{"pin?tenant=contoso", ``, 400, "EOF"},
		{"pin?tenant=contoso", `{"revision":-1,"reason":"r"}`, 400, "revision"},
		{"pin", `{"reason":"r"}`, 400, "which tenant"},
		{"pin?tenant=nobody", `{"reason":"r"}`, 404, "nobody"},
		{"accept?tenant=contoso", `{"object":"11111111","reason":"r"}`, 409, "means 2 objects"},
		{"accept?tenant=contoso", `{"object":"Office","reason":"r"}`, 404, "no object"},
		{"import?tenant=contoso", `{"reason":"r"}`, 400, "no objects"},
		{
			"import?tenant=contoso", `{"objects":[{"kind":"policies","body":{}},{"kind":"policy","body":{"id":""}},{"kind":"policy","body":[]}],"reason":"r"}`,
			400, `there is no kind "policies"; object 2 (policy) has no id; object 3 (policy) has no id`,
		},
		{"import?tenant=contoso", `{"objects":[{"kind":"policy","body":{"id":"A"}},{"kind":"policy","body":{"id":"a"}}],"reason":"r"}`, 400, "comes twice"},
	}
	f := newFixture(t)
	for _, tt := range tests {
		w := ask(f.api.Control(), "POST", "/api/v1/baseline/"+tt.path, tt.order)
		if w.Code != tt.status || !strings.Contains(strings.ReplaceAll(w.Body.String(), `\"`, `"`), tt.says) {
			t.Errorf("%s %s: got %d %s, want %d with %q", tt.path, tt.order, w.Code, w.Body, tt.status, tt.says)
		}
		if len(f.keeper.changes) > 0 {
			t.Errorf("%s %s reached the keeper", tt.path, tt.order)
		}
	}
}

func TestRefusalsKeepTheirHint(t *testing.T) {
	f := newFixture(t)
	f.keeper.err = fmt.Errorf("pin: %w", api.Refuse("the baseline is kept in files", "edit the files"))
	w := ask(f.api.Control(), "POST", "/api/v1/baseline/pin?tenant=contoso", `{"reason":"r"}`)
	if want := `{"error":"pin: the baseline is kept in files","hint":"edit the files"}`; w.Code != http.StatusConflict || strings.TrimSpace(w.Body.String()) != want {
		t.Errorf("got %d %s, want %s", w.Code, w.Body, want)
	}
}

func TestOrdersNeedALocalUser(t *testing.T) {
	f := newFixture(t)
	r := httptest.NewRequest("POST", "/api/v1/check", strings.NewReader(`{}`))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	f.api.Control().ServeHTTP(w, r)
	if w.Code != http.StatusForbidden || len(f.keeper.tenants) > 0 {
		t.Errorf("without a peer: %d, keeper asked %v", w.Code, f.keeper.tenants)
	}
	r = httptest.NewRequest("POST", "/api/v1/check", strings.NewReader(`{}`))
	r = r.WithContext(api.WithPeer(r.Context(), api.Peer{}))
	w = httptest.NewRecorder()
	f.api.Control().ServeHTTP(w, r)
	if w.Code != http.StatusUnsupportedMediaType {
		t.Errorf("without a content type: %d", w.Code)
	}
}

func TestCheck(t *testing.T) {
	f := newFixture(t)
	w := ask(f.api.Control(), "POST", "/api/v1/check?tenant="+contosoID, `{}`)
	got := decode[api.CheckResult](t, w)
	if got.Tenants[0].Drifts[0].Severity != drift.Critical || f.keeper.tenants[0] != "contoso" {
		t.Errorf("got %+v, keeper asked for %v", got, f.keeper.tenants)
	}
	if text := w.Body.String(); strings.Contains(text, "null,") && !strings.Contains(text, `"ack":null`) || strings.Contains(text, "told") || !strings.Contains(text, `"changed":[]`) {
		t.Errorf("got %s", text)
	}
}

func TestPeerOfSocket(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells who is at the other end")
	}
	f := newFixture(t)
	dir, err := os.MkdirTemp("", "cadrift") // t.TempDir is too long for a socket's name
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: f.api.Control(), ConnContext: api.ConnContext}
	defer server.Close()
	go server.Serve(ln)
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}}
	defer client.CloseIdleConnections()
	resp, err := client.Post("http://x/api/v1/baseline/pin?tenant=contoso", "application/json", strings.NewReader(`{"reason":"r"}`))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("status %s", resp.Status)
	}
	if got, want := f.keeper.changes[0].By, (api.Peer{UID: os.Getuid()}).String(); got != want || !strings.HasPrefix(got, "uid ") {
		t.Errorf("by %q, want %q", got, want)
	}
}

func TestVerify(t *testing.T) {
	f := newFixture(t)
	ok := decode[api.Verified](t, ask(f.api.Control(), "GET", "/api/v1/verify", ""))
	if !ok.OK || len(ok.Tenants) != 2 || ok.Tenants[0].ToSeq != 3 || ok.Tenants[0].Error != nil {
		t.Errorf("got %+v", ok)
	}
	head := fmt.Sprintf("3:%s", ok.Tenants[0].Head)
	seen := decode[api.Verified](t, ask(f.api.Control(), "GET", "/api/v1/verify?tenant=contoso&head="+head, ""))
	if !seen.OK {
		t.Errorf("the very head: %+v", seen)
	}
	for bad, says := range map[string]string{
		"9:" + ok.Tenants[0].Head: "rolled back",
		"2:" + ok.Tenants[0].Head: "rewritten",
	} {
		got := decode[api.Verified](t, ask(f.api.Control(), "GET", "/api/v1/verify?tenant=contoso&head="+bad, ""))
		if got.OK || got.Tenants[0].Error == nil || !strings.Contains(*got.Tenants[0].Error, says) {
			t.Errorf("head %s: %+v", bad, got)
		}
	}
	for _, bad := range []string{"x", "3:", "3:zz", "0:" + ok.Tenants[0].Head, ok.Tenants[0].Head} {
		if w := ask(f.api.Control(), "GET", "/api/v1/verify?tenant=contoso&head="+bad, ""); w.Code != http.StatusBadRequest {
			t.Errorf("head %q: %d %s", bad, w.Code, w.Body)
		}
	}
}

func TestBackupIsAStore(t *testing.T) {
	f := newFixture(t)
	server := httptest.NewServer(f.api.Control())
	defer server.Close()
	resp, err := http.Get(server.URL + "/api/v1/backup")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	bytes, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "copy.db")
	if err := os.WriteFile(file, bytes, 0o600); err != nil {
		t.Fatal(err)
	}
	copied, err := store.Open(file, store.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer copied.Close()
	reports, err := copied.Verify(t.Context(), nil)
	if err != nil || len(reports) != 2 || reports[0].Error != nil {
		t.Errorf("reports %+v, %v", reports, err)
	}
}

// Only what nobody can be sent is given up, and only by name.
func TestDiscard(t *testing.T) {
	f := newFixture(t)
	e := drift.Event{ID: "contoso-r-1", Type: drift.DriftReminder, Time: start}
	if err := f.store.Nudge("old", start, []store.Nudge{{TenantID: contosoID, About: "a", Event: &e}}, nil); err != nil {
		t.Fatal(err)
	}
	before := f.store.Queues()["oncall"]
	for body, want := range map[string]int{
		`{"receiver":"oncall"}`: http.StatusConflict, `{"receiver":"nobody"}`: http.StatusNotFound, `{}`: http.StatusNotFound,
		`{"receivers":"old"}`: http.StatusBadRequest,
	} {
		if w := ask(f.api.Control(), "POST", "/api/v1/notify/discard", body); w.Code != want {
			t.Errorf("%s: %d %s, want %d", body, w.Code, w.Body, want)
		}
	}
	got := decode[api.Discarded](t, ask(f.api.Control(), "POST", "/api/v1/notify/discard", `{"receiver":"old"}`))
	after := f.store.Queues()
	if _, left := after["old"]; got.Discarded != 1 || left || after["oncall"] != before {
		t.Errorf("discarded %d, left %+v, want one of old gone and oncall as before %+v", got.Discarded, after, before)
	}
}

func TestParkedAndReplay(t *testing.T) {
	f := newFixture(t)
	pending, err := f.store.Pending("oncall", 1)
	if err != nil || len(pending) != 1 {
		t.Fatalf("pending %v, %v", pending, err)
	}
	if err := f.store.Park("oncall", []string{pending[0].Event.ID}, start, "400 Bad Request"); err != nil {
		t.Fatal(err)
	}
	parked := decode[api.Parked](t, both(t, f, "/api/v1/parked"))
	if len(parked.Parked) != 1 || parked.Parked[0].Event != pending[0].Event.ID || parked.Parked[0].Reason != "400 Bad Request" {
		t.Errorf("parked %+v", parked)
	}
	if w := ask(f.api.Control(), "POST", "/api/v1/notify/replay", `{"receiver":"nobody"}`); w.Code != http.StatusNotFound || f.wakes > 0 {
		t.Errorf("unknown receiver: %d %s", w.Code, w.Body)
	}
	got := decode[api.Replayed](t, ask(f.api.Control(), "POST", "/api/v1/notify/replay", `{}`))
	if got.Replayed != 1 || f.wakes != 1 {
		t.Errorf("replayed %d, woke %d times", got.Replayed, f.wakes)
	}
}
