// Package canon turns the body of one object, as Graph returned it, into its
// canonical form: the bytes that decide whether the object changed.
//
// It folds the encodings that Graph uses for one and the same stored state and
// nothing else; what a change means is judged elsewhere. The rules:
//
//   - Out at every depth: OData and Graph annotations, the four volatile
//     properties (createdDateTime, modifiedDateTime, deletedDateTime,
//     templateId), and the root id, which is the key and not content. Type
//     tags stay where they carry meaning: on named locations and ip ranges.
//   - null, absent, [], {} and whatever holds only such values are the same
//     and are dropped, also as members of arrays.
//   - Every array is a set: its members are sorted by their canonical bytes
//     and stand once. Flag enums, which Graph writes as one comma-joined
//     string or as an array, are such a set too. Enum values that are
//     combinations ("password,sms") stay strings with their parts sorted.
//   - GUIDs are lower-cased where the schema says that the value is an id.
//   - Address ranges are written as masked prefixes in one spelling.
//   - grantControls.authenticationStrength is its id: the strength is an
//     object of its own.
//   - Switches that say false where false is Graph's word for absent are
//     dropped, and so is a session control that is not enabled and a grant
//     block that has an operator and nothing to combine.
//   - Object members are sorted by name, numbers are the digits Graph sent,
//     strings are UTF-8 with the fewest escapes, and there is no white space.
//
// Properties that this version does not know stay in. The form is idempotent:
// canonicalising it, with the id put back, gives the same bytes.
//
// A body that does not have the shape the schema promises (a member twice, more
// than 50 levels, a string where an object belongs) is odd: its canonical form
// is the whole body with sorted member names and nothing folded, and
// [drift.Object.Odd] says why. Broken text (bad UTF-8, half a surrogate pair)
// makes an object odd as well, but is folded like any other, with the broken
// part spelled out: encoding/json would read every such string as the same
// U+FFFD, and two states would share one form.
//
// The package is pure and safe for concurrent use. Nothing it returns is
// written to afterwards, and the raw bytes are never modified.
package canon
