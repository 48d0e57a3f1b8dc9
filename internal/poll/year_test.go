package poll_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cadrift/cadrift/internal/graphsim"
	"github.com/cadrift/cadrift/internal/poll"
)

// seedOf is the seed of a random test: CADRIFT_SEED, or the one given.
func seedOf(t *testing.T, fallback uint64) uint64 {
	t.Helper()
	if s := os.Getenv("CADRIFT_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		must(t, err)
		return n
	}
	return fallback
}

// long tells whether full counts were asked for.
func long() bool { return os.Getenv("CADRIFT_LONG") != "" }

// TestYear lets a year pass at one pass a minute over a full tenant with ten
// changes a day; everyday runs let two days pass.
func TestYear(t *testing.T) {
	days, seed := 2, seedOf(t, 20261121)
	if long() {
		days = 365
	}
	inRig(t, func(o *poll.Options) { o.AutoPin = true }, func(r *rig) {
		r.tenant.Tune(func(b *graphsim.Behaviour) { b.RequestsPerSecond, b.NoGzip = 0, true })
		a := &administrator{r: r, rnd: rand.New(rand.NewPCG(seed, 1))}
		a.hire(240, 195)
		r.start()
		time.Sleep(2 * time.Minute)
		started, changes := time.Now(), 0
		for range days * 10 {
			time.Sleep(144 * time.Minute)
			a.change()
			changes++
		}
		time.Sleep(5 * time.Minute)
		status := r.watcher.Status()
		if got := len(r.events()) - 1; got < changes {
			t.Errorf("%d changes gave %d events", changes, got)
		}
		before := r.store.Size()
		after, err := r.store.Backup(io.Discard)
		must(t, err)
		t.Logf("seed %d: %v simulated, %d changes, %d revisions: store %.1f MB, backup %.1f MB",
			seed, time.Since(started).Round(time.Hour), changes, status.Revision, mb(before), mb(after))
		if limit := 50.0; mb(after) > limit {
			t.Errorf("backup is %.1f MB, want at most %.0f MB", mb(after), limit)
		}
	})
}

func mb(n int64) float64 { return float64(n) / 1e6 }

// administrator fills a tenant and changes it at random.
type administrator struct {
	r                   *rig
	rnd                 *rand.Rand
	policies, locations []string
}

// guid is a random id, always the same for the same seed.
func (a *administrator) guid() string {
	return fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", a.rnd.Uint32(), a.rnd.Uint32()&0xffff, a.rnd.Uint32()&0xfff, a.rnd.Uint32()&0xfff, a.rnd.Uint64()&0xffffffffffff)
}

func (a *administrator) guids(n int) string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = strconv.Quote(a.guid())
	}
	return "[" + strings.Join(ids, ",") + "]"
}

// hire makes policies of about 4 KB and locations of a dozen ranges.
func (a *administrator) hire(policies, locations int) {
	for i := range locations {
		var ranges []string
		for j := range 12 {
			ranges = append(ranges, fmt.Sprintf(`{"@odata.type":"#microsoft.graph.iPv4CidrRange","cidrAddress":"10.%d.%d.0/24"}`, i, j))
		}
		id, err := a.r.admin.CreateLocation(fmt.Sprintf(`{"@odata.type":"#microsoft.graph.ipNamedLocation","displayName":"Branch %03d","isTrusted":%t,"ipRanges":[%s]}`, i, i%4 == 0, strings.Join(ranges, ",")))
		must(a.r.t, err)
		a.locations = append(a.locations, id)
	}
	for i := range policies {
		id := a.r.policy(fmt.Sprintf("CA%03d", i), fmt.Sprintf(
			`"conditions":{"users":{"includeUsers":["All"],"excludeUsers":%s,"excludeGroups":%s},"applications":{"includeApplications":["All"],"excludeApplications":%s},"clientAppTypes":["all"],"locations":{"includeLocations":["All"],"excludeLocations":[%q]}},%s`,
			a.guids(25), a.guids(20), a.guids(10), a.locations[i%len(a.locations)], mfa))
		a.policies = append(a.policies, id)
	}
}

// change makes one ordinary change.
func (a *administrator) change() {
	id := a.policies[a.rnd.IntN(len(a.policies))]
	var err error
	switch a.rnd.IntN(6) {
	case 0:
		err = a.r.admin.PatchPolicy(id, fmt.Sprintf(`{"state":%q}`, []string{"enabled", "disabled", "enabledForReportingButNotEnforced"}[a.rnd.IntN(3)]))
	case 1:
		err = a.r.admin.PatchPolicy(id, fmt.Sprintf(`{"displayName":"CA renamed %d"}`, a.rnd.IntN(1e6)))
	case 2:
		location := a.locations[a.rnd.IntN(len(a.locations))]
		err = a.r.admin.PatchLocation(location, fmt.Sprintf(`{"@odata.type":"#microsoft.graph.ipNamedLocation","isTrusted":%t}`, a.rnd.IntN(2) == 0))
	default:
		err = a.r.admin.PatchPolicy(id, fmt.Sprintf(`{"conditions":{"users":{"excludeUsers":%s}}}`, a.guids(20+a.rnd.IntN(10))))
	}
	must(a.r.t, err)
}
