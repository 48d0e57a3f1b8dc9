package web

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cadrift/cadrift/internal/drift"
)

const hostileName = "\"><script>alert(1)</script><a href=javascript:alert(2)>\u202e\n{{.}}"

// site answers from fixed data.
type site struct {
	overview Overview
	drifts   []drift.Finding
	events   []drift.Event
	ref      drift.Ref
	err      error
	ready    string
	author   *drift.Actor
	nobody   error // why Author fails
}

func (s *site) Overview(context.Context) (Overview, error) { return s.overview, s.err }

func (s *site) Drifts(context.Context, string) ([]drift.Finding, error) { return s.drifts, s.err }

func (s *site) Events(_ context.Context, _, object string, limit int) ([]drift.Event, error) {
	var found []drift.Event
	for _, e := range s.events {
		if object == "" || e.Object != nil && e.Object.ID == object {
			found = append(found, e)
		}
	}
	return found[:min(limit, len(found))], s.err
}

func (s *site) Event(_ context.Context, id string) (drift.Event, error) {
	for _, e := range s.events {
		if e.ID == id {
			return e, s.err
		}
	}
	return drift.Event{}, drift.ErrNotFound
}

func (s *site) Author(_ context.Context, id string) (*drift.Actor, string, error) {
	if s.author == nil || id != s.events[0].ID {
		return nil, "", s.nobody
	}
	return s.author, "contoso-000000000043", nil
}

func (s *site) Ref(_ context.Context, _ string, key drift.Key) (drift.Ref, bool, error) {
	if s.ref.Key() != key {
		return drift.Ref{}, false, drift.ErrNotFound
	}
	return s.ref, true, s.err
}

func sample() *site {
	ref := drift.Ref{Kind: drift.Policy, ID: "11111111-aaaa-4000-8000-000000000001", Name: hostileName}
	now := time.Now().UTC()
	changes := []drift.Change{{Path: "/state", Field: "State", Text: "State: on → off", Direction: drift.Weaker}}
	patch := drift.Patch{{Op: "replace", Path: "/state", Value: json.RawMessage(`"disabled </pre><script>"`)}}
	return &site{
		ref: ref,
		overview: Overview{
			Started: now,
			Tenants: []Tenant{
				{
					Name: "contoso", TenantID: "t1", LastGood: now.Add(-12 * time.Second), LastResult: "ok",
					Objects: map[drift.Kind]int{drift.Policy: 64, drift.NamedLocation: 1, drift.SecurityDefaults: 1},
					Pinned:  now, PinnedBy: "uid 0 (root)", BaselineRevision: 3, Head: drift.Head{Seq: 42, Hash: drift.Digest{1}},
					Announced: []drift.Expectation{{ID: "x1", Pattern: hostileName, Until: now.Add(time.Hour), Reason: hostileName, By: hostileName}},
					Blind:     []drift.Blind{{Reason: drift.ReasonPermission, Since: now, Text: "403 <b>"}},
				},
				{Name: "fabrikam", TenantID: "t2"},
			},
			Receivers:   []Receiver{{Name: "oncall", Queued: 2, Parked: 1, LastSuccess: now}, {Name: "soc"}, {Name: "old", Queued: 480, Folded: 9520, Unconfigured: true}},
			ConfigError: "cadrift.yaml:3:1: unknown key <x>",
		},
		drifts: []drift.Finding{{
			Tenant: "contoso", Object: ref, Since: now.Add(-time.Hour), Severity: drift.Critical, Direction: drift.Weaker,
			Lockout: true, Summary: hostileName + ": state on → off", Changes: changes, BaselinePatch: patch,
			Ack: &drift.Ack{By: hostileName, Reason: "known"}, Actor: &drift.Actor{Kind: "app", Name: hostileName, IP: "192.0.2.7"},
		}},
		events: []drift.Event{
			{
				ID: "contoso-000000000042", Seq: 42, Time: now, Type: drift.DriftChanged, Tenant: "contoso", Object: &ref,
				Action: drift.Updated, Direction: new(drift.Weaker), Severity: drift.Critical, LockoutRisk: new(true),
				LockoutReasons: []string{hostileName}, Summary: hostileName, Changes: changes, Patch: patch, Drift: drift.DriftOpened,
				BaselinePatch: patch, Actor: &drift.Actor{Kind: "user", Name: hostileName, IP: "192.0.2.7"}, Chain: strings.Repeat("ab", 32),
			},
			{
				ID: "contoso-000000000041", Seq: 41, Time: now, Type: drift.MonitorBlind, Tenant: "contoso", Severity: drift.High,
				Summary: "blind", Reason: string(drift.ReasonPermission), Kinds: []drift.Kind{drift.Policy},
			},
		},
	}
}

func handler(t *testing.T, s *site) http.Handler {
	t.Helper()
	return handlerAt(t, s, "https://drift.contoso.example/")
}

func handlerAt(t *testing.T, s *site, external string) http.Handler {
	t.Helper()
	h, err := New(Options{
		API:    http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("{}")) }),
		Reader: s, Watch: s, Gatherer: prometheus.NewRegistry(),
		Ready:   func() (bool, string) { return s.ready == "", s.ready },
		Version: "v1", Listen: "127.0.0.1:9488", ExternalURL: external,
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func get(h http.Handler, target string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", target, nil)
	r.Host = "localhost:9488"
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func routes(s *site) map[string]int {
	return map[string]int{
		"/": 200, "/events/contoso-000000000042": 200, "/events/contoso-000000000041": 200,
		"/objects/contoso/policy/" + s.ref.ID: 200,
		"/healthz":                            200, "/readyz": 200, "/metrics": 200, "/api/v1/status": 200,
		"/static/style.css": 200, "/static/icon.svg": 200,
		"/static/": 404, "/static/../web.go": 307, "/templates/page.html": 404,
		"/nothing": 404, "/events/none": 404, "/objects/contoso/policy/none": 404, "/events/": 404,
	}
}

// A receiver that gets nothing, or not everything singly, says so.
func TestQueuesOfReceivers(t *testing.T) {
	page := get(handler(t, sample()), "/").Body.String()
	for _, want := range []string{
		`<td>old <span class="bad">not configured</span></td>`, `<td class="number">480 and 9520 folded</td>`,
		`<td>soc</td>`, `<td class="number">2</td><td class="number bad">1</td>`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("%s is not on the page", want)
		}
	}
}

func TestHeadersOnEveryRoute(t *testing.T) {
	s := sample()
	h := handler(t, s)
	for target, status := range routes(s) {
		w := get(h, target)
		if w.Code != status {
			t.Errorf("%s: status %d, want %d", target, w.Code, status)
		}
		checkHeaders(t, target, w.Header())
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS", "TRACE"} {
		r := httptest.NewRequest(method, "/api/v1/status", nil)
		r.Host = "localhost"
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: status %d", method, w.Code)
		}
		checkHeaders(t, method, w.Header())
	}
}

func checkHeaders(t *testing.T, what string, h http.Header) {
	t.Helper()
	csp := h.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
		if !strings.Contains(csp, want) {
			t.Errorf("%s: no %s in %q", what, want, csp)
		}
	}
	if strings.Contains(csp, "unsafe") || strings.Contains(csp, "script-src") {
		t.Errorf("%s: policy %q", what, csp)
	}
	if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("%s: headers %v", what, h)
	}
}

func TestHosts(t *testing.T) {
	loopback := map[string]bool{
		"localhost": true, "localhost:9488": true, "LOCALHOST.": true, "127.0.0.1:9488": true, "127.8.9.1": true, "[::1]:9488": true,
		"drift.contoso.example": true, "Drift.Contoso.Example:443": true,
		"evil.example": false, "evil.example:9488": false, "192.0.2.1:9488": false, "": false,
		"localhost.evil.example": false, "127.0.0.1.evil.example": false, "drift.contoso.example.evil": false, "[::ffff:192.0.2.1]": false,
	}
	h := handler(t, sample())
	for host, allowed := range loopback {
		for _, path := range []string{"/", "/api/v1/status", "/metrics", "/healthz", "/readyz"} {
			// Probes and scrapers come under any name.
			allowed := allowed || path == "/metrics" || path == "/healthz" || path == "/readyz"
			r := httptest.NewRequest("GET", path, nil)
			r.Host = host
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if got := w.Code != http.StatusMisdirectedRequest; got != allowed {
				t.Errorf("Host %q at %s: allowed %v, want %v", host, path, got, allowed)
			}
			checkHeaders(t, host, w.Header())
		}
	}
	for _, listen := range []string{"0.0.0.0:9488", "[::]:9488", ":9488"} {
		wild, err := newHosts(listen, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		if !wild.allows("192.0.2.1:9488") || !wild.allows("[2001:db8::1]:9488") || wild.allows("evil.example") {
			t.Errorf("%s: addresses must pass and names must not", listen)
		}
	}
	for _, bad := range []Options{{Listen: "nonsense"}, {ExternalURL: "drift.example"}, {ExternalURL: "https://"}} {
		if _, err := newHosts(bad.Listen, bad.ExternalURL, nil); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
}

// With a path in the external address every link stays below it, whether a
// proxy takes the path off, leaves it, or is not there.
func TestPathOfTheExternalAddress(t *testing.T) {
	s := sample()
	h := handlerAt(t, s, "https://drift.contoso.example/tools/cadrift")
	links := regexp.MustCompile(`(?:href|src)="([^"]*)"`)
	seen := map[string]bool{}
	for target, status := range routes(s) {
		for _, base := range []string{"", "/tools/cadrift"} {
			w := get(h, base+target)
			if w.Code != status {
				t.Errorf("%s: status %d, want %d", base+target, w.Code, status)
			}
			if status == http.StatusTemporaryRedirect { // of net/http's own, to the path without ..
				continue
			}
			for _, link := range links.FindAllStringSubmatch(w.Body.String(), -1) {
				seen[link[1]] = true
			}
		}
	}
	if w := get(h, "/tools/cadrift?x=1"); w.Code != http.StatusOK {
		t.Errorf("the address itself: status %d", w.Code)
	}
	if len(seen) < 7 {
		t.Errorf("only these links were found: %v", seen)
	}
	for link := range seen {
		if !strings.HasPrefix(link, "/tools/cadrift/") {
			t.Errorf("%s leaves the address", link)
		} else if w := get(h, link); w.Code != http.StatusOK {
			t.Errorf("%s: status %d", link, w.Code)
		}
	}
	if w := get(h, "/tools/cadriftx/"); w.Code != http.StatusNotFound {
		t.Errorf("a longer name: status %d", w.Code)
	}
}

func TestCrossSitePostIsForbidden(t *testing.T) {
	r := httptest.NewRequest("POST", "/api/v1/check", nil)
	r.Host = "localhost"
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	w := httptest.NewRecorder()
	handler(t, sample()).ServeHTTP(w, r)
	if w.Code != http.StatusForbidden {
		t.Errorf("status %d", w.Code)
	}
	checkHeaders(t, "POST", w.Header())
}

func TestHostileNamesAreText(t *testing.T) {
	s := sample()
	h := handler(t, s)
	tags := regexp.MustCompile(`(?i)<script|javascript:|\son[a-z]+\s*=|style\s*=|<iframe|<b>|<x>|\x{202e}|\{\{`)
	for target := range routes(s) {
		if strings.HasPrefix(target, "/static") || strings.HasPrefix(target, "/api") {
			continue
		}
		page := get(h, target).Body.String()
		// What is left of the hostile text once the escaped forms are gone.
		for _, m := range tags.FindAllString(page, -1) {
			if m == "javascript:" || m == "{{" { // as text of an escaped name
				continue
			}
			t.Errorf("%s: %q in the page", target, m)
		}
		if strings.Contains(page, `href="javascript`) || strings.Contains(page, `href=javascript:alert(2)>`) {
			t.Errorf("%s: a forged link", target)
		}
		if strings.Contains(page, "192.0.2.7") {
			t.Errorf("%s: the address of a person", target)
		}
	}
	page := get(h, "/").Body.String()
	for _, want := range []string{
		"&lt;script&gt;", `\u{202e}`, "lockout risk", "1 drift open, 1 critical", "64 policies, 1 named location, security defaults",
		"none yet", "permission", "42:0100", "unknown key &lt;x&gt;", "/events/contoso-000000000042",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q on the front page", want)
		}
	}
}

// The log was late: the page behind the alert's link says who it was all the
// same, and so does the open drift.
func TestWhoCameLater(t *testing.T) {
	s := sample()
	s.events[0].Actor = nil
	h := handler(t, s)
	target := "/events/" + s.events[0].ID
	if page := get(h, target).Body.String(); strings.Contains(page, "<dt>Who</dt>") || strings.Contains(page, "came later") {
		t.Errorf("somebody is named:\n%s", page)
	}
	s.author = &drift.Actor{Kind: "user", Name: "sam@contoso.example", IP: "192.0.2.7"}
	s.drifts[0].Actor, s.drifts[0].AttributedBy = s.author, "contoso-000000000043"
	for target, want := range map[string]string{
		target:                                "<dt>Who</dt><dd>sam@contoso.example</dd>",
		"/":                                   `by <a href="/events/contoso-000000000043">sam@contoso.example</a>`,
		"/objects/contoso/policy/" + s.ref.ID: `by <a href="/events/contoso-000000000043">sam@contoso.example</a>`,
	} {
		page := get(h, target).Body.String()
		if !strings.Contains(page, want) || !strings.Contains(page, `href="/events/contoso-000000000043"`) || strings.Contains(page, "192.0.2.7") {
			t.Errorf("%s: no %q, no link, or an address:\n%s", target, want, page)
		}
	}
}

// A page is not lost for want of a name.
func TestEventWithoutItsAuthor(t *testing.T) {
	s := sample()
	s.events[0].Actor, s.nobody = nil, errors.New("store is damaged")
	w := get(handler(t, s), "/events/"+s.events[0].ID)
	if page := w.Body.String(); w.Code != http.StatusOK || !strings.Contains(page, s.events[0].ID) || strings.Contains(page, "<dt>Who</dt>") {
		t.Errorf("%d:\n%s", w.Code, page)
	}
}

func TestFirstLine(t *testing.T) {
	now := time.Now()
	seen := Tenant{LastGood: now.Add(-90 * time.Second)}
	tests := []struct {
		o          Overview
		drifts     []drift.Finding
		tone, text string
	}{
		{Overview{Tenants: []Tenant{seen}}, nil, "good", "All quiet"},
		{Overview{Tenants: []Tenant{seen, {}}}, nil, "low", "Waiting for the first reading"},
		{Overview{Tenants: []Tenant{{LastGood: now, Blind: []drift.Blind{{}}}}}, nil, "high", "Not everything can be seen"},
		{Overview{Tenants: []Tenant{{LastGood: now, Blind: []drift.Blind{{Reason: drift.ReasonBaseline}}}}}, nil, "high", "The baseline files cannot be read"},
		{Overview{}, []drift.Finding{{Severity: drift.High}, {Severity: drift.Low}}, "high", "2 drifts open, 1 high"},
		{Overview{Tenants: []Tenant{{LastGood: now, Guard: Guard{Mode: "enforce", Stopped: true}}}}, nil, "good", "All quiet"},
		{Overview{Tenants: []Tenant{{LastGood: now, Guard: Guard{Mode: "plan", Stopped: true, Missing: 1}}}}, nil, "good", "All quiet"},
		{Overview{Tenants: []Tenant{{LastGood: now, Guard: Guard{Mode: "enforce", Stopped: true, Missing: 1}}}}, nil, "high", "The guard is stopped, and an exclusion is missing"},
		{Overview{}, []drift.Finding{{Severity: drift.Low}}, "low", "1 drift open"},
	}
	for _, tt := range tests {
		if got := firstLine(tt.o, tt.drifts, now); got.Tone != tt.tone || got.Text != tt.text {
			t.Errorf("got %+v, want %s %q", got, tt.tone, tt.text)
		}
	}
	if got := firstLine(tests[0].o, nil, now).Detail; got != "last good pass 1 min 30 s ago" {
		t.Errorf("detail %q", got)
	}
}

func TestWhatIsQuietIsShown(t *testing.T) {
	s := sample()
	until := time.Now().Add(time.Hour).UTC()
	shown := until.Format("2006-01-02 15:04:05 UTC")
	x := drift.Expectation{Pattern: "CA1*", Until: until, Reason: "change 4711", By: "uid 0"}
	s.overview.Tenants[1].Announced = []drift.Expectation{x}
	s.drifts = append(s.drifts,
		drift.Finding{Tenant: "fabrikam", Object: s.ref, Expected: &x},
		drift.Finding{Tenant: "fabrikam", Object: s.ref, Ack: &drift.Ack{By: "root", Until: until}})
	page := get(handler(t, s), "/").Body.String()
	for _, want := range []string{"Announced: CA1* until ", ", change 4711 (uid 0)", "announced until " + shown, "acknowledged by root until " + shown} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in %s", want, page)
		}
	}
}

func TestProbes(t *testing.T) {
	s := sample()
	s.ready = "contoso: no good pass yet (permission)"
	for name, h := range map[string]http.Handler{
		"web": handler(t, s), "health": Health(func() (bool, string) { return false, s.ready }),
	} {
		if w := get(h, "/readyz"); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), s.ready) {
			t.Errorf("%s: readyz %d %s", name, w.Code, w.Body)
		}
		if w := get(h, "/healthz"); w.Code != http.StatusOK {
			t.Errorf("%s: healthz %d", name, w.Code)
		}
	}
	health := Health(func() (bool, string) { return true, "" })
	r := httptest.NewRequest("GET", "/readyz", nil)
	r.Host = "10.0.0.7:9489" // a probe asks by address
	w := httptest.NewRecorder()
	health.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Errorf("probe by address: %d", w.Code)
	}
	checkHeaders(t, "health", w.Header())
	if w := get(health, "/api/v1/status"); w.Code != http.StatusNotFound {
		t.Errorf("the health listener serves more than health: %d", w.Code)
	}
}

func TestFailuresSayNothing(t *testing.T) {
	s := sample()
	s.err = errors.New("open /var/lib/secret: boom")
	h := handler(t, s)
	for _, target := range []string{"/", "/events/contoso-000000000042", "/objects/contoso/policy/" + s.ref.ID} {
		w := get(h, target)
		if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
		checkHeaders(t, target, w.Header())
	}
}
