package poll

import (
	"maps"
	"strings"

	"github.com/cadrift/cadrift/internal/canon"
	"github.com/cadrift/cadrift/internal/diff"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/judge"
)

// undone judges a write that left no trace by the form that the audit log
// holds of it: changed and put back between two readings (detection law §1.5).
// Bodies of the log are compared with each other only, since the log writes
// them in a manner of its own.
func (w *Watcher) undone(c change, window drift.Window) (drift.Verdict, bool) {
	if c.old == nil || c.new == nil || c.old.Digest != c.new.Digest {
		return drift.Verdict{}, false
	}
	var world *judge.World
	var base *drift.Object
	var worst drift.Verdict
	for _, r := range w.written(c, window) {
		old, new := loggedForm(c.key, r.Old), loggedForm(c.key, r.New)
		if base == nil {
			base = old
		}
		if base == nil || new == nil || base.Digest == new.Digest {
			continue
		}
		changes, _, err := diff.Objects(base.Canonical, new.Canonical)
		if err != nil {
			continue
		}
		if world == nil {
			world = judge.NewWorld(maps.Values(w.state.Objects), w.o.Emergency, w.o.Names)
		}
		if v := world.Judge(judge.Case{Old: base, New: new, Changes: changes}); v.Severity > worst.Severity {
			worst = v
		}
	}
	if worst.Severity == drift.Info {
		return drift.Verdict{}, false
	}
	name := drift.Visible(c.new.Name) + ": "
	return drift.Verdict{
		Direction: drift.Mixed, Severity: worst.Severity, Lockout: worst.Lockout, Reasons: worst.Reasons,
		Summary: name + "changed and put back between two readings: " + strings.TrimPrefix(worst.Summary, name),
	}, true
}

// loggedForm reads a body of the audit log, nil where there is none that can
// be read. The log writes MFA where Graph writes mfa.
func loggedForm(key drift.Key, raw []byte) *drift.Object {
	if len(raw) == 0 {
		return nil
	}
	obj, err := canon.Object(key.Kind, []byte(strings.ReplaceAll(string(raw), `"MFA"`, `"mfa"`)))
	if err != nil || obj.Odd != "" {
		return nil
	}
	return &obj
}
