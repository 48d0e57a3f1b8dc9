package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Backup writes a consistent copy of the store to w and returns its size. The
// copy is made beside the store, or in the temporary directory when the disk
// is full, and sent from there: w may be slow, a transaction may not. It is
// compacted, so nothing that was erased or pruned is in it.
func (s *Store) Backup(w io.Writer) (int64, error) {
	var err error
	for _, dir := range []string{filepath.Dir(s.path), os.TempDir()} {
		var temp string
		if temp, err = s.copyTo(dir); err == nil {
			n, err := send(w, temp)
			return n, errors.Join(err, os.Remove(temp))
		}
		if errors.Is(err, ErrCorrupt) {
			break
		}
	}
	return 0, fmt.Errorf("back up %s: %w", s.path, err)
}

func send(w io.Writer, path string) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	n, err := io.Copy(w, f)
	if err != nil {
		return n, fmt.Errorf("write backup: %w", err)
	}
	return n, nil
}

// copyTo makes a compacted copy in dir and returns its path.
func (s *Store) copyTo(dir string) (path string, err error) {
	f, err := os.CreateTemp(dir, "cadrift-backup-*.db")
	if err != nil {
		return "", err
	}
	path = f.Name()
	if err := f.Close(); err != nil {
		return "", errors.Join(err, os.Remove(path))
	}
	if err := s.compactTo(path); err != nil {
		return "", errors.Join(err, os.Remove(path))
	}
	return path, nil
}

// compactTo copies what the store holds into the empty file at path, and cuts
// off what bbolt allocated in advance.
func (s *Store) compactTo(path string) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("read store %s: %w: %v", s.path, ErrCorrupt, r)
		}
	}()
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: time.Second, NoSync: true, NoStatistics: true, FreelistType: bolt.FreelistMapType})
	if err != nil {
		return err
	}
	defer db.Close()
	db.AllocSize = growStep
	if err := bolt.Compact(db, s.db, 1<<20); err != nil {
		return err
	}
	var size int64
	if err := db.View(func(btx *bolt.Tx) error { size = btx.Size(); return nil }); err != nil {
		return err
	}
	if err := db.Sync(); err != nil {
		return err
	}
	if err := db.Close(); err != nil {
		return err
	}
	return os.Truncate(path, size)
}
