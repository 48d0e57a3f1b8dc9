package store

import (
	"errors"
	"fmt"
)

// The reasons why a store cannot be opened. They come wrapped in an
// [OpenError]; the file is as it was.
var (
	// ErrLocked: another process has the store open.
	ErrLocked = errors.New("store is in use by another process")
	// ErrMissing: there is no file, none ever was, and Create was not asked for.
	ErrMissing = errors.New("store does not exist")
	// ErrEmptied: the file is empty, truncated or gone where a store existed.
	ErrEmptied = errors.New("store is empty, truncated or gone")
	// ErrForeign: the file is something else.
	ErrForeign = errors.New("file is not a cadrift store")
	// ErrNewerSchema: a newer version of cadrift wrote the file.
	ErrNewerSchema = errors.New("store was written by a newer version of cadrift")
)

// The errors of an open store.
var (
	// ErrCorrupt: what was read is not what was written. Returned by every
	// method, and by Open.
	ErrCorrupt = errors.New("store is damaged")
	// ErrReadOnly: the file or its directory cannot be written, or the store
	// was opened read-only.
	ErrReadOnly = errors.New("store is read-only")
	// ErrBound: the tenant name belongs to another tenant_id.
	ErrBound = errors.New("tenant name is bound to another tenant_id")
	// ErrNotCommitted: a known failure; nothing of the write is in the file.
	ErrNotCommitted = errors.New("nothing was written")
	// ErrOutcomeUnknown: the disk failed while the write was being made final.
	// Only a new process that reads the file can tell.
	ErrOutcomeUnknown = errors.New("outcome of the write is unknown")
	// ErrReplaced: the path leads to another file than the open one. Comes
	// with ErrNotCommitted: a write would go to a file nobody finds again.
	ErrReplaced = errors.New("store file was replaced or removed while open")
)

// OpenError says which file could not be opened, why, and what to do next.
type OpenError struct {
	Path string
	// Err is one of the errors above, or the operating system's.
	Err error
	// Cause is the observation, Hint the next step.
	Cause, Hint string
}

func (e *OpenError) Error() string {
	text := fmt.Sprintf("open store %s: %v", e.Path, e.Err)
	if e.Cause != "" {
		text += ": " + e.Cause
	}
	if e.Hint != "" {
		text += "\nhint: " + e.Hint
	}
	return text
}

func (e *OpenError) Unwrap() error { return e.Err }

// damaged reports one record that cannot be what was written.
func damaged(bucket string, key []byte, why string) error {
	return fmt.Errorf("%w: bucket %s, key %q: %s", ErrCorrupt, bucket, key, why)
}
