package judge_test

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/judge"
)

func TestAntisymmetry(t *testing.T) {
	fx := loadFixture(t)
	p, w := fx.pool(), fx.standing(judge.Emergency{})
	seen := map[drift.Direction]int{}
	rapid.Check(t, func(t *rapid.T) {
		old, new := policyOf(p.policyForm(t)), policyOf(p.policyForm(t))
		there, back := verdict(w, old, new), verdict(w, new, old)
		if there.Direction.Swap() != back.Direction {
			t.Fatalf("swapping old and new does not swap weaker and stronger:\n%s\n%s", show(there), show(back))
		}
		for i, c := range there.Changes {
			if c.Direction.Swap() != back.Changes[i].Direction {
				t.Fatalf("%s is %s one way and %s the other\n%s\n%s", c.Path, c.Direction, back.Changes[i].Direction, show(there), show(back))
			}
		}
		seen[there.Direction]++
	})
	if len(seen) < 4 {
		t.Errorf("only %v came up: the property was hardly tried", seen)
	}
}

func TestJoinOfTwoEdits(t *testing.T) {
	fx := loadFixture(t)
	p, w := fx.pool(), fx.standing(judge.Emergency{})
	tried := 0
	rapid.Check(t, func(t *rapid.T) {
		base := p.policyForm(t)
		base["state"] = "enabled"
		two := rapid.SliceOfNDistinct(rapid.SampledFrom(parts), 2, 2, rapid.ID[string]).Draw(t, "parts")
		first, second := p.part(t, two[0]), p.part(t, two[1])
		a := with(clone(base), two[0], first)
		b := with(clone(base), two[1], second)
		both := with(clone(a), two[1], second)
		oo, oa, ob, oab := policyOf(base), policyOf(a), policyOf(b), policyOf(both)
		for _, o := range []*drift.Object{oo, oa, ob, oab} {
			if !w.Acts(o) {
				t.Skip("a form does not act")
			}
		}
		if slices.Contains(two, "grantControls") && slices.Contains(two, "sessionControls") && (blocks(base) || blocks(both)) {
			t.Skip("sessions do not count where nobody passes")
		}
		tried++
		va, vb, vab := verdict(w, oo, oa), verdict(w, oo, ob), verdict(w, oo, oab)
		if want := va.Direction.Join(vb.Direction); vab.Direction != want {
			t.Fatalf("edits of %v: %s and %s together are %s, want %s\n%s", two, va.Direction, vb.Direction, vab.Direction, want, show(vab))
		}
		if want := max(va.Severity, vb.Severity); vab.Severity != want && !vab.Lockout && !va.Lockout && !vb.Lockout {
			t.Fatalf("edits of %v: %s and %s together are %s, want %s\n%s", two, va.Severity, vb.Severity, vab.Severity, want, show(vab))
		}
	})
	if tried < 20 {
		t.Errorf("only %d pairs of acting forms were tried", tried)
	}
}

func blocks(form tree) bool {
	grant, _ := form["grantControls"].(tree)
	controls, _ := grant["builtInControls"].([]any)
	return slices.Contains(controls, any("block"))
}

func TestSameFormIsNeutral(t *testing.T) {
	fx := loadFixture(t)
	p, w := fx.pool(), fx.standing(fx.Emergency)
	rapid.Check(t, func(t *rapid.T) {
		o := policyOf(p.policyForm(t))
		if v := verdict(w, o, o); v.Direction != drift.Neutral || v.Severity != drift.Low || v.Lockout {
			t.Fatalf("judge(p, p) is %s", show(v))
		}
	})
}

func TestGuardWriteIsNeutral(t *testing.T) {
	fx := loadFixture(t)
	p, w := fx.pool(), fx.standing(fx.Emergency)
	rapid.Check(t, func(t *rapid.T) {
		form := p.policyForm(t)
		users, _ := form["conditions"].(tree)["users"].(tree)
		guarded := merge(form, tree{"conditions": tree{"users": tree{
			"excludeUsers":  append(slices.Clone(listOf(users["excludeUsers"])), fx.Emergency.Users[0], fx.Emergency.Users[1]),
			"excludeGroups": append(slices.Clone(listOf(users["excludeGroups"])), fx.Emergency.Groups[0]),
		}}})
		v := verdict(w, policyOf(form), policyOf(guarded))
		if v.Direction != drift.Neutral || v.Severity != drift.Low || v.Lockout {
			t.Fatalf("a guard write is %s", show(v))
		}
		if !w.OnlyExcuses(v.Changes) {
			t.Fatalf("a guard write does not count as one: %s", show(v))
		}
	})
}

func listOf(v any) []any { list, _ := v.([]any); return list }

func TestRedundantEditIsNeutral(t *testing.T) {
	fx := loadFixture(t)
	p, w := fx.pool(), fx.standing(judge.Emergency{})
	rapid.Check(t, func(t *rapid.T) {
		form := p.policyForm(t)
		form = with(form, "who", tree{"includeUsers": []any{"All"}, "excludeGuestsOrExternalUsers": tree{"guestOrExternalUserTypes": "serviceProvider"}})
		form = with(form, "what", tree{"includeApplications": []any{"All"}})
		form = with(form, "locations", tree{"includeLocations": []any{"All"}, "excludeLocations": []any{"AllTrusted"}})
		form = with(form, "platforms", tree{"includePlatforms": []any{"all"}})
		more := with(clone(form), "who", tree{
			"includeUsers":                 append([]any{"All"}, some(t, "users", 2, p.users...)...),
			"includeGroups":                some(t, "groups", 2, p.groups...),
			"includeRoles":                 some(t, "roles", 2, p.roles...),
			"excludeGuestsOrExternalUsers": tree{"guestOrExternalUserTypes": []any{"serviceProvider"}, "externalTenants": tree{"membershipKind": "all"}},
		})
		more = with(more, "what", tree{"includeApplications": append([]any{"All"}, some(t, "apps", 3, p.apps...)...)})
		more = with(more, "locations", tree{
			"includeLocations": append([]any{"All"}, some(t, "locations", 3, p.locations...)...),
			"excludeLocations": append([]any{"AllTrusted"}, some(t, "trusted", 2, fx.Aliases["hq"], fx.Aliases["mfaips"])...),
		})
		more = with(more, "platforms", tree{"includePlatforms": append([]any{"all"}, some(t, "platforms", 2, "iOS", "newOS")...)})
		v := verdict(w, policyOf(form), policyOf(more))
		if v.Direction != drift.Neutral || v.Severity != drift.Low {
			t.Fatalf("covered members moved something: %s", show(v))
		}
	})
}

func TestSingleControlOperatorFlip(t *testing.T) {
	fx := loadFixture(t)
	p, w := fx.pool(), fx.standing(judge.Emergency{})
	rapid.Check(t, func(t *rapid.T) {
		form := p.policyForm(t)
		grant := tree{"operator": "AND"}
		switch rapid.IntRange(0, 3).Draw(t, "atom") {
		case 0:
			grant["builtInControls"] = []any{rapid.SampledFrom([]string{"mfa", "block", "quantumKey"}).Draw(t, "control")}
		case 1:
			grant["authenticationStrength"] = rapid.SampledFrom(p.strengths).Draw(t, "strength")
		case 2:
			grant["termsOfUse"] = []any{"70000000-0000-4000-8000-000000000001"}
		case 3:
			grant["customAuthenticationFactors"] = []any{"Duo"}
		}
		flipped := maps.Clone(grant)
		flipped["operator"] = "OR"
		v := verdict(w, policyOf(with(clone(form), "grantControls", grant)), policyOf(with(clone(form), "grantControls", flipped)))
		if v.Direction != drift.Neutral || v.Severity != drift.Low {
			t.Fatalf("the operator of one control counts: %s", show(v))
		}
	})
}

func TestGrantOrder(t *testing.T) {
	fx := loadFixture(t)
	p, w := fx.pool(), fx.standing(judge.Emergency{})
	base := fx.Bases["mfa"].Form
	// implies reads the order off the verdict: who passes a passes b, unless
	// the step from b to a is weaker.
	implies := func(a, b any) bool {
		v := verdict(w, policyOf(with(clone(base), "grantControls", b)), policyOf(with(clone(base), "grantControls", a)))
		return !v.Direction.Has(drift.Weaker)
	}
	chains := 0
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := p.grant(t), p.grant(t), p.grant(t)
		// A policy without any control does not act, so each keeps one.
		for _, g := range []any{a, b, c} {
			if prune(dropping(g, "operator")) == nil {
				t.Skip("no atom")
			}
		}
		if !implies(a, a) {
			t.Fatalf("%s does not imply itself", encode(a))
		}
		if implies(a, b) && implies(b, c) {
			chains++
			if !implies(a, c) {
				t.Fatalf("%s ⇒ %s ⇒ %s, but not the first the last", encode(a), encode(b), encode(c))
			}
		}
	})
	if chains == 0 {
		t.Error("no chain came up")
	}
}

func dropping(v any, name string) any {
	out := maps.Clone(v.(tree))
	delete(out, name)
	return out
}

// TestStagedWeakening: whatever happens while a policy is off, switching it on
// tells what it lost since it last acted.
func TestStagedWeakening(t *testing.T) {
	fx := loadFixture(t)
	p, w := fx.pool(), fx.standing(judge.Emergency{})
	tried := 0
	rapid.Check(t, func(t *rapid.T) {
		last, now := p.policyForm(t), p.policyForm(t)
		last["state"], now["state"] = "enabled", "enabled"
		off := clone(now)
		off["state"] = "disabled"
		olast, onow, ooff := policyOf(last), policyOf(now), policyOf(off)
		if !w.Acts(olast) || !w.Acts(onow) {
			t.Skip("a form does not act")
		}
		tried++
		direct := verdict(w, olast, onow)
		plain := verdict(w, ooff, onow)
		staged := w.Judge(judge.Case{Old: ooff, New: onow, LastActing: olast, Changes: changes(ooff, onow)})
		want := plain.Direction.Join(direct.Direction & drift.Weaker)
		if staged.Direction != want {
			t.Fatalf("staged is %s, want %s\ndirect %s\nstaged %s", staged.Direction, want, show(direct), show(staged))
		}
		if direct.Direction.Has(drift.Weaker) && staged.Severity < direct.Severity {
			t.Fatalf("staged is %s, direct was %s", staged.Severity, direct.Severity)
		}
	})
	if tried < 20 {
		t.Errorf("only %d pairs of acting forms were tried", tried)
	}
}

// TestSeverityFitsDirection: severities follow from directions as the law has
// it, and every change reads as one line.
func TestSeverityFitsDirection(t *testing.T) {
	fx := loadFixture(t)
	p, w := fx.pool(), fx.standing(fx.Emergency)
	rapid.Check(t, func(t *rapid.T) {
		old, new := policyOf(p.policyForm(t)), policyOf(p.policyForm(t))
		v := verdict(w, old, new)
		switch acts := w.Acts(old) || w.Acts(new); {
		case v.Direction == drift.Neutral && acts && v.Severity != drift.Low,
			v.Direction != drift.Neutral && v.Severity < drift.Medium,
			v.Direction == drift.Stronger && v.Severity > drift.Medium && !v.Lockout,
			v.Lockout && v.Severity != drift.Critical:
			t.Fatal(show(v))
		}
		for _, c := range v.Changes {
			if c.Field == "" || c.Text == "" || c.Text == c.Field+": " {
				t.Fatalf("%s has no words: %q %q", c.Path, c.Field, c.Text)
			}
		}
	})
}
