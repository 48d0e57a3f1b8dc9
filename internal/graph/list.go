package graph

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// Listing is a complete list of one kind's objects.
type Listing struct {
	Kind  drift.Kind
	Items []Item // shared between listings: not to be changed
	// Same tells that every page had the very bytes of this client's last
	// complete reading, whoever asked for that one.
	Same bool
	// Version is equal for listings of one client with equal items, and
	// different after any change. A caller that keeps the version of the
	// listing it has worked through needs no more to skip the next, even if
	// others read in between.
	Version uint64
	// At is when the last page was complete, Date what the server's clock
	// said then; zero where it did not say.
	At, Date time.Time
}

// memory is what is kept of a kind's last complete reading, to recognise the
// next. A reading borrows it, so that no lock is held while the server is
// waited for; a second reading at the same time does without.
type memory struct {
	chains  map[string]chain // by path
	items   []Item
	version uint64
	spare   []byte // the body that was compared last, to read the next into
}

// chain is a collection as it was read: its pages and, without repeats, their
// items.
type chain struct {
	pages []page
	items []Item
}

// errMoved reports that the listing changed while it was read.
const errMoved = malformed("one id came twice with different content: the listing moved")

// List reads every object of a kind. A nil error means complete: every page
// was followed and was an ordinary answer. Custom authentication strengths
// carry their combination configurations, which Graph lists apart, as member
// combinationConfigurations of Raw.
func (c *Client) List(ctx context.Context, kind drift.Kind) (Listing, error) {
	s, ok := shapeOf(kind)
	if !ok {
		return Listing{}, fmt.Errorf("list %s: not a kind that Graph lists", kind)
	}
	verb := "list "
	if kind == drift.SecurityDefaults {
		verb = "read "
	}
	k := c.begin(verb+s.plural, s.permission)
	old := c.borrow(kind)
	r := &reading{client: c, call: k, old: old, chains: map[string]chain{}, same: true, spare: old.spare}
	items, err := r.kind(ctx, kind, s)
	old.spare = r.spare
	if err != nil {
		c.restore(kind, old)
		return Listing{}, err
	}
	if !r.same {
		old = &memory{chains: r.chains, items: items, version: c.nextVersion(), spare: r.spare}
	}
	c.restore(kind, old)
	return Listing{Kind: kind, Items: old.items, Same: r.same, Version: old.version, At: time.Now(), Date: r.date}, nil
}

func (c *Client) borrow(kind drift.Kind) *memory {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.memories[kind]
	delete(c.memories, kind)
	if m == nil {
		m = &memory{}
	}
	return m
}

func (c *Client) restore(kind drift.Kind, m *memory) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.memories[kind]; now == nil || now.version < m.version {
		c.memories[kind] = m
	}
}

func (c *Client) nextVersion() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.versions++
	return c.versions
}

// reading is one listing in progress.
type reading struct {
	client *Client
	call   *call
	old    *memory
	chains map[string]chain
	known  map[string][]byte // bodies of the last reading by id, made when a page differs
	same   bool              // no page differed so far
	spare  []byte            // a body to read into
	date   time.Time
}

func (r *reading) kind(ctx context.Context, kind drift.Kind, s shape) ([]Item, error) {
	root := r.client.address(r.client.version, s.path)
	switch kind {
	case drift.SecurityDefaults:
		return r.singleton(ctx, root)
	case drift.AuthenticationStrength:
		return r.strengths(ctx, root)
	}
	return r.collection(ctx, root)
}

// singleton reads an object that is alone of its kind as a listing of one.
func (r *reading) singleton(ctx context.Context, root *url.URL) ([]Item, error) {
	p, same, err := r.page(ctx, r.old.chains[root.Path].pages, root, 0, func(body []byte) (page, error) {
		item, err := parseEntity(body)
		item.Raw = bytes.Clone(item.Raw)
		return page{body: body, items: []Item{item}}, err
	})
	if err != nil {
		return nil, err
	}
	r.same = same
	r.chains[root.Path] = chain{pages: []page{p}}
	return p.items, nil
}

// strengths reads the authentication strengths, and for each custom one its
// combination configurations.
func (r *reading) strengths(ctx context.Context, root *url.URL) ([]Item, error) {
	listed, err := r.collection(ctx, root)
	if err != nil {
		return nil, err
	}
	items := make([]Item, 0, len(listed))
	for _, item := range listed {
		if isCustom(item.Raw) {
			if item.Raw, err = r.configured(ctx, root, item); err != nil {
				return nil, err
			}
		}
		items = append(items, item)
	}
	return items, nil
}

// isCustom tells of a strength that the tenant made. Built-in ones have no
// combination configurations.
func isCustom(strength []byte) bool {
	value, _ := member(strength, "policyType")
	policyType, _ := text(value)
	return strings.EqualFold(policyType, "custom")
}

// configured is a strength's body with its combination configurations.
func (r *reading) configured(ctx context.Context, root *url.URL, strength Item) ([]byte, error) {
	id, err := segment(strength.ID)
	if err != nil {
		return nil, r.fail(ctx, err)
	}
	defer func(op string) { r.call.op = op }(r.call.op)
	r.call.op += ": configurations of " + safe(strength.ID)
	configurations, err := r.collection(ctx, root.JoinPath(id, "combinationConfigurations"))
	if err != nil {
		return nil, err
	}
	return keep(strength.ID, splice(strength.Raw, configurations), r.bodies()), nil
}

// collection reads all pages below root. When an id comes twice with different
// content, the listing moved under the reader: it begins again, once.
func (r *reading) collection(ctx context.Context, root *url.URL) ([]Item, error) {
	for again := true; ; again = false {
		read := r.call.bytes
		items, err := r.all(ctx, root)
		if err == nil {
			return items, nil
		}
		if !errors.Is(err, errMoved) {
			return nil, err
		}
		if !again {
			return nil, r.client.incomplete(ctx, r.call, errMoved, nil)
		}
		r.call.bytes = read
	}
}

// all reads the pages in order. Its error is an *Error or errMoved.
func (r *reading) all(ctx context.Context, root *url.URL) ([]Item, error) {
	var pages []page
	count, fresh := 0, false
	last := r.old.chains[root.Path]
	asked := map[string]bool{}
	for target := root; ; {
		r.call.page = len(pages) + 1
		if len(pages) == maxPages {
			return nil, r.fail(ctx, malformed(fmt.Sprintf("more than %d pages", maxPages)))
		}
		if asked[target.RawQuery] {
			return nil, r.fail(ctx, malformed("the links between the pages go in a circle"))
		}
		asked[target.RawQuery] = true
		p, same, err := r.page(ctx, last.pages, target, len(pages), func(body []byte) (page, error) { return parsePage(body, r.bodies()) })
		if err != nil {
			return nil, err
		}
		pages, fresh = append(pages, p), fresh || !same
		if count += len(p.items); count > maxItems {
			return nil, r.fail(ctx, malformed(fmt.Sprintf("more than %d objects", maxItems)))
		}
		if p.next == "" {
			break
		}
		if target, err = follow(root, p.next); err != nil {
			return nil, r.fail(ctx, err)
		}
	}
	if !fresh { // equal pages have equal links: there are as many as last time
		r.chains[root.Path] = last
		return last.items, nil
	}
	r.same = false
	items, err := merge(pages, count)
	r.chains[root.Path] = chain{pages, items}
	return items, err
}

// merge is the items of all pages, each once. An id that comes twice with the
// same bytes was met twice because something was added while paging; with
// different bytes, nobody can say which is true.
func merge(pages []page, count int) ([]Item, error) {
	items := make([]Item, 0, count)
	at := make(map[string]int, count)
	for _, p := range pages {
		for _, item := range p.items {
			if i, twice := at[item.ID]; !twice {
				at[item.ID] = len(items)
				items = append(items, item)
			} else if !bytes.Equal(items[i].Raw, item.Raw) {
				return nil, errMoved
			}
		}
	}
	return items, nil
}

// page reads the n-th page. Gate 0 is here: a page that has the bytes of last
// time is that page, without a look at its JSON.
func (r *reading) page(ctx context.Context, last []page, target *url.URL, n int, parse func([]byte) (page, error)) (p page, same bool, err error) {
	got, fault := r.client.do(ctx, r.call, http.MethodGet, target, r.spare)
	r.spare = nil
	if fault != nil {
		return page{}, false, fault
	}
	if r.call.bytes > maxListingBytes {
		return page{}, false, r.fail(ctx, malformed(fmt.Sprintf("the listing is larger than %d bytes", maxListingBytes)))
	}
	if date, err := http.ParseTime(got.header.Get("Date")); err == nil {
		r.date = date
	}
	if p, same := recognise(last, n, got.body); same {
		r.spare = got.body
		return p, true, nil
	}
	if p, err = parse(got.body); err != nil {
		return page{}, false, r.client.incomplete(ctx, r.call, err, got.body)
	}
	return p, false, nil
}

// recognise gives the n-th page of last time if it had this body.
func recognise(last []page, n int, body []byte) (page, bool) {
	if n < len(last) && bytes.Equal(last[n].body, body) {
		return last[n], true
	}
	return page{}, false
}

func (r *reading) fail(ctx context.Context, what error) *Error {
	return r.client.incomplete(ctx, r.call, what, nil)
}

// bodies are those of the last reading by id, so that an object that did not
// change keeps its memory when its neighbour did.
func (r *reading) bodies() map[string][]byte {
	if r.known == nil {
		r.known = make(map[string][]byte, len(r.old.items))
		for _, item := range r.old.items {
			r.known[item.ID] = item.Raw
		}
	}
	return r.known
}
