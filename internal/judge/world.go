package judge

import (
	"cmp"
	"iter"
	"slices"
	"strings"

	"github.com/cadrift/cadrift/internal/drift"
)

// World is the newest good snapshot of every kind, as far as verdicts depend
// on it, with the configured emergency ids and the directory's names.
type World struct {
	// parsed are the policies of the snapshot, so that a policy that is
	// compared with many others is read once.
	parsed map[drift.Key]reading
	// acting are the policies that act, by name.
	acting []*policy
	// nothing is the policy that reaches nobody and asks for nothing: what
	// there was before a policy was made.
	nothing *policy

	locations map[string]*location
	strengths map[string]*strength
	contexts  map[string]string // id → display name

	emergency                     Emergency
	emergencyUser, emergencyGroup map[string]bool
	names                         Names
}

// reading is a parsed policy and the digest of the form it was parsed from.
type reading struct {
	digest drift.Digest
	policy *policy
}

// NewWorld reads a snapshot. The objects are not kept.
func NewWorld(objects iter.Seq[drift.Object], em Emergency, names Names) *World {
	w := &World{
		parsed:         map[drift.Key]reading{},
		locations:      map[string]*location{},
		strengths:      map[string]*strength{},
		contexts:       map[string]string{},
		emergency:      Emergency{Users: foldAll(em.Users), Groups: foldAll(em.Groups)},
		emergencyUser:  map[string]bool{},
		emergencyGroup: map[string]bool{},
		names:          names,
	}
	for _, id := range w.emergency.Users {
		w.emergencyUser[id] = true
	}
	for _, id := range w.emergency.Groups {
		w.emergencyGroup[id] = true
	}
	w.nothing = &policy{}
	w.nothing.fill()
	for o := range objects {
		w.add(&o)
	}
	slices.SortFunc(w.acting, func(a, b *policy) int {
		return cmp.Or(cmp.Compare(a.ref.Name, b.ref.Name), cmp.Compare(a.ref.ID, b.ref.ID))
	})
	return w
}

func (w *World) add(o *drift.Object) {
	switch o.Kind {
	case drift.Policy:
		p := w.readPolicy(o)
		w.parsed[o.Key()] = reading{o.Digest, p}
		if p.acts() {
			w.acting = append(w.acting, p)
		}
	case drift.NamedLocation:
		w.locations[fold(o.ID)] = readLocation(o)
	case drift.AuthenticationStrength:
		w.strengths[fold(o.ID)] = readStrength(o)
	case drift.AuthenticationContext:
		w.contexts[o.ID] = o.Name
	}
}

// policy reads a policy, or takes the reading of the same form in the world.
// An absent policy is [World.nothing].
func (w *World) policy(o *drift.Object) *policy {
	if o == nil {
		return w.nothing
	}
	if r, ok := w.parsed[o.Key()]; ok && !o.Digest.IsZero() && r.digest == o.Digest {
		return r.policy
	}
	return w.readPolicy(o)
}

// users are the acting policies for which use holds.
func (w *World) users(use func(*policy) bool) []*policy {
	var found []*policy
	for _, p := range w.acting {
		if use(p) {
			found = append(found, p)
		}
	}
	return found
}

// refs name policies, each once, in the order of their names.
func refs(lists ...[]*policy) []drift.Ref {
	var all []*policy
	for _, l := range lists {
		all = append(all, l...)
	}
	slices.SortFunc(all, func(a, b *policy) int {
		return cmp.Or(cmp.Compare(a.ref.Name, b.ref.Name), cmp.Compare(a.ref.ID, b.ref.ID))
	})
	var out []drift.Ref
	for _, p := range slices.Compact(all) {
		out = append(out, p.ref)
	}
	return out
}

// fold is the form in which ids compare: Graph writes GUIDs in lower case,
// people paste them in either.
func fold(id string) string { return strings.ToLower(strings.TrimSpace(id)) }

func foldAll(ids []string) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = fold(id)
	}
	return out
}
