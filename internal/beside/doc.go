// Package beside finds out what an alert is better for and no reading of the
// policies says:
//
//	names      what people call the ids in a policy           (names.go, book.go)
//	members    who is in the groups that policies exclude      (members.go)
//	actors     who made a change, by the audit log             (actors.go, match.go)
//	traces     what came and went between two readings         (traces.go)
//	hidden     which policies this version of Graph leaves out (hidden.go)
//
// It is asked with ids, keys and times and answers with names, members and
// actors. Nothing in it fails a pass: what cannot be found out is a limit of
// the view ([View.Limits]), logged when it begins and when it ends.
//
// It never decides what a change means, never stores and never writes: all
// that it remembers may be lost with the process.
//
// A [View] belongs to whoever holds the tenant's turn; [View.Name] and
// [View.Attributes] alone may be called at any time.
package beside
