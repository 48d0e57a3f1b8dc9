package poll

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/cadrift/cadrift/internal/canon"
	"github.com/cadrift/cadrift/internal/drift"
)

// dirState remembers the baseline files as last read, so that a pass that
// finds them unchanged reads nothing but their names, sizes and times.
type dirState struct {
	stamp   string
	problem string
}

// maxBaselineFile bounds one baseline file; Graph's own bodies stay far below.
const maxBaselineFile = 4 << 20

// ReadBaselineDir reads DIR/KIND/*.json. The id inside a file decides which
// object it is, the name of the file is for people. The kinds are those that
// have a folder: an empty one says that there shall be no object of its kind.
func ReadBaselineDir(dir string) (out []drift.Object, kinds []drift.Kind, err error) {
	seen := map[drift.Key]string{}
	for _, kind := range drift.Kinds() {
		paths, err := filepath.Glob(filepath.Join(dir, string(kind), "*.json"))
		if err != nil {
			return nil, nil, fmt.Errorf("list baseline files: %w", err)
		}
		if info, err := os.Stat(filepath.Join(dir, string(kind))); err == nil && info.IsDir() {
			kinds = append(kinds, kind)
		}
		for _, path := range paths {
			obj, err := readBaselineFile(kind, path)
			if err != nil {
				return nil, nil, err
			}
			if first, twice := seen[obj.Key()]; twice {
				return nil, nil, fmt.Errorf("read baseline: %s and %s hold the same object %s", first, path, obj.ID)
			}
			seen[obj.Key()] = path
			out = append(out, obj)
		}
	}
	if len(out) == 0 {
		return nil, nil, fmt.Errorf("read baseline: no KIND/NAME--ID.json files in %s (hint: cadrift baseline export %s)", dir, dir)
	}
	return out, kinds, nil
}

func readBaselineFile(kind drift.Kind, path string) (drift.Object, error) {
	info, err := os.Stat(path)
	if err != nil {
		return drift.Object{}, fmt.Errorf("read baseline: %w", err)
	}
	if info.Size() > maxBaselineFile {
		return drift.Object{}, fmt.Errorf("read baseline: %s: larger than %d MiB", path, maxBaselineFile>>20)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return drift.Object{}, fmt.Errorf("read baseline: %w", err)
	}
	obj, err := canon.Object(kind, raw)
	if err != nil {
		return drift.Object{}, fmt.Errorf("read baseline: %s: %w", path, err)
	}
	return obj, nil
}

// stampDir is a fingerprint of the files that [ReadBaselineDir] reads: their
// names, sizes and times, and where they really lie, since mounts and checkouts
// exchange links to files, folders or the whole.
func stampDir(dir string) string {
	h := sha256.New()
	for _, kind := range drift.Kinds() {
		folder := filepath.Join(dir, string(kind))
		paths, err := filepath.Glob(filepath.Join(folder, "*.json"))
		fmt.Fprintln(h, err)
		for _, path := range append(paths, folder) {
			real, err := filepath.EvalSymlinks(path)
			if err != nil {
				continue
			}
			if info, err := os.Stat(real); err == nil && info.IsDir() {
				fmt.Fprintf(h, "%s\x00%s\n", path, real)
			} else if err == nil {
				fmt.Fprintf(h, "%s\x00%s\x00%d\x00%d\n", path, real, info.Size(), info.ModTime().UnixNano())
			}
		}
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// readDirAtStart makes the files the baseline. Files that cannot be read stop
// the start: there is no last good baseline to keep unless one is stored.
func (w *Watcher) readDirAtStart() error {
	if w.o.BaselineDir == "" {
		return nil
	}
	objects, kinds, err := ReadBaselineDir(w.o.BaselineDir)
	if err != nil {
		if w.state.Baseline == nil {
			return err
		}
		w.tellDirProblem(err)
		return nil
	}
	w.dir.stamp = stampDir(w.o.BaselineDir)
	return w.adopt(objects, kinds, time.Now().UTC())
}

// rereadDir looks for changed baseline files at the start of a pass. A file
// that cannot be read keeps the last good baseline, and is told.
func (w *Watcher) rereadDir(now time.Time) {
	if w.o.BaselineDir == "" {
		return
	}
	stamp := stampDir(w.o.BaselineDir)
	if stamp == w.dir.stamp {
		w.mu.Lock()
		w.dir.problem = "" // a bad file came and went
		w.mu.Unlock()
		return
	}
	objects, kinds, err := ReadBaselineDir(w.o.BaselineDir)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil {
		err = w.adopt(objects, kinds, now)
	}
	if err != nil {
		w.tellDirProblem(err)
		return
	}
	w.dir = dirState{stamp: stamp}
}

// tellDirProblem logs a problem of the files once; the status names it until
// they can be read.
func (w *Watcher) tellDirProblem(err error) {
	if w.dir.problem != err.Error() {
		w.o.Logger.Error("baseline files not read, the last good baseline stays", "tenant", w.o.Tenant, "err", err)
	}
	w.dir.problem = err.Error()
}

// adopt makes the objects of the files the baseline, unless they are it.
func (w *Watcher) adopt(objects []drift.Object, kinds []drift.Kind, now time.Time) error {
	b, err := w.importBaseline(now, objects, Move{Reason: "baseline files changed", By: w.o.BaselineDir})
	if err != nil {
		return err
	}
	b.Kinds = union(b.Kinds, kinds)
	if w.state.Baseline != nil && w.state.Baseline.Digest == b.Digest && slices.Equal(w.state.Baseline.Kinds, b.Kinds) {
		return nil
	}
	if w.o.Store == nil {
		w.state.Baseline = b
		return nil
	}
	commit, err := w.rebase(b, now)
	if err != nil {
		return err
	}
	_, err = w.commitLocked(commit)
	return err
}
