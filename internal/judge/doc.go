// Package judge says what a change means: weaker, stronger, both or neither;
// how severe it is; whether it may lock people out; and the words for it.
//
// It owns the meaning of conditional access. A verdict rests on what an object
// does, not on its JSON: whom a policy reaches ([reach.go], [covers.go]), what
// it asks for ([grant.go]) and what it does to sessions ([session.go]), read
// together with the rest of the snapshot, the world. The tables in these files
// are the rules; the words people read stand in the same rows.
//
//	old acts  new acts  the verdict comes from ([compare.go])
//	no        no        nothing is enforced: neutral, fields tell what they would do
//	yes       no        everything the old form did, reversed
//	no        yes       everything the new form does, and what it lost since it last acted
//	yes       yes       reach, grant and session compared, joined
//
// What cannot be decided is mixed: weaker and stronger at once. Judge never
// asks who wrote, never looks at the clock, and holds one tenant's snapshot: a
// verdict is about this object, not about the tenant as a whole.
//
// A World is immutable after [NewWorld] and safe for concurrent use as far as
// its Names function is.
package judge
