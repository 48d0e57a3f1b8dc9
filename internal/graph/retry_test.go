package graph

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 21, 20, 0, 0, 0, time.UTC)
	in := func(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }
	tests := []struct {
		value, date string
		want        time.Duration
		ok          bool
	}{
		{"", "", 0, false},
		{"7", "", 7 * time.Second, true},
		{" 7 ", "", 7 * time.Second, true},
		{"2.128", "", 2128 * time.Millisecond, true},
		{"1.001", "", 1001 * time.Millisecond, true}, // a little less as a binary fraction
		{"2.", "", 2 * time.Second, true},
		{"007", "", 7 * time.Second, true},
		{"0", "", time.Second, true},
		{"0.2", "", time.Second, true},
		{"3599.5", "", 3599500 * time.Millisecond, true},
		{"3600", "", time.Hour, true},
		{"86400", "", time.Hour, true},
		{strings.Repeat("9", 400), "", time.Hour, true},
		{"-5", "", 0, false},
		{"+5", "", 0, false},
		{"1e3", "", 0, false},
		{"0x10", "", 0, false},
		{"1_0", "", 0, false},
		{"NaN", "", 0, false},
		{"Inf", "", 0, false},
		{"1.2.3", "", 0, false},
		{".", "", 0, false},
		{"soon", "", 0, false},
		{"5 seconds", "", 0, false},
		{in(90 * time.Second), "", 90 * time.Second, true},
		{in(-time.Hour), "", time.Second, true},
		{in(0), "", time.Second, true},
		{in(48 * time.Hour), "", time.Hour, true},
		{"Saturday, 21-Nov-26 20:01:00 GMT", "", time.Minute, true},
		{"Sat Nov 21 20:01:00 2026", "", time.Minute, true},
		{"Sat, 32 Nov 2026 20:01:00 GMT", "", 0, false},
		// The server's clock is ten minutes fast: its date counts, not ours.
		{in(10*time.Minute + 5*time.Second), in(10 * time.Minute), 5 * time.Second, true},
		{in(30 * time.Second), "nonsense", 30 * time.Second, true},
	}
	for _, tt := range tests {
		h := http.Header{}
		h.Set("Retry-After", tt.value)
		h.Set("Date", tt.date)
		got, ok := retryAfter(h, now)
		if d := got - tt.want; ok != tt.ok || d < 0 || d > 1 {
			t.Errorf("%q (date %q): got %s, %v, want %s, %v", tt.value, tt.date, got, ok, tt.want, tt.ok)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{"1", "2.128", "1e9", "-1", "Sat, 21 Nov 2026 20:01:00 GMT", "99999999999999999999", "NaN", "0.0000001"} {
		f.Add(seed, "")
	}
	f.Add("Sat, 21 Nov 2026 20:01:00 GMT", "Sat, 21 Nov 2026 20:00:00 GMT")
	now := time.Date(2026, 11, 21, 20, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, value, date string) {
		got, ok := retryAfter(http.Header{"Retry-After": {value}, "Date": {date}}, now)
		if ok != (got != 0) || ok && (got < shortestPause || got > longestPause) {
			t.Fatalf("%q: got %s, %v", value, got, ok)
		}
		if s, err := strconv.Atoi(value); err == nil && s > 1 && s < 3600 && value[0] != '+' && got != time.Duration(s)*time.Second {
			t.Fatalf("%q: got %s", value, got)
		}
		if s, err := strconv.ParseFloat(value, 64); err == nil && ok && s < 3600 && got.Seconds() < math.Floor(s) {
			t.Fatalf("%q: got %s, sooner than asked", value, got)
		}
	})
}

// times lets a number of bad answers come before the good one.
func times(n int, a answer) []answer {
	var all []answer
	for range n {
		all = append(all, a)
	}
	return append(all, answer{body: collection("", object("a"))})
}

func TestRetryAfterIsHonouredExactly(t *testing.T) {
	for _, tt := range []struct {
		status int
		value  string
		want   time.Duration
	}{
		{429, "7", 7 * time.Second},
		{429, "2.128", 2128 * time.Millisecond},
		{503, "9", 9 * time.Second},
		{504, "3", 3 * time.Second},
		{429, "0", time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			c, w := script(t, times(1, answer{status: tt.status, header: with("Retry-After", tt.value)})...)
			if _, err := c.List(t.Context(), drift.Policy); err != nil {
				t.Fatal(err)
			}
			gap := time.Duration(w.gaps()[0] * float64(time.Second))
			if gap < tt.want || gap > tt.want+10*time.Millisecond {
				t.Errorf("%d %s: got a request after %s, want %s", tt.status, tt.value, gap, tt.want)
			}
		})
	}
}

// A pause that is too long to sit out fails the call at once, and every later
// one until it is over; then requests go out again. Other paths are not held.
func TestLongRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		status := 429
		w := &wire{route: func(req *http.Request) answer {
			if status != 200 && strings.Contains(req.URL.Path, "conditionalAccess") {
				return answer{status: status, header: with("Retry-After", "120")}
			}
			return answer{body: collection("", object("a"))}
		}}
		c := newClient(t, w)
		for _, status = range []int{429, 503} {
			w.asked = nil
			start := time.Now()
			_, err := c.List(t.Context(), drift.Policy)
			if e := fault(t, err); e.Reason != drift.ReasonThrottled || e.RetryAfter != 2*time.Minute || e.Status != status || time.Since(start) > time.Second {
				t.Errorf("got %v after %s, want throttled for 2 min at once", err, time.Since(start))
			}
			for _, wait := range []time.Duration{0, 60 * time.Second, 59 * time.Second} {
				time.Sleep(wait)
				_, err = c.List(t.Context(), drift.NamedLocation)
				if e := fault(t, err); e.Reason != drift.ReasonThrottled || e.RetryAfter > 2*time.Minute || e.RetryAfter <= 0 {
					t.Errorf("got %v, want throttled", err)
				}
			}
			if w.count() != 1 {
				t.Errorf("got %d requests within the pause, want the first only", w.count())
			}
			if _, err := c.List(t.Context(), drift.AuthenticationStrength); err != nil {
				t.Errorf("another lane: %v", err)
			}
			time.Sleep(time.Until(w.asked[0].at.Add(2 * time.Minute)))
			before := status
			status = 200
			if _, err := c.List(t.Context(), drift.Policy); err != nil {
				t.Errorf("after the pause: %v", err)
			}
			status = before
		}
	})
}

// While one caller sits out a pause, the others of the tenant wait as well,
// whichever client they use.
func TestPauseHoldsEverybody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{answers: times(1, answer{status: 429, header: with("Retry-After", "10"), delay: time.Second / 2})} // the others queue meanwhile
		pacer := NewPacer(1)
		shared := func(o *Options) { o.Pacer = pacer }
		a, b := newClient(t, w, shared), newClient(t, w, shared)
		var wg sync.WaitGroup
		for _, c := range []*Client{a, b, b} {
			wg.Go(func() {
				if _, err := c.List(t.Context(), drift.Policy); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if got := w.gaps(); len(got) != 3 || got[0] < 10 || got[1] < 1 || got[2] < 1 {
			t.Errorf("got gaps %v s, want 10 and then one a second", got)
		}
	})
}

func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{answers: []answer{{body: collection("", object("a"))}}}
		c := newClient(t, w, paced)
		start := time.Now()
		var wg sync.WaitGroup
		for _, kind := range []drift.Kind{drift.Policy, drift.NamedLocation, drift.AuthenticationContext, drift.Policy} {
			wg.Go(func() {
				if _, err := c.List(t.Context(), kind); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(start); took < 3*time.Second || took > 3100*time.Millisecond {
			t.Errorf("four Conditional Access requests took %s, want a little over 3 s", took)
		}
		for _, gap := range w.gaps() {
			if gap < 1 {
				t.Errorf("got gaps %v, want at least a second each", w.gaps())
			}
		}
		w.asked = nil
		for range 3 {
			if _, err := c.List(t.Context(), drift.AuthenticationStrength); err != nil {
				t.Fatal(err)
			}
		}
		for _, gap := range w.gaps() {
			if gap < 0.2 || gap > 0.25 {
				t.Errorf("other paths: got gaps %v, want five a second", w.gaps())
			}
		}
	})
}

// Every answer that may be different next time is asked for again, within
// bounds; no other is.
func TestRetries(t *testing.T) {
	for _, tt := range []struct {
		name string
		bad  answer
		want drift.Reason
		last int // requests when it never gets better
	}{
		{"408", answer{status: 408}, drift.ReasonUnreachable, 4},
		{"429", answer{status: 429}, drift.ReasonThrottled, 4},
		{"500", answer{status: 500}, drift.ReasonUnreachable, 4},
		{"502 html", answer{status: 502, body: "<html>", header: with("Content-Type", "text/html")}, drift.ReasonUnreachable, 4},
		{"503", answer{status: 503}, drift.ReasonUnreachable, 4},
		{"504", answer{status: 504}, drift.ReasonUnreachable, 4},
		{"reset", answer{err: &net.OpError{Op: "read", Err: syscall.ECONNRESET}}, drift.ReasonUnreachable, 4},
		{"cut", answer{body: `{"value":[`, cut: true}, drift.ReasonIncomplete, 4},
		{"cut gzip", answer{body: zipped(collection(""))[:20], header: with("Content-Encoding", "gzip")}, drift.ReasonIncomplete, 4},
		{"429 with a short pause", answer{status: 429, header: with("Retry-After", "2")}, drift.ReasonThrottled, 4},
		{"429 using up the patience", answer{status: 429, header: with("Retry-After", "9")}, drift.ReasonThrottled, 3},
		{"400", answer{status: 400}, drift.ReasonIncomplete, 1},
		{"401", answer{status: 401}, drift.ReasonCredential, 2},
		{"403", answer{status: 403}, drift.ReasonPermission, 1},
		{"404", answer{status: 404}, drift.ReasonIncomplete, 1},
		{"409", answer{status: 409}, drift.ReasonIncomplete, 1},
		{"501", answer{status: 501}, drift.ReasonIncomplete, 1},
		{"505", answer{status: 505}, drift.ReasonIncomplete, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for n := range tt.last + 1 {
					c, w := script(t, times(n, tt.bad)...)
					start := time.Now()
					_, err := c.List(t.Context(), drift.Policy)
					took := time.Since(start)
					if n < tt.last {
						if err != nil || w.count() != n+1 {
							t.Errorf("%d failures: got %v after %d requests, want success", n, err, w.count())
						}
						continue
					}
					if err == nil || fault(t, err).Reason != tt.want || w.count() != tt.last {
						t.Errorf("%d failures: got %v after %d requests, want %s after %d", n, err, w.count(), tt.want, tt.last)
					}
					if took > maxRetrying+time.Second {
						t.Errorf("%d failures: took %s", n, took)
					}
				}
			})
		})
	}
}

// The patience is the call's, not the page's.
func TestPatienceIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		w := &wire{route: func(*http.Request) answer {
			if n++; n%2 == 1 {
				return answer{status: 503, header: with("Retry-After", "6")}
			}
			return answer{body: collection(nextPage(n), object(strconv.Itoa(n)))}
		}}
		start := time.Now()
		_, err := newClient(t, w).List(t.Context(), drift.Policy)
		if e := fault(t, err); e.Reason != drift.ReasonThrottled || !strings.Contains(e.Op, "page 4") || time.Since(start) > maxRetrying {
			t.Errorf("got %v after %s, want an end at the fourth pause", err, time.Since(start))
		}
	})
}

// After a call that ended unreachable the next ones only probe, so that a pass
// over five kinds is quick to notice; the first answer ends that.
func TestProbing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := false
		w := &wire{route: func(*http.Request) answer {
			if up {
				return answer{body: collection("", object("a"))}
			}
			return answer{delay: time.Hour}
		}}
		c := newClient(t, w)
		took := func() (time.Duration, error) {
			start := time.Now()
			_, err := c.List(t.Context(), drift.Policy)
			return time.Since(start).Truncate(time.Millisecond), err // less the pacer's microsecond
		}
		for i, want := range []time.Duration{pageTime, probeTime, probeTime} {
			got, err := took()
			if e := fault(t, err); got != want || e.Reason != drift.ReasonUnreachable || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("call %d: got %v after %s, want %s", i, err, got, want)
			}
		}
		time.Sleep(probing - 2*probeTime + time.Second) // since the first call; the probes ended later
		if got, _ := took(); got != pageTime {
			t.Errorf("later: took %s, want the full %s: probing must not prolong itself", got, pageTime)
		}
		up = true
		if _, err := took(); err != nil {
			t.Error(err)
		}
		up = false
		if got, _ := took(); got != pageTime {
			t.Errorf("after an answer: took %s, want the full %s", got, pageTime)
		}
	})
}

func TestCancel(t *testing.T) {
	for name, a := range map[string]answer{
		"waiting for the answer": {delay: time.Hour},
		"waiting for the retry":  {status: 503, header: with("Retry-After", "15")},
		"waiting in the lane":    {body: collection(nextPage(2), object("a"))},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newClient(t, &wire{answers: []answer{a, {delay: time.Hour}}}, paced)
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(500*time.Millisecond, cancel)
				start := time.Now()
				_, err := c.List(ctx, drift.Policy)
				if fault(t, err); !errors.Is(err, context.Canceled) || time.Since(start) != 500*time.Millisecond {
					t.Errorf("got %v after %s, want canceled at once", err, time.Since(start))
				}
				if !c.down.IsZero() {
					t.Error("a caller who left is taken for a server that is down")
				}
				ctx, cancel = context.WithTimeout(t.Context(), 700*time.Millisecond)
				defer cancel()
				_, err = c.List(ctx, drift.NamedLocation)
				if !errors.Is(err, context.DeadlineExceeded) && fault(t, err).Reason != drift.ReasonThrottled {
					t.Errorf("got %v, want the deadline", err)
				}
			})
		})
	}
}

func TestRefreshAfter401(t *testing.T) {
	tokens := &fixed{}
	w := &wire{answers: []answer{{status: 401}, {status: 503}, {body: collection(nextPage(2), object("a"))}, {body: collection("")}}}
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, w, func(o *Options) { o.Tokens = tokens })
		if _, err := c.List(t.Context(), drift.Policy); err != nil {
			t.Fatal(err)
		}
	})
	if tokens.fresh != 1 {
		t.Errorf("got %d forced tokens, want 1", tokens.fresh)
	}
	for i, want := range []string{"-0", "-1", "-1", "-1"} {
		if got := w.asked[i].header.Get("Authorization"); got != "Bearer "+planted+want {
			t.Errorf("request %d: got %q, want the token %s", i, got, want)
		}
	}
}

// A second 401 in one listing is final, wherever it comes.
func TestRefreshOncePerCall(t *testing.T) {
	tokens := &fixed{}
	w := &wire{answers: []answer{{status: 401}, {body: collection(nextPage(2), object("a"))}, {status: 401}}}
	_, err := newClient(t, w, func(o *Options) { o.Tokens = tokens }).List(t.Context(), drift.Policy)
	if e := fault(t, err); e.Reason != drift.ReasonCredential || e.Status != 401 || tokens.fresh != 1 || w.count() != 3 {
		t.Errorf("got %v, %d forced tokens, %d requests", err, tokens.fresh, w.count())
	}
}

func TestNetCause(t *testing.T) {
	dial := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	for want, err := range map[string]error{
		"dns: no such host":                         dial(&net.DNSError{Err: "no such host", Name: planted, IsNotFound: true}),
		"dns: lookup failed":                        dial(&net.DNSError{Err: "server misbehaving", Name: planted, IsTemporary: true}),
		"connect: timed out":                        dial(os.ErrDeadlineExceeded),
		"connect: failed":                           dial(errors.New(planted)),
		"timeout: no complete":                      context.DeadlineExceeded,
		"connect: the proxy":                        &net.OpError{Op: "proxyconnect", Err: dial(syscall.ECONNREFUSED)},
		"connect: " + syscall.ECONNREFUSED.Error():  dial(&os.SyscallError{Syscall: "connect", Err: syscall.ECONNREFUSED}),
		"tls: certificate signed by unknown":        &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}},
		"tls: certificate is for another host":      x509.HostnameError{Certificate: &x509.Certificate{}, Host: planted},
		"tls: certificate has expired":              x509.CertificateInvalidError{Reason: x509.Expired, Detail: planted},
		"tls: certificate refused":                  &tls.CertificateVerificationError{Err: errors.New(planted)},
		"tls: the server does not speak TLS":        tls.RecordHeaderError{Msg: planted},
		"tls: handshake refused":                    &net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")},
		"connection: broken off before the answer":  io.ErrUnexpectedEOF,
		"connection: " + syscall.ECONNRESET.Error(): &net.OpError{Op: "read", Err: syscall.ECONNRESET},
		"connection: broken off":                    errors.New(planted),
	} {
		c, _ := script(t, answer{err: err})
		c.down = time.Now() // one try
		_, got := c.List(t.Context(), drift.Policy)
		if e := fault(t, got); e.Reason != drift.ReasonUnreachable || !strings.HasPrefix(e.Message, want) || strings.Contains(got.Error(), planted) {
			t.Errorf("got %v, want %q", got, want)
		}
	}
}

func TestBackoffIsBoundedAndJittered(t *testing.T) {
	seen := map[time.Duration]bool{}
	for n := 1; n < maxTries; n++ {
		for range 200 {
			got, throttled := backoff(n, false), backoff(n, true)
			most := time.Duration(1<<n) * time.Second
			if got < 0 || got >= most || throttled < time.Second || throttled >= most {
				t.Fatalf("try %d: got %s and %s, want below %s", n, got, throttled, most)
			}
			seen[got] = true
		}
	}
	if len(seen) < 500 {
		t.Errorf("got %d different pauses of 600, want jitter", len(seen))
	}
}
