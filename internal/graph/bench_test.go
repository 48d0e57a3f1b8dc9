package graph

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// tenantOf240 is a listing of the size of a full tenant, about 700 KB.
func tenantOf240() string {
	var items []string
	for i := range 240 {
		var users []string
		for j := range 50 {
			users = append(users, fmt.Sprintf(`"%08d-0000-4000-8000-%012d"`, i, j))
		}
		items = append(items, fmt.Sprintf(`{"id":"%08d-1111-4000-8000-000000000000","displayName":"CA%03d: require multifactor authentication","state":"enabled","conditions":{"users":{"includeUsers":["All"],"excludeUsers":[%s],"excludeGroups":[]},"applications":{"includeApplications":["All"],"excludeApplications":[]},"clientAppTypes":["all"],"locations":null,"platforms":null},"grantControls":{"operator":"OR","builtInControls":["mfa"],"termsOfUse":[]},"sessionControls":null,"createdDateTime":"2026-01-01T00:00:00Z","modifiedDateTime":null}`,
			i, i, strings.Join(users, ",")))
	}
	return collection("", items...)
}

// BenchmarkListUnchanged is gate 0 by itself: recognising a page that has not
// changed. Decode/gate is how much longer decoding the same bytes into raw
// messages would take.
func BenchmarkListUnchanged(b *testing.B) {
	body := []byte(tenantOf240())
	last, err := parsePage([]byte(string(body)), nil)
	if err != nil {
		b.Fatal(err)
	}
	pages := []page{last}
	const decodes = 20
	start := time.Now()
	for range decodes {
		var v struct{ Value []json.RawMessage }
		if err := json.Unmarshal(body, &v); err != nil || len(v.Value) != 240 {
			b.Fatal(err)
		}
	}
	decode := time.Since(start) / decodes
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if p, same := recognise(pages, 0, body); !same || len(p.items) != 240 {
			b.Fatal("the page was not recognised")
		}
	}
	b.ReportMetric(float64(decode)/float64(b.Elapsed()/time.Duration(b.N)), "decode/gate")
}

// BenchmarkListUnchangedWhole is a whole List that finds nothing new, the
// request through a fake transport and the copy of the body included.
func BenchmarkListUnchangedWhole(b *testing.B) {
	c := newClient(b, &wire{answers: []answer{{body: tenantOf240()}}}, func(o *Options) { o.RequestsPerSecond = 1e9 })
	if _, err := c.List(b.Context(), drift.Policy); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if l, err := c.List(b.Context(), drift.Policy); err != nil || !l.Same {
			b.Fatal(l.Same, err)
		}
	}
}

// BenchmarkParsePage is what a changed page costs, against encoding/json.
func BenchmarkParsePage(b *testing.B) {
	body := []byte(tenantOf240())
	known := map[string][]byte{}
	p, _ := parsePage(body, nil)
	for _, item := range p.items {
		known[item.ID] = item.Raw
	}
	b.Run("scanner", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := parsePage(body, known); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var v struct{ Value []json.RawMessage }
			if err := json.Unmarshal(body, &v); err != nil {
				b.Fatal(err)
			}
		}
	})
}
