package guard

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cadrift/cadrift/internal/canon"
	"github.com/cadrift/cadrift/internal/drift"
)

func seedOf(t *testing.T, fallback uint64) uint64 {
	t.Helper()
	text := os.Getenv("CADRIFT_SEED")
	if text == "" {
		return fallback
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return seed
}

func long() bool { return os.Getenv("CADRIFT_LONG") != "" }

// drawer makes random policies around a few ids, so that they meet often.
type drawer struct{ *rand.Rand }

func (d drawer) ids() any {
	pool := []string{userA, userB, groupG, kim, "All", "None", allGuests, "33333333-0000-4000-8000-00000000000A", "\u202eodd\"id"}
	if d.IntN(200) == 0 {
		pool = append(pool, unknownMember)
	}
	switch d.IntN(6) {
	case 0:
		return nil
	case 1:
		return []string{}
	}
	out := []string{}
	for range d.IntN(7) {
		if d.IntN(3) == 0 {
			out = append(out, fmt.Sprintf("66666666-0000-4000-8000-%012d", d.IntN(1000)))
			continue
		}
		out = append(out, pool[d.IntN(len(pool))])
	}
	return out
}

func (d drawer) policy() map[string]any {
	users := map[string]any{}
	for _, name := range []string{"includeUsers", "includeGroups", "includeRoles", "excludeUsers", "excludeGroups", "excludeRoles", "somethingNew"} {
		if d.IntN(5) > 0 {
			users[name] = d.ids()
		}
	}
	if d.IntN(4) > 0 {
		users["includeUsers"] = []string{"All"}
	}
	conditions := map[string]any{"users": users, "clientAppTypes": []string{"all"}, "platforms": nil}
	if d.IntN(50) == 0 {
		conditions["users"] = nil
	}
	return map[string]any{
		"id": polID, "displayName": "CA", "state": []string{stateOn, stateOff, stateReportOnly, "new"}[d.IntN(4)],
		"conditions": conditions, "grantControls": map[string]any{"operator": "OR", "builtInControls": []string{"block"}},
		"sessionControls": map[string]any{"signInFrequency": map[string]any{"value": 4}},
	}
}

// TestKernel writes random policies as Graph would take the body, and looks
// at the outcome with eyes of its own: the policy after is the policy before
// with configured ids at the end of the two exclusion lists, nothing else. Then
// it spoils the body in every way it knows: the second check refuses each.
func TestKernel(t *testing.T) {
	t.Parallel()
	n, seed := 20_000, seedOf(t, 5)
	if long() {
		n = 1_200_000
	}
	d := drawer{rand.New(rand.NewPCG(seed, 5))}
	writes, spoiled := 0, 0
	for i := range n {
		s := armedSettings()
		s.Any = d.IntN(4) == 0
		s.Users = s.Users[:d.IntN(3)]
		if len(s.Users) > 0 && d.IntN(3) == 0 {
			s.Groups = nil
		}
		before := d.policy()
		text, err := json.Marshal(before)
		if err != nil {
			t.Fatal(err)
		}
		o, err := canon.Object(drift.Policy, text)
		if err != nil {
			t.Fatal(err)
		}
		r := decide(&o, s, armedFacts(s))
		if !r.Write {
			continue
		}
		writes++
		body, err := compose(o.Raw, r.Add)
		if err != nil {
			t.Fatalf("seed %d, policy %d: %v", seed, i, err)
		}
		if err := checkAdds(o.Raw, body, s.Users, s.Groups); err != nil {
			t.Fatalf("seed %d, policy %d: the check refuses an honest body: %v\n%s\n%s", seed, i, err, text, body)
		}
		lookAtOutcome(t, fmt.Sprintf("seed %d, policy %d", seed, i), text, body, s)
		for name, bad := range d.spoil(body, text) {
			spoiled++
			if checkAdds(o.Raw, bad, s.Users, s.Groups) == nil {
				t.Fatalf("seed %d, policy %d: the check lets pass: %s\n%s\n%s", seed, i, name, text, bad)
			}
		}
	}
	t.Logf("seed %d: %d policies, %d bodies, %d spoiled bodies refused", seed, n, writes, spoiled)
	if writes < n/20 {
		t.Errorf("only %d of %d policies were written: the test looks at nothing", writes, n)
	}
}

// lookAtOutcome merges the body as Graph does and compares member by member.
func lookAtOutcome(t *testing.T, where string, before, body []byte, s Settings) {
	t.Helper()
	var was, is, sent map[string]any
	for text, into := range map[string]*map[string]any{string(before): &was, string(body): &sent} {
		if err := json.Unmarshal([]byte(text), into); err != nil {
			t.Fatal(err)
		}
	}
	if err := json.Unmarshal(before, &is); err != nil {
		t.Fatal(err)
	}
	merge(is, sent)
	old := was["conditions"].(map[string]any)["users"].(map[string]any)
	now := is["conditions"].(map[string]any)["users"].(map[string]any)
	grew := 0
	for list, allowed := range map[string][]string{"excludeUsers": s.Users, "excludeGroups": s.Groups} {
		a, _ := old[list].([]any)
		b, _ := now[list].([]any)
		if len(b) < len(a) || !slices.Equal(a, b[:len(a)]) {
			t.Fatalf("%s: %s was %v and is %v", where, list, a, b)
		}
		for _, id := range b[len(a):] {
			grew++
			if !slices.Contains(allowed, id.(string)) || slices.Contains(a, id) {
				t.Fatalf("%s: %s gained %v", where, list, id)
			}
		}
		delete(old, list)
		delete(now, list)
	}
	if diff := cmp.Diff(was, is); diff != "" || grew == 0 {
		t.Fatalf("%s: grew by %d, and beside the exclusions: %s", where, grew, diff)
	}
}

// merge is Graph's PATCH: objects deep, everything else as a whole.
func merge(into, patch map[string]any) {
	for name, value := range patch {
		a, deep := into[name].(map[string]any)
		b, object := value.(map[string]any)
		if deep && object {
			merge(a, b)
			continue
		}
		into[name] = value
	}
}

// spoil are bodies that do more than add, or something else.
func (d drawer) spoil(body, fresh []byte) map[string][]byte {
	edit := func(f func(users map[string]any, list string, ids []any)) []byte {
		var b map[string]any
		if json.Unmarshal(body, &b) != nil {
			return nil
		}
		users := b["conditions"].(map[string]any)["users"].(map[string]any)
		for _, list := range []string{"excludeUsers", "excludeGroups"} {
			if ids, ok := users[list].([]any); ok {
				f(users, list, ids)
				break
			}
		}
		text, _ := json.Marshal(b)
		return text
	}
	var p subject
	_ = json.Unmarshal(fresh, &p)
	had := map[string]int{"excludeUsers": len(p.Conditions.Users.ExcludeUsers), "excludeGroups": len(p.Conditions.Users.ExcludeGroups)}
	out := map[string][]byte{
		"a stranger": edit(func(u map[string]any, l string, ids []any) { u[l] = append(slices.Clone(ids), kim+"x") }),
		"a stranger in the middle": edit(func(u map[string]any, l string, ids []any) {
			u[l] = slices.Insert(slices.Clone(ids), d.IntN(len(ids)), any("77777777-0000-4000-8000-000000000001"))
		}),
		"twice":          edit(func(u map[string]any, l string, ids []any) { u[l] = append(slices.Clone(ids), ids[len(ids)-1]) }),
		"nothing new":    edit(func(u map[string]any, l string, ids []any) { u[l] = ids[:had[l]] }),
		"another list":   edit(func(u map[string]any, _ string, _ []any) { u["includeUsers"] = []any{"None"} }),
		"a null list":    edit(func(u map[string]any, l string, _ []any) { u[l] = nil }),
		"not a list":     edit(func(u map[string]any, l string, _ []any) { u[l] = userA }),
		"no strings":     edit(func(u map[string]any, l string, ids []any) { u[l] = append(slices.Clone(ids), 1) }),
		"holds null":     edit(func(u map[string]any, l string, ids []any) { u[l] = append(slices.Clone(ids), nil) }),
		"state as well":  []byte(`{"state":"disabled",` + string(body[1:])),
		"twice the key":  []byte(`{"conditions":{},` + string(body[1:])),
		"other case":     []byte(`{"Conditions"` + string(body[len(`{"conditions"`):])),
		"a second value": append(slices.Clone(body), []byte(`{}`)...),
		"empty":          []byte(`{}`),
		"no users":       []byte(`{"conditions":{"users":{}}}`),
		"no JSON":        body[:len(body)-1],
	}
	shorter := edit(func(u map[string]any, l string, ids []any) {
		if had[l] > 0 {
			u[l] = slices.Delete(slices.Clone(ids), 0, 1)
		}
	})
	if string(shorter) != string(body) {
		out["one is lost"] = shorter
	}
	swapped := edit(func(u map[string]any, l string, ids []any) {
		if had[l] > 1 && ids[0] != ids[1] {
			ids[0], ids[1] = ids[1], ids[0]
		}
	})
	if string(swapped) != string(edit(func(map[string]any, string, []any) {})) {
		out["another order"] = swapped
	}
	return out
}

// An undo takes away what its write added and nothing else.
func TestWithdrawal(t *testing.T) {
	fresh := fmt.Appendf(nil, `{"id":%q,"conditions":{"users":{"excludeUsers":[%q,%q,%q],"excludeGroups":[%q]}}}`, polID, kim, userA, userB, groupG)
	body, err := withdraw(fresh, IDs{Users: []string{userA}, Groups: []string{groupG}})
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`{"conditions":{"users":{"excludeGroups":[],"excludeUsers":[%q,%q]}}}`, kim, userB)
	if string(body) != want {
		t.Errorf("got %s\nwant %s", body, want)
	}
	if err := checkWithdrawal(fresh, body, []string{userA}, []string{groupG}); err != nil {
		t.Error(err)
	}
	for name, bad := range map[string]string{
		"one more":     fmt.Sprintf(`{"conditions":{"users":{"excludeUsers":[%q]}}}`, kim),
		"a stranger":   fmt.Sprintf(`{"conditions":{"users":{"excludeUsers":[%q,"x"]}}}`, kim),
		"nothing":      fmt.Sprintf(`{"conditions":{"users":{"excludeUsers":[%q,%q,%q]}}}`, kim, userA, userB),
		"other order":  fmt.Sprintf(`{"conditions":{"users":{"excludeUsers":[%q,%q]}}}`, userB, kim),
		"another list": `{"conditions":{"users":{"includeUsers":[]}}}`,
	} {
		if checkWithdrawal(fresh, []byte(bad), []string{userA}, []string{groupG}) == nil {
			t.Errorf("%s passes", name)
		}
	}
}
