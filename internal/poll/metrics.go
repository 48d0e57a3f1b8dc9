package poll

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cadrift/cadrift/internal/drift"
)

// Metrics are the metrics of all watchers of the process.
type Metrics struct {
	polls     *prometheus.CounterVec
	duration  *prometheus.HistogramVec
	interval  *prometheus.GaugeVec
	lastGood  *prometheus.GaugeVec
	overdue   *prometheus.GaugeVec
	objects   *prometheus.GaugeVec
	policies  *prometheus.GaugeVec
	baseline  *prometheus.GaugeVec
	driftOpen *prometheus.GaugeVec
	acked     *prometheus.GaugeVec
	events    *prometheus.CounterVec
	blind     *prometheus.GaugeVec
}

// NewMetrics registers the metrics.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	}
	m := &Metrics{
		polls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cadrift_polls_total", Help: "Passes over a tenant by result; skipped ones were due while another ran.",
		}, []string{"tenant", "result"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "cadrift_poll_duration_seconds", Help: "How long a pass took.",
			Buckets:                     []float64{0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 60, 120, 300},
			NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 100, NativeHistogramMinResetDuration: time.Hour,
		}, []string{"tenant"}),
		interval:  gauge("cadrift_poll_interval_seconds", "Shortest time between two passes by the schedule.", "tenant"),
		lastGood:  gauge("cadrift_last_successful_poll_timestamp_seconds", "Time of the last good pass; absent until there was one.", "tenant"),
		overdue:   gauge("cadrift_poll_overdue_timestamp_seconds", "Time from which the last good pass is too old: three more were due by the schedule; absent until there was one.", "tenant"),
		objects:   gauge("cadrift_objects", "Objects watched.", "tenant", "kind"),
		policies:  gauge("cadrift_policies", "Conditional Access policies by state.", "tenant", "state"),
		baseline:  gauge("cadrift_baseline_timestamp_seconds", "Time the baseline was pinned; 0 without one.", "tenant"),
		driftOpen: gauge("cadrift_drift_open", "Objects that differ from the baseline, acknowledged ones included.", "tenant", "kind", "severity"),
		acked:     gauge("cadrift_drift_acked", "Objects that differ from the baseline and are acknowledged.", "tenant", "kind", "severity"),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cadrift_events_total", Help: "Events recorded in history.",
		}, []string{"tenant", "event", "severity"}),
		blind: gauge("cadrift_blind", "1 while the tenant cannot be seen for this reason.", "tenant", "reason"),
	}
	reg.MustRegister(m.polls, m.duration, m.interval, m.lastGood, m.overdue, m.objects, m.policies, m.baseline, m.driftOpen, m.acked, m.events, m.blind)
	return m
}

// describe starts every series of a tenant and fills in what the store knows.
func (m *Metrics) describe(w *Watcher) {
	if m == nil {
		return
	}
	tenant := w.o.Tenant
	for _, r := range []Result{OK, Incomplete, Failed, Skipped} {
		m.polls.WithLabelValues(tenant, string(r))
	}
	m.duration.WithLabelValues(tenant)
	for _, t := range drift.EventTypes() {
		for _, s := range drift.Severities() {
			m.events.WithLabelValues(tenant, string(t), s.String())
		}
	}
	m.interval.WithLabelValues(tenant).Set(w.o.Schedule.Interval(time.Now()).Seconds())
	m.counts(w)
	m.sight(w)
}

// Forget drops a tenant's series when it left the configuration.
func (m *Metrics) Forget(tenant string) {
	match := prometheus.Labels{"tenant": tenant}
	for _, v := range []interface {
		DeletePartialMatch(prometheus.Labels) int
	}{m.polls, m.duration, m.interval, m.lastGood, m.overdue, m.objects, m.policies, m.baseline, m.driftOpen, m.acked, m.events, m.blind} {
		v.DeletePartialMatch(match)
	}
}

func (m *Metrics) skipped(tenant string, passes int) {
	if m != nil {
		m.polls.WithLabelValues(tenant, string(Skipped)).Add(float64(passes))
	}
}

func (m *Metrics) passed(w *Watcher, took time.Duration) {
	if m == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	m.polls.WithLabelValues(w.o.Tenant, string(w.result)).Inc()
	m.duration.WithLabelValues(w.o.Tenant).Observe(took.Seconds())
	m.sight(w)
	// An acknowledgement runs out without a commit.
	if slices.ContainsFunc(slices.Collect(maps.Values(w.state.Findings)), func(f drift.Finding) bool { return f.Ack != nil }) {
		m.findings(w)
	}
}

func (m *Metrics) committed(w *Watcher, done drift.Committed) {
	if m == nil {
		return
	}
	for i := range done.Events {
		e := &done.Events[i]
		m.events.WithLabelValues(w.o.Tenant, string(e.Type), e.Severity.String()).Inc()
	}
	m.counts(w)
}

// sight sets what every pass may move: its time and the blind spots. Like
// counts it is called with the watcher's lock held, or before anybody else
// knows the watcher.
func (m *Metrics) sight(w *Watcher) {
	if !w.lastGood.IsZero() {
		m.lastGood.WithLabelValues(w.o.Tenant).Set(seconds(w.lastGood))
		m.overdue.WithLabelValues(w.o.Tenant).Set(seconds(w.o.Schedule.Overdue(w.lastGood)))
	}
	for _, reason := range drift.Reasons() {
		v := 0.0
		if _, open := w.blind[reason]; open {
			v = 1
		}
		m.blind.WithLabelValues(w.o.Tenant, string(reason)).Set(v)
	}
}

// counts sets what only a commit can move. It reads every object, which a pass
// without news must not.
func (m *Metrics) counts(w *Watcher) {
	tenant := w.o.Tenant
	var pinned float64
	if w.state.Baseline != nil {
		pinned = seconds(w.state.Baseline.Pinned)
	}
	m.baseline.WithLabelValues(tenant).Set(pinned)
	objects := map[drift.Kind]int{}
	states := map[string]int{}
	for key, obj := range w.state.Objects {
		objects[key.Kind]++
		if key.Kind == drift.Policy {
			states[policyState(obj.Canonical)]++
		}
	}
	for _, kind := range w.o.Kinds {
		m.objects.WithLabelValues(tenant, string(kind)).Set(float64(objects[kind]))
	}
	// Graph's words and the labels of the contract.
	for state, label := range map[string]string{
		"enabled": "enabled", "disabled": "disabled", "enabledForReportingButNotEnforced": "report_only",
	} {
		m.policies.WithLabelValues(tenant, label).Set(float64(states[state]))
	}
	m.findings(w)
}

func policyState(canonical []byte) string {
	var p struct {
		State string `json:"state"`
	}
	if json.Unmarshal(canonical, &p) != nil {
		return ""
	}
	return p.State
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

func (m *Metrics) findings(w *Watcher) {
	type cell struct {
		kind     drift.Kind
		severity drift.Severity
	}
	open, acked := map[cell]int{}, map[cell]int{}
	now := time.Now()
	for _, f := range w.state.Findings {
		c := cell{f.Object.Kind, f.Severity}
		open[c]++
		if f.Ack != nil && (f.Ack.Until.IsZero() || f.Ack.Until.After(now)) {
			acked[c]++
		}
	}
	for _, kind := range drift.Kinds() {
		for _, s := range drift.Severities() {
			c := cell{kind, s}
			m.driftOpen.WithLabelValues(w.o.Tenant, string(kind), s.String()).Set(float64(open[c]))
			m.acked.WithLabelValues(w.o.Tenant, string(kind), s.String()).Set(float64(acked[c]))
		}
	}
}
