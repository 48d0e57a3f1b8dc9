package store

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// tenantCheck checks one tenant. Each check returns the first problem that it
// finds.
type tenantCheck struct {
	*verifier
	tenantRecord
	prefix []byte
	// states are the digests of the kept revisions, sound the blobs that hold
	// what they should.
	states map[uint64]drift.Digest
	sound  map[drift.Digest]bool
}

// name checks that the tenant's name leads to it.
func (c *tenantCheck) name() error {
	id, ok, err := get[string](c.tx, bucketNames, key(c.Name))
	if err == nil && (!ok || !bytes.Equal(tenantKey(id), c.prefix)) {
		err = damaged(bucketNames, key(c.Name), "does not lead to tenant "+c.TenantID)
	}
	return err
}

// body checks that a form's bytes are there and are its own.
func (c *tenantCheck) body(r objectRecord) error {
	if r.Gone || c.sound[r.Blob] {
		return nil
	}
	if _, err := newForms(c.tx, c.TenantID).object(r); err != nil {
		return err
	}
	c.sound[r.Blob] = true
	return c.tick()
}

// revisions rebuilds every kept state from the versions and compares its
// digest.
func (c *tenantCheck) revisions() error {
	state := map[string]objectRecord{} // by stored key
	if c.First > 0 {
		err := c.tx.versionsAt(c.TenantID, c.First, func(k []byte, v objectRecord) error {
			state[string(k)] = v
			return nil
		})
		if err != nil {
			return err
		}
	}
	next, changes := c.First, 0
	err := c.tx.each(bucketRevisions, c.prefix, nil, func(k, payload []byte) error {
		r, err := decode[revisionRecord](bucketRevisions, k, payload)
		if err != nil {
			return err
		}
		if number(k) != next {
			return damaged(bucketRevisions, numbered(c.prefix, next), "missing")
		}
		next++
		for _, changed := range r.Changed {
			if err := c.apply(state, changed, number(k)); err != nil {
				return err
			}
		}
		if number(k) > c.First {
			changes += len(r.Changed)
		}
		if digestOf(state) != r.Digest {
			return damaged(bucketRevisions, k, "the versions do not have its digest")
		}
		c.states[number(k)] = r.Digest
		return c.tick()
	})
	if err == nil && c.Revision > 0 && next != c.Revision+1 {
		err = damaged(bucketRevisions, numbered(c.prefix, next), "missing")
	}
	if err != nil {
		return err
	}
	return c.versions(changes)
}

// apply changes state by one change of a revision.
func (c *tenantCheck) apply(state map[string]objectRecord, changed changedRecord, revision uint64) error {
	k := drift.Key{Kind: changed.Kind, ID: changed.ID}
	at := versionKey(c.TenantID, k, revision)
	v, ok, err := get[objectRecord](c.tx, bucketVersions, at)
	switch {
	case err != nil:
		return err
	case !ok || v.Gone != changed.Gone || v.Revision != revision:
		return damaged(bucketVersions, at, "is not what its revision says")
	case v.Gone:
		delete(state, string(objectKey(c.TenantID, k)))
	default:
		state[string(objectKey(c.TenantID, k))] = v
	}
	return nil
}

// digestOf is the digest of a state, as a revision has it.
func digestOf(state map[string]objectRecord) drift.Digest {
	keys := make([]string, 0, len(state))
	for k := range state {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	var d digester
	for _, k := range keys {
		r := state[k]
		d.add(r.key(), r.Digest)
	}
	return d.digest()
}

// versions checks that there are as many as the revisions changed, and the
// body of each.
func (c *tenantCheck) versions(changes int) error {
	n := 0
	err := c.tx.each(bucketVersions, c.prefix, nil, func(k, payload []byte) error {
		v, err := decode[objectRecord](bucketVersions, k, payload)
		if err != nil {
			return err
		}
		if number(k) > c.First {
			n++
		}
		return c.body(v)
	})
	if err == nil && n != changes {
		err = fmt.Errorf("%w: tenant %s has %d versions, its revisions changed %d", ErrCorrupt, c.Name, n, changes)
	}
	return err
}

// newest checks the newest forms against the newest revision.
func (c *tenantCheck) newest() error {
	if err := c.bodiesIn(bucketLatest); err != nil {
		return err
	}
	d, err := c.tx.newestDigest(c.TenantID)
	if err == nil && d != c.states[c.Revision] && (c.Revision > 0 || d != digestOf(nil)) {
		err = fmt.Errorf("%w: the newest objects of tenant %s are not those of revision %d", ErrCorrupt, c.Name, c.Revision)
	}
	return err
}

// bodiesIn checks the bodies of the forms in latest or in the baseline.
func (c *tenantCheck) bodiesIn(bucket string) error {
	return c.tx.each(bucket, c.prefix, nil, func(k, payload []byte) error {
		r, err := decode[objectRecord](bucket, k, payload)
		if err != nil {
			return err
		}
		return c.body(r)
	})
}

// chain follows the hash chain from the checkpoint to the head.
func (c *tenantCheck) chain() error {
	erased, _, err := get[time.Time](c.tx, bucketStore, []byte(keyErased))
	if err != nil {
		return err
	}
	at := c.Checkpoint
	err = c.tx.each(bucketChain, c.prefix, nil, func(k, payload []byte) error {
		l, err := parseChained(k, payload)
		if err != nil {
			return err
		}
		// What lies before the checkpoint is kept for a finding or a delivery;
		// its neighbours are gone, so only its own parts can be checked.
		if l.record.Seq > c.Checkpoint.Seq {
			switch {
			case l.record.Seq != at.Seq+1:
				return damaged(bucketChain, numbered(c.prefix, at.Seq+1), "missing")
			case link(at.Hash, l.text) != l.hash:
				return damaged(bucketChain, k, "the hash does not follow from the one before")
			}
			at = drift.Head{Seq: l.record.Seq, Hash: l.hash}
		}
		if err := c.linked(k, &l.record, erased); err != nil {
			return err
		}
		return c.tick()
	})
	if err == nil && at != c.Head {
		err = damaged(bucketChain, numbered(c.prefix, at.Seq), fmt.Sprintf("the chain ends here, its head is %d", c.Head.Seq))
	}
	return err
}

// linked checks what a chain record refers to.
func (c *tenantCheck) linked(k []byte, r *chainRecord, erased time.Time) error {
	if !bytes.Equal(tenantKey(r.TenantID), c.prefix) {
		return damaged(bucketChain, k, "belongs to tenant "+r.TenantID)
	}
	if state, ok := c.states[r.Revision]; ok && !r.State.IsZero() && state != r.State {
		return damaged(bucketChain, k, fmt.Sprintf("revision %d has another digest", r.Revision))
	}
	bucket := bucketNotes
	if r.isEvent() {
		bucket = bucketEvents
	}
	body, err := c.tx.read(bucket, k)
	if err != nil {
		return err
	}
	if body == nil && !r.Body.IsZero() || body != nil && sha256.Sum256(body) != r.Body {
		return damaged(bucket, k, "is not the body that was chained")
	}
	who, err := c.tx.read(bucketPeople, k)
	switch {
	case err != nil:
		return err
	case who == nil && !r.Actor.IsZero() && !r.Time.Before(erased):
		return damaged(bucketPeople, k, "missing, and was not erased")
	case who != nil && commitment(who) != r.Actor:
		return damaged(bucketPeople, k, "is not the actor that was chained")
	}
	return nil
}

// bodies checks that nothing lies beside the chain.
func (c *tenantCheck) bodies() error {
	chain, err := c.tx.bucket(bucketChain)
	if err != nil {
		return err
	}
	for _, bucket := range []string{bucketEvents, bucketNotes, bucketPeople} {
		err := c.tx.eachValue(bucket, c.prefix, nil, func(k, _ []byte) error {
			if chain.Get(k) == nil {
				return damaged(bucket, k, "has no chain record")
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// baseline checks the bodies of the baseline.
func (c *tenantCheck) baseline() error { return c.bodiesIn(bucketBaseline) }

// sums checks baseline, findings and entries against the tenant's record.
func (c *tenantCheck) sums() error { return c.tx.checkSums(&c.tenantRecord) }
