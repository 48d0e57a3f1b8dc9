package poll

import (
	"context"
	"maps"
	"time"

	"github.com/cadrift/cadrift/internal/beside"
	"github.com/cadrift/cadrift/internal/drift"
)

// What an alert may wait for the names and the actor of a change, and how long
// the rest is looked at after a pass.
const (
	alertWaits = 2 * time.Second
	besideTime = 10 * time.Second
)

// prepare asks, before a pass is judged, who is named in what changed and who
// wrote it. An alert waits for it no longer than alertWaits. The log is asked
// for those who wait as well: what no question reaches back to is forgotten.
func (w *Watcher) prepare(ctx context.Context, readings []reading, ev evidence, now time.Time) {
	moved := w.moved(readings, ev)
	if len(moved) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, alertWaits)
	defer cancel()
	var writes []beside.Write
	var forms []*drift.Object
	w.mu.Lock() // people may be moving the baseline
	for _, c := range moved {
		writes = append(writes, w.write(c, *w.window(c.key.Kind, now)))
		forms = append(forms, c.old, c.new, w.baselineForm(c.key))
	}
	for _, a := range w.waiting {
		writes = append(writes, w.waitingWrite(a))
	}
	w.mu.Unlock()
	w.o.Beside.Ask(ctx, now, writes...)
	w.o.Beside.Names(ctx, now, forms...)
}

// moved are the objects that the readings show to have changed, as far as can
// be told before they are judged. Kinds that are read for the first time make
// no events and are left out.
func (w *Watcher) moved(readings []reading, ev evidence) []change {
	var out []change
	for i := range readings {
		r := &readings[i]
		if !r.good() || r.same || !w.seen(r.kind) {
			continue
		}
		for _, obj := range r.objects {
			old, known := w.state.Objects[obj.Key()]
			switch {
			case !known && r.kind == drift.Group: // recorded without an event
			case !known:
				out = append(out, change{key: obj.Key(), new: &obj})
			case obj.Digest != old.Digest || obj.Written().After(old.Written()):
				out = append(out, change{key: obj.Key(), old: &old, new: &obj})
			}
		}
	}
	for _, key := range ev.deleted {
		if old, known := w.state.Objects[key]; known {
			out = append(out, change{key: key, action: drift.Deleted, old: &old})
		}
	}
	return out
}

// lookBeside does, after a pass, what no alert waits for: late audit records,
// names for the next alert, and policies that this Graph version hides.
func (w *Watcher) lookBeside(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, besideTime)
	defer cancel()
	err := w.attributeLate(ctx)
	w.mu.Lock()
	revision := w.state.Revision
	w.mu.Unlock()
	w.o.Beside.Warm(ctx, time.Now(), revision, maps.Values(w.state.Objects))
	if w.seen(drift.Policy) {
		w.o.Beside.LookForHidden(ctx, time.Now(), w.watches)
	}
	return err
}

// watches tells whether a policy is known, or will be: one that was made a
// moment ago answers to a GET.
func (w *Watcher) watches(ctx context.Context, id string) bool {
	key := drift.Key{Kind: drift.Policy, ID: id}
	if _, known := w.state.Objects[key]; known {
		return true
	}
	_, err := w.get(ctx, key)
	return err == nil
}

// Name is the name that the directory last gave an id: judge.Names.
func (w *Watcher) Name(id string) (string, bool) { return w.o.Beside.Name(id) }
