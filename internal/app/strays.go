package app

import (
	"maps"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cadrift/cadrift/internal/store"
)

// strays are the queues of receivers that the configuration does not name,
// mostly because one was renamed or removed. What is in them waits until the
// name comes back, somebody discards it, or retention ends.
func (a *App) strays() map[string]store.Queue {
	all := a.store.Queues()
	for _, name := range a.receiverNames() {
		delete(all, name)
	}
	return all
}

// tellStrays logs them, at a start and when the configuration changed.
func (a *App) tellStrays() {
	all := a.strays()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		a.log.Warn("events wait for a receiver that is not configured", "receiver", name,
			"queued", all[name].Queued, "parked", all[name].Parked,
			"hint", "configure it again, or: cadrift notify discard "+name)
	}
}

// pruneStrays drops what retention would have dropped from the history, had it
// not been waiting for a receiver that nobody can reach.
func (a *App) pruneStrays(before time.Time) {
	all := a.strays()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		n, err := a.store.Discard(name, before)
		switch {
		case err != nil:
			a.log.Error("deliveries to a receiver that is not configured not pruned", "receiver", name, "err", err)
		case n > 0:
			a.log.Warn("deliveries to a receiver that is not configured pruned", "receiver", name, "events", n)
		}
	}
}

// strayGauge exports the strays. It asks at every scrape: they come and go
// with reloads, commands and retention.
type strayGauge struct {
	desc *prometheus.Desc
	look func() map[string]store.Queue
}

func newStrayGauge(look func() map[string]store.Queue) *strayGauge {
	return &strayGauge{prometheus.NewDesc("cadrift_notifications_unconfigured",
		"Events that wait for a receiver, or were refused by it, that the configuration does not name.", []string{"receiver"}, nil), look}
}

// Describe is part of prometheus.Collector.
func (g *strayGauge) Describe(ch chan<- *prometheus.Desc) { ch <- g.desc }

// Collect is part of prometheus.Collector.
func (g *strayGauge) Collect(ch chan<- prometheus.Metric) {
	for name, q := range g.look() {
		ch <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, float64(q.Queued+q.Parked), name)
	}
}
