package graphsim

import (
	"maps"
	"slices"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// Seed puts an object into the tenant as it is, as Microsoft would or as it
// had been there all along: ids, times, templateId and missing references are
// taken as given, what is not given is filled in, and an object of the same
// id is replaced. It is not recorded as a write.
func (t *Tenant) Seed(kind drift.Kind, body string) error {
	given, err := decodeObject([]byte(body))
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	seeded, refusal := t.grown(kind, given)
	if refusal != nil {
		return refusal
	}
	id, from := seeded["id"].(string), time.Time{}
	if t.sets[kind].body(id) != nil {
		from = time.Now()
	}
	t.sets[kind].put(id, seeded, from, t.behaviour.Lag)
	t.forget(kind)
	return nil
}

// grown is the body of an object that the given one describes.
func (t *Tenant) grown(kind drift.Kind, given map[string]any) (map[string]any, *Refusal) {
	set, patch := t.sets[kind], maps.Clone(given)
	id, _ := given["id"].(string)
	blank, refusal := t.newborn(change{kind: kind, id: id}, patch, time.Now())
	if refusal != nil {
		return nil, refusal
	}
	for name := range patch {
		if p := set.shape.of(given).byName[name]; p != nil && p.readOnly {
			blank[name] = given[name]
			delete(patch, name)
		}
	}
	seeded, refusal := set.shape.merge(blank, patch, beta)
	if refusal != nil {
		return nil, refusal
	}
	return seeded, set.shape.complete(seeded)
}

// ReorderLists turns every array of an object the other way round: the same
// state in another order, which the service is free to show at any time. It
// is not a write: no time moves. It tells how many arrays have more than one
// member, that is, whether anything can be seen at all.
func (t *Tenant) ReorderLists(kind drift.Kind, id string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	set := t.sets[kind]
	body := set.body(id)
	if body == nil {
		return 0
	}
	turned, n := reversed(body)
	set.put(id, turned.(map[string]any), time.Now(), t.behaviour.Lag)
	t.forget(kind)
	return n
}

func reversed(value any) (any, int) {
	switch v := value.(type) {
	case map[string]any:
		out, turned := make(map[string]any, len(v)), 0
		for name, member := range v {
			value, n := reversed(member)
			out[name], turned = value, turned+n
		}
		return out, turned
	case []any:
		out := slices.Clone(v)
		slices.Reverse(out)
		if len(out) > 1 {
			return out, 1
		}
		return out, 0
	}
	return value, 0
}
