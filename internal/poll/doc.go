// Package poll watches one tenant: it makes the passes, decides what counts as
// a change, and commits what it found.
//
// A pass runs in one direction:
//
//	read      every watched kind, complete or not at all    (read.go)
//	doubt     what is missing or went back in time          (absence.go)
//	prepare   who is named in what changed, and who wrote   (beside.go)
//	assess    state + readings → one drift.Commit, purely   (assess.go)
//	judge     changes → roll-outs, events, open drift       (rollout.go, event.go, findings.go)
//	blind     what could not be seen                        (blind.go)
//	commit    one transaction; nothing leaves before it     (commit.go)
//	wake      the notification workers
//	beside    late actors, names for the next alert         (beside.go, late.go, undone.go)
//	guard     is told of a good pass                        (guard.go)
//
// Passes of a tenant never overlap. Between two passes the watcher may ask
// again for objects that a listing lacked (detection law §1.2), and people may
// move the baseline (baseline.go, basedir.go), announce changes (expect.go) and
// acknowledge drift (ack.go); all commit under the same lock, so every commit
// starts from the state that the one before it made.
//
// The package never sends anything, never writes to Graph and never decides
// what a change means: that is package judge.
package poll
