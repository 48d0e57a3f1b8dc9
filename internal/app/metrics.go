package app

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	versioncollector "github.com/prometheus/client_golang/prometheus/collectors/version"

	"github.com/cadrift/cadrift/internal/graph"
	"github.com/cadrift/cadrift/internal/guard"
	"github.com/cadrift/cadrift/internal/notify"
	"github.com/cadrift/cadrift/internal/poll"
	"github.com/cadrift/cadrift/internal/store"
)

// Metrics are the metrics of the process, one part per package.
type Metrics struct {
	Registry *prometheus.Registry
	Graph    *graph.Metrics
	Poll     *poll.Metrics
	Notify   *notify.Metrics
	Store    *store.Metrics
	Guard    *guard.Metrics

	reloadOK, reloadTime prometheus.Gauge
	expiry               *prometheus.GaugeVec
}

// NewMetrics makes a registry of its own: nothing is registered globally.
func NewMetrics() *Metrics {
	reg := prometheus.NewRegistry()
	m := &Metrics{
		Registry: reg,
		Graph:    graph.NewMetrics(reg), Poll: poll.NewMetrics(reg), Notify: notify.NewMetrics(reg), Store: store.NewMetrics(reg), Guard: guard.NewMetrics(reg),
		reloadOK: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "cadrift_config_last_reload_successful", Help: "Whether the last load of the configuration worked.",
		}),
		reloadTime: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "cadrift_config_last_reload_success_timestamp_seconds", Help: "Time of the last load of the configuration that worked.",
		}),
		expiry: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "cadrift_credential_expiry_timestamp_seconds", Help: "Time at which the tenant's certificate expires; absent where it is not known (client secrets do not tell).",
		}, []string{"tenant"}),
	}
	reg.MustRegister(
		versioncollector.NewCollector("cadrift"), collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.reloadOK, m.reloadTime, m.expiry,
	)
	return m
}

// loaded notes the outcome of a load of the configuration.
func (m *Metrics) loaded(err error, at time.Time) {
	if err != nil {
		m.reloadOK.Set(0)
		return
	}
	m.reloadOK.Set(1)
	m.reloadTime.Set(float64(at.UnixMilli()) / 1000)
}

// credential notes when a tenant's credential expires.
func (m *Metrics) credential(t *Tenant) {
	if at, ok := t.Tokens.Expiry(); ok {
		m.expiry.WithLabelValues(t.Name).Set(float64(at.Unix()))
	}
}

// forgetTenant drops the series of a tenant that a reload removed.
func (m *Metrics) forgetTenant(name string) {
	m.Graph.Forget(name)
	m.Poll.Forget(name)
	m.Guard.Forget(name)
	m.expiry.DeleteLabelValues(name)
}
