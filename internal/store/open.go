package store

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// Options say how to open a store.
type Options struct {
	// Create makes a new store where none ever was.
	Create bool
	// ReadOnly refuses writes and shares the file with other readers, not
	// with a writer.
	ReadOnly bool
	// LockTimeout bounds the wait for another process; zero leaves an answer
	// within 5 s.
	LockTimeout time.Duration
	// Metrics may be nil.
	Metrics *Metrics
	// Queue bounds what may wait for a receiver; zero is 10,000 events and
	// 64 MiB.
	Queue Bound
}

const (
	defaultLockTimeout = 3 * time.Second
	// mapSize is the address space taken at once, so that ordinary growth
	// never maps the file anew, which would wait for every reader.
	mapSize = 64 << 20
	// growStep is how much more than needed the file grows. bbolt's 16 MiB
	// would give a fresh store the size of a year, and with any reserve the
	// lower half of a cut-off file may look whole.
	growStep = 4 << 10
)

// sentinel marks that a store was initialised at path.
func sentinel(path string) string { return path + ".initialised" }

// Open opens the store at path. It first reads the file through a shared lock
// and changes nothing until it is known to be whole, ours and of this schema.
// Errors are *[OpenError].
func Open(path string, o Options) (*Store, error) {
	if o.LockTimeout <= 0 {
		o.LockTimeout = defaultLockTimeout
	}
	deadline := time.Now().Add(o.LockTimeout)
	if err := present(path, o); err != nil {
		return nil, err
	}
	c, err := newCodec()
	if err != nil {
		return nil, err
	}
	s := &Store{
		path: path, readOnly: o.ReadOnly, codec: c, metrics: o.Metrics, witness: &witness{},
		bound:  Bound{cmp.Or(o.Queue.Events, boundEvents), cmp.Or(o.Queue.Bytes, boundBytes)},
		queues: queues{all: map[queueID]queue{}}, handed: map[string]uint64{},
	}
	if err := s.probe(o.LockTimeout); err != nil {
		c.close()
		return nil, err
	}
	if !o.ReadOnly {
		if err := s.reopen(max(time.Until(deadline), 100*time.Millisecond)); err != nil {
			c.close()
			return nil, err
		}
	}
	if err := s.countQueues(); err != nil {
		_ = s.Close()
		return nil, s.refuse(err)
	}
	s.metrics.sized(s.Size())
	return s, nil
}

// present tells whether there is a file to open, and makes one if it may.
func present(path string, o Options) error {
	_, marked := os.Stat(sentinel(path))
	info, err := os.Stat(path)
	restore := "restore a backup to this path; to begin anew and lose the history, remove " + sentinel(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && marked == nil:
		return &OpenError{path, ErrEmptied, "the file is gone, and a store was initialised here", restore}
	case errors.Is(err, fs.ErrNotExist) && (!o.Create || o.ReadOnly):
		return &OpenError{path, ErrMissing, "no such file", "only run, demo and baseline import make a store; check state_dir"}
	case errors.Is(err, fs.ErrNotExist):
		return create(path)
	case err != nil:
		return &OpenError{path, err, "", "check state_dir and the permissions of its directories"}
	case !info.Mode().IsRegular():
		return &OpenError{path, ErrForeign, "not a regular file", "choose another state_dir"}
	case info.Size() == 0 && marked == nil:
		return &OpenError{path, ErrEmptied, "the file has 0 bytes, and a store was initialised here", restore + " and the empty file"}
	case info.Size() == 0:
		return &OpenError{path, ErrEmptied, "the file has 0 bytes", "restore a backup to this path; if there never was a store here, remove the empty file"}
	}
	return nil
}

// probe opens the file for reading and checks all of it.
func (s *Store) probe(timeout time.Duration) error {
	if err := s.open(true, timeout); err != nil {
		return err
	}
	if err := s.inspect(); err != nil {
		_ = s.db.Close()
		return s.refuse(err)
	}
	return nil
}

// reopen exchanges the probing handle for one that writes.
func (s *Store) reopen(timeout time.Duration) error {
	if err := s.db.Close(); err != nil {
		return &OpenError{s.path, err, "", ""}
	}
	if err := s.open(false, timeout); err != nil {
		return err
	}
	s.db.AllocSize = growStep
	err := s.samePath()
	if err == nil {
		err = mark(s.path)
	}
	if err != nil {
		_ = s.db.Close()
		return openFailure(s.path, err)
	}
	return nil
}

// open lets bbolt open the file. A panic in there leaves the lock behind, so
// the handle is ours to close.
func (s *Store) open(readOnly bool, timeout time.Duration) (err error) {
	var file *os.File
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			_ = file.Close()
			err = s.refuse(fmt.Errorf("%v", r))
		}
	}()
	options := &bolt.Options{
		Timeout: timeout, ReadOnly: readOnly, FreelistType: bolt.FreelistMapType, NoStatistics: true,
		Logger: &bolt.DefaultLogger{Logger: log.New(s.witness, "", 0)},
		OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
			// Without O_CREATE: a file that vanished meanwhile is not made anew.
			f, err := os.OpenFile(name, flag&^os.O_CREATE, mode)
			file = f
			return f, err
		},
	}
	if !readOnly && runtime.GOOS != "windows" { // there the file would take the size of the map
		options.InitialMmapSize = mapSize
	}
	db, err := bolt.Open(s.path, 0o600, options)
	switch {
	case err == nil:
		s.db, s.file = db, file
		return nil
	case errors.Is(err, berrors.ErrTimeout):
		return &OpenError{
			s.path, ErrLocked, "the lock was not free within " + timeout.Round(time.Millisecond).String() + holder(s.path),
			"stop the other process, or let it do the work: commands talk to a running daemon through its control socket",
		}
	case isSystem(err):
		return openFailure(s.path, err)
	}
	return s.refuse(err)
}

// inspect checks that the opened file is whole, ours and of a known schema.
func (s *Store) inspect() error {
	info, err := s.file.Stat()
	if err != nil {
		return err
	}
	m, err := readMeta(s.file, info.Size())
	if err != nil {
		return err
	}
	s.pageSize = m.pageSize
	return checkPages(s.file, info.Size(), m, bucketStore, func() error {
		return s.view(func(t *tx) error {
			r, ok, err := get[schemaRecord](t, bucketStore, []byte(keySchema))
			switch {
			case err != nil:
				return err
			case !ok:
				return damaged(bucketStore, []byte(keySchema), "missing")
			case r.Schema > schema:
				return fmt.Errorf("%w: schema %d, this version knows %d", ErrNewerSchema, r.Schema, schema)
			}
			s.written = r.Schema
			return nil
		})
	})
}

// refuse says what is wrong with a file that bbolt or inspect did not like.
func (s *Store) refuse(err error) error {
	backup := "keep the file for inspection and restore a backup (cadrift verify FILE checks one)"
	switch {
	case errors.Is(err, ErrNewerSchema):
		return &OpenError{s.path, ErrNewerSchema, err.Error(), "install the version that wrote it, or a newer one"}
	case errors.Is(err, errNotOurs):
		return &OpenError{s.path, ErrForeign, err.Error(), "choose another state_dir"}
	case errors.Is(err, errTruncated):
		return &OpenError{s.path, ErrEmptied, err.Error(), backup}
	case errors.Is(err, ErrCorrupt), isSystem(err):
		return &OpenError{s.path, err, "", backup}
	}
	// bbolt's own message is about its insides: look at the file itself.
	f, openErr := os.Open(s.path)
	if openErr != nil {
		return &OpenError{s.path, openErr, "", ""}
	}
	defer f.Close()
	info, statErr := f.Stat()
	if statErr != nil {
		return &OpenError{s.path, statErr, "", ""}
	}
	m, metaErr := readMeta(f, info.Size())
	_, marked := os.Stat(sentinel(s.path))
	switch {
	case metaErr == nil && uint64(info.Size()) < m.hwm*uint64(m.pageSize), marked == nil && info.Size() < 4096:
		return &OpenError{s.path, ErrEmptied, fmt.Sprintf("truncated to %d bytes", info.Size()), backup}
	case errors.Is(metaErr, errNoMagic):
		return &OpenError{s.path, ErrForeign, metaErr.Error(), "choose another state_dir, or restore a backup if a store was here"}
	}
	return &OpenError{s.path, ErrCorrupt, err.Error(), backup}
}

// isSystem tells an error of the operating system from one about the content.
func isSystem(err error) bool {
	var path *fs.PathError
	var number syscall.Errno
	return errors.As(err, &path) || errors.As(err, &number)
}

// openFailure wraps an error of the operating system.
func openFailure(path string, err error) error {
	hint := "check the owner and mode of the state directory and its file system"
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return &OpenError{path, ErrReadOnly, err.Error(), hint}
	}
	return &OpenError{path, err, "", hint}
}

// create makes a new store: complete under another name first, then renamed,
// so that a crash leaves either no store or a whole one.
func create(path string) error {
	dir, temp := filepath.Dir(path), path+".new"
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return openFailure(path, err)
	}
	err := initialise(path, temp)
	if err != nil && !isSystem(err) && !errors.Is(err, berrors.ErrTimeout) {
		// The remains of a creation that was cut off; nothing is in there.
		_ = os.Remove(temp)
		err = initialise(path, temp)
	}
	if errors.Is(err, berrors.ErrTimeout) {
		return &OpenError{path, ErrLocked, "another process is making it", "try again"}
	}
	if err != nil {
		return openFailure(path, err)
	}
	return nil
}

// initialise writes an empty store to temp and renames it to path.
func initialise(path, temp string) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("initialise %s: %v", temp, r)
		}
	}()
	db, err := bolt.Open(temp, 0o600, &bolt.Options{Timeout: 2 * time.Second, FreelistType: bolt.FreelistMapType})
	if err != nil {
		return err
	}
	defer db.Close()
	// The lock on temp decides between two processes that create at once.
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	c, err := newCodec()
	if err != nil {
		return err
	}
	defer c.close()
	err = db.Update(func(btx *bolt.Tx) error {
		for _, name := range buckets() {
			if _, err := btx.CreateBucketIfNotExists([]byte(name)); err != nil {
				return err
			}
		}
		return (&tx{Tx: btx, codec: c}).put(bucketStore, []byte(keySchema), schemaRecord{schema})
	})
	if err == nil {
		err = db.Sync()
	}
	if err == nil && runtime.GOOS == "windows" { // which renames no open file
		err = db.Close()
	}
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	return err
}

// mark leaves the sentinel beside the store, unless it is there. It comes
// after the store: without it a whole store is still a store, while a
// sentinel without a store is a loss.
func mark(path string) error {
	if _, err := os.Stat(sentinel(path)); err == nil {
		return nil
	}
	f, err := os.OpenFile(sentinel(path), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "A cadrift store was initialised beside this file. While this file is here, an empty or\n"+
		"missing %s is refused instead of being replaced by a new store.\n", filepath.Base(path))
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes a rename in dir durable. Windows has no such call.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
