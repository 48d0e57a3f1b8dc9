package app

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// expiring is a credential whose end may be known.
type expiring interface{ Expiry() (time.Time, bool) }

// expiries exports when credentials end. It asks at every scrape: a
// certificate that was replaced on disk changes the date, and nothing in the
// app happens then.
type expiries struct {
	desc *prometheus.Desc
	mu   sync.Mutex
	of   map[string]expiring
}

func newExpiries() *expiries {
	return &expiries{
		desc: prometheus.NewDesc("cadrift_credential_expiry_timestamp_seconds",
			"Time at which the tenant's certificate expires; absent where it is not known (client secrets do not tell).", []string{"tenant"}, nil),
		of: map[string]expiring{},
	}
}

func (e *expiries) put(tenant string, c expiring) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.of[tenant] = c
}

func (e *expiries) forget(tenant string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.of, tenant)
}

// Describe is part of prometheus.Collector.
func (e *expiries) Describe(ch chan<- *prometheus.Desc) { ch <- e.desc }

// Collect is part of prometheus.Collector.
func (e *expiries) Collect(ch chan<- prometheus.Metric) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for tenant, c := range e.of {
		if at, ok := c.Expiry(); ok {
			ch <- prometheus.MustNewConstMetric(e.desc, prometheus.GaugeValue, float64(at.Unix()), tenant)
		}
	}
}
