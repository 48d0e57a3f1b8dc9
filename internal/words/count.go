package words

import (
	"fmt"
	"strings"

	"github.com/cadrift/cadrift/internal/drift"
)

// Count is a number with its noun: "1 policy", "3 policies".
func Count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// Objects says what is watched: "64 policies, 12 named locations".
func Objects(counts map[drift.Kind]int) string {
	var parts []string
	for _, k := range drift.Kinds() {
		switch n := counts[k]; {
		case n == 0:
		case k == drift.SecurityDefaults: // there is one, and nobody counts it
			parts = append(parts, k.Words())
		default:
			parts = append(parts, Count(n, k.Words(), k.Plural()))
		}
	}
	return strings.Join(parts, ", ")
}

// Origin is where a baseline came from: a revision, or files that were read
// before there was one.
func Origin(revision uint64) string {
	if revision == 0 {
		return "from files"
	}
	return fmt.Sprintf("revision %d", revision)
}
