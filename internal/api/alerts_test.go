package api_test

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cadrift/cadrift/internal/api"
	"github.com/cadrift/cadrift/internal/drift"
)

// alerts records what it is asked for.
type alerts struct {
	tenant string
	key    drift.Key
	ack    drift.Ack
	x      drift.Expectation
	tested []string
}

func (a *alerts) Acknowledge(_ context.Context, tenant string, key drift.Key, ack drift.Ack) (drift.Finding, error) {
	a.tenant, a.key, a.ack = tenant, key, ack
	return drift.Finding{Tenant: tenant, Object: drift.Ref{Kind: key.Kind, ID: key.ID}, Ack: &ack, Told: []string{"x"}}, nil
}

func (a *alerts) Expect(_ context.Context, tenant string, x drift.Expectation) (drift.Expectation, error) {
	a.tenant, a.x = tenant, x
	x.ID = "abc"
	return x, nil
}

func (a *alerts) Withdraw(_ context.Context, tenant, id string) (drift.Expectation, error) {
	if id != "abc" {
		return drift.Expectation{}, drift.ErrNotFound
	}
	return a.x, nil
}

func (a *alerts) Expectations(_ context.Context, tenant string) ([]drift.Expectation, error) {
	return []drift.Expectation{{ID: tenant}}, nil
}

func (a *alerts) TestReceivers(_ context.Context, receiver string) (api.Tested, error) {
	a.tested = append(a.tested, receiver)
	return api.Tested{Receivers: []api.TestedReceiver{{Name: "oncall", OK: true}}}, nil
}

func withAlerts(t *testing.T) (*alerts, http.Handler, http.Handler) {
	t.Helper()
	a, f := &alerts{}, newFixture(t)
	handlers := api.New(api.Options{
		Store: f.store, Keeper: f.keeper, Alerts: a, Logger: slog.New(slog.DiscardHandler),
		Tenants: func() []api.TenantName {
			return []api.TenantName{{Name: "contoso", ID: contosoID}, {Name: "fabrikam", ID: fabrikamID}}
		},
		Receivers: func() []string { return []string{"oncall"} },
	})
	return a, handlers.Read(), handlers.Control()
}

func TestAcknowledgeNamesPeerAndEnd(t *testing.T) {
	a, _, control := withAlerts(t)
	w := ask(control, "POST", "/api/v1/ack?tenant=contoso", `{"object":"CA001","for":"7d","reason":" known "}`)
	got := decode[api.Acknowledged](t, w)
	if a.tenant != "contoso" || a.key.ID != blockID || a.ack.Reason != "known" || !strings.HasPrefix(a.ack.By, "uid 0") {
		t.Errorf("asked for %+v %+v %+v", a.tenant, a.key, a.ack)
	}
	if d := time.Until(a.ack.Until); d < 6*24*time.Hour || d > 7*24*time.Hour {
		t.Errorf("it ends in %v, want 7 days", d)
	}
	if got.Drift.Told != nil || got.Drift.Ack == nil || strings.Contains(w.Body.String(), "null,\"changes\":null") {
		t.Errorf("got %s", w.Body)
	}
	ask(control, "POST", "/api/v1/ack?tenant=contoso", `{"object":"CA001","reason":"known"}`)
	if !a.ack.Until.IsZero() {
		t.Errorf("without for: it ends at %v, want never", a.ack.Until)
	}
}

func TestAnnounce(t *testing.T) {
	a, read, control := withAlerts(t)
	got := decode[drift.Expectation](t, ask(control, "POST", "/api/v1/expect?tenant=contoso", `{"pattern":"CA*","for":"2h","reason":"change 4711"}`))
	if got.ID != "abc" || a.x.Pattern != "CA*" || !strings.HasPrefix(a.x.By, "uid 0") {
		t.Errorf("got %+v, asked for %+v", got, a.x)
	}
	decode[drift.Expectation](t, ask(control, "POST", "/api/v1/expect/remove?tenant=contoso", `{"id":"abc"}`))
	if w := ask(control, "POST", "/api/v1/expect/remove?tenant=contoso", `{"id":"b"}`); w.Code != http.StatusNotFound {
		t.Errorf("an unknown id: %d %s", w.Code, w.Body)
	}
	for _, h := range []http.Handler{read, control} {
		all := decode[api.Expectations](t, ask(h, "GET", "/api/v1/expectations", ""))
		if len(all.Expectations) != 2 {
			t.Errorf("got %+v, want those of both tenants", all)
		}
	}
}

func TestTestReceivers(t *testing.T) {
	a, _, control := withAlerts(t)
	decode[api.Tested](t, ask(control, "POST", "/api/v1/notify/test", `{"receiver":"oncall"}`))
	decode[api.Tested](t, ask(control, "POST", "/api/v1/notify/test", `{}`))
	if len(a.tested) != 2 || a.tested[0] != "oncall" || a.tested[1] != "" {
		t.Errorf("asked for %q", a.tested)
	}
	if w := ask(control, "POST", "/api/v1/notify/test", `{"receiver":"soc"}`); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "oncall") {
		t.Errorf("an unknown receiver: %d %s", w.Code, w.Body)
	}
}

func TestBadAlertOrders(t *testing.T) {
	a, read, control := withAlerts(t)
	for _, tt := range []struct{ path, order, want string }{
		{"ack", `{"object":"CA001"}`, "reason is missing"},
		{"ack", `{"object":"CA001","reason":"r","for":"soon"}`, "no duration"},
		{"ack", `{"object":"CA001","reason":"r","for":"0s"}`, "no duration"},
		{"ack", `{"object":"nobody","reason":"r"}`, "nobody"},
		{"ack", `{"object":"CA001","reason":"r","until":"x"}`, "unknown field"},
		{"expect", `{"pattern":"CA*","reason":"r"}`, "for how long"},
		{"expect", `{"pattern":" ","for":"1h","reason":"r"}`, "pattern"},
		{"expect", `{"pattern":"` + strings.Repeat("x", 301) + `","for":"1h","reason":"r"}`, "too long"},
		{"expect", `{"pattern":"CA*","for":"1h"}`, "reason is missing"},
	} {
		w := ask(control, "POST", "/api/v1/"+tt.path+"?tenant=contoso", tt.order)
		if w.Code < 400 || w.Code > 404 || !strings.Contains(w.Body.String(), tt.want) {
			t.Errorf("%s %s: %d %s, want %q", tt.path, tt.order, w.Code, w.Body, tt.want)
		}
	}
	for _, path := range []string{"ack", "expect", "expect/remove", "notify/test"} {
		if w := ask(read, "POST", "/api/v1/"+path, `{}`); w.Code != http.StatusNotFound && w.Code != http.StatusMethodNotAllowed {
			t.Errorf("%s on the read-only handler: %d", path, w.Code)
		}
	}
	if a.tenant != "" || len(a.tested) > 0 {
		t.Errorf("something was carried out: %+v", a)
	}
}
