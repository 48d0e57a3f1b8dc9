package app

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

type ends struct{ at time.Time }

func (e *ends) Expiry() (time.Time, bool) { return e.at, !e.at.IsZero() }

// The gauge once showed the date of the certificate that the daemon started
// with, whatever had been put in its place since.
func TestExpiryFollowsTheCertificate(t *testing.T) {
	e := newExpiries()
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(e)
	c := &ends{time.Unix(1000, 0)}
	e.put("contoso", c)
	e.put("secret", &ends{})
	if got := testutil.ToFloat64(e); got != 1000 {
		t.Errorf("got %v, want 1000", got)
	}
	c.at = time.Unix(2000, 0)
	if got := testutil.ToFloat64(e); got != 2000 {
		t.Errorf("after a renewal: got %v, want 2000", got)
	}
	e.forget("contoso")
	if n := testutil.CollectAndCount(e); n != 0 {
		t.Errorf("%d series of a tenant that is gone", n)
	}
}
