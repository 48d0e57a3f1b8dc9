package graph

import (
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// How long a call keeps trying. The sum is what keeps a pass within the time
// in which a blind spot must be told, retries included.
const (
	maxTries    = 4                // per request
	maxRetrying = 20 * time.Second // per call: failed tries and the waits after them
	pageTime    = 60 * time.Second // per try, answer and body
	probeTime   = 10 * time.Second // per try after a call that ended unreachable …
	probing     = 60 * time.Second // … for this long, and then without retries

	shortestPause = time.Second
	longestPause  = time.Hour
)

// retryAfter reads the pause that the server asks for: seconds, decimals as
// Graph sends them ("2.128"), or an HTTP date. A date is held against the
// server's own clock where the answer has one. The result is within
// [1 s, 1 h], so that neither "0" nor "31536000" does harm.
func retryAfter(header http.Header, now time.Time) (time.Duration, bool) {
	value := strings.TrimSpace(header.Get("Retry-After"))
	if value == "" {
		return 0, false
	}
	if strings.Trim(value, "0123456789.") == "" {
		seconds, err := strconv.ParseFloat(value, 64)
		if err != nil && seconds == 0 { // a range error comes with +Inf: a very long pause
			return 0, false
		}
		if seconds >= longestPause.Seconds() {
			return longestPause, true
		}
		return max(shortestPause, time.Duration(math.Ceil(seconds*float64(time.Second)))), true
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	if date, err := http.ParseTime(header.Get("Date")); err == nil {
		now = date
	}
	return min(max(at.Sub(now), shortestPause), longestPause), true
}

// backoff is the pause before try n+1 when the server did not ask for one:
// exponential, full jitter. Being throttled counts against the tenant, so
// there a second is the least.
func backoff(n int, throttled bool) time.Duration {
	wait := rand.N(2 * time.Second << (n - 1))
	if throttled {
		wait = max(wait, shortestPause)
	}
	return wait
}
