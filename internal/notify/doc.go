// Package notify takes committed events to receivers: who gets an event
// ([Route]), what one message holds, and the loop that delivers the outbox of
// one receiver ([Worker]).
//
// # Promises
//
// At least once: an event leaves the outbox only after the receiver's answer,
// or when it was refused for good and is parked, where people see it and can
// send it again. Nothing expires: a queue that has grown too long is folded
// (package store), and the messages that remain say what they stand for. Where
// an answer was lost the message is sent again under the same event id; chat
// messages then say "possible repeat".
//
// In order per object and receiver: an event never overtakes an earlier one
// that has the same subject. Different objects may overtake each other, most
// severe first, so that one refused message does not hold up the rest.
//
// One worker per receiver, which shares nothing with the others: a dead Teams
// flow never delays Slack.
//
// # Never
//
// It never shows the address of a receiver or a signing secret: not in an
// error, a log record, a metric or an answer. It never follows a redirect and
// never acts on what a receiver's answer says beyond "delivered", "later" and
// "no".
//
// The sinks, one per kind of receiver, are in the packages below this one.
package notify
