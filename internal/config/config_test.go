package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/golden"
)

// TestBadFiles loads every file of testdata/bad and compares all that is told
// about it with the .want file beside it.
func TestBadFiles(t *testing.T) {
	paths := testFiles(t, "testdata/bad/*.yaml")
	if len(paths) < 45 {
		t.Fatalf("%d bad files, want at least 45", len(paths))
	}
	dir := absolute(t, "testdata/bad")
	for _, path := range paths {
		name := filepath.Base(path)
		t.Run(strings.TrimSuffix(name, ".yaml"), func(t *testing.T) {
			cfg, err := Parse(name, read(t, path), dir)
			if cfg != nil || err == nil {
				t.Fatalf("Parse(%s) = %v, %v, want problems only", name, cfg, err)
			}
			var problems *Problems
			if !errors.As(err, &problems) {
				t.Fatalf("Parse(%s) gives a %T, want *Problems", name, err)
			}
			got := strings.ReplaceAll(err.Error(), dir, "DIR") + "\n"
			keepsSecrets(t, got)
			golden.Compare(t, strings.TrimSuffix(path, ".yaml")+".want", got)
		})
	}
}

// TestGoodFiles shows what every file of testdata/good comes to, and what is
// warned of.
func TestGoodFiles(t *testing.T) {
	dir := absolute(t, "testdata/good")
	for _, path := range testFiles(t, "testdata/good/*.yaml") {
		name := filepath.Base(path)
		t.Run(strings.TrimSuffix(name, ".yaml"), func(t *testing.T) {
			cfg, err := Parse(name, read(t, path), dir)
			if err != nil {
				t.Fatal(err)
			}
			got := string(cfg.Effective(fakeClouds))
			for _, warning := range cfg.Warnings {
				// What the checkout's file modes are is not the test's matter.
				if !strings.Contains(warning, "can be read by everybody") {
					got += "# " + warning + "\n"
				}
			}
			got = strings.ReplaceAll(got, dir, "DIR")
			keepsSecrets(t, got)
			golden.Compare(t, strings.TrimSuffix(path, ".yaml")+".want", got)
		})
	}
}

func fakeClouds(c Cloud) (graph, authority string) {
	return "https://graph." + string(c), "https://login." + string(c)
}

// keepsSecrets fails when the output holds what stands for every secret in
// testdata, or the base64 of it.
func keepsSecrets(t *testing.T, output string) {
	t.Helper()
	for _, secret := range []string{"SECRETMARKER", "U0VDUkVUTUFSS0VS"} {
		if strings.Contains(output, secret) {
			t.Errorf("a secret is told:\n%s", output)
		}
	}
}

// TestText is about what YAML would take for something else.
func TestText(t *testing.T) {
	cfg, err := Parse("full.yaml", read(t, "testdata/good/full.yaml"), "testdata/good")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := cfg.Tenants[1].Name, "0123"; got != want {
		t.Errorf("name %q, want %q", got, want)
	}
	if got, want := cfg.Receivers[0].Tenants[0], "0123"; got != want {
		t.Errorf("unquoted tenant %q, want %q", got, want)
	}
	if got, want := cfg.Tenants[0].Attribution, AttributionOff; got != want {
		t.Errorf("attribution %q, want %q", got, want)
	}
	if got, want := cfg.Receivers[2].URL.Reveal(), "https://siem.example/SECRETMARKER"; got != want {
		t.Errorf("url %q, want %q", got, want)
	}
	if got := cfg.Receivers[2].MinSeverity; got != drift.Low {
		t.Errorf("min_severity %v, want low", got)
	}
	if got := cfg.Tenants[2].EmergencyAccess.Credentials; got != nil {
		t.Errorf("empty credentials of the guard are %v, want nil: the tenant's own", got)
	}
	if got := cfg.Tenants[0].EmergencyAccess.Credentials; got == nil || got.CertificateFile == "" {
		t.Errorf("credentials of the guard are %v, want a certificate", got)
	}
	if got, ok := cfg.Tenant("fabrikam"); !ok || got != &cfg.Tenants[2] {
		t.Errorf("Tenant(fabrikam) = %v, %v", got, ok)
	}
	if got, ok := cfg.Tenant("nobody"); ok {
		t.Errorf("Tenant(nobody) = %v", got)
	}
}

func testFiles(t *testing.T, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no files %s: %v", pattern, err)
	}
	return paths
}

func absolute(t *testing.T, dir string) string {
	t.Helper()
	path, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
