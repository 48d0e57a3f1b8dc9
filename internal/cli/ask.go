package cli

import (
	"net/url"

	"github.com/spf13/cobra"
)

// ask puts a question to the daemon, or to its handler in process, and prints
// the answer: as it came with --output json, else by say.
func (e *env) ask(c *cobra.Command, path string, query url.Values, answer any, say func(p *printer)) error {
	cl, err := e.connect(c.Context(), connection{})
	if err != nil {
		return err
	}
	defer cl.close()
	text, err := cl.get(c.Context(), path, query, answer)
	if err != nil {
		return err
	}
	return e.tell(text, say)
}

// order is ask for what changes something.
func (e *env) order(c *cobra.Command, path string, order, answer any, say func(p *printer)) error {
	cl, err := e.connect(c.Context(), connection{})
	if err != nil {
		return err
	}
	defer cl.close()
	text, err := cl.post(c.Context(), path, e.tenantQuery(), order, answer)
	if err != nil {
		return err
	}
	return e.tell(text, say)
}

// tell prints an answer.
func (e *env) tell(text []byte, say func(p *printer)) error {
	p := e.printer()
	if e.json() {
		return p.json(text)
	}
	say(p)
	return nil
}
