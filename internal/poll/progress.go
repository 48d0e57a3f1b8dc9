package poll

import "time"

// A watcher promises, whenever it begins to wait or to work, by when it will
// say so again. A promise that is broken is a loop that hangs: a supervisor's
// watchdog is fed by this, not by a timer that ticks whatever happens.
const (
	// grace is what a loaded machine may take beyond a promise.
	grace = time.Minute
	// longestTurn is the longest that somebody else may hold the turn: a
	// check of a large tenant at one request a second.
	longestTurn = 15 * time.Minute
)

// promise is called by the loop.
func (w *Watcher) promise(within time.Duration) {
	at := time.Now().Add(within + grace)
	w.promised.Store(&at)
}

// Stuck tells whether the loop has been silent for longer than it said.
func (w *Watcher) Stuck(now time.Time) bool {
	at := w.promised.Load()
	return at != nil && now.After(*at)
}
