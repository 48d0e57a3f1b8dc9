package config

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/cadrift/cadrift/internal/drift"
)

// unknownKey complains of a key and says which one may have been meant.
func (l *loader) unknownKey(path string, pos Position, key string, keys []field) {
	where := "at the top of the file"
	if path != "" {
		where = "in " + path
	}
	p := &Problem{Position: pos, Text: fmt.Sprintf("unknown key %s %s", quoteKey(key), where)}
	// The whole list of hints for somebody else's megabyte would take long.
	if len(l.problems) < maxProblems {
		p.Hint = keyHint(path, key, keys)
	}
	l.tell(p)
}

func keyHint(path, key string, keys []field) string {
	if hint := insteadOf(key); hint != "" {
		return hint
	}
	if near := nearest(key, names(keys)); near != "" {
		return fmt.Sprintf("did you mean %s?", near)
	}
	if home := homeOf(key, fields(&Config{}), ""); home != "" && home != withoutIndex(path) {
		return fmt.Sprintf("%s belongs in %s", key, home)
	}
	return "known keys here: " + strings.Join(names(keys), ", ")
}

// insteadOf knows the keys that people expect and that have another name, or
// none, on purpose.
func insteadOf(key string) string {
	switch strings.ToLower(strings.ReplaceAll(key, "-", "_")) {
	case "client_secret", "clientsecret", "password":
		return "secrets are not written into this file: client_secret_file names a file that holds it, client_secret_env an environment variable"
	case "interval", "poll_interval", "cron":
		return `schedule says how often, for example schedule: "@every 1m"`
	case "webhook_url", "api_url":
		return "url_file names a file that holds the address, url is the address itself"
	case "channel", "username", "icon_emoji":
		return "an incoming webhook is bound to its channel and name where it was made; leave the key out"
	case "secret", "signing_secret":
		return "secret_file names a file that holds the secret"
	case "severity":
		return "did you mean min_severity?"
	case "break_glass", "breakglass", "emergency_accounts":
		return "did you mean emergency_access?"
	case "token":
		return "federated_token_file names a file that holds a token"
	}
	return ""
}

// homeOf is where a key belongs, if there is one such place.
func homeOf(key string, keys []field, path string) string {
	found := ""
	for _, f := range keys {
		here := join(path, f.name)
		homes := []string{homeOf(key, f.keys, here)}
		if _, ok := fieldNamed(f.keys, key); ok {
			homes = append(homes, here)
		}
		for _, home := range homes {
			if home != "" && found != "" {
				return ""
			}
			found += home
		}
	}
	return found
}

var index = regexp.MustCompile(`\[\d+\]`)

func withoutIndex(path string) string { return index.ReplaceAllString(path, "") }

// nearest is the word that a misspelt one may stand for, or "".
func nearest(word string, words []string) string {
	if len(word) > 2*quoted {
		return ""
	}
	fold := func(s string) string {
		return strings.NewReplacer("_", "", "-", "", ".", "").Replace(strings.ToLower(s))
	}
	best, least := "", 4
	for _, candidate := range words {
		a, b := fold(word), fold(candidate)
		d := distance(a, b)
		switch {
		case len(a) >= 4 && (strings.Contains(b, a) || strings.HasPrefix(b, a[:len(a)-1])):
			d = min(d, 2) // groups for excluded_groups, policy for policies
		case d > max(len(b)/3, 1): // short words are near to everything
			continue
		}
		if d < least {
			best, least = candidate, d
		}
	}
	return best
}

// distance counts the insertions, deletions, replacements and swaps of
// neighbours that turn a into b.
func distance(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}

// quoted is the most characters of a value that a message repeats.
const quoted = 40

// quote repeats a value of the file in a message. What may be a secret that
// slipped into the wrong line is not repeated: an address holds one more often
// than not, and nothing short is long.
func quote(value string) string {
	if strings.Contains(value, "://") || strings.HasPrefix(value, secretPrefix) {
		return "what is written there (not repeated here: it may be a secret)"
	}
	if runes := []rune(value); len(runes) > quoted {
		value = string(runes[:quoted]) + "…"
	}
	return `"` + drift.Visible(value) + `"`
}

var keyForm = regexp.MustCompile(`^[A-Za-z0-9_. -]{1,40}$`)

// quoteKey repeats a key only if it looks like one.
func quoteKey(key string) string {
	if !keyForm.MatchString(key) {
		return "(not repeated here: it does not look like a key)"
	}
	return key
}
