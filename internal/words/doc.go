// Package words turns an event into text for people: the one source of the
// sentences that Slack, Teams, the pages and the terminal show.
//
// It owns the first line, which alone must let a person on call decide
// whether to get up, and the labelled lines under it. Everything that it
// returns is one line per string with hostile characters made visible
// ([Clean]), and never encoded for a sink: each sink escapes for its own
// grammar. It never shows an actor's IP address, which belongs to webhook
// receivers only.
//
// The package is pure: no clock, no input or output.
package words
