package notify

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	firstBackoff  = time.Second
	lastBackoff   = 15 * time.Minute
	maxRetryAfter = time.Hour
)

// ceiling is the longest wait after the n-th failure in a row, n ≥ 1.
func ceiling(n int) time.Duration {
	if n > 10 { // 2^10 s is past the last one, and shifting further overflows
		return lastBackoff
	}
	return min(firstBackoff<<max(n-1, 0), lastBackoff)
}

// backoff is a wait after the n-th failure in a row, with full jitter, so that
// receivers that failed together do not come back together.
func backoff(n int) time.Duration { return rand.N(ceiling(n)) + time.Millisecond }

// retryAfter reads a Retry-After header: seconds, seconds with decimals (some
// gateways), or an HTTP date. It is capped, because a receiver's clock or a
// typing error must not silence us for a day; 0 means that there is none.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if text == "" {
		return 0
	}
	if secs, err := strconv.ParseFloat(text, 64); err == nil {
		if !(secs > 0) { // also NaN
			return 0
		}
		return time.Duration(min(secs, maxRetryAfter.Seconds()) * float64(time.Second))
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), maxRetryAfter)
}

// pace keeps a receiver's rate: at most PerMinute messages in any 60 seconds,
// the last of which is kept for critical ones, and Spacing between two.
type pace struct {
	limits Limits
	sent   []time.Time
}

// wait is how long the next message has to wait, 0 when it may go.
func (p *pace) wait(now time.Time, critical bool) time.Duration {
	if p.limits.PerMinute == 0 {
		return 0
	}
	p.sent = slices.DeleteFunc(p.sent, func(at time.Time) bool {
		// One that lies ahead is from before a restart and before somebody set
		// the clock back.
		return now.Sub(at) >= time.Minute || at.After(now)
	})
	allowed := p.limits.PerMinute
	if !critical && allowed > 1 {
		allowed--
	}
	var d time.Duration
	if n := len(p.sent); n >= allowed {
		d = time.Minute - now.Sub(p.sent[n-allowed])
	}
	if n := len(p.sent); n > 0 {
		d = max(d, p.limits.Spacing-now.Sub(p.sent[n-1]))
	}
	return max(d, 0)
}

// count records a try: a refused message counts for the receiver's rate too.
func (p *pace) count(now time.Time) {
	if p.limits.PerMinute > 0 {
		p.sent = append(p.sent, now)
	}
}
