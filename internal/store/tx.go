package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"syscall"

	bolt "go.etcd.io/bbolt"
)

// tx is a transaction whose values are sealed.
type tx struct {
	*bolt.Tx
	codec *codec

	// A transaction that writes has these as well.
	store  *Store
	queues map[queueID]*queue // those that it changed
}

// view runs fn in a read transaction. Damage that made bbolt panic, or touch
// memory behind the end of a file that shrank, comes back as ErrCorrupt.
func (s *Store) view(fn func(*tx) error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("read store %s: %w: %v", s.path, ErrCorrupt, r)
		}
	}()
	err = s.db.View(func(btx *bolt.Tx) error { return fn(&tx{Tx: btx, codec: s.codec}) })
	if errors.Is(err, ErrCorrupt) {
		return fmt.Errorf("read store %s: %w", s.path, err)
	}
	return err
}

// update runs fn in a write transaction; op names it in errors.
func (s *Store) update(op string, fn func(*tx) error) (err error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	switch {
	case s.readOnly:
		return fmt.Errorf("%s: %w: %s: %w", op, ErrReadOnly, s.path, ErrNotCommitted)
	case s.broken.Load():
		return fmt.Errorf("%s: %w: an earlier write to %s ended so; restart to read the file again", op, ErrOutcomeUnknown, s.path)
	}
	if err := s.samePath(); err != nil {
		return fmt.Errorf("%s: %w: %w", op, ErrNotCommitted, err)
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			s.broken.Store(true)
			s.stuck.Store(true)
			err = fmt.Errorf("%s: %w: %w: %s: %v", op, ErrOutcomeUnknown, ErrCorrupt, s.path, r)
		}
	}()
	var fnErr error
	var before []byte
	changed := map[queueID]*queue{}
	err = s.db.Update(func(btx *bolt.Tx) error {
		s.witness.meta.Store(false)
		before = s.metaPages()
		t := &tx{Tx: btx, codec: s.codec, store: s, queues: changed}
		if fnErr = fn(t); fnErr == nil && s.written < schema {
			fnErr = t.put(bucketStore, []byte(keySchema), schemaRecord{schema})
		}
		return fnErr
	})
	if err == nil {
		s.written = schema
		s.queues.publish(changed)
		s.metrics.sized(s.Size())
		return nil
	}
	if fnErr != nil || before == nil {
		if errors.Is(err, ErrCorrupt) {
			err = fmt.Errorf("read store %s: %w", s.path, err)
		}
		return fmt.Errorf("%s: %w: %w", op, ErrNotCommitted, err)
	}
	outcome := s.outcome(err, before)
	if errors.Is(outcome, ErrOutcomeUnknown) {
		s.broken.Store(true)
	}
	return fmt.Errorf("%s: %w: %s: %w", op, outcome, s.path, err)
}

// outcome judges a failed bbolt commit. bbolt writes the data pages, syncs,
// writes one meta page, syncs; a transaction exists from the moment its meta
// page does.
//
//	meta pages differ from before, or cannot be read   unknown
//	the write of the meta page failed                   unknown
//	mapping the grown file failed (bbolt has lost it)   unknown: restart
//	a sync failed, but not for lack of space            unknown: the kernel may have dropped pages
//	anything else: no space, data page not written      not committed
func (s *Store) outcome(err error, before []byte) error {
	after := s.metaPages()
	full := errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
	var path *fs.PathError
	isPath := errors.As(err, &path)
	var number syscall.Errno
	synced := errors.As(err, &number) && !isPath || isPath && path.Op == "sync" || strings.HasPrefix(err.Error(), "file sync error")
	switch {
	case len(after) == 0, !bytes.Equal(before, after), s.witness.meta.Load(),
		strings.HasPrefix(err.Error(), "mmap allocate error"),
		synced && !full:
		return ErrOutcomeUnknown
	}
	return ErrNotCommitted
}

// metaPages reads the two pages that decide what is committed.
func (s *Store) metaPages() []byte {
	b := make([]byte, 2*s.pageSize)
	if _, err := s.file.ReadAt(b, 0); err != nil {
		return nil
	}
	return b
}

// samePath checks that the path still leads to the open file: bbolt's lock
// follows the file, and what is written to a file without a name is lost.
func (s *Store) samePath() error {
	at, err := os.Stat(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %s is gone; restart", ErrReplaced, s.path)
	}
	if err != nil {
		return err
	}
	open, err := s.file.Stat()
	if err != nil {
		return err
	}
	if !os.SameFile(at, open) {
		return fmt.Errorf("%w: %s is another file now; restart", ErrReplaced, s.path)
	}
	return nil
}

// witness reads bbolt's log for the one thing its errors do not tell: whether
// it was the meta page that could not be written.
type witness struct{ meta atomic.Bool }

func (w *witness) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte("writeMeta failed")) {
		w.meta.Store(true)
	}
	return len(line), nil
}

// bucket is the named bucket, which every store has.
func (t *tx) bucket(name string) (*bolt.Bucket, error) {
	b := t.Bucket([]byte(name))
	if b == nil {
		return nil, fmt.Errorf("%w: bucket %s is missing", ErrCorrupt, name)
	}
	return b, nil
}

// read returns a copy of the payload at key, nil when there is none.
func (t *tx) read(bucket string, key []byte) ([]byte, error) {
	b, err := t.bucket(bucket)
	if err != nil {
		return nil, err
	}
	value := b.Get(key)
	if value == nil {
		return nil, nil
	}
	return t.codec.open(bucket, key, value)
}

// write seals payload and stores it at key.
func (t *tx) write(bucket string, key, payload []byte) error {
	b, err := t.bucket(bucket)
	if err != nil {
		return err
	}
	value, err := t.codec.seal(bucket, key, payload)
	if err != nil {
		return err
	}
	return b.Put(key, value)
}

// put stores v as JSON.
func (t *tx) put(bucket string, key []byte, v any) error {
	payload, err := encode(v)
	if err != nil {
		return err
	}
	return t.write(bucket, key, payload)
}

func (t *tx) del(bucket string, keys ...[]byte) error {
	b, err := t.bucket(bucket)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if err := b.Delete(k); err != nil {
			return err
		}
	}
	return nil
}

// get reads the JSON at key.
func get[T any](t *tx, bucket string, key []byte) (v T, ok bool, err error) {
	payload, err := t.read(bucket, key)
	if payload == nil || err != nil {
		return v, false, err
	}
	v, err = decode[T](bucket, key, payload)
	return v, err == nil, err
}

func decode[T any](bucket string, key, payload []byte) (v T, err error) {
	if err := json.Unmarshal(payload, &v); err != nil {
		return v, damaged(bucket, key, err.Error())
	}
	return v, nil
}

// errStop ends an iteration early and is no error.
var errStop = errors.New("stop")

// each calls fn with the keys under prefix that are not before from (nil:
// all), in order. fn must not write to the bucket.
func (t *tx) each(bucket string, prefix, from []byte, fn func(k, payload []byte) error) error {
	return t.eachValue(bucket, prefix, from, func(k, value []byte) error {
		payload, err := t.codec.open(bucket, k, value)
		if err != nil {
			return err
		}
		return fn(k, payload)
	})
}

// eachValue is each with sealed values that live as long as the transaction.
func (t *tx) eachValue(bucket string, prefix, from []byte, fn func(k, value []byte) error) error {
	b, err := t.bucket(bucket)
	if err != nil {
		return err
	}
	if from == nil {
		from = prefix
	}
	c := b.Cursor()
	for k, v := c.Seek(from); k != nil && bytes.HasPrefix(k, prefix); k, v = c.Next() {
		if err := fn(bytes.Clone(k), v); err != nil {
			return unlessStop(err)
		}
	}
	return nil
}

// eachDown is each from the newest numbered key under prefix that is at most
// top, downwards.
func (t *tx) eachDown(bucket string, prefix []byte, top uint64, fn func(k, payload []byte) error) error {
	b, err := t.bucket(bucket)
	if err != nil {
		return err
	}
	c := b.Cursor()
	from := numbered(prefix, top)
	k, v := c.Seek(from)
	if k == nil {
		k, v = c.Last()
	} else if !bytes.Equal(k, from) {
		k, v = c.Prev()
	}
	for ; k != nil && bytes.HasPrefix(k, prefix); k, v = c.Prev() {
		payload, err := t.codec.open(bucket, k, v)
		if err == nil {
			err = fn(bytes.Clone(k), payload)
		}
		if err != nil {
			return unlessStop(err)
		}
	}
	return nil
}

func unlessStop(err error) error {
	if errors.Is(err, errStop) {
		return nil
	}
	return err
}
