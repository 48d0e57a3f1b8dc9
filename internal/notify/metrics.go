package notify

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cadrift/cadrift/internal/drift"
)

// The values of the label result.
const (
	countDelivered = "delivered"
	countRetried   = "retried"
	countParked    = "parked"
	countFolded    = "folded"
)

// Metrics are the numbers of all receivers.
type Metrics struct {
	sent    *prometheus.CounterVec
	queue   *prometheus.GaugeVec
	parked  *prometheus.GaugeVec
	success *prometheus.GaugeVec
}

// NewMetrics registers the metrics.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		sent: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cadrift_notifications_total",
			Help: "Events by receiver, type and what became of the try: delivered, retried, parked (refused for good) or folded (told as a number: in a digest, or because the queue was full).",
		}, []string{"receiver", "event", "result"}),
		queue: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "cadrift_notification_queue_length",
			Help: "Events that the receiver has not acknowledged yet.",
		}, []string{"receiver"}),
		parked: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "cadrift_notifications_parked",
			Help: "Events that the receiver refused for good and that wait for a replay.",
		}, []string{"receiver"}),
		success: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "cadrift_notification_last_success_timestamp_seconds",
			Help: "Time of the last message that the receiver took; absent until known.",
		}, []string{"receiver"}),
	}
	reg.MustRegister(m.sent, m.queue, m.parked, m.success)
	return m
}

// start makes every series of a receiver exist, so that increase() sees the
// first event.
func (m *Metrics) start(receiver string) {
	for _, t := range drift.EventTypes() {
		for _, result := range []string{countDelivered, countRetried, countParked, countFolded} {
			m.sent.WithLabelValues(receiver, string(t), result)
		}
	}
	m.queue.WithLabelValues(receiver)
	m.parked.WithLabelValues(receiver)
}

// Forget deletes the series of a receiver that a reload removed.
func (m *Metrics) Forget(receiver string) {
	labels := prometheus.Labels{"receiver": receiver}
	m.sent.DeletePartialMatch(labels)
	m.queue.DeletePartialMatch(labels)
	m.parked.DeletePartialMatch(labels)
	m.success.DeletePartialMatch(labels)
}

// Queue sets what waits for a receiver and what it refused. The worker does it
// after every round; a command that parks or replays does it too.
func (m *Metrics) Queue(receiver string, queued, parked int) {
	m.queue.WithLabelValues(receiver).Set(float64(queued))
	m.parked.WithLabelValues(receiver).Set(float64(parked))
}

func (m *Metrics) count(receiver string, t drift.EventType, result string, n int) {
	m.sent.WithLabelValues(receiver, string(t), result).Add(float64(n))
}

func (m *Metrics) succeeded(receiver string, at time.Time) {
	m.success.WithLabelValues(receiver).Set(float64(at.UnixMilli()) / 1000)
}
