package config

import "testing"

func TestKeyHint(t *testing.T) {
	top := fields(&Config{})
	receiver, _ := fieldNamed(top, "receivers")
	tenant, _ := fieldNamed(top, "tenants")
	for _, test := range []struct {
		key  string
		path string
		keys []field
		want string
	}{
		{"tenant", "", top, "did you mean tenants?"},
		{"Receivers", "", top, "did you mean receivers?"},
		{"statedir", "", top, "did you mean state_dir?"},
		{"lgo", "", top, "did you mean log?"},
		{"metrics", "", top, "known keys here: state_dir, control_socket, log, web, retention, tenants, receivers"},
		{"name", "", top, "known keys here: state_dir, control_socket, log, web, retention, tenants, receivers"}, // two homes
		{"hold", "tenants[3]", tenant.keys, "hold belongs in tenants.emergency_access"},
		{"poll-interval", "tenants[0]", tenant.keys, `schedule says how often, for example schedule: "@every 1m"`},
		{"breakGlass", "tenants[0]", tenant.keys, "did you mean emergency_access?"},
		{"token", "tenants[0]", tenant.keys, "federated_token_file names a file that holds a token"},
		{"channel", "receivers[0]", receiver.keys, "an incoming webhook is bound to its channel and name where it was made; leave the key out"},
		{"severity", "receivers[0]", receiver.keys, "did you mean min_severity?"},
		{"secret", "receivers[0]", receiver.keys, "secret_file names a file that holds the secret"},
		{"remind", "receivers[0]", receiver.keys, "did you mean remind_every?"},
	} {
		if got := keyHint(test.path, test.key, test.keys); got != test.want {
			t.Errorf("hint for %s in %q:\ngot  %s\nwant %s", test.key, test.path, got, test.want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"a", "", 1}, {"", "abc", 3}, {"listen", "listn", 1}, {"listen", "lisetn", 1}, {"abc", "xyz", 3}, {"kitten", "sitting", 3},
	} {
		for _, pair := range [][2]string{{test.a, test.b}, {test.b, test.a}} {
			if got := distance(pair[0], pair[1]); got != test.want {
				t.Errorf("distance(%q, %q) = %d, want %d", pair[0], pair[1], got, test.want)
			}
		}
	}
}
