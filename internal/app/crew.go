package app

import (
	"context"
	"errors"
	"fmt"
)

// member is one long-lived part that runs until it is stopped.
type member struct {
	name string
	stop context.CancelFunc
	done chan struct{}
}

// crew runs the long-lived parts. A part that returns an error on its own is
// fatal for all of them: the supervisor starts the process anew.
type crew struct {
	ctx   context.Context
	fatal chan error
}

func newCrew(ctx context.Context) *crew { return &crew{ctx: ctx, fatal: make(chan error, 1)} }

// start runs a part in a goroutine of its own.
func (c *crew) start(name string, run func(ctx context.Context) error) *member {
	ctx, cancel := context.WithCancel(c.ctx)
	m := &member{name: name, stop: cancel, done: make(chan struct{})}
	go func() {
		defer close(m.done)
		if err := run(ctx); err != nil && !errors.Is(err, context.Canceled) {
			select {
			case c.fatal <- fmt.Errorf("%s: %w", name, err):
			default: // another part was first: one reason to end is enough
			}
		}
	}()
	return m
}

// end stops a part and waits for it, or for ctx.
func (m *member) end(ctx context.Context) error {
	if m == nil {
		return nil
	}
	m.stop()
	select {
	case <-m.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s did not end in time", m.name)
	}
}
