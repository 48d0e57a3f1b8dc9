package beside

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cadrift/cadrift/internal/graph"
	"github.com/cadrift/cadrift/internal/schedule"
)

// Directory says whose ids they are: a Graph client. Its errors are
// *graph.Error; an id that the directory does not know is no error.
type Directory interface {
	Objects(ctx context.Context, ids []string) (map[string]graph.Principal, error)
	Apps(ctx context.Context, appIDs []string) (map[string]graph.Principal, error)
	Roles(ctx context.Context) (map[string]string, error)
}

// How long a name is believed. An id that the directory did not know is asked
// for again sooner: a new account takes minutes to be known everywhere.
const (
	nameAge = 24 * time.Hour
	deadAge = time.Hour

	maxNames = 50_000 // in memory; beyond it the book begins anew
	maxAsked = 1000   // in one pass
)

// book remembers names. Its entries are what [judge.Names] gives: a name, an
// id that lives without a name we may read, or an id that nobody has.
type book struct {
	from Directory

	mu      sync.Mutex
	entries map[string]entry
	roles   time.Time // when they were read
}

type entry struct {
	graph.Principal
	dead bool
	at   time.Time
}

func newBook(from Directory) *book { return &book{from: from, entries: map[string]entry{}} }

// name is judge.Names. Nothing is claimed about an id that was not looked up.
func (b *book) name(id string) (string, bool) {
	e, known := b.entry(id)
	return e.Name, !known || !e.dead
}

func (b *book) entry(id string) (entry, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e, known := b.entries[strings.ToLower(id)]
	return e, known
}

// fill looks up what is not known, or not known any more. The error says what
// could not be asked; withheld that Graph gave ids without names.
func (b *book) fill(ctx context.Context, n wanted, now time.Time) (withheld bool, err error) {
	objects, apps, roles := b.missing(n.objects, now), b.missing(n.apps, now), b.missing(n.roles, now)
	var errs [3]error
	var wg sync.WaitGroup
	if len(objects) > 0 {
		wg.Go(func() {
			found, err := b.from.Objects(ctx, objects)
			errs[0] = b.learn(objects, found, err, now)
		})
	}
	if len(apps) > 0 {
		wg.Go(func() {
			found, err := b.from.Apps(ctx, apps)
			errs[1] = b.learn(apps, found, err, now)
		})
	}
	if len(roles) > 0 && b.rolesDue(now) {
		wg.Go(func() { errs[2] = b.learnRoles(ctx, now) })
	}
	wg.Wait()
	for _, id := range objects {
		e, known := b.entry(id)
		withheld = withheld || known && !e.dead && e.Name == ""
	}
	return withheld, errors.Join(errs[:]...)
}

// missing are the ids whose names want to be looked up, in stable order.
func (b *book) missing(ids map[string]bool, now time.Time) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []string
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		e, known := b.entries[id]
		age := nameAge
		if e.dead {
			age = deadAge
		}
		if (!known || schedule.Lapsed(e.at, age, now)) && len(out) < maxAsked {
			out = append(out, id)
		}
	}
	return out
}

// learn notes an answer; after a refusal a name that expired is given up, and
// the id is shown instead.
func (b *book) learn(asked []string, found map[string]graph.Principal, err error, now time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.entries) > maxNames {
		clear(b.entries)
	}
	for _, id := range asked {
		p, alive := found[id]
		switch {
		case err == nil:
			b.entries[id] = entry{Principal: p, dead: !alive, at: now}
		case schedule.Lapsed(b.entries[id].at, nameAge, now):
			delete(b.entries, id)
		}
	}
	return err
}

func (b *book) rolesDue(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return schedule.Lapsed(b.roles, deadAge, now)
}

// learnRoles notes all roles at once. A role that is not among them is not
// called dead: custom roles are not templates.
func (b *book) learnRoles(ctx context.Context, now time.Time) error {
	names, err := b.from.Roles(ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.roles = now
	for id, name := range names {
		b.entries[id] = entry{Principal: graph.Principal{ID: id, Name: name}, at: now}
	}
	return err
}

// unknown is what of n would be asked for.
func (b *book) unknown(n wanted, now time.Time) wanted {
	out := newWanted()
	collect(out.objects, b.missing(n.objects, now))
	collect(out.apps, b.missing(n.apps, now))
	if b.rolesDue(now) {
		collect(out.roles, b.missing(n.roles, now))
	}
	return out
}
