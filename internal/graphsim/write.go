package graphsim

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// Actor is who writes: a person, an app, or Microsoft itself.
type Actor struct {
	Kind string // user, app or microsoft
	ID   string // object id of the user or the service principal
	Name string // user principal name, or the app's display name
	IP   string
}

// Op is what a write does.
type Op string

// The operations.
const (
	Create  Op = "create"
	Update  Op = "update"
	Delete  Op = "delete"
	Restore Op = "restore"
	Purge   Op = "purge"
)

// Write is one write that somebody attempted, refused ones included.
type Write struct {
	Time   time.Time
	Actor  Actor
	Op     Op
	Kind   drift.Kind
	ID     string // empty for a create that was refused
	Name   string // the display name after the write
	Body   string // as it was sent
	Status int    // of the answer
}

// change is a write on its way into the state.
type change struct {
	op   Op
	kind drift.Kind
	id   string
	raw  []byte
	api  version
}

// Writes lists every write since the start, oldest first.
func (t *Tenant) Writes() []Write {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.writes)
}

// write is the one door into the state, for HTTP and for [Admin] alike. It
// returns the body after the write. The caller holds the lock.
func (t *Tenant) write(by Actor, c change) (map[string]any, *Refusal) {
	at := t.tick()
	c.id = strings.ToLower(c.id)
	old := t.sets[c.kind].body(c.id)
	body, refusal := t.carryOut(c, at)
	entry := Write{Time: at, Actor: by, Op: c.op, Kind: c.kind, ID: c.id, Body: string(c.raw)}
	if refusal != nil {
		entry.Status = refusal.Status
	} else {
		entry.ID, _ = body["id"].(string)
		entry.Name, _ = body["displayName"].(string)
		entry.Status = success(c.op)
		t.changed = at
		t.logWrite(entry, old, body)
		t.forget(c.kind)
	}
	t.writes = append(t.writes, entry)
	return body, refusal
}

func success(op Op) int {
	switch op {
	case Create:
		return http.StatusCreated
	case Restore:
		return http.StatusOK
	}
	return http.StatusNoContent
}

func (t *Tenant) carryOut(c change, at time.Time) (map[string]any, *Refusal) {
	t.purgeOld()
	switch c.op {
	case Create:
		return t.create(c, at)
	case Update:
		return t.update(c, at)
	case Delete:
		return t.remove(c, at)
	case Restore:
		return t.restore(c, at)
	}
	body := t.bins[c.kind].body(c.id)
	if body == nil {
		return nil, notFound(c.id)
	}
	t.bins[c.kind].put(c.id, nil, at, t.behaviour.Lag)
	return body, nil
}

func (t *Tenant) create(c change, at time.Time) (map[string]any, *Refusal) {
	patch, err := decodeObject(c.raw)
	if err != nil {
		return nil, schemaMismatch("%v.", err)
	}
	set := t.sets[c.kind]
	blank, refusal := t.newborn(c, patch, at)
	if refusal != nil {
		return nil, refusal
	}
	body, refusal := set.shape.merge(blank, patch, c.api)
	if refusal != nil {
		return nil, refusal
	}
	if refusal := set.shape.complete(body); refusal != nil {
		return nil, refusal
	}
	if refusal := t.check(c.kind, nil, body); refusal != nil {
		return nil, refusal
	}
	id := body["id"].(string)
	if set.body(id) != nil { // only contexts choose their ids
		return nil, badRequest(0, "There is an authentication context '%s' already.", id)
	}
	set.put(id, body, at, t.behaviour.Lag)
	return body, nil
}

// newborn is the body before anything of the request is in it: what the
// server gives a new object of the kind. It takes out of the patch what is
// not a property to be merged.
func (t *Tenant) newborn(c change, patch map[string]any, at time.Time) (map[string]any, *Refusal) {
	own := t.sets[c.kind].shape.of(patch)
	if own == nil {
		return nil, schemaMismatch("'%s' must name a type of named location.", typeTag)
	}
	blank := own.blank()
	if c.kind == drift.NamedLocation {
		blank[typeTag] = patch[typeTag]
		setDefault(blank, "isTrusted", false)
		setDefault(blank, "includeUnknownCountriesAndRegions", false)
		setDefault(blank, "countryLookupMethod", "clientIpAddress")
	}
	if c.kind == drift.AuthenticationContext {
		blank["isAvailable"] = false
		return blank, nameContext(c.id, blank, patch)
	}
	blank["id"] = t.newID()
	setDefault(blank, "createdDateTime", stamp(at))
	if c.kind != drift.Policy || t.behaviour.ModifiedAtBirth {
		setDefault(blank, "modifiedDateTime", stamp(at))
	}
	switch c.kind {
	case drift.Policy:
		blank["conditions"].(map[string]any)["clientAppTypes"] = []any{"all"}
	case drift.AuthenticationStrength:
		blank["policyType"], blank["requirementsSatisfied"] = "custom", "mfa"
		delete(patch, "requirementsSatisfied") // documented in the request, decided by the server
		t.nameConfigurations(patch)
	}
	return blank, nil
}

func setDefault(body map[string]any, name string, value any) {
	if _, has := body[name]; has {
		body[name] = value
	}
}

var contextID = regexp.MustCompile(`^c[1-9][0-9]?$`)

// nameContext settles the id of a context: it is chosen by the client.
func nameContext(id string, blank, patch map[string]any) *Refusal {
	if id == "" {
		id, _ = patch["id"].(string)
	}
	delete(patch, "id")
	if !contextID.MatchString(id) {
		return badRequest(0, "The id of an authentication context is c1 to c99.")
	}
	blank["id"] = id
	return nil
}

// nameConfigurations gives ids to the combination configurations of a strength.
func (t *Tenant) nameConfigurations(patch map[string]any) {
	list, _ := patch["combinationConfigurations"].([]any)
	for _, member := range list {
		if config, ok := member.(map[string]any); ok && config["id"] == nil {
			config["id"] = t.newID()
		}
	}
}

func (t *Tenant) update(c change, at time.Time) (map[string]any, *Refusal) {
	set := t.sets[c.kind]
	old := set.body(c.id)
	if old == nil {
		if c.kind == drift.AuthenticationContext {
			return t.create(c, at) // documented as an upsert
		}
		return nil, notFound(c.id)
	}
	patch, err := decodeObject(c.raw)
	if err != nil {
		return nil, schemaMismatch("%v.", err)
	}
	if c.kind == drift.NamedLocation && patch[typeTag] != old[typeTag] {
		return nil, schemaMismatch("'%s' must be there and cannot change.", typeTag)
	}
	if c.kind == drift.AuthenticationContext {
		delete(patch, "id")
	}
	if c.kind == drift.AuthenticationStrength {
		t.nameConfigurations(patch)
	}
	body, refusal := set.shape.merge(old, patch, c.api)
	if refusal != nil {
		return nil, refusal
	}
	if refusal := managed(old, body); refusal != nil {
		return nil, refusal
	}
	if refusal := t.check(c.kind, old, body); refusal != nil {
		return nil, refusal
	}
	// Whether a PATCH that changes nothing moves the time is not known; it
	// does here, so that clients do not trust the time alone.
	if _, timed := body["modifiedDateTime"]; timed {
		body["modifiedDateTime"] = stamp(later(at, old["modifiedDateTime"]))
	}
	set.put(c.id, body, at, t.behaviour.Lag)
	return body, nil
}

// later keeps modifiedDateTime from going back when a seeded object comes
// from the future of the test's clock.
func later(at time.Time, last any) time.Time {
	text, _ := last.(string)
	if before, err := time.Parse(time.RFC3339Nano, text); err == nil && !at.After(before) {
		return before.Add(100 * time.Nanosecond)
	}
	return at
}

func (t *Tenant) remove(c change, at time.Time) (map[string]any, *Refusal) {
	set := t.sets[c.kind]
	body := set.body(c.id)
	if body == nil {
		return nil, notFound(c.id)
	}
	if refusal := t.mayDelete(c.kind, body); refusal != nil {
		return nil, refusal
	}
	set.put(c.id, nil, at, t.behaviour.Lag)
	if bin := t.bins[c.kind]; bin != nil {
		deleted := maps.Clone(body)
		deleted["deletedDateTime"] = stamp(at.Truncate(time.Second)) // whole seconds, as seen
		bin.put(c.id, deleted, at, t.behaviour.Lag)
	}
	return body, nil
}

func (t *Tenant) restore(c change, at time.Time) (map[string]any, *Refusal) {
	deleted := t.bins[c.kind].body(c.id)
	if deleted == nil {
		return nil, notFound(c.id)
	}
	body := maps.Clone(deleted)
	body["deletedDateTime"] = nil
	body["modifiedDateTime"] = stamp(later(at, deleted["modifiedDateTime"]))
	t.bins[c.kind].put(c.id, nil, at, t.behaviour.Lag)
	t.sets[c.kind].put(c.id, body, at, t.behaviour.Lag)
	return body, nil
}

// purgeOld empties the bins of what was deleted 30 days ago.
func (t *Tenant) purgeOld() {
	now := time.Now()
	for _, bin := range t.bins {
		for _, rec := range bin.all() {
			if rev := rec.now(); rev.body != nil && now.Sub(rev.from) >= 30*24*time.Hour {
				bin.put(rec.id, nil, now, 0)
			}
		}
	}
}
