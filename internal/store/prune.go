package store

import (
	"bytes"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// PruneReport tells what a pruning dropped.
type PruneReport struct {
	Records, Revisions, Versions, Blobs int
	// Checkpoint is the head from which the chain goes on.
	Checkpoint drift.Head
}

// Prune drops what a tenant's history holds from before a time: chain
// records with their bodies, revisions, versions, and bodies of objects that
// nothing refers to. It keeps the baseline, open findings with their last
// event, undelivered events, the newest snapshot, and what the kept revisions
// need to be rebuilt. The chain goes on from the checkpoint that it leaves.
func (s *Store) Prune(tenantID string, before time.Time) (PruneReport, error) {
	var report PruneReport
	err := s.update("prune tenant "+tenantID, func(t *tx) error {
		report = PruneReport{}
		r, err := t.bound(tenantID)
		if err != nil {
			return err
		}
		if err := t.pruneChain(&r, before, &report); err != nil {
			return err
		}
		if err := t.pruneVersions(&r, before, &report); err != nil {
			return err
		}
		if report.Blobs, err = t.sweepBlobs(tenantID); err != nil {
			return err
		}
		report.Checkpoint = r.Checkpoint
		return t.put(bucketTenants, tenantKey(tenantID), r)
	})
	if err != nil {
		return PruneReport{}, err
	}
	return report, nil
}

// pruneChain drops the records before the first one that is young enough.
// Sequence decides, not time: a chain with holes proves nothing.
func (t *tx) pruneChain(r *tenantRecord, before time.Time, report *PruneReport) error {
	keep, err := t.referenced(r)
	if err != nil {
		return err
	}
	var drop [][]byte
	err = t.each(bucketChain, tenantKey(r.TenantID), nil, func(k, payload []byte) error {
		c, err := parseChained(k, payload)
		if err != nil {
			return err
		}
		if c.record.Seq > r.Checkpoint.Seq {
			if !c.record.Time.Before(before) {
				return errStop
			}
			r.Checkpoint = drift.Head{Seq: c.record.Seq, Hash: c.hash}
		}
		if !keep[c.record.Seq] {
			drop = append(drop, k)
		}
		return nil
	})
	if err != nil {
		return err
	}
	report.Records = len(drop)
	for _, bucket := range []string{bucketChain, bucketEvents, bucketNotes, bucketPeople} {
		if err := t.del(bucket, drop...); err != nil {
			return err
		}
	}
	return nil
}

// referenced are the events that open findings and deliveries lead to.
func (t *tx) referenced(r *tenantRecord) (map[uint64]bool, error) {
	keep := map[uint64]bool{}
	err := t.each(bucketFindings, tenantKey(r.TenantID), nil, func(k, payload []byte) error {
		f, err := decode[drift.Finding](bucketFindings, k, payload)
		if _, seq, ok := splitID(f.LastEvent); ok {
			keep[seq] = true
		}
		return err
	})
	for _, bucket := range []string{bucketOutbox, bucketParked} {
		if err != nil {
			break
		}
		err = t.each(bucket, nil, nil, func(k, payload []byte) error {
			row, err := decode[outboxRecord](bucket, k, payload)
			if bytes.Equal(tenantKey(row.TenantID), tenantKey(r.TenantID)) {
				keep[row.Seq] = true
			}
			return err
		})
	}
	return keep, err
}

// pruneVersions drops the revisions before the one that was the newest at the
// time, and the versions that no kept revision shows.
func (t *tx) pruneVersions(r *tenantRecord, before time.Time, report *PruneReport) error {
	var revisions, versions [][]byte
	prefix := tenantKey(r.TenantID)
	err := t.each(bucketRevisions, prefix, nil, func(k, payload []byte) error {
		revision, err := decode[revisionRecord](bucketRevisions, k, payload)
		if err != nil {
			return err
		}
		if !revision.Time.Before(before) {
			return errStop
		}
		r.First = number(k)
		revisions = append(revisions, k)
		return nil
	})
	if err != nil || len(revisions) == 0 {
		return err
	}
	revisions = revisions[:len(revisions)-1]
	var last []byte // the version before the current one, when of the same object
	lastGone := false
	err = t.each(bucketVersions, prefix, nil, func(k, payload []byte) error {
		v, err := decode[objectRecord](bucketVersions, k, payload)
		if err != nil {
			return err
		}
		same := last != nil && bytes.Equal(last[:len(last)-8], k[:len(k)-8])
		if last != nil && (same && number(k) <= r.First || lastGone && number(last) < r.First) {
			versions = append(versions, last)
		}
		last, lastGone = k, v.Gone
		return nil
	})
	if err != nil {
		return err
	}
	if last != nil && lastGone && number(last) < r.First {
		versions = append(versions, last)
	}
	report.Revisions, report.Versions = len(revisions), len(versions)
	if err := t.del(bucketRevisions, revisions...); err != nil {
		return err
	}
	return t.del(bucketVersions, versions...)
}

// sweepBlobs drops a tenant's blobs that no form needs.
func (t *tx) sweepBlobs(tenantID string) (int, error) {
	needed := map[drift.Digest]bool{}
	prefix := tenantKey(tenantID)
	for _, bucket := range []string{bucketLatest, bucketVersions, bucketBaseline} {
		err := t.each(bucket, prefix, nil, func(k, payload []byte) error {
			r, err := decode[objectRecord](bucket, k, payload)
			needed[r.Blob] = true
			return err
		})
		if err != nil {
			return 0, err
		}
	}
	var drop [][]byte
	err := t.eachValue(bucketBlobs, prefix, nil, func(k, _ []byte) error {
		if len(k) == len(prefix)+32 && !needed[drift.Digest(k[len(prefix):])] {
			drop = append(drop, k)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return len(drop), t.del(bucketBlobs, drop...)
}

// ErasePeople forgets the names and addresses of the actors of events before
// a time, in all tenants, and tells how many. The chain stays valid: it holds
// commitments only. The bytes leave the file when its free pages are used
// again, and never enter a backup.
func (s *Store) ErasePeople(before time.Time) (int, error) {
	find := func(t *tx) (old [][]byte, err error) {
		err = t.each(bucketPeople, nil, nil, func(k, payload []byte) error {
			p, err := decode[person](bucketPeople, k, payload)
			if p.Time.Before(before) {
				old = append(old, k)
			}
			return err
		})
		return old, err
	}
	var old [][]byte
	err := s.view(func(t *tx) (err error) {
		old, err = find(t)
		return err
	})
	if err != nil || len(old) == 0 {
		return 0, err
	}
	err = s.update("erase people", func(t *tx) error {
		if old, err = find(t); err != nil {
			return err
		}
		if err := t.del(bucketPeople, old...); err != nil {
			return err
		}
		mark, _, err := get[time.Time](t, bucketStore, []byte(keyErased))
		if err != nil || !mark.Before(before) {
			return err
		}
		return t.put(bucketStore, []byte(keyErased), before)
	})
	if err != nil {
		return 0, err
	}
	return len(old), nil
}
