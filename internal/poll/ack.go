package poll

import (
	"fmt"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// Acknowledge stops the reminders of an open drift, for exactly its present
// form: any further change of the object ends it. It returns the finding as
// it is then.
func (w *Watcher) Acknowledge(key drift.Key, ack drift.Ack) (drift.Finding, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f, open := w.state.Findings[key]
	if !open {
		return drift.Finding{}, fmt.Errorf("%w: %s has no open drift", ErrRefused, w.nameOf(key))
	}
	f.Ack = &ack
	commit := drift.Commit{TenantID: w.o.TenantID, Time: time.Now().UTC(), Findings: []drift.Finding{f}}
	if _, err := w.commitLocked(commit); err != nil {
		return drift.Finding{}, err
	}
	return f, nil
}

// nameOf is what people call an object.
func (w *Watcher) nameOf(key drift.Key) string {
	if obj, ok := w.state.Objects[key]; ok && obj.Name != "" {
		return drift.Visible(obj.Name)
	}
	return key.String()
}
