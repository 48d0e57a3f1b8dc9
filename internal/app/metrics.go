package app

import (
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

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
	started              prometheus.Gauge
	expiry               *expiries
}

// NewMetrics makes a registry of its own: nothing is registered globally.
func NewMetrics(version string) *Metrics {
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
		// process_start_time_seconds needs /proc/stat, which the shipped unit hides.
		started: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "cadrift_start_time_seconds", Help: "Time at which the process started.",
		}),
		expiry: newExpiries(),
	}
	m.started.SetToCurrentTime()
	reg.MustRegister(
		buildInfo(version), collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.reloadOK, m.reloadTime, m.started, m.expiry,
	)
	return m
}

// buildInfo says what cadrift version says.
func buildInfo(version string) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "cadrift_build_info", Help: "1, with the version, and what it was built by and for.",
		ConstLabels: prometheus.Labels{
			"version": version, "goversion": runtime.Version(), "goos": runtime.GOOS, "goarch": runtime.GOARCH,
		},
	}, func() float64 { return 1 })
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

// tenant starts the series of a tenant that need no pass to be known.
func (m *Metrics) tenant(t *Tenant) {
	m.Graph.Tenant(t.Name)
	m.expiry.put(t.Name, t.Tokens)
}

// forgetTenant drops the series of a tenant that a reload removed.
func (m *Metrics) forgetTenant(name string) {
	m.Graph.Forget(name)
	m.Poll.Forget(name)
	m.expiry.forget(name)
	m.Guard.Forget(name)
}
