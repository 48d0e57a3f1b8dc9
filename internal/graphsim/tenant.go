package graphsim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// Tenant is the state of one simulated tenant. It is safe for concurrent use;
// nothing waits while its lock is held.
type Tenant struct {
	// ID is the tenant id, Name its display name.
	ID, Name string

	model *model

	mu        sync.Mutex
	behaviour Behaviour
	random    *rand.Rand
	last      time.Time // of the last attempt to write: times never repeat
	changed   time.Time // of the last write that changed something
	revoked   uint64    // tokens with a lower serial are void
	sets      map[drift.Kind]*collection
	bins      map[drift.Kind]*collection
	hidden    map[string]bool
	apps      map[string]*App
	directory map[string]*entry
	audit     []auditEntry // in the order of the writes
	writes    []Write
	throttle  throttle
	pages     map[string]*page // whole answers by request, until the next write
}

// Behaviour is how the service treats this tenant. The zero value of a field
// is the friendly one; a tenant of [Server.AddTenant] starts with a limit of
// one request a second for Conditional Access and of 240 policies.
type Behaviour struct {
	// RequestsPerSecond limits /identity/conditionalAccess; 0 is no limit.
	RequestsPerSecond float64
	// RetryAfter is sent with a 429. The real service sends none there.
	RetryAfter string
	// NeighbourPerSecond is what other apps of the tenant take from the same
	// budget.
	NeighbourPerSecond float64
	// Lag is how long after a write a read may meet a replica that has not
	// seen it; StaleChance is how likely (0: one half).
	Lag         time.Duration
	StaleChance float64
	// PageSize cuts listings; 0 sends everything in one page. EmptyPage puts
	// an empty page with a nextLink in front.
	PageSize  int
	EmptyPage bool
	// ModifiedAtBirth gives new policies a modifiedDateTime equal to
	// createdDateTime instead of null. Both have been seen.
	ModifiedAtBirth bool
	// DeletedItemsStatus is the answer where deletedItems does not exist
	// (national clouds): 403, 404, 405 or 501; 0: it exists.
	DeletedItemsStatus int
	// BareStrengths leaves combinationConfigurations out of strengths, as a
	// navigation property that nobody expanded.
	BareStrengths bool
	// OldErrors puts the numbered text into innerError.message.
	OldErrors bool
	// PolicyLimit is the most policies; 0 is no limit.
	PolicyLimit int
	// KnownApps are the appIds with a service principal here; a policy that
	// names another one is refused. Nil accepts every id.
	KnownApps []string
	// AuditLeast is the least by which the audit log shows a record late, and
	// AuditDelay the most that comes on top; the real one takes up to a quarter
	// of an hour. SplitAudits writes the body before and the body after into two
	// records of one correlation.
	AuditLeast  time.Duration
	AuditDelay  time.Duration
	SplitAudits bool
	// BareTypes are types (user, group, servicePrincipal) of which the app may
	// read nothing but the id.
	BareTypes []string
	// NoGzip ignores Accept-Encoding: a simulated year need not be compressed.
	NoGzip bool
	// TokenLifetime is how long tokens live; 0 is 3599 seconds.
	TokenLifetime time.Duration
}

func newTenant(id, name string, m *model, seed uint64) *Tenant {
	t := &Tenant{
		ID: id, Name: name, model: m,
		behaviour: Behaviour{RequestsPerSecond: 1, PolicyLimit: 240},
		random:    rand.New(rand.NewPCG(seed, uint64(len(name)))),
		hidden:    make(map[string]bool),
		apps:      make(map[string]*App),
		directory: make(map[string]*entry),
		pages:     make(map[string]*page),
		sets: map[drift.Kind]*collection{
			drift.Policy:                 newCollection(m.policy),
			drift.NamedLocation:          newCollection(m.location),
			drift.AuthenticationStrength: newCollection(m.strength),
			drift.AuthenticationContext:  newCollection(m.context),
			drift.SecurityDefaults:       newCollection(m.securityDefaults),
		},
		bins: map[drift.Kind]*collection{
			drift.Policy:        newCollection(m.policy),
			drift.NamedLocation: newCollection(m.location),
		},
	}
	t.furnish()
	return t
}

// Tune changes the behaviour of the service towards this tenant.
func (t *Tenant) Tune(change func(*Behaviour)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	change(&t.behaviour)
	t.forget(drift.AuthenticationStrength)
}

// HideFromV1 makes v1.0 leave an object out, as it does with policies that
// use features only beta knows.
func (t *Tenant) HideFromV1(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.hidden[strings.ToLower(id)] = true
	t.forget(drift.Policy)
}

// IDs lists the ids of a kind as they are right now, in listing order.
func (t *Tenant) IDs(kind drift.Kind) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var ids []string
	for _, rec := range t.sets[kind].all() {
		if rec.now().body != nil {
			ids = append(ids, rec.id)
		}
	}
	return ids
}

// Body is the stored form of an object right now, beta properties included,
// strengths as references; nil when there is none.
func (t *Tenant) Body(kind drift.Kind, id string) []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	body := t.sets[kind].body(id)
	if body == nil {
		return nil
	}
	return encode(body)
}

// forget drops the answers that were made from the state before. Policies show
// their strength in full, so a strength that changed makes them stale too.
func (t *Tenant) forget(kind drift.Kind) {
	clear(t.pages)
	if kind != drift.AuthenticationStrength {
		return
	}
	for _, kind := range []drift.Kind{drift.Policy, drift.AuthenticationStrength} {
		for _, rec := range t.sets[kind].all() {
			clear(rec.now().wire)
		}
	}
}

// tick is now, made unique: two writes never carry the same time. The service
// keeps seven digits.
func (t *Tenant) tick() time.Time {
	now := time.Now().UTC().Truncate(100 * time.Nanosecond)
	if !now.After(t.last) {
		now = t.last.Add(100 * time.Nanosecond)
	}
	t.last = now
	return now
}

// stamp writes a time as the service does: up to seven digits, trailing zeros
// trimmed.
func stamp(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.9999999Z") }

// newID is a random id of version 4, from the tenant's seed.
func (t *Tenant) newID() string {
	a, b := t.random.Uint64(), t.random.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x", a>>32, a>>16&0xffff, a&0xfff, b>>48&0x3fff|0x8000, b&0xffffffffffff)
}

// view is the moment whose state a read shows: now, or the moment before the
// last writes when the read meets a stale replica.
func (t *Tenant) view() (at time.Time, stale bool) {
	now := time.Now()
	lag := t.behaviour.Lag
	if lag <= 0 || t.changed.IsZero() || now.Sub(t.changed) >= lag {
		return time.Time{}, false
	}
	chance := t.behaviour.StaleChance
	if chance == 0 {
		chance = 0.5
	}
	if t.random.Float64() >= chance {
		return time.Time{}, false
	}
	return now.Add(-lag), true
}

// collection is the objects of one kind, in the order of their creation.
type collection struct {
	shape   *shape
	order   []string
	records map[string]*record
}

// record is the history of one object as far as a stale replica may show it.
type record struct {
	id       string
	versions []*revision
}

// revision is one state of an object. Bodies are never changed in place.
type revision struct {
	from time.Time
	body map[string]any // nil: the object is not there
	// wire holds the encoded form per lens, so that a listing of many objects
	// costs little while few of them change.
	wire map[lens][]byte
}

func newCollection(s *shape) *collection {
	return &collection{shape: s, records: make(map[string]*record)}
}

func (c *collection) all() []*record {
	list := make([]*record, len(c.order))
	for i, id := range c.order {
		list[i] = c.records[id]
	}
	return list
}

// body is the present body of an object, nil when there is none.
func (c *collection) body(id string) map[string]any {
	if rec := c.records[strings.ToLower(id)]; rec != nil {
		return rec.now().body
	}
	return nil
}

// put makes body the state of the object from that time on; nil removes it.
// Versions that no replica can still show are dropped.
func (c *collection) put(id string, body map[string]any, at time.Time, lag time.Duration) {
	id = strings.ToLower(id)
	rec := c.records[id]
	if rec == nil {
		rec = &record{id: id}
		c.records[id] = rec
		c.order = append(c.order, id)
	}
	rec.versions = append(rec.versions, &revision{from: at, body: body, wire: make(map[lens][]byte)})
	for len(rec.versions) > 1 && !rec.versions[1].from.After(at.Add(-lag)) {
		rec.versions = rec.versions[1:]
	}
	c.order = slices.DeleteFunc(c.order, func(id string) bool {
		newest := c.records[id].now()
		gone := newest.body == nil && !newest.from.After(at.Add(-lag))
		if gone {
			delete(c.records, id)
		}
		return gone
	})
}

func (r *record) now() *revision { return r.versions[len(r.versions)-1] }

// at is the revision that a replica of that moment shows; the zero time means
// now. Nil: nothing was there yet.
func (r *record) at(moment time.Time) *revision {
	if moment.IsZero() {
		return r.now()
	}
	for _, rev := range slices.Backward(r.versions) {
		if !rev.from.After(moment) {
			return rev
		}
	}
	return nil
}
