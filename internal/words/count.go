package words

import "fmt"

// Count is a number with its noun: "1 policy", "3 policies".
func Count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
