package cli

import (
	"net/url"

	"github.com/spf13/cobra"
)

// ask puts a question to the daemon, or to its handler in process, and prints
// the answer: as it came with --output json, else by say.
func (e *env) ask(c *cobra.Command, path string, query url.Values, answer any, say func(p *printer)) error {
	return e.exchange(c, connection{}, func(cl *client) ([]byte, error) {
		return cl.get(c.Context(), path, query, answer)
	}, say)
}

// order is ask for what changes something.
func (e *env) order(c *cobra.Command, path string, order, answer any, say func(p *printer)) error {
	return e.send(c, connection{}, path, order, answer, say)
}

// send is order for what needs more of the other side.
func (e *env) send(c *cobra.Command, need connection, path string, order, answer any, say func(p *printer)) error {
	return e.exchange(c, need, func(cl *client) ([]byte, error) {
		return cl.post(c.Context(), path, e.tenantQuery(), order, answer)
	}, say)
}

// exchange connects for the time of talk, and prints the answer that it ends
// with.
func (e *env) exchange(c *cobra.Command, need connection, talk func(cl *client) ([]byte, error), say func(p *printer)) error {
	cl, err := e.connect(c.Context(), need)
	if err != nil {
		return err
	}
	defer cl.close()
	text, err := talk(cl)
	if err != nil {
		return err
	}
	p := e.printer()
	if e.json() {
		return p.json(text)
	}
	p.daemon = cl.daemon
	say(p)
	return nil
}
