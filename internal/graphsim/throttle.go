package graphsim

import (
	"strings"
	"time"
)

// grace absorbs the jitter of a client that paces itself at exactly the
// limit: its requests leave a second apart and arrive a little closer.
const grace = 100 * time.Millisecond

// throttle is the budget that all apps of a tenant share.
type throttle struct {
	next      time.Time // when the next request is within the limit
	neighbour time.Time // when the neighbour asked last
}

// allow charges one request and tells whether it is within the limit.
func (th *throttle) allow(now time.Time, b Behaviour) bool {
	if b.RequestsPerSecond <= 0 {
		return true
	}
	interval := time.Duration(float64(time.Second) / b.RequestsPerSecond)
	th.others(now, interval, b.NeighbourPerSecond)
	return th.charge(now, interval)
}

// others charges what the neighbour asked for since the last request. Only
// the recent past matters, so a year of silence costs two rounds.
func (th *throttle) others(now time.Time, interval time.Duration, perSecond float64) {
	if perSecond <= 0 {
		return
	}
	every := time.Duration(float64(time.Second) / perSecond)
	if recent := now.Add(-2 * max(interval, every)); th.neighbour.Before(recent) {
		th.neighbour = recent
	}
	for !th.neighbour.Add(every).After(now) {
		th.neighbour = th.neighbour.Add(every)
		th.charge(th.neighbour, interval)
	}
}

func (th *throttle) charge(at time.Time, interval time.Duration) bool {
	if at.Before(th.next.Add(-grace)) {
		return false // a refused request costs nothing
	}
	if th.next.Before(at) {
		th.next = at
	}
	th.next = th.next.Add(interval)
	return true
}

// limited tells whether the path belongs to the service that is throttled:
// strengths and security defaults are served by another one.
func limited(path string) bool {
	return strings.HasPrefix(path, "identity/conditionalAccess/") || strings.HasPrefix(path, "policies/conditionalAccessPolicies")
}
