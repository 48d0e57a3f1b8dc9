// Package store keeps everything that is durable of the watched tenants in
// one bbolt file: objects, revisions, the baseline, open findings, events and
// their hash chain, and the outbox. It speaks package drift's nouns only and
// is the only package that knows bbolt.
//
// # Promises
//
//   - A [Store.Commit] is one transaction: all of it is on disk when it
//     returns nil, and none of it when the error is [ErrNotCommitted]. Only
//     [ErrOutcomeUnknown] leaves the question open: the process must end, and
//     the next one reads what became of it. After it the store refuses writes.
//   - bbolt has no checksum on data pages. Every value is therefore sealed
//     with a digest over its bucket, its key and its bytes, and the seal is
//     checked on every reading; a mismatch is [ErrCorrupt] and names the
//     bucket and the key.
//   - What is returned was copied out of its transaction, and no transaction
//     is held while something slow happens: an open reader makes the file
//     grow and ends by blocking the writer.
//   - Opening never changes a file that is not this package's, is damaged, or
//     has a newer schema, and never takes an empty or missing file for a new
//     store where one existed.
//
// # Queues
//
// What waits for a receiver is bounded, and so is what it refused. A
// transaction that makes a queue too long folds it: rows go whose events a
// reader can do without, and the next row about the same object says how many.
// The events themselves stay in the history.
//
// # Buckets
//
// Keys are lists of escaped parts, the tenant_id first (the receiver in the
// outbox); revisions and sequence numbers are eight bytes, big endian.
//
//	cadrift    fixed names                    schema, erasure mark
//	names      name                           tenant_id that the name is bound to
//	tenants    tenant                         revision, head, checkpoint, absences, blind spots, sums
//	latest     tenant kind id                 newest form of an object that exists
//	versions   tenant kind id revision        every recorded form; gone marks a deletion
//	revisions  tenant revision                time, digest of the whole, changed keys
//	blobs      tenant digest                  canonical and raw bytes of a form, one zstd frame
//	baseline   tenant kind id                 approved form of an object
//	findings   tenant kind id                 open drift
//	entries    tenant kind id                 records of other packages (expectations, guard)
//	chain      tenant seq                     hash and canonical record
//	events     tenant seq                     body of an event, without the actor's name and address
//	notes      tenant seq                     body of a chained record that is no event
//	people     tenant seq                     name, address and salt of an event's actor
//	outbox     receiver order                 one undelivered event, and the sum of those folded before it
//	queued     receiver event                 order of an undelivered event
//	parked     receiver event                 one delivery that was refused for good
//	receivers  receiver                       time of the last delivery and of the newest tries
//	receivers  receiver matter                time of the last reminder or heartbeat
//
// # Chain
//
// h_n = SHA-256(h_{n-1} ‖ record_n) with h_0 = 32 zero bytes. A record is the
// JSON of one event, acknowledgement, entry or silent revision: ids, verdicts,
// the digest of the body, the digest of the tenant's state, and a salted
// commitment to the actor. The actor's name and address lie in the people
// bucket and can be erased without breaking the chain; erased bytes remain in
// the file's free pages until they are reused, and no backup has them.
// Pruning drops a prefix of the chain and leaves a checkpoint.
//
// The seals and the chain reveal damage and edits. Somebody who can write the
// file and recompute both is revealed only by a head seen outside, see
// [Store.HashAt].
package store
