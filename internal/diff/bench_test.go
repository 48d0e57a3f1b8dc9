package diff_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cadrift/cadrift/internal/diff"
)

// form is a canonical form of about the size of a real policy around a set of n
// members, the i-th of which is missing.
func form(state string, n, missing int) []byte {
	var b strings.Builder
	for i := range n {
		if i != missing {
			fmt.Fprintf(&b, `,"%08x-0000-4000-8000-000000000000"`, i)
		}
	}
	return fmt.Appendf(nil, `{"conditions":{"clientAppTypes":["all"],"users":{"excludeUsers":[%s],"includeUsers":["All"]}},`+
		`"displayName":"CA001","grantControls":{"builtInControls":["mfa"],"operator":"OR"},`+
		`"sessionControls":{"signInFrequency":{"isEnabled":true,"type":"hours","value":4}},"state":"%s"}`, b.String()[1:], state)
}

func BenchmarkDiff(b *testing.B) {
	for _, n := range []int{60, 500, 1000, 2000, 4000} {
		old, new := form("enabled", n, n/2), form("disabled", n, n/3)
		b.Run(fmt.Sprintf("set of %d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if changes, _, err := diff.Objects(old, new); err != nil || len(changes) != 2 {
					b.Fatal(changes, err)
				}
			}
		})
	}
}
