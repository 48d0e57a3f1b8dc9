package api_test

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/cadrift/cadrift/internal/api"
	"github.com/cadrift/cadrift/internal/drift"
)

func TestStatusIsComplete(t *testing.T) {
	f := newFixture(t)
	got := both(t, f, "/api/v1/status").Body.String()
	for _, want := range []string{`"receivers":[]`, `"blind":[]`, `"objects":{}`, `"drift_open":{}`, `"last_good":null`, `"baseline":null`, `"mode":"off"`} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
	one := decode[api.Status](t, both(t, f, "/api/v1/status?tenant=fabrikam"))
	if len(one.Tenants) != 1 || one.Tenants[0].Name != "fabrikam" {
		t.Errorf("got %+v", one.Tenants)
	}
}

func TestDriftsMostSevereFirst(t *testing.T) {
	f := newFixture(t)
	w := both(t, f, "/api/v1/drifts")
	got := decode[api.Drifts](t, w)
	if len(got.Drifts) != 2 || got.Drifts[0].Severity != drift.Critical || got.Drifts[0].Tenant != "contoso" {
		t.Errorf("got %+v", got.Drifts)
	}
	if !got.Baseline || len(got.Unpinned) != 1 || got.Unpinned[0] != "fabrikam" {
		t.Errorf("baseline %v, unpinned %v", got.Baseline, got.Unpinned)
	}
	if a := got.Drifts[0].Actor; a == nil || a.Name != "alex" || a.IP != "" || got.Drifts[0].AttributedBy != got.Drifts[0].LastEvent {
		t.Errorf("got %+v by %s, want the name and no address", a, got.Drifts[0].AttributedBy)
	}
	if text := w.Body.String(); strings.Contains(text, "told") || strings.Contains(text, `"changes":null`) {
		t.Errorf("got %s", text)
	}
	none := both(t, f, "/api/v1/drifts?tenant=fabrikam").Body.String()
	if !strings.HasPrefix(none, `{"drifts":[],"baseline":false`) {
		t.Errorf("got %s", none)
	}
}

// The open drifts are shown without names when these cannot be read.
func TestDriftsWithoutActors(t *testing.T) {
	f := newFixture(t)
	f.damage(t, 3) // of the less severe one
	got := decode[api.Drifts](t, both(t, f, "/api/v1/drifts"))
	if len(got.Drifts) != 2 || got.Drifts[0].Actor == nil || got.Drifts[1].Actor != nil {
		t.Errorf("got %+v, want one of two without its actor", got.Drifts)
	}
	if !strings.Contains(f.logs.String(), "store is damaged") {
		t.Errorf("the log does not say why: %s", f.logs.String())
	}
}

func TestEvents(t *testing.T) {
	f := newFixture(t)
	newest := decode[api.Events](t, both(t, f, "/api/v1/events"))
	if len(newest.Events) != 3 || newest.Events[0].Seq != 3 || newest.Next != nil {
		t.Errorf("newest first: %+v next %v", newest.Events, newest.Next)
	}
	for _, e := range newest.Events {
		if e.Actor == nil || e.Actor.Name != "alex" || e.Actor.IP != "" {
			t.Errorf("actor %+v: want the name and no address", e.Actor)
		}
	}
	page := decode[api.Events](t, both(t, f, "/api/v1/events?tenant=contoso&after=0&limit=2"))
	if len(page.Events) != 2 || page.Events[0].Seq != 1 || page.Next == nil || *page.Next != 2 {
		t.Fatalf("oldest first: %+v next %v", page.Events, page.Next)
	}
	rest := decode[api.Events](t, both(t, f, "/api/v1/events?tenant=contoso&after=2&limit=2"))
	if len(rest.Events) != 1 || rest.Events[0].Seq != 3 || rest.Next != nil {
		t.Errorf("the rest: %+v next %v", rest.Events, rest.Next)
	}
	loud := decode[api.Events](t, both(t, f, "/api/v1/events?severity=high&object="+blockID))
	if len(loud.Events) != 1 || loud.Events[0].Severity != drift.Critical {
		t.Errorf("filtered: %+v", loud.Events)
	}
	late := decode[api.Events](t, both(t, f, "/api/v1/events?since=2026-11-21T20:30:00Z"))
	if len(late.Events) != 2 {
		t.Errorf("since: %+v", late.Events)
	}
	one := both(t, f, "/api/v1/events/"+newest.Events[0].ID)
	if got := decode[drift.Event](t, one); got.ID != newest.Events[0].ID || strings.Contains(one.Body.String(), "192.0.2.7") {
		t.Errorf("one event: %s", one.Body)
	}
}

func TestObjectKeepsBytes(t *testing.T) {
	f := newFixture(t)
	path := "/api/v1/objects/contoso/policy/" + blockID2
	raw := both(t, f, path).Body.String()
	if want := policy(blockID2, "CA002 <b>\u202e", "enabled"); !strings.Contains(raw, want) {
		t.Errorf("got  %s\nwant %s inside", raw, want)
	}
	canonical := decode[api.Object](t, both(t, f, path+"?form=canonical"))
	if canonical.Form != "canonical" || strings.Contains(string(canonical.Body), "createdDateTime") {
		t.Errorf("got %+v", canonical)
	}
	for at, state := range map[string]string{"1": "enabled", "2": "disabled", "2026-11-21T20:30:00Z": "enabled", "1s": "disabled"} {
		got := decode[api.Object](t, both(t, f, "/api/v1/objects/contoso/policy/"+blockID+"?at="+at))
		if !strings.Contains(string(got.Body), state) {
			t.Errorf("at %s: %s", at, got.Body)
		}
	}
	if w := both(t, f, "/api/v1/objects/contoso/policy/"+goneID+"?at=1"); w.Code != http.StatusOK {
		t.Errorf("deleted object in the past: %d %s", w.Code, w.Body)
	}
}

func TestFind(t *testing.T) {
	f := newFixture(t)
	for text, want := range map[string]string{
		blockID: blockID, strings.ToUpper(blockID): blockID, "11111111-A": blockID, "CA001": blockID,
		"policy/CA001": blockID, "CA002 <b>\\u{202e}": blockID2, "CA003": goneID, "Office": placeID,
		"named_location/4": placeID,
	} {
		got := decode[api.Found](t, both(t, f, "/api/v1/find?object="+escape(text)))
		if got.Object.ID != want {
			t.Errorf("%s: got %s, want %s", text, got.Object.ID, want)
		}
		if got.Deleted != (want == goneID) {
			t.Errorf("%s: deleted %v", text, got.Deleted)
		}
	}
	w := both(t, f, "/api/v1/find?object=11111111")
	if w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), "contoso policy/"+blockID) {
		t.Errorf("ambiguous: %d %s", w.Code, w.Body)
	}
	if w := both(t, f, "/api/v1/find?tenant=fabrikam&object=CA001"); w.Code != http.StatusNotFound {
		t.Errorf("other tenant: %d %s", w.Code, w.Body)
	}
}

func escape(text string) string {
	return strings.NewReplacer(" ", "%20", "<", "%3C", ">", "%3E", `\`, "%5C", "{", "%7B", "}", "%7D").Replace(text)
}

func TestSnapshotAndBaseline(t *testing.T) {
	f := newFixture(t)
	now := decode[api.Snapshot](t, both(t, f, "/api/v1/snapshot?tenant=contoso"))
	if now.Revision != 2 || len(now.Objects) != 2 || len(now.Kinds) != 2 {
		t.Errorf("newest: revision %d, %d objects, kinds %v", now.Revision, len(now.Objects), now.Kinds)
	}
	if got, want := string(now.Objects[1].Body), policy(blockID2, "CA002 <b>\u202e", "enabled"); got != want {
		t.Errorf("body\ngot  %s\nwant %s", got, want)
	}
	first := decode[api.Snapshot](t, both(t, f, "/api/v1/snapshot?tenant=contoso&at=1"))
	if first.Revision != 1 || len(first.Objects) != 3 {
		t.Errorf("first: revision %d, %d objects", first.Revision, len(first.Objects))
	}
	base := decode[api.Snapshot](t, both(t, f, "/api/v1/baseline?tenant="+contosoID))
	if base.Tenant != "contoso" || len(base.Objects) != 3 || len(base.Kinds) != 2 {
		t.Errorf("baseline: %+v", base)
	}
	if w := both(t, f, "/api/v1/baseline?tenant=fabrikam"); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "baseline pin") {
		t.Errorf("no baseline: %d %s", w.Code, w.Body)
	}
	revisions := decode[api.Revisions](t, both(t, f, "/api/v1/revisions?tenant=contoso"))
	if len(revisions.Revisions) != 2 || revisions.Revisions[0].Revision != 2 || revisions.Revisions[0].Changed != 2 {
		t.Errorf("revisions: %+v", revisions)
	}
}

func TestDiff(t *testing.T) {
	f := newFixture(t)
	tests := []struct{ query, from, to, actions string }{
		{"", "baseline", "current", "updated deleted"},
		{"&from=1&to=2", "1", "2", "updated deleted"},
		{"&from=2&to=1", "2", "1", "created updated"},
		{"&from=2", "2", "current", ""},
		{"&from=2026-11-21T20:00:01Z&to=current", "1", "current", "updated deleted"},
	}
	for _, tt := range tests {
		got := decode[api.Diff](t, both(t, f, "/api/v1/diff?tenant=contoso"+tt.query))
		if got.From != tt.from || got.To != tt.to {
			t.Errorf("%s: from %s to %s", tt.query, got.From, got.To)
		}
		actions := map[string]bool{}
		for _, o := range got.Objects {
			actions[string(o.Action)] = true
			if o.Summary == "" || len(o.Patch) == 0 {
				t.Errorf("%s: no words or patch in %+v", tt.query, o)
			}
		}
		for want := range strings.FieldsSeq(tt.actions) {
			if !actions[want] {
				t.Errorf("%s: no %s in %v", tt.query, want, actions)
			}
		}
		if len(got.Objects) != len(strings.Fields(tt.actions)) {
			t.Errorf("%s: %d objects", tt.query, len(got.Objects))
		}
	}
	alone := decode[api.Diff](t, both(t, f, "/api/v1/diff?tenant=fabrikam"))
	if alone.From != "1" || len(alone.Objects) != 0 {
		t.Errorf("without baseline: %+v", alone)
	}
}

// What an earlier canonicaliser wrote differently is not a change.
func TestDiffAcrossCanonicalisers(t *testing.T) {
	f := newFixture(t)
	o, _, err := f.store.Object(contosoID, drift.Key{Kind: drift.Policy, ID: blockID2}, 0)
	if err != nil {
		t.Fatal(err)
	}
	o.Canonical, o.Digest = []byte(`{"state":"ENABLED"}`), drift.Digest{1}
	commit(t, f.store, drift.Commit{TenantID: contosoID, Time: start, Put: []drift.Object{o}})
	for _, query := range []string{"&from=2", "&from=2&to=3", "&from=3&to=2"} {
		if got := decode[api.Diff](t, both(t, f, "/api/v1/diff?tenant=contoso"+query)); len(got.Objects) != 0 {
			t.Errorf("%s: got %+v", query, got.Objects)
		}
	}
}

func TestBadQuestions(t *testing.T) {
	f := newFixture(t)
	tests := []struct {
		target string
		status int
		says   string
	}{
		{"/api/v1/nothing", 404, "there is no /api/v1/nothing"},
		{"/api/v1/drifts?tenant=nobody", 404, "contoso, fabrikam"},
		{"/api/v1/status?tenant=nobody", 404, "nobody"},
		{"/api/v1/events?after=3", 400, "which tenant"},
		{"/api/v1/events?tenant=contoso&after=x", 400, "sequence number"},
		{"/api/v1/events?tenant=contoso&after=-1", 400, "sequence number"},
		{"/api/v1/events?limit=0", 400, "1 to 1000"},
		{"/api/v1/events?limit=1001", 400, "1 to 1000"},
		{"/api/v1/events?limit=x", 400, "1 to 1000"},
		{"/api/v1/events?severity=loud", 400, "critical"},
		{"/api/v1/events?since=yesterday", 400, "RFC 3339"},
		{"/api/v1/events?since=-5m", 400, "RFC 3339"},
		{"/api/v1/events?tenant=nobody", 404, "nobody"},
		{"/api/v1/events/contoso-000000009999", 404, "not found"},
		{"/api/v1/events/rubbish", 404, "not found"},
		{"/api/v1/objects/contoso/policies/x", 400, "named_location"},
		{"/api/v1/objects/contoso/policy/" + goneID, 404, "history"},
		{"/api/v1/objects/contoso/policy/" + blockID + "?form=yaml", 400, "canonical"},
		{"/api/v1/objects/contoso/policy/" + blockID + "?at=9", 404, "revisions 1 to 2"},
		{"/api/v1/objects/contoso/policy/" + blockID + "?at=2020-01-01T00:00:00Z", 404, "nothing had been recorded"},
		{"/api/v1/objects/contoso/policy/" + blockID + "?at=soon", 400, "RFC 3339"},
		{"/api/v1/find?object=", 400, "no name"},
		{"/api/v1/find?object=zzz", 404, "no object"},
		{"/api/v1/find?object=ca00", 404, "did you mean \"CA001\""},
		{"/api/v1/snapshot", 400, "which tenant"},
		{"/api/v1/snapshot?tenant=contoso&at=0", 404, "revision 0"},
		{"/api/v1/diff?tenant=contoso&from=7", 404, "revision 7"},
		{"/api/v1/diff?tenant=contoso&to=tomorrow", 400, "RFC 3339"},
		{"/api/v1/diff?tenant=fabrikam&from=baseline", 404, "no baseline"},
	}
	for _, tt := range tests {
		w := both(t, f, tt.target)
		var got api.Failure
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.Error == "" {
			t.Errorf("%s: %v in %s", tt.target, err, w.Body)
		}
		if w.Code != tt.status || !strings.Contains(got.Error+" "+got.Hint, tt.says) {
			t.Errorf("%s: got %d %+v, want %d with %q", tt.target, w.Code, got, tt.status, tt.says)
		}
	}
	if f.logs.Len() > 0 {
		t.Errorf("questions that were wrong are logged as our failures: %s", &f.logs)
	}
}

func TestWithoutStore(t *testing.T) {
	a := api.New(api.Options{
		Keeper:  &keeper{},
		Tenants: func() []api.TenantName { return []api.TenantName{{Name: "contoso", ID: contosoID}} },
		Logger:  slog.New(slog.DiscardHandler),
	})
	for _, target := range []string{"drifts", "events", "find?object=x", "diff", "snapshot", "baseline", "parked", "verify", "backup", "revisions"} {
		w := ask(a.Control(), "GET", "/api/v1/"+target, "")
		if w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "nothing has been recorded") {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
	}
	if w := ask(a.Control(), "GET", "/api/v1/status", ""); w.Code != http.StatusOK {
		t.Errorf("status: %d %s", w.Code, w.Body)
	}
}

func TestReadTakesNoOrders(t *testing.T) {
	f := newFixture(t)
	for _, path := range []string{"check", "baseline/pin", "baseline/accept", "baseline/import", "notify/replay"} {
		if w := ask(f.api.Read(), "POST", "/api/v1/"+path, `{}`); w.Code < 400 {
			t.Errorf("POST %s: %d %s", path, w.Code, w.Body)
		}
	}
	for _, path := range []string{"verify", "backup"} {
		if w := ask(f.api.Read(), "GET", "/api/v1/"+path, ""); w.Code != http.StatusNotFound {
			t.Errorf("GET %s: %d", path, w.Code)
		}
	}
	w := ask(f.api.Read(), "POST", "/api/v1/drifts", `{}`)
	if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST drifts: %d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
	if len(f.keeper.tenants) > 0 {
		t.Errorf("the keeper was asked: %v", f.keeper.tenants)
	}
}

func TestUnknownFailureIsLogged(t *testing.T) {
	f := newFixture(t)
	f.keeper.err = errors.New("disk on fire")
	w := ask(f.api.Control(), "POST", "/api/v1/check", `{}`)
	if w.Code != http.StatusInternalServerError || !strings.Contains(f.logs.String(), "disk on fire") {
		t.Errorf("got %d %s, logged %s", w.Code, w.Body, &f.logs)
	}
}
