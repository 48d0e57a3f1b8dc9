package guard

import "github.com/prometheus/client_golang/prometheus"

// Metrics are the metrics of all guards of the process.
type Metrics struct {
	missing  *prometheus.GaugeVec
	accounts *prometheus.GaugeVec
	unusable *prometheus.GaugeVec
	writes   *prometheus.CounterVec
}

// NewMetrics registers the metrics.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		missing: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "cadrift_emergency_exclusions_missing", Help: "Policies, except those that are off, that lack the exclusion of an emergency account.",
		}, []string{"tenant"}),
		accounts: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "cadrift_emergency_accounts_usable", Help: "Configured emergency accounts and groups that exist, are enabled and cloud-only; absent while one cannot be read.",
		}, []string{"tenant"}),
		unusable: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "cadrift_emergency_accounts_unusable", Help: "Configured emergency accounts and groups that the directory shows as gone, disabled, synced or kept by a rule.",
		}, []string{"tenant"}),
		writes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cadrift_guard_writes_total", Help: "Writes of the emergency-access guard by result.",
		}, []string{"tenant", "result"}),
	}
	reg.MustRegister(m.missing, m.accounts, m.unusable, m.writes)
	return m
}

// describe starts a tenant's series.
func (m *Metrics) describe(g *Guard) {
	if m == nil {
		return
	}
	m.missing.WithLabelValues(g.o.Tenant)
	m.accounts.WithLabelValues(g.o.Tenant)
	m.unusable.WithLabelValues(g.o.Tenant)
	for _, s := range []stage{verified, unverified, refused, failed, unknown} {
		m.writes.WithLabelValues(g.o.Tenant, string(s))
	}
}

// planned sets what a plan says; the guard's lock is held.
func (m *Metrics) planned(g *Guard) {
	if m == nil {
		return
	}
	n := 0
	for i := range g.rows {
		if g.rows[i].Counts() {
			n++
		}
	}
	m.missing.WithLabelValues(g.o.Tenant).Set(float64(n))
}

// usable counts the accounts that would help, and those that would not; the
// guard's lock is held. While the directory does not say of one there is no
// number of those that would: 0 would be a lie. Those that would not are never
// fewer than it says.
func (m *Metrics) usable(g *Guard) {
	if m == nil {
		return
	}
	usable, unusable := 0, 0
	for _, a := range g.accounts {
		switch {
		case a.usable:
			usable++
		case !a.unseen:
			unusable++
		}
	}
	m.unusable.WithLabelValues(g.o.Tenant).Set(float64(unusable))
	if usable+unusable < len(g.accounts) {
		m.accounts.DeleteLabelValues(g.o.Tenant)
		return
	}
	m.accounts.WithLabelValues(g.o.Tenant).Set(float64(usable))
}

func (m *Metrics) wrote(tenant string, result stage) {
	if m != nil {
		m.writes.WithLabelValues(tenant, string(result)).Inc()
	}
}

// Forget drops a tenant's series when it left the configuration.
func (m *Metrics) Forget(tenant string) {
	match := prometheus.Labels{"tenant": tenant}
	m.missing.DeletePartialMatch(match)
	m.accounts.DeletePartialMatch(match)
	m.unusable.DeletePartialMatch(match)
	m.writes.DeletePartialMatch(match)
}
