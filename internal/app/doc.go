// Package app puts the daemon together and keeps it running.
//
// The builder makes everything that a configuration asks for and that can fail;
// run, config check and a reload all call it, so what one of them accepts the
// others do too. [Run] is the daemon: store, listeners, one watcher per
// tenant, one worker per receiver. A reload builds first and swaps after: a
// bad file leaves the old configuration running. [Local] serves the same
// commands without a daemon, [CheckConfig] says what run would do.
//
// Nothing here decides what a change is or what it means; this is the room
// where the others are introduced to each other.
package app
