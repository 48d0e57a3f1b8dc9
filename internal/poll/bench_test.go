package poll_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/graph"
	"github.com/cadrift/cadrift/internal/poll"
	"github.com/cadrift/cadrift/internal/schedule"
	"github.com/cadrift/cadrift/internal/store"
)

// canned answers from memory, at the cost of a copy.
type canned map[string][]byte

func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	body, ok := c[r.URL.Path]
	if !ok {
		body = []byte(`{"value":[]}`)
	}
	return &http.Response{
		StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Request: r, ContentLength: int64(len(body)),
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(body)),
	}, nil
}

type staticToken struct{}

func (staticToken) Token(context.Context, bool) (drift.Secret, error) {
	return drift.NewSecret("token"), nil
}

// fullTenant is 240 policies of about 4 KB and 195 locations, as one page each.
func fullTenant() canned {
	var policies, locations []string
	for i := range 240 {
		var ids []string
		for j := range 60 {
			ids = append(ids, fmt.Sprintf(`"%08x-0000-4000-8000-%012x"`, i, j))
		}
		policies = append(policies, fmt.Sprintf(`{"id":"%08x-1111-4111-8111-111111111111","displayName":"CA%03d","state":"enabled","createdDateTime":"2026-01-01T00:00:00Z","modifiedDateTime":null,"deletedDateTime":null,"templateId":null,"conditions":{"clientAppTypes":["all"],"applications":{"includeApplications":["All"],"excludeApplications":[],"includeUserActions":[],"includeAuthenticationContextClassReferences":[],"applicationFilter":null},"users":{"includeUsers":["All"],"excludeUsers":[%s],"includeGroups":[],"excludeGroups":[],"includeRoles":[],"excludeRoles":[]},"locations":null,"platforms":null},"grantControls":{"operator":"OR","builtInControls":["mfa"],"customAuthenticationFactors":[],"termsOfUse":[]},"sessionControls":null}`, i, i, strings.Join(ids, ",")))
	}
	for i := range 195 {
		locations = append(locations, fmt.Sprintf(`{"@odata.type":"#microsoft.graph.ipNamedLocation","id":"%08x-2222-4222-8222-222222222222","displayName":"Branch %03d","createdDateTime":"2026-01-01T00:00:00Z","modifiedDateTime":"2026-01-01T00:00:00Z","deletedDateTime":null,"isTrusted":true,"ipRanges":[{"@odata.type":"#microsoft.graph.iPv4CidrRange","cidrAddress":"10.0.%d.0/24"}]}`, i, i, i))
	}
	page := func(items []string) []byte { return []byte(`{"value":[` + strings.Join(items, ",") + `]}`) }
	const root = "/v1.0/identity/conditionalAccess/"
	return canned{root + "policies": page(policies), root + "namedLocations": page(locations)}
}

// newBenchWatcher is a watcher over answers from memory and a real store.
func newBenchWatcher(b *testing.B, answers canned) *poll.Watcher {
	b.Helper()
	fail := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	s, err := store.Open(filepath.Join(b.TempDir(), "cadrift.db"), store.Options{Create: true})
	fail(err)
	b.Cleanup(func() { s.Close() })
	fail(s.Bind("contoso", tenantID))
	client, err := graph.New(graph.Options{
		Endpoint: "https://graph.example", Transport: answers, Tokens: staticToken{}, Pacer: graph.NewPacer(1e9),
	})
	fail(err)
	every, err := schedule.Parse("@every 1m", time.Now())
	fail(err)
	w, err := poll.New(poll.Options{
		Tenant: "contoso", TenantID: tenantID, Schedule: every, GraphVersion: "v1.0",
		Kinds: []drift.Kind{drift.Policy, drift.NamedLocation}, Source: client, Store: s,
		Route: func(*drift.Event, []string) []string { return nil }, Wake: func() {}, Logger: slog.New(slog.DiscardHandler),
	})
	fail(err)
	fail(w.Pass(context.Background()))
	if n := w.Status().Objects[drift.Policy]; n != 240 {
		b.Fatalf("the first pass saw %d policies", n)
	}
	return w
}

// BenchmarkPassWithoutNews measures a pass over a full tenant in which nothing
// moved, as a ratio to one decode of the same bytes into []json.RawMessage,
// both measured here. The ratio is the figure of merit; the goal is 1.5.
func BenchmarkPassWithoutNews(b *testing.B) {
	answers := fullTenant()
	w := newBenchWatcher(b, answers)
	decode := decodeTime(b, answers)
	for b.Loop() {
		if err := w.Pass(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
	perPass := float64(b.Elapsed().Nanoseconds()) / float64(b.N)
	b.ReportMetric(perPass/float64(decode.Nanoseconds()), "ratio")
}

// decodeTime is the best of several decodes: what the ratio is measured by
// must not be the slow one.
func decodeTime(b *testing.B, answers canned) time.Duration {
	b.Helper()
	best := time.Hour
	for range 30 {
		start := time.Now()
		for _, body := range answers {
			var page struct {
				Value []json.RawMessage `json:"value"`
			}
			if err := json.Unmarshal(body, &page); err != nil {
				b.Fatal(err)
			}
		}
		best = min(best, time.Since(start))
	}
	return best
}
