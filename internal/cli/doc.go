// Package cli is the command line: one file per command, each of which
// parses, calls and prints.
//
// Commands hold no rules of their own. They are clients of package api's
// handler: through the control socket when a daemon runs, in process when none
// does, with the same bytes either way. Files named on the command line are
// read and written here, by the user who typed the name, never by the daemon.
//
// Data goes to stdout, as text for people or as one JSON document; errors go
// to stderr as "error: …", with the next step as "hint: …". Names that others
// chose are made visible before they reach a terminal.
package cli
