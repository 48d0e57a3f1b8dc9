// Package schedule says when passes are due: cron schedules, the next due time,
// and waits for it. It is pure: time is an argument.
//
// The wall clock of a machine may be set while the process runs, and the
// monotonic clock, by which timers run, stands still while the machine sleeps.
// Due times are therefore of the wall clock, and waits are bounded by both.
package schedule
