package graph

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/cadrift/cadrift/internal/drift"
)

func TestMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	m := NewMetrics(reg)
	m.Tenant("contoso")
	m.Tenant("fabrikam")
	expect := func(want string) {
		t.Helper()
		if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "cadrift_graph_requests_total", "cadrift_graph_throttled_total"); err != nil {
			t.Error(err)
		}
	}
	const throttled = "# HELP cadrift_graph_throttled_total Answers 429 from Microsoft Graph.\n# TYPE cadrift_graph_throttled_total counter\n"
	expect(throttled + `
cadrift_graph_throttled_total{tenant="contoso"} 0
cadrift_graph_throttled_total{tenant="fabrikam"} 0
`)
	synctest.Test(t, func(t *testing.T) {
		w := &wire{answers: []answer{{status: 429}, {err: errors.New("x")}, {body: collection("")}}}
		c := newClient(t, w, func(o *Options) { o.Metrics = m })
		for range 2 {
			if _, err := c.List(t.Context(), drift.Policy); err != nil {
				t.Fatal(err)
			}
		}
	})
	expect(`# HELP cadrift_graph_requests_total Requests sent to Microsoft Graph, by HTTP status, or error where no answer came.
# TYPE cadrift_graph_requests_total counter
cadrift_graph_requests_total{code="200",tenant="contoso"} 2
cadrift_graph_requests_total{code="429",tenant="contoso"} 1
cadrift_graph_requests_total{code="error",tenant="contoso"} 1
` + throttled + `
cadrift_graph_throttled_total{tenant="contoso"} 1
cadrift_graph_throttled_total{tenant="fabrikam"} 0
`)
	m.Forget("contoso")
	expect(throttled + `
cadrift_graph_throttled_total{tenant="fabrikam"} 0
`)
}
