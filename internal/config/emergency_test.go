package config_test

import (
	"strings"
	"testing"

	"github.com/cadrift/cadrift/internal/config"
)

// An emergency group whose members nobody watches is a way around the guard.
func TestUnwatchedEmergencyGroup(t *testing.T) {
	t.Setenv("CADRIFT_TEST_SECRET", "s")
	for watch, want := range map[string]bool{"[policies]": true, "[policies, excluded_groups]": false} {
		c, err := config.Parse("x.yaml", []byte(`
tenants:
  - name: contoso
    tenant_id: 11111111-1111-1111-1111-111111111111
    credentials: {client_id: 22222222-2222-2222-2222-222222222222, client_secret_env: CADRIFT_TEST_SECRET}
    watch: `+watch+`
    emergency_access: {mode: plan, groups: [33333333-3333-3333-3333-333333333333]}
`), t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(strings.Join(c.Warnings, "\n"), "excluded_groups"); got != want {
			t.Errorf("watch %s: warned %v, want %v: %q", watch, got, want, c.Warnings)
		}
	}
}
