package words

import "fmt"

// Origin is where a baseline came from: a revision, or files that were read
// before there was one.
func Origin(revision uint64) string {
	if revision == 0 {
		return "from files"
	}
	return fmt.Sprintf("revision %d", revision)
}

// Count is a number with its noun: "1 policy", "3 policies".
func Count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
