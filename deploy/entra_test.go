package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// permissions are what each step may ask for, and no more.
var permissions = map[string][]string{
	"read":        {"Policy.Read.All"},
	"attribution": {"AuditLog.Read.All"},
	"names":       {"Directory.Read.All"},
	"guard":       {"Policy.Read.All", "Policy.ReadWrite.ConditionalAccess"},
}

// recorder stands for az: it writes down what it is asked and knows an empty
// tenant. The id of a role is its name, so that the test can read it.
const recorder = `#!/bin/sh
echo "$*" >> "$AZ_LOG"
case "$*" in
  "ad app list"*|"ad sp list"*) ;;
  "ad app create"*) echo app-id ;;
  "ad sp create"*) echo principal-id ;;
  "ad sp show"*appRoles*) echo "$*" | sed "s/.*value=='\([^']*\)'.*/role:\1/" ;;
  "ad sp show"*) echo graph-id ;;
  "cloud show"*) echo https://graph.microsoft.com/ ;;
  "account show"*) echo tenant-id ;;
esac
`

func TestSetupScript(t *testing.T) {
	bash := program(t, "bash")
	dir := t.TempDir()
	az, log, cert := filepath.Join(dir, "az"), filepath.Join(dir, "log"), filepath.Join(dir, "public.pem")
	for name, text := range map[string]string{az: recorder, cert: "-----BEGIN CERTIFICATE-----\n"} {
		if err := os.WriteFile(name, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	script := func(args ...string) (string, string, error) {
		t.Helper()
		os.Remove(log)
		cmd := exec.Command(bash, append([]string{"entra/setup.sh"}, args...)...)
		cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "AZ_LOG="+log)
		out, err := cmd.CombinedOutput()
		asked, _ := os.ReadFile(log)
		return string(out), string(asked), err
	}
	for step, want := range permissions {
		out, asked, err := script(step, "--name", "cadrift", "--cert", cert)
		if err != nil {
			t.Fatalf("%s: %v\n%s", step, err, out)
		}
		var granted []string
		for _, m := range regexp.MustCompile(`"appRoleId":"role:([^"]+)"`).FindAllStringSubmatch(asked, -1) {
			granted = append(granted, m[1])
		}
		if !slices.Equal(granted, want) {
			t.Errorf("%s: granted %v, want %v\n%s", step, granted, want, asked)
		}
		if !strings.Contains(asked, "credential reset --id app-id --append --cert @"+cert) || !strings.Contains(out, "client_id: app-id") || !strings.Contains(out, "tenant_id: tenant-id") {
			t.Errorf("%s: %s\n%s", step, out, asked)
		}
	}
	// A managed identity has no registration to change.
	if out, asked, err := script("read", "--service-principal", "mi"); err != nil || strings.Contains(asked, "ad app") || !strings.Contains(asked, `"principalId":"mi"`) {
		t.Errorf("managed identity: %v\n%s\n%s", err, out, asked)
	}
	// The private key stays at home.
	if err := os.WriteFile(cert, []byte("-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"read", "--name", "x", "--cert", cert}, {"everything", "--name", "x"}, {"read"}, {}} {
		if _, asked, err := script(args...); err == nil || asked != "" {
			t.Errorf("%v: %v, and az was asked %q", args, err, asked)
		}
	}
}

// The other script and the table say the same as the first.
func TestPermissionsAgree(t *testing.T) {
	shell, readme := read(t, "entra/setup.ps1"), read(t, "entra/README.md")
	for step, want := range permissions {
		m := regexp.MustCompile(`'` + step + `'\s+\{ @\(([^)]*)\)`).FindStringSubmatch(shell)
		if m == nil || strings.ReplaceAll(m[1], "'", "") != strings.Join(want, ", ") {
			t.Errorf("setup.ps1, %s: %v, want %v", step, m, want)
		}
		if row := "| `" + step + "` | `" + strings.Join(want, "`, `") + "` |"; !strings.Contains(readme, row) {
			t.Errorf("README.md has no row %s", row)
		}
	}
}
