package poll

import (
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/cadrift/cadrift/internal/baseline"
	"github.com/cadrift/cadrift/internal/drift"
)

// dirState remembers the baseline files as last read, so that a pass that
// finds them unchanged reads nothing but their names, sizes and times.
type dirState struct {
	stamp   string
	problem string
}

// vanished refuses files that lack a folder which they had when they became
// the baseline: that is half a checkout until a person says otherwise, with an
// empty folder that there shall be no such object, or by taking the kind out of
// watch that nobody looks at it.
func (w *Watcher) vanished(kinds []drift.Kind) error {
	last := w.state.Baseline
	if last == nil || last.By != w.o.BaselineDir {
		return nil
	}
	for _, kind := range w.o.Kinds {
		if last.Holds(kind) && !slices.Contains(kinds, kind) {
			return fmt.Errorf("read baseline: the folder %s is gone (hint: an empty one says that there shall be no %s)",
				filepath.Join(w.o.BaselineDir, string(kind)), kind.Plural())
		}
	}
	return nil
}

// readDirAtStart makes the files the baseline. Files that cannot be read stop
// the start: there is no last good baseline to keep unless one is stored.
func (w *Watcher) readDirAtStart() error {
	if w.o.BaselineDir == "" {
		return nil
	}
	objects, kinds, err := baseline.ReadDir(w.o.BaselineDir)
	if err == nil {
		err = w.vanished(kinds)
	}
	if err != nil {
		if w.state.Baseline == nil {
			return err
		}
		w.tellDirProblem(err)
		return nil
	}
	w.dir.stamp = baseline.Stamp(w.o.BaselineDir)
	return w.adopt(objects, kinds, time.Now().UTC())
}

// rereadDir looks for changed baseline files at the start of a pass. A file
// that cannot be read keeps the last good baseline, and is told.
func (w *Watcher) rereadDir(now time.Time) {
	if w.o.BaselineDir == "" {
		return
	}
	stamp := baseline.Stamp(w.o.BaselineDir)
	if stamp == w.dir.stamp {
		w.mu.Lock()
		w.dir.problem = "" // a bad file came and went
		w.mu.Unlock()
		return
	}
	objects, kinds, err := baseline.ReadDir(w.o.BaselineDir)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil {
		err = w.vanished(kinds)
	}
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
// they can be read, and the passes tell it as a blind spot.
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
	b.Kinds = kinds
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
