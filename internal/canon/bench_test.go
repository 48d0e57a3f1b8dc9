package canon_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cadrift/cadrift/internal/canon"
	"github.com/cadrift/cadrift/internal/drift"
)

func BenchmarkObject(b *testing.B) {
	policy := readFile(b, "testdata/policy.json")
	b.Run(fmt.Sprintf("policy of %d bytes", len(policy)), func(b *testing.B) { benchmark(b, policy) })
	for _, n := range []int{500, 1000, 2000} {
		var ids strings.Builder
		for i := range n {
			fmt.Fprintf(&ids, `,"%08X-0000-4000-8000-%012X"`, (i*2654435761)&0xffffffff, i)
		}
		raw := []byte(`{"id":"x","conditions":{"users":{"excludeUsers":[` + ids.String()[1:] + `]}}}`)
		b.Run(fmt.Sprintf("set of %d", n), func(b *testing.B) { benchmark(b, raw) })
	}
}

func benchmark(b *testing.B, raw []byte) {
	b.ReportAllocs()
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		if _, err := canon.Object(drift.Policy, raw); err != nil {
			b.Fatal(err)
		}
	}
}
