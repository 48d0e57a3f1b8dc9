package judge_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cadrift/cadrift/internal/canon"
	"github.com/cadrift/cadrift/internal/diff"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/judge"
)

// mutant is a published policy before and after one edit.
type mutant struct {
	old, new drift.Object
	changes  []drift.Change
}

// grow edits a policy in the given state; ok is false when the edit does not
// fit it.
func grow(t *testing.T, e editor, p published, state string, m mutation) (x mutant, ok bool) {
	t.Helper()
	start := decode(t, p.read.Canonical)
	start["state"] = state
	if e.form = start; m.first != nil && !m.first(e) {
		return x, false
	}
	x.old = recast(t, start)
	e.form = decode(t, x.old.Canonical)
	if !m.edit(e) {
		return x, false
	}
	x.new = recast(t, e.form)
	if x.new.Digest == x.old.Digest {
		t.Fatalf("%s: %s is not seen\n%s\n%s", p.path, m.name, x.old.Canonical, encode(e.form))
	}
	var err error
	if x.changes, _, err = diff.Objects(x.old.Canonical, x.new.Canonical); err != nil || len(x.changes) == 0 {
		t.Fatalf("%s: %s gives no change, %v", p.path, m.name, err)
	}
	return x, true
}

func recast(t *testing.T, form tree) drift.Object {
	t.Helper()
	form["id"] = publishedID
	o, err := canon.Object(drift.Policy, encode(form))
	if err != nil || o.Odd != "" {
		t.Fatalf("odd %q, %v: %s", o.Odd, err, encode(form))
	}
	return o
}

// acting is a second reading of whether an enforced policy does something.
func acting(form tree) bool {
	conditions, _ := form["conditions"].(tree)
	reaches := func(part string, lists ...string) bool {
		o, _ := conditions[part].(tree)
		return slices.ContainsFunc(lists, func(list string) bool {
			if slices.Contains(listOf(o[list]), any("None")) {
				return false
			}
			return o[list] != nil
		})
	}
	session, _ := form["sessionControls"].(tree)
	return (reaches("users", "includeUsers", "includeGroups", "includeRoles", "includeGuestsOrExternalUsers") ||
		reaches("clientApplications", "includeServicePrincipals", "includeAgentIdServicePrincipals") || reaches("agents", "includeAgentUsers")) &&
		(reaches("applications", "includeApplications", "includeUserActions", "includeAuthenticationContextClassReferences", "applicationFilter") ||
			session["continuousAccessEvaluation"] != nil) &&
		(form["grantControls"] != nil || session != nil)
}

// TestRandomMutations: any single edit of a published policy is seen, is told
// in words, and has the direction that the table of mutations expects: whole
// when the policy is enforced, in its fields when it is not.
func TestRandomMutations(t *testing.T) {
	all := slices.DeleteFunc(publishedObjects(t), func(p published) bool { return p.kind != drift.Policy })
	n, rnd := runs(1000, 10000), seeded(t, 20261123)
	w := world(judge.Emergency{}, nil)
	tried, directions := map[string]int{}, map[drift.Direction]int{}
	for done, tries := 0, 0; done < n; tries++ {
		// Each mutation in turn, on whatever policy it fits of 40.
		p, m := all[rnd.IntN(len(all))], mutations[tries/40%len(mutations)]
		state := "enabled"
		if rnd.IntN(4) == 0 && !strings.Contains(m.name, "switch") && !strings.Contains(m.name, "report") {
			state = "disabled"
		}
		x, ok := grow(t, editor{Rand: rnd}, p, state, m)
		if !ok || !acting(decode(t, x.old.Canonical)) {
			continue
		}
		if state == "enabled" && !w.Acts(&x.old) {
			t.Fatalf("%s does not act\n%s", p.path, x.old.Canonical)
		}
		done++
		tries += 39 - tries%40
		tried[m.name]++
		v := w.Judge(judge.Case{Old: &x.old, New: &x.new, Changes: x.changes})
		directions[v.Direction]++
		checkMutant(t, p, m, state, v)
		checkWords(t, x.changes, v)
		if t.Failed() {
			t.FailNow()
		}
	}
	for _, m := range mutations {
		if n >= 5000 && tried[m.name] == 0 {
			t.Errorf("%q fits no published policy: nothing was tried", m.name)
		}
	}
	if len(directions) < 4 {
		t.Errorf("only %v came up", directions)
	}
	t.Logf("%d mutations of %d kinds over %d published policies: %v", n, len(tried), len(all), directions)
}

func checkMutant(t *testing.T, p published, m mutation, state string, v drift.Verdict) {
	t.Helper()
	got := v.Direction
	if state != "enabled" { // the fields say what it would do
		got = drift.Neutral
		for _, c := range v.Changes {
			got = got.Join(c.Direction)
		}
		if v.Direction != drift.Neutral || v.Severity > drift.Medium {
			t.Errorf("%s: %s of a policy that is off is %s", p.path, m.name, show(v))
		}
	}
	if got.String() != m.want {
		t.Errorf("%s: %s is %s, want %s (state %s)\n%s", p.path, m.name, got, m.want, state, show(v))
	}
	if state == "enabled" && m.severity != "" && v.Severity.String() != m.severity {
		t.Errorf("%s: %s is %s, want %s\n%s", p.path, m.name, v.Severity, m.severity, show(v))
	}
	if state == "enabled" && (v.Direction == drift.Neutral) != (v.Severity == drift.Low) {
		t.Errorf("%s: %s: severity does not fit\n%s", p.path, m.name, show(v))
	}
}

// checkWords holds what people read of a verdict: every change has a field and
// a line of its own, and shows neither a JSON path nor JSON.
func checkWords(t *testing.T, changes []drift.Change, v drift.Verdict) {
	t.Helper()
	if len(v.Changes) != len(changes) {
		t.Errorf("%d changes, %d told", len(changes), len(v.Changes))
	}
	whole := 0
	for _, c := range v.Changes {
		if !c.Part {
			whole++
		}
		rest, ok := strings.CutPrefix(c.Text, c.Field+": ")
		if c.Field == "" || !ok || strings.TrimSpace(rest) == "" {
			t.Errorf("%s has no words: field %q, text %q", c.Path, c.Field, c.Text)
		}
		last := c.Path[strings.LastIndex(c.Path, "/")+1:]
		raw := strings.ToLower(last) != last && strings.Contains(c.Field, last) // camelCase is Graph's word, not people's
		if raw || strings.Contains(c.Text, c.Path) || strings.Contains(c.Text, "@odata") || strings.ContainsAny(rest, "{[]}") && !strings.Contains(c.Path, "rule") {
			t.Errorf("%s shows JSON: %q", c.Path, c.Text)
		}
	}
	if whole == 0 {
		t.Errorf("every change is a part: nobody would read of it\n%s", show(v))
	}
	if v.Summary == "" || strings.Contains(v.Summary, "/conditions") {
		t.Errorf("summary %q", v.Summary)
	}
}

// locationEdits are single edits of a named location, with what they do while
// an enforced policy excludes it; included it is the other way round.
var locationEdits = []struct {
	name, want string
	edit       func(e editor) bool
}{
	{"a range more", "weaker", func(e editor) bool {
		ranges := listOf(e.form["ipRanges"])
		e.form["ipRanges"] = append(ranges, tree{"cidrAddress": fmt.Sprintf("%d.%d.0.0/16", 224+e.IntN(16), e.IntN(256))})
		return len(ranges) > 0
	}},
	{"a range less", "stronger", func(e editor) bool {
		ranges := listOf(e.form["ipRanges"])
		if len(ranges) == 0 {
			return false
		}
		i := e.IntN(len(ranges))
		e.form["ipRanges"] = slices.Delete(ranges, i, i+1)
		return true
	}},
	{"a country more", "weaker", func(e editor) bool {
		countries := listOf(e.form["countriesAndRegions"])
		e.form["countriesAndRegions"] = append(countries, "AQ")
		return len(countries) > 0 && !slices.Contains(countries, any("AQ"))
	}},
	{"a country less", "stronger", func(e editor) bool {
		countries := listOf(e.form["countriesAndRegions"])
		if len(countries) < 2 {
			return false
		}
		i := e.IntN(len(countries))
		e.form["countriesAndRegions"] = slices.Delete(countries, i, i+1)
		return true
	}},
	{"unknown countries", "weaker", func(e editor) bool {
		was := e.form["includeUnknownCountriesAndRegions"]
		e.form["includeUnknownCountriesAndRegions"] = true
		return was == nil && e.form["countriesAndRegions"] != nil
	}},
	{"rename", "neutral", func(e editor) bool { e.form["displayName"] = "Place " + e.id(); return true }},
}

// TestRandomLocationMutations does the same for named locations: the policy
// that excludes or includes them decides.
func TestRandomLocationMutations(t *testing.T) {
	fx := loadFixture(t)
	all := slices.DeleteFunc(publishedObjects(t), func(p published) bool { return p.kind != drift.NamedLocation })
	n, rnd := runs(200, 2000), seeded(t, 20261124)
	tried := map[string]int{}
	for tries := range n {
		p, m := all[rnd.IntN(len(all))], locationEdits[tries%len(locationEdits)]
		form := decode(t, p.read.Canonical)
		if !m.edit(editor{Rand: rnd, form: form}) {
			continue
		}
		form["id"] = publishedID
		new, err := canon.Object(drift.NamedLocation, encode(form))
		if err != nil || new.Odd != "" {
			t.Fatalf("odd %q, %v: %s", new.Odd, err, encode(form))
		}
		changes, _, err := diff.Objects(p.read.Canonical, new.Canonical)
		if err != nil || len(changes) == 0 {
			t.Fatalf("%s: %s gives no change, %v", p.path, m.name, err)
		}
		field, want := "excludeLocations", m.want
		if rnd.IntN(2) == 0 && m.want != "neutral" {
			field = "includeLocations"
			want = map[string]string{"weaker": "stronger", "stronger": "weaker"}[m.want]
		}
		user := object(drift.Policy, "ca000000-0000-4000-8000-0000000000fd",
			merge(fx.Bases["mfa"].Form, tree{"conditions": tree{"locations": tree{field: []any{publishedID}}}}))
		v := world(judge.Emergency{}, nil, user, &new).Judge(judge.Case{Old: &p.read, New: &new, Changes: changes})
		if v.Direction.String() != want || (len(v.Affects) != 1) {
			t.Fatalf("%s: %s in %s is %s, want %s", p.path, m.name, field, show(v), want)
		}
		checkWords(t, changes, v)
		tried[m.name]++
	}
	if len(tried) < len(locationEdits) {
		t.Errorf("only %v were tried", tried)
	}
	t.Logf("mutations of %d published locations: %v", len(all), tried)
}
