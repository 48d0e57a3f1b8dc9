package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/cadrift/cadrift/internal/drift"
)

// writeEntries puts and removes the records of other packages.
func (w *writer) writeEntries() error {
	changed := false
	for _, e := range w.commit.Entries {
		k := tenantKey(w.tenant.TenantID, e.Kind, e.ID)
		old, ok, err := get[drift.Entry](w.tx, bucketEntries, k)
		switch {
		case err != nil:
			return err
		case e.Kind == "" || e.ID == "" || e.Value != nil && !json.Valid(e.Value):
			return fmt.Errorf("entry %q %q: no kind, no id, or no JSON", e.Kind, e.ID)
		case e.Value == nil && !ok, e.Value != nil && ok && bytes.Equal(old.Value, e.Value):
			continue
		case e.Value == nil:
			err = w.tx.del(bucketEntries, k)
		default:
			err = w.tx.put(bucketEntries, k, e)
		}
		record := chainRecord{Time: w.commit.Time, Type: typeEntry, ID: e.ID}
		if err = errors.Join(err, w.tx.appendNote(&w.tenant, record, &noteBody{Entry: &e})); err != nil {
			return err
		}
		changed = true
	}
	if !changed {
		return nil
	}
	return w.tx.resum(&w.tenant, bucketEntries)
}

// Entries are a tenant's entries of one kind, by id.
func (s *Store) Entries(tenantID, kind string) ([]drift.Entry, error) {
	var all []drift.Entry
	err := s.view(func(t *tx) error {
		return t.each(bucketEntries, tenantKey(tenantID, kind), nil, func(k, payload []byte) error {
			e, err := decode[drift.Entry](bucketEntries, k, payload)
			all = append(all, e)
			return err
		})
	})
	return all, err
}
