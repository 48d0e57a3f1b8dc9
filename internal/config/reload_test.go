package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const running = `state_dir: /var/lib/cadrift
web: {listen: "127.0.0.1:1", health_listen: "127.0.0.1:2", external_url: "https://old.example"}
tenants:
  - name: contoso
    tenant_id: 11111111-1111-1111-1111-111111111111
    credentials: {managed_identity: system}
    emergency_access:
      mode: plan
      users: [33333333-3333-3333-3333-333333333333, 33333333-3333-3333-3333-333333333334]
      exempt_policies:
        - {id: 44444444-4444-4444-4444-444444444444, reason: a}
        - {id: 44444444-4444-4444-4444-444444444445, reason: b}
  - name: fabrikam
    tenant_id: 22222222-1111-1111-1111-111111111111
    credentials: {managed_identity: system}
`

func parsed(t *testing.T, text string) *Config {
	t.Helper()
	cfg, err := Parse("a.yaml", []byte(text), ".")
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// TestPendingRestart edits the running configuration and says what of the
// edit waits for a restart; everything that waits keeps its old value.
func TestPendingRestart(t *testing.T) {
	const guard = "tenants.contoso.emergency_access"
	for _, test := range []struct {
		name, old, new string
		want           []string
	}{
		{"nothing", "", "", nil},
		{"reloadable", "https://old.example", "https://new.example", nil},
		{"state directory", "/var/lib/cadrift", "/srv/cadrift", []string{"state_dir"}},
		{"socket", "state_dir:", "control_socket: /run/x.sock\nstate_dir:", []string{"control_socket"}},
		{"listener", `listen: "127.0.0.1:1"`, `listen: "127.0.0.1:3"`, []string{"web.listen"}},
		{"health listener", `"127.0.0.1:2"`, `""`, []string{"web.health_listen"}},
		{"plain text", `listen: "127.0.0.1:1"`, `allow_plaintext: true, listen: ":1"`, []string{"web.listen", "web.allow_plaintext"}},
		{"mode", "mode: plan", "mode: enforce", []string{guard}},
		{"an id more", "users: [", "users: [33333333-3333-3333-3333-333333333335, ", []string{guard}},
		{"another id", "333334]", "333335]", []string{guard}},
		{
			"ids moved", "users: [33333333-3333-3333-3333-333333333333, 33333333-3333-3333-3333-333333333334]",
			"users: [33333333-3333-3333-3333-333333333334, 33333333-3333-3333-3333-333333333333]", nil,
		},
		{"an id as a group", "users: [33333333-3333-3333-3333-333333333333,", "groups: [33333333-3333-3333-3333-333333333333]\n      users: [", []string{guard}},
		{"exemption gone", "        - {id: 44444444-4444-4444-4444-444444444445, reason: b}\n", "", []string{guard}},
		{"budget", "mode: plan", "mode: plan\n      max_writes_per_hour: 100", []string{guard}},
		{"credential", "mode: plan", "mode: plan\n      credentials: {managed_identity: system}", []string{guard}},
		{
			"new block", "22222222-1111-1111-1111-111111111111\n", "22222222-1111-1111-1111-111111111111\n    emergency_access: {mode: plan, users: [33333333-3333-3333-3333-333333333333]}\n",
			[]string{"tenants.fabrikam.emergency_access"},
		},
		{"renamed tenant", "name: contoso", "name: adventure", nil},
		{"other directory under the name", "tenant_id: 11111111", "tenant_id: 51111111", []string{guard}},
	} {
		t.Run(test.name, func(t *testing.T) {
			old := parsed(t, running)
			loaded := parsed(t, strings.Replace(running, test.old, test.new, 1))
			if test.old != "" && !strings.Contains(running, test.old) {
				t.Fatalf("the edit of %q changes nothing", test.old)
			}
			got := PendingRestart(old, loaded)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("pending (-want +got):\n%s", diff)
			}
			before := string(loaded.Effective(fakeClouds))
			merged := Merge(old, loaded)
			if got := PendingRestart(old, merged); len(got) > 0 {
				t.Errorf("after the merge %q still differ", got)
			}
			if string(loaded.Effective(fakeClouds)) != before {
				t.Error("the merge changed the loaded configuration")
			}
			if len(test.want) == 0 && test.name != "ids moved" && string(merged.Effective(fakeClouds)) != before {
				t.Error("the merge loses what can be reloaded")
			}
		})
	}
}

// A guard whose block was deleted from the file stays armed until a restart.
func TestMergeKeepsGuard(t *testing.T) {
	old := parsed(t, running)
	before, _, _ := strings.Cut(running, "    emergency_access:")
	loaded := parsed(t, before+running[strings.Index(running, "  - name: fabrikam"):])
	if loaded.Tenants[0].EmergencyAccess != nil {
		t.Fatal("the block is still there")
	}
	if diff := cmp.Diff([]string{"tenants.contoso.emergency_access"}, PendingRestart(old, loaded)); diff != "" {
		t.Errorf("pending (-want +got):\n%s", diff)
	}
	if got := Merge(old, loaded).Tenants[0].EmergencyAccess; got != old.Tenants[0].EmergencyAccess {
		t.Errorf("the merged list is %v, want the armed one", got)
	}
}
