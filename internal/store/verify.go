package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	bolt "go.etcd.io/bbolt"

	"github.com/cadrift/cadrift/internal/drift"
)

// VerifyReport is the outcome of checking one tenant's records and chain.
type VerifyReport struct {
	Name     string       `json:"name"`
	TenantID string       `json:"tenant_id"`
	FromSeq  uint64       `json:"from_seq"`
	ToSeq    uint64       `json:"to_seq"`
	Head     drift.Digest `json:"head"`
	// Error says what is wrong; nil when nothing is.
	Error *string `json:"error"`
}

// Verify checks the file's pages, the seal of every record, every link of
// every chain, the digest of every revision, and that whatever a record
// refers to is there. What is wrong with a tenant is in its report; the error
// is ErrCorrupt for damage that belongs to none, or the context's. progress
// may be nil and must return at once: it is called within a transaction.
func (s *Store) Verify(ctx context.Context, progress func(done, total int)) ([]VerifyReport, error) {
	v := &verifier{store: s, ctx: ctx, progress: progress, problems: map[string][]string{}}
	var reports []VerifyReport
	err := s.view(func(t *tx) error {
		v.tx = t
		if err := v.pages(); err != nil {
			return err
		}
		if err := v.scan(); err != nil {
			return err
		}
		for _, r := range v.tenants {
			if err := v.tenant(r); err != nil {
				return err
			}
		}
		if err := v.deliveries(); err != nil {
			return err
		}
		reports = v.reports()
		if found := v.problems[""]; len(found) > 0 {
			return fmt.Errorf("%w: %s", ErrCorrupt, digest(found))
		}
		return nil
	})
	if err == nil && progress != nil {
		progress(v.total, v.total)
	}
	return reports, err
}

// verifier collects problems by tenant key; those of no tenant under "".
type verifier struct {
	store    *Store
	ctx      context.Context
	progress func(done, total int)
	done     int
	total    int

	tx       *tx
	tenants  []tenantRecord
	problems map[string][]string
}

// note keeps a problem and passes on what is none: a cancelled context.
func (v *verifier) note(owner []byte, err error) error {
	if err == nil || v.ctx.Err() != nil {
		return v.ctx.Err()
	}
	v.problems[string(owner)] = append(v.problems[string(owner)], strings.TrimPrefix(err.Error(), ErrCorrupt.Error()+": "))
	return nil
}

// tick counts one record.
func (v *verifier) tick() error {
	v.done = min(v.done+1, v.total)
	if v.done%256 == 0 {
		if v.progress != nil {
			v.progress(v.done, v.total)
		}
		return v.ctx.Err()
	}
	return nil
}

// digest shortens a list of problems: the first ones tell enough.
func digest(problems []string) string {
	const most = 5
	text := strings.Join(problems[:min(len(problems), most)], "; ")
	if len(problems) > most {
		text += fmt.Sprintf("; and %d more", len(problems)-most)
	}
	return text
}

func (v *verifier) reports() []VerifyReport {
	all := []VerifyReport{}
	for _, r := range v.tenants {
		report := VerifyReport{
			Name: r.Name, TenantID: r.TenantID, ToSeq: r.Head.Seq, Head: r.Head.Hash,
			FromSeq: min(r.Checkpoint.Seq+1, r.Head.Seq),
		}
		if found := v.problems[string(tenantKey(r.TenantID))]; len(found) > 0 {
			text := digest(found)
			report.Error = &text
		}
		all = append(all, report)
	}
	return all
}

// pages checks the tree that this transaction sees, with plain reads. bbolt's
// own check runs where a damaged page number would kill the process.
func (v *verifier) pages() error {
	size := uint64(v.store.pageSize)
	w := &walker{r: v.store.file, pageSize: size, hwm: uint64(v.tx.Size()) / size, seen: map[uint64]bool{0: true, 1: true}}
	root := uint64(v.tx.Cursor().Bucket().RootPage())
	if err := w.buckets(root, bucketStore, func() error { return nil }); err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return nil
}

// scan checks every seal, that every record belongs to a tenant that exists,
// and finds the tenants.
func (v *verifier) scan() error {
	known := buckets()
	err := v.tx.ForEach(func(name []byte, b *bolt.Bucket) error {
		if !slices.Contains(known, string(name)) {
			return v.note(nil, fmt.Errorf("unknown bucket %q", name))
		}
		return b.ForEach(func(_, _ []byte) error { v.total += 2; return nil })
	})
	if err != nil {
		return err
	}
	if _, ok, err := get[schemaRecord](v.tx, bucketStore, []byte(keySchema)); err == nil && !ok {
		if err := v.note(nil, damaged(bucketStore, []byte(keySchema), "missing")); err != nil {
			return err
		}
	}
	owners := map[string]bool{}
	err = v.tx.eachValue(bucketTenants, nil, nil, func(k, value []byte) error {
		owners[string(k)] = true
		payload, err := v.tx.codec.open(bucketTenants, k, value)
		if err == nil {
			var r tenantRecord
			if r, err = decode[tenantRecord](bucketTenants, k, payload); err == nil {
				v.tenants = append(v.tenants, r)
			}
		}
		return v.note(nil, err)
	})
	if err != nil {
		return err
	}
	for _, bucket := range known {
		if err := v.scanBucket(bucket, owners); err != nil {
			return err
		}
	}
	return nil
}

func (v *verifier) scanBucket(bucket string, owners map[string]bool) error {
	scoped := bucket != bucketTenants && slices.Contains(tenantBuckets(), bucket)
	err := v.tx.eachValue(bucket, nil, nil, func(k, value []byte) error {
		var owner []byte
		if scoped {
			owner = key(firstPart(k))
			if !owners[string(owner)] {
				owner = nil
				if err := v.note(owner, damaged(bucket, k, "belongs to no tenant")); err != nil {
					return err
				}
			}
		}
		_, err := v.tx.codec.open(bucket, k, value)
		if err := v.note(owner, err); err != nil {
			return err
		}
		return v.tick()
	})
	return v.note(nil, err)
}

// tenant runs the checks of one tenant that see more than one record.
func (v *verifier) tenant(r tenantRecord) error {
	owner := tenantKey(r.TenantID)
	c := &tenantCheck{verifier: v, tenantRecord: r, prefix: owner, states: map[uint64]drift.Digest{}, sound: map[drift.Digest]bool{}}
	for _, check := range []func() error{c.name, c.revisions, c.newest, c.chain, c.bodies, c.baseline, c.sums} {
		if err := v.note(owner, check()); err != nil {
			return err
		}
	}
	return nil
}

// deliveries checks that outbox and its index agree, and that every row's
// event is there.
func (v *verifier) deliveries() error {
	t := v.tx
	rows := 0
	err := t.each(bucketOutbox, nil, nil, func(k, payload []byte) error {
		rows++
		row, err := decode[outboxRecord](bucketOutbox, k, payload)
		if err != nil {
			return err
		}
		order, ok, err := get[uint64](t, bucketQueued, key(firstPart(k), row.Event))
		if err == nil && (!ok || order != number(k)) {
			err = damaged(bucketOutbox, k, "the index does not lead here")
		}
		if err == nil {
			_, err = t.rowEvent(bucketOutbox, k, row)
		}
		return errors.Join(v.note(nil, err), v.tick())
	})
	if err := v.note(nil, err); err != nil {
		return err
	}
	b, err := t.bucket(bucketQueued)
	if err == nil && b.Stats().KeyN != rows {
		err = fmt.Errorf("outbox has %d rows and %d index entries", rows, b.Stats().KeyN)
	}
	if err := v.note(nil, err); err != nil {
		return err
	}
	err = t.each(bucketParked, nil, nil, func(k, payload []byte) error {
		row, err := decode[outboxRecord](bucketParked, k, payload)
		if err == nil {
			_, err = t.rowEvent(bucketParked, k, row)
		}
		return v.note(nil, err)
	})
	if err := v.note(nil, err); err != nil {
		return err
	}
	return v.note(nil, t.each(bucketNames, nil, nil, func(k, payload []byte) error {
		id, err := decode[string](bucketNames, k, payload)
		if err == nil && !slices.ContainsFunc(v.tenants, func(r tenantRecord) bool {
			return bytes.Equal(tenantKey(r.TenantID), tenantKey(id))
		}) {
			err = damaged(bucketNames, k, "its tenant is missing")
		}
		return err
	}))
}
