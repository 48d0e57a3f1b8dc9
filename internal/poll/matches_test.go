package poll

import "testing"

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"CA001", "CA001", true},
		{"CA001", "CA0010", false},
		{"CA*", "CA001: Require MFA", true},
		{"CA*", "XCA001", false},
		{"*MFA", "CA001: MFA for MFA", true},
		{"*MFA*", "no", false},
		{"a*b*c", "aXXbYYbZc", true},
		{"a*b*c", "aXXc", false},
		{"CA00?", "CA001", true},
		{"CA00?", "CA00", false},
		{"CA00?", "CA00é", true},
		{"[a/b]", "[a/b]", true},
		{"[a/b]", "a", false},
		{"*", "", true},
		{"", "", true},
		{"", "x", false},
		{"?", "*", true},
		{"ca001", "CA001", false},
		{"***", "x", true},
	} {
		if got := matches(c.pattern, c.name); got != c.want {
			t.Errorf("%q on %q: got %v, want %v", c.pattern, c.name, got, c.want)
		}
	}
}
