package graph

import (
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics counts the requests to Graph, of every tenant.
type Metrics struct {
	requests  *prometheus.CounterVec
	throttled *prometheus.CounterVec
}

// NewMetrics registers the metrics of this package; it panics when they are
// registered already.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cadrift_graph_requests_total",
			Help: "Requests sent to Microsoft Graph, by HTTP status, or error where no answer came.",
		}, []string{"tenant", "code"}),
		throttled: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cadrift_graph_throttled_total",
			Help: "Answers 429 from Microsoft Graph.",
		}, []string{"tenant"}),
	}
	reg.MustRegister(m.requests, m.throttled)
	return m
}

// Tenant starts the tenant's series that are known beforehand, at 0.
func (m *Metrics) Tenant(name string) { m.throttled.WithLabelValues(name) }

// Forget drops the series of a tenant that left the configuration.
func (m *Metrics) Forget(name string) {
	m.requests.DeletePartialMatch(prometheus.Labels{"tenant": name})
	m.throttled.DeleteLabelValues(name)
}

// instrumented counts every request that passes it.
type instrumented struct {
	next    http.RoundTripper
	metrics *Metrics
	tenant  string
}

func (t *instrumented) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(req)
	code := "error"
	if err == nil {
		code = strconv.Itoa(resp.StatusCode)
		if resp.StatusCode == http.StatusTooManyRequests {
			t.metrics.throttled.WithLabelValues(t.tenant).Inc()
		}
	}
	t.metrics.requests.WithLabelValues(t.tenant, code).Inc()
	return resp, err
}
