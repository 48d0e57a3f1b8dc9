// Package api is the one door to what cadrift knows: an HTTP handler over the
// store. [API.Read] answers questions and is mounted on the TCP listener;
// [API.Control] answers the same questions and takes the few commands that
// change something, and is mounted on the unix socket only. Commands are its
// clients: with a daemon through the socket, without one in process, so both
// give the same bytes and one test suite covers them.
//
// It never talks to Graph and writes nothing to a tenant's history by itself:
// passes and baselines go through a [Keeper], acknowledgements, announcements
// and test messages through [Alerts], writes of the guard through [Guards],
// which see to it that a tenant's loop does one thing at a time.
//
// Answers are the shapes of the public contract. Errors are
// {"error": "...", "hint": "..."} with a fitting status. What is read is copied
// out of the store before the first byte is written, so a slow reader never
// holds a transaction open; the backup stream, which cannot be copied, cuts a
// reader off that stalls.
package api
