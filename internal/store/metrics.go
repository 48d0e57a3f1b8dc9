package store

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are the metrics of a store. The nil value counts nothing.
type Metrics struct {
	size   prometheus.Gauge
	commit prometheus.Histogram
}

// NewMetrics registers the metrics of a store.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		size: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "cadrift_store_size_bytes",
			Help: "Size of the store's file.",
		}),
		commit: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:                            "cadrift_store_commit_duration_seconds",
			Help:                            "Time that commits to the store took, the failed ones included.",
			Buckets:                         []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  100,
			NativeHistogramMinResetDuration: time.Hour,
		}),
	}
	reg.MustRegister(m.size, m.commit)
	return m
}

func (m *Metrics) committed(took time.Duration) {
	if m != nil {
		m.commit.Observe(took.Seconds())
	}
}

func (m *Metrics) sized(bytes int64) {
	if m != nil {
		m.size.Set(float64(bytes))
	}
}
