package store

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// tenantRecord is what the store knows of a tenant besides its objects. It is
// written with every commit.
type tenantRecord struct {
	Name     string `json:"name"`
	TenantID string `json:"tenant_id"`
	Revision uint64 `json:"revision"`
	// First is the oldest revision that was not pruned.
	First uint64     `json:"first,omitempty"`
	Head  drift.Head `json:"head"`
	// Checkpoint is the head that pruning left: the chain goes on from it.
	Checkpoint   drift.Head      `json:"checkpoint"`
	LastGood     time.Time       `json:"last_good,omitzero"`
	Seen         []drift.Kind    `json:"seen,omitempty"`
	GraphVersion string          `json:"graph_version,omitempty"`
	Absences     []absenceRecord `json:"absences,omitempty"`
	Blind        []drift.Blind   `json:"blind,omitempty"`
	// Baseline is the baseline without its objects.
	Baseline *drift.Baseline `json:"baseline,omitempty"`
	// Sums are digests of whole buckets, as far as the tenant goes, whose
	// records nothing else counts: they make a lost record visible.
	Sums map[string]drift.Digest `json:"sums,omitempty"`
}

type absenceRecord struct {
	Kind drift.Kind `json:"kind"`
	ID   string     `json:"id"`
	drift.Absence
}

// sumOf is the digest of a tenant's part of a bucket: of its keys and seals.
func (t *tx) sumOf(bucket, tenantID string) (drift.Digest, error) {
	h := sha256.New()
	n := 0
	err := t.eachValue(bucket, tenantKey(tenantID), nil, func(k, value []byte) error {
		h.Write(k)
		h.Write(value[:min(len(value), 1+sealLen)])
		n++
		return nil
	})
	if n == 0 {
		return drift.Digest{}, err
	}
	return drift.Digest(h.Sum(nil)), err
}

// resum brings the sums of the named buckets up to date.
func (t *tx) resum(r *tenantRecord, buckets ...string) error {
	for _, bucket := range buckets {
		d, err := t.sumOf(bucket, r.TenantID)
		if err != nil {
			return err
		}
		if r.Sums == nil {
			r.Sums = map[string]drift.Digest{}
		}
		r.Sums[bucket] = d
	}
	return nil
}

// tenant is a tenant's record. A tenant that has a name and no record lost it,
// which must not pass for a tenant that was never seen.
func (t *tx) tenant(tenantID string) (tenantRecord, bool, error) {
	r, ok, err := get[tenantRecord](t, bucketTenants, tenantKey(tenantID))
	if ok || err != nil {
		return r, ok, err
	}
	err = t.each(bucketNames, nil, nil, func(k, payload []byte) error {
		id, err := decode[string](bucketNames, k, payload)
		if err == nil && strings.EqualFold(id, tenantID) {
			err = damaged(bucketTenants, tenantKey(tenantID), fmt.Sprintf("missing, the name %q leads to it", firstPart(k)))
		}
		return err
	})
	return r, false, err
}

// bound is the tenant's record, an error when the tenant has no name yet.
func (t *tx) bound(tenantID string) (tenantRecord, error) {
	r, ok, err := t.tenant(tenantID)
	if err == nil && !ok {
		err = fmt.Errorf("tenant %s: %w: it was never bound to a name", tenantID, drift.ErrNotFound)
	}
	return r, err
}

// Bind ties a tenant's name to its tenant_id. A tenant may take a new name;
// a name stays with its tenant_id for ever, because event ids begin with it.
// The error is ErrBound when the name belongs to another tenant_id.
func (s *Store) Bind(name, tenantID string) error {
	if name == "" || tenantID == "" {
		return fmt.Errorf("bind tenant %q to %q: both are needed", name, tenantID)
	}
	var done bool
	check := func(t *tx) error {
		id, named, err := get[string](t, bucketNames, key(name))
		if err != nil {
			return err
		}
		if named && !strings.EqualFold(id, tenantID) {
			return fmt.Errorf("bind tenant %s to %s: %w: it is %s in %s\nhint: give the new tenant another name, or another state_dir",
				name, tenantID, ErrBound, id, s.path)
		}
		r, ok, err := t.tenant(tenantID)
		done = named && ok && r.Name == name
		return err
	}
	if err := s.view(check); err != nil || done {
		return err
	}
	return s.update("bind tenant "+name, func(t *tx) error {
		if err := check(t); err != nil || done {
			return err
		}
		r, ok, err := t.tenant(tenantID)
		if err != nil {
			return err
		}
		if !ok {
			r.TenantID = tenantID
		}
		r.Name = name
		if err := t.put(bucketNames, key(name), r.TenantID); err != nil {
			return err
		}
		return t.put(bucketTenants, tenantKey(tenantID), r)
	})
}

// Tenant is a tenant as the store lists it.
type Tenant struct {
	Name     string     `json:"name"`
	TenantID string     `json:"tenant_id"`
	Revision uint64     `json:"revision"`
	Head     drift.Head `json:"head"`
	LastGood time.Time  `json:"last_good,omitzero"`
}

// Tenants lists every tenant of the store, by tenant_id.
func (s *Store) Tenants() ([]Tenant, error) {
	var all []Tenant
	err := s.view(func(t *tx) error {
		records, err := t.tenants()
		for _, r := range records {
			all = append(all, Tenant{r.Name, r.TenantID, r.Revision, r.Head, r.LastGood})
		}
		return err
	})
	return all, err
}

func (t *tx) tenants() ([]tenantRecord, error) {
	var all []tenantRecord
	err := t.each(bucketTenants, nil, nil, func(k, payload []byte) error {
		r, err := decode[tenantRecord](bucketTenants, k, payload)
		all = append(all, r)
		return err
	})
	return all, err
}

// Load returns all that is durable of a tenant, and a fresh state for a tenant
// that the store does not know.
func (s *Store) Load(tenantID string) (drift.State, error) {
	state := drift.State{
		TenantID: tenantID,
		Objects:  map[drift.Key]drift.Object{},
		Absences: map[drift.Key]drift.Absence{},
		Findings: map[drift.Key]drift.Finding{},
	}
	err := s.view(func(t *tx) error {
		r, ok, err := t.tenant(tenantID)
		if err != nil || !ok {
			return err
		}
		state.Tenant, state.TenantID = r.Name, r.TenantID
		state.Revision, state.Head, state.LastGood = r.Revision, r.Head, r.LastGood
		state.Seen, state.GraphVersion, state.Baseline, state.Blind = r.Seen, r.GraphVersion, r.Baseline, r.Blind
		for _, a := range r.Absences {
			state.Absences[drift.Key{Kind: a.Kind, ID: a.ID}] = a.Absence
		}
		if err := t.loadObjects(&state); err != nil {
			return err
		}
		return t.loadComplete(&r)
	})
	return state, err
}

// loadComplete checks that no record of a state is missing: a lost object or
// finding would look like a change of the tenant.
func (t *tx) loadComplete(r *tenantRecord) error {
	if err := t.checkSums(r); err != nil || r.Revision == 0 {
		return err
	}
	revision, err := t.revision(r.TenantID, r.Revision)
	if errors.Is(err, drift.ErrNotFound) {
		return damaged(bucketRevisions, numbered(tenantKey(r.TenantID), r.Revision), "missing")
	}
	if err != nil {
		return err
	}
	d, err := t.newestDigest(r.TenantID)
	if err == nil && d != revision.Digest {
		err = fmt.Errorf("%w: the newest objects of tenant %s are not those of revision %d", ErrCorrupt, r.Name, r.Revision)
	}
	return err
}

// newestDigest is the digest of a tenant's newest state.
func (t *tx) newestDigest(tenantID string) (drift.Digest, error) {
	var d digester
	err := t.each(bucketLatest, tenantKey(tenantID), nil, func(k, payload []byte) error {
		r, err := decode[objectRecord](bucketLatest, k, payload)
		d.add(r.key(), r.Digest)
		return err
	})
	return d.digest(), err
}

// checkSums checks that nothing was lost of what no other record counts.
func (t *tx) checkSums(r *tenantRecord) error {
	for _, bucket := range []string{bucketBaseline, bucketFindings, bucketEntries} {
		d, err := t.sumOf(bucket, r.TenantID)
		if err != nil {
			return err
		}
		if d != r.Sums[bucket] {
			return fmt.Errorf("%w: bucket %s of tenant %s is not what was written", ErrCorrupt, bucket, r.Name)
		}
	}
	return nil
}

func (t *tx) loadObjects(state *drift.State) error {
	forms := newForms(t, state.TenantID)
	prefix := tenantKey(state.TenantID)
	into := func(bucket string, objects map[drift.Key]drift.Object) error {
		return t.each(bucket, prefix, nil, func(k, payload []byte) error {
			r, err := decode[objectRecord](bucket, k, payload)
			if err != nil {
				return err
			}
			o, err := forms.object(r)
			objects[o.Key()] = o
			return err
		})
	}
	if err := into(bucketLatest, state.Objects); err != nil {
		return err
	}
	if state.Baseline != nil {
		state.Baseline.Objects = map[drift.Key]drift.Object{}
		if err := into(bucketBaseline, state.Baseline.Objects); err != nil {
			return err
		}
	}
	return t.each(bucketFindings, prefix, nil, func(k, payload []byte) error {
		f, err := decode[drift.Finding](bucketFindings, k, payload)
		state.Findings[f.Key()] = f
		return err
	})
}
