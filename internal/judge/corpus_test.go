package judge_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/judge"
)

// corpus is a directory of policies that other people published. It is not
// part of this repository.
func corpus(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join("..", "..", "..", "shared", "corpus", name)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no corpus of published policies beside the repository: %v", err)
	}
	return dir
}

// publishedPolicies reads every policy in Graph's own shape.
func publishedPolicies(t *testing.T) map[string]tree {
	t.Helper()
	out := map[string]tree{}
	err := filepath.WalkDir(corpus(t, "policies"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".json" {
			return err
		}
		if form := readPublished(t, path); form != nil {
			out[path] = form
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 100 {
		t.Fatalf("only %d policies found", len(out))
	}
	return out
}

func readPublished(t *testing.T, path string) tree {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var v tree
	if json.Unmarshal(bytes.TrimPrefix(raw, []byte("\ufeff")), &v) != nil {
		return nil
	}
	if details, ok := v["details"].(tree); ok {
		v = details
	}
	if v["conditions"] == nil {
		return nil
	}
	form, _ := plainForm(v, "").(tree)
	return form
}

// plainForm is a rough canonical form, enough for published policies.
func plainForm(v any, name string) any {
	switch v := v.(type) {
	case tree:
		if name == "authenticationStrength" {
			id, _ := v["id"].(string)
			return strings.ToLower(id)
		}
		if enabled, given := v["isEnabled"].(bool); given && !enabled {
			return nil
		}
		out := tree{}
		for k, value := range v {
			switch {
			case k == "@odata.type" && name == "externalTenants":
			case strings.Contains(k, "@odata"), strings.HasPrefix(k, "#"), strings.HasSuffix(k, "DateTime"), k == "templateId", k == "id":
				continue
			}
			if value = plainForm(value, k); value != nil && value != false {
				out[k] = value
			}
		}
		if name == "grantControls" && len(out) == 1 && out["operator"] != nil {
			return nil
		}
		return out
	case []any:
		out := []any{}
		for _, item := range v {
			out = append(out, plainForm(item, name))
		}
		return out
	}
	return v
}

func TestPublishedPolicies(t *testing.T) {
	forms := publishedPolicies(t)
	em := judge.Emergency{Users: []string{"e0000000-0000-4000-8000-000000000001"}}
	w := world(em, nil)
	unknown := map[string]int{}
	idle := 0
	for _, path := range slices.Sorted(maps.Keys(forms)) {
		form := forms[path]
		form["state"] = "enabled"
		o := policyOf(form)
		if !w.Acts(o) {
			idle++
		}
		if v := verdict(w, o, o); v.Direction != drift.Neutral || v.Severity != drift.Low {
			t.Errorf("%s: judge(p, p) is %s", path, show(v))
		}
		guarded := policyOf(addExcluded(form, em.Users[0]))
		if v := verdict(w, o, guarded); v.Direction != drift.Neutral || v.Severity != drift.Low || v.Lockout {
			t.Errorf("%s: a guard write is %s", path, show(v))
		}
		if v := verdict(w, guarded, o); w.Acts(o) && (!v.Direction.Has(drift.Stronger) || !v.Lockout) {
			t.Errorf("%s: losing the emergency account is %s", path, show(v))
		}
		if v := verdict(w, o, off(t, o)); w.Acts(o) && v.Severity < drift.Medium {
			t.Errorf("%s: switched off is %s", path, show(v))
		}
		for _, c := range verdict(w, nil, o).Changes {
			if c.Unknown {
				unknown[c.Path+" "+string(c.New)]++
			}
		}
	}
	if idle > len(forms)/5 {
		t.Errorf("%d of %d published policies would not act", idle, len(forms))
	}
	for _, k := range slices.Sorted(maps.Keys(unknown)) {
		t.Logf("unknown in %d policies: %s", unknown[k], k)
	}
}

func addExcluded(form tree, id string) tree {
	conditions, _ := form["conditions"].(tree)
	users, _ := conditions["users"].(tree)
	return merge(form, tree{"conditions": tree{"users": tree{"excludeUsers": append(slices.Clone(listOf(users["excludeUsers"])), id)}}})
}

// TestPublishedHistory judges consecutive versions of published policies, there
// and back, each switched on.
func TestPublishedHistory(t *testing.T) {
	pairs, err := filepath.Glob(filepath.Join(corpus(t, "drift-pairs"), "*", "old.json"))
	if err != nil || len(pairs) < 50 {
		t.Fatalf("only %d pairs: %v", len(pairs), err)
	}
	w := world(judge.Emergency{}, nil)
	seen := map[drift.Direction]int{}
	for _, path := range pairs {
		a, b := readPublished(t, path), readPublished(t, filepath.Join(filepath.Dir(path), "new.json"))
		if a == nil || b == nil {
			continue
		}
		a["state"], b["state"] = "enabled", "enabled"
		old, new := policyOf(a), policyOf(b)
		there, back := verdict(w, old, new), verdict(w, new, old)
		if there.Direction.Swap() != back.Direction {
			t.Errorf("%s: %s\nback: %s", path, show(there), show(back))
		}
		seen[there.Direction]++
	}
	if len(seen) < 4 {
		t.Errorf("only %v came up", seen)
	}
	t.Log(seen)
}
