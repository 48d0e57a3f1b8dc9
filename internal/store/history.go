package store

import (
	"bytes"
	"fmt"
	"math"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// Revision is one recorded state of a tenant.
type Revision struct {
	Number uint64       `json:"revision"`
	Time   time.Time    `json:"time"`
	Digest drift.Digest `json:"digest"`
	// Changed counts the objects that differ from the revision before.
	Changed int `json:"changed"`
}

// Version is one recorded form of an object.
type Version struct {
	Revision uint64
	Time     time.Time
	// Object is nil for a deletion.
	Object *drift.Object
}

func (t *tx) revision(tenantID string, number uint64) (revisionRecord, error) {
	r, ok, err := get[revisionRecord](t, bucketRevisions, numbered(tenantKey(tenantID), number))
	if err == nil && !ok {
		err = fmt.Errorf("revision %d: %w", number, drift.ErrNotFound)
	}
	return r, err
}

// Revisions lists a tenant's revisions, oldest first.
func (s *Store) Revisions(tenantID string) ([]Revision, error) {
	all := []Revision{}
	err := s.view(func(t *tx) error {
		return t.each(bucketRevisions, tenantKey(tenantID), nil, func(k, payload []byte) error {
			r, err := decode[revisionRecord](bucketRevisions, k, payload)
			all = append(all, Revision{number(k), r.Time, r.Digest, len(r.Changed)})
			return err
		})
	})
	return all, err
}

// RevisionAt is the revision that was the newest one at a time;
// drift.ErrNotFound when there was none yet, or it was pruned.
func (s *Store) RevisionAt(tenantID string, at time.Time) (uint64, error) {
	var found uint64
	err := s.view(func(t *tx) error {
		// Downwards, and not by search: a clock that was set back leaves times
		// that do not rise with the numbers.
		return t.eachDown(bucketRevisions, tenantKey(tenantID), math.MaxUint64, func(k, payload []byte) error {
			r, err := decode[revisionRecord](bucketRevisions, k, payload)
			if err != nil || r.Time.After(at) {
				return err
			}
			found = number(k)
			return errStop
		})
	})
	if err == nil && found == 0 {
		err = fmt.Errorf("revision at %s: %w", at.Format(time.RFC3339), drift.ErrNotFound)
	}
	return found, err
}

// Snapshot rebuilds the state of a tenant at a revision, 0 for the newest,
// and checks it against the revision's digest. The error is drift.ErrNotFound
// when there is no such revision any more.
func (s *Store) Snapshot(tenantID string, revision uint64) (map[drift.Key]drift.Object, Revision, error) {
	objects := map[drift.Key]drift.Object{}
	var found Revision
	err := s.view(func(t *tx) error {
		tenant, err := t.bound(tenantID)
		if err != nil {
			return err
		}
		if revision == 0 {
			revision = tenant.Revision
		}
		r, err := t.revision(tenantID, revision)
		if err != nil {
			return err
		}
		found = Revision{revision, r.Time, r.Digest, len(r.Changed)}
		var d digester
		forms := newForms(t, tenantID)
		err = t.versionsAt(tenantID, revision, func(_ []byte, v objectRecord) error {
			o, err := forms.object(v)
			objects[o.Key()] = o
			d.add(v.key(), v.Digest)
			return err
		})
		if err == nil && d.digest() != r.Digest {
			err = damaged(bucketRevisions, numbered(tenantKey(tenantID), revision), "the versions do not have its digest")
		}
		return err
	})
	return objects, found, err
}

// versionsAt calls fn with the version of every object that existed at a
// revision, in the order of keys. It takes two seeks an object, however long
// the history is.
func (t *tx) versionsAt(tenantID string, revision uint64, fn func(k []byte, v objectRecord) error) error {
	b, err := t.bucket(bucketVersions)
	if err != nil {
		return err
	}
	prefix := tenantKey(tenantID)
	c := b.Cursor()
	for k, _ := c.Seek(prefix); k != nil && bytes.HasPrefix(k, prefix); {
		object := bytes.Clone(k[:len(k)-8])
		v, ok, err := t.versionBefore(object, revision)
		if err != nil {
			return err
		}
		if ok && !v.Gone {
			if err := fn(object, v); err != nil {
				return err
			}
		}
		// The next object: nothing of this one sorts after its last number.
		k, _ = c.Seek(append(object, bytes.Repeat([]byte{0xff}, 9)...))
	}
	return nil
}

// versionBefore is the newest version of an object, given by the key without
// its revision, that is not after a revision.
func (t *tx) versionBefore(object []byte, revision uint64) (v objectRecord, ok bool, err error) {
	err = t.eachDown(bucketVersions, object, revision, func(k, payload []byte) error {
		if v, err = decode[objectRecord](bucketVersions, k, payload); err != nil {
			return err
		}
		ok = true
		return errStop
	})
	return v, ok, err
}

// Object is an object as it was at a revision, and the revision of that form.
// Revision 0 is the present: the newest body, whose metadata may be younger
// than any revision. The error is drift.ErrNotFound when the object did not
// exist then.
func (s *Store) Object(tenantID string, k drift.Key, revision uint64) (drift.Object, uint64, error) {
	var o drift.Object
	var at uint64
	err := s.view(func(t *tx) error {
		var r objectRecord
		var ok bool
		var err error
		if revision == 0 {
			r, ok, err = get[objectRecord](t, bucketLatest, objectKey(tenantID, k))
		} else {
			r, ok, err = t.versionBefore(objectKey(tenantID, k), revision)
		}
		if err == nil && (!ok || r.Gone) {
			err = fmt.Errorf("object %s: %w", k, drift.ErrNotFound)
		}
		if err != nil {
			return err
		}
		at = r.Revision
		o, err = newForms(t, tenantID).object(r)
		return err
	})
	return o, at, err
}

// Versions are the newest limit versions of an object, newest first; no limit
// is 0.
func (s *Store) Versions(tenantID string, k drift.Key, limit int) ([]Version, error) {
	all := []Version{}
	err := s.view(func(t *tx) error {
		forms := newForms(t, tenantID)
		return t.eachDown(bucketVersions, objectKey(tenantID, k), math.MaxUint64, func(at, payload []byte) error {
			r, err := decode[objectRecord](bucketVersions, at, payload)
			if err != nil {
				return err
			}
			v := Version{Revision: r.Revision, Time: r.Time}
			if !r.Gone {
				o, err := forms.object(r)
				if err != nil {
					return err
				}
				v.Object = &o
			}
			all = append(all, v)
			if len(all) == limit {
				return errStop
			}
			return nil
		})
	})
	return all, err
}
