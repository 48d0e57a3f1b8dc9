// Package guard keeps a tenant's emergency accounts excluded from its
// policies, so that a bad policy cannot lock the company out.
//
// It owns the verdict per policy (plan.go, which is pure and the only place
// that decides a write), the armed list, the intents, the budgets and the
// brakes. A write goes one way:
//
//	intent stored → fresh read → plan again → body → second check → PATCH →
//	one read-back → result stored, verified by an ordinary later pass
//
// The second check (check.go) shares no code with the plan: it compares the
// outgoing bytes with the fresh read and refuses anything but configured ids
// added at the end of a list that is otherwise sent as it was read.
//
// What it never does: write without a stored intent, send a PATCH again whose
// outcome is unknown before it has read, write an id that was not armed at
// start and told to every receiver, take an exclusion away (a person's undo is
// the exception, and takes only what a write of ours added), or decide what a
// change means, which is package judge's.
//
// Graph has no conditional update of policies: what somebody adds to the very
// same list between our read and our PATCH, or what no replica has shown yet,
// is overwritten. The read is therefore the last request before the PATCH, and
// lists that do not grow are not sent.
//
// What a person is told or orders between a write and the next pass rests on
// the pass and on the guard's own writes since: done when the read-back showed
// them, and for an undo also when it did not.
//
// Passed, Apply and Undo must not overlap: whoever calls them holds the
// tenant's turn. The other methods may be called at any time.
package guard
