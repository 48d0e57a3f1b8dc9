package judge_test

import (
	"fmt"
	"testing"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/judge"
)

// BenchmarkJudge240 is a pass in which all of 240 policies changed: the world is
// built and every change judged and worded. It must stay below 100 ms on one
// core.
func BenchmarkJudge240(b *testing.B) {
	fx := loadFixture(b)
	var bases []string
	for name, base := range fx.Bases {
		if base.Kind == drift.Policy {
			bases = append(bases, name)
		}
	}
	var snapshot []*drift.Object
	var cases []judge.Case
	for i := range 240 {
		base := fx.Bases[bases[i%len(bases)]]
		var many []any
		for j := range 40 {
			many = append(many, fmt.Sprintf("a2000000-0000-4000-8000-%012d", j))
		}
		form := merge(base.Form, tree{"displayName": fmt.Sprintf("P%03d", i), "conditions": tree{"users": tree{"excludeUsers": many}}})
		old := object(drift.Policy, fmt.Sprintf("ca000000-0000-4000-8000-%012d", i), form)
		new := object(drift.Policy, old.ID, merge(form, tree{
			"conditions":    tree{"users": tree{"excludeUsers": many[:39]}, "signInRiskLevels": []any{"high"}},
			"grantControls": tree{"operator": "AND", "builtInControls": []any{"compliantDevice", "mfa"}},
		}))
		snapshot = append(snapshot, new)
		cases = append(cases, judge.Case{Old: old, New: new, Baseline: old, Changes: changes(old, new)})
	}
	for _, o := range fx.Objects {
		snapshot = append(snapshot, object(o.Kind, o.ID, o.Form))
	}
	b.ResetTimer()
	for b.Loop() {
		w := world(fx.Emergency, fx.names, snapshot...)
		for _, c := range cases {
			if v := w.Judge(c); len(v.Changes) == 0 {
				b.Fatal("a change has no words")
			}
		}
	}
}
