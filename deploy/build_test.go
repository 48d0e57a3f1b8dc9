package deploy

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	_ "golang.org/x/crypto/x509roots/fallback"
)

// Two directories give the same bytes; with CADRIFT_LONG=1 two build caches do.
func TestReproducibleBuild(t *testing.T) {
	build := func(dir, cache string) [32]byte {
		t.Helper()
		out := filepath.Join(t.TempDir(), "cadrift")
		cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid=", "-o", out, "./cmd/cadrift")
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=readonly")
		if cache != "" {
			cmd.Env = append(cmd.Env, "GOCACHE="+cache)
		}
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build in %s: %v\n%s", dir, err, text)
		}
		text, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		return sha256.Sum256(text)
	}
	other := t.TempDir()
	for _, name := range []string{"cmd", "internal"} {
		if err := os.CopyFS(filepath.Join(other, name), os.DirFS(filepath.Join("..", name))); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		if err := os.WriteFile(filepath.Join(other, name), []byte(read(t, filepath.Join("..", name))), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cache := ""
	if os.Getenv("CADRIFT_LONG") != "" {
		cache = t.TempDir()
	}
	if a, b := build("..", ""), build(other, cache); a != b {
		t.Errorf("two directories, two digests: %x and %x", a, b)
	}
}

// The bill of materials is what the program says about itself.
func TestBillOfMaterials(t *testing.T) {
	bin := built(t)
	cmd := exec.Command("go", "run", "./sbom", bin, "v0.0.1")
	cmd.Dir = "tools"
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("sbom: %v\n%s", err, errs.String())
	}
	var bom struct {
		BomFormat string
		Metadata  struct {
			Component struct{ Name, Version string }
		}
		Components []struct{ Name, Version string }
	}
	if err := json.Unmarshal(out, &bom); err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, c := range bom.Components {
		if c.Name != "std" {
			got = append(got, c.Name+" "+c.Version)
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^\s+dep\s+(\S+)\s+(\S+)`).FindAllStringSubmatch(run(t, "go", "version", "-m", bin), -1) {
		want = append(want, m[1]+" "+m[2])
	}
	slices.Sort(got)
	slices.Sort(want)
	if len(want) < 10 || !slices.Equal(got, want) {
		t.Errorf("bill:\n%s\ngo version -m:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if bom.BomFormat != "CycloneDX" || bom.Metadata.Component.Version != "v0.0.1" {
		t.Errorf("format %q of %+v", bom.BomFormat, bom.Metadata)
	}
}

// What the final stage of the Dockerfile promises, read from its text;
// internal/opstest runs it.
func TestDockerfile(t *testing.T) {
	_, final, ok := strings.Cut(read(t, "../Dockerfile"), "\nFROM scratch\n")
	if !ok {
		t.Fatal("the final stage is not scratch")
	}
	for _, want := range []string{"USER 10001:10001\n", "VOLUME /var/lib/cadrift\n", `CMD ["/cadrift", "status", "--ready"]`, `ENTRYPOINT ["/cadrift"]`} {
		if !strings.Contains(final, want) {
			t.Errorf("no %q in the final stage", want)
		}
	}
	if strings.Contains(final, "RUN ") || strings.Count(final, "VOLUME") != 1 || strings.Contains(final, "FROM ") {
		t.Errorf("the final stage does more than it should:\n%s", final)
	}
	mod := regexp.MustCompile(`(?m)^go (\S+)$`).FindStringSubmatch(read(t, "../go.mod"))
	image := regexp.MustCompile(`ARG GO_VERSION=(\S+)`).FindStringSubmatch(read(t, "../Dockerfile"))
	if mod == nil || image == nil || !strings.HasPrefix(image[1], strings.TrimSuffix(mod[1], ".0")+".") {
		t.Errorf("go.mod has %v, the Dockerfile %v", mod, image)
	}
}

// The program trusts certificates where the system has none.
func TestEmbeddedRoots(t *testing.T) {
	if src := read(t, "../cmd/cadrift/main.go"); !strings.Contains(src, "x509roots/fallback") || !strings.Contains(src, "time/tzdata") {
		t.Error("main does not embed certificates and time zones")
	}
	t.Setenv("SSL_CERT_FILE", filepath.Join(t.TempDir(), "none"))
	t.Setenv("SSL_CERT_DIR", t.TempDir())
	pool, err := x509.SystemCertPool()
	if err != nil {
		t.Fatal(err)
	}
	if pool.Equal(x509.NewCertPool()) {
		t.Error("no certificates")
	}
}

// The hosted workflow runs what everybody runs, with the toolchain of the image.
func TestWorkflow(t *testing.T) {
	var flow struct {
		Name        string
		On          map[string]any
		Permissions map[string]string
		Jobs        map[string]struct {
			RunsOn         string `yaml:"runs-on"`
			Container      string
			TimeoutMinutes int `yaml:"timeout-minutes"`
			Steps          []map[string]string
		}
	}
	decode(t, "../.github/workflows/ci.yaml", &flow)
	image := regexp.MustCompile(`ARG GO_VERSION=(\S+)`).FindStringSubmatch(read(t, "../Dockerfile"))
	if flow.Permissions["contents"] != "read" || len(flow.Permissions) != 1 || len(flow.Jobs) != 1 {
		t.Errorf("permissions %v, %d jobs", flow.Permissions, len(flow.Jobs))
	}
	for name, job := range flow.Jobs {
		if last := job.Steps[len(job.Steps)-1]["run"]; last != "./.ci/run" {
			t.Errorf("%s ends with %q, want ./.ci/run", name, last)
		}
		if image == nil || job.Container != "golang:"+image[1]+"-bookworm" {
			t.Errorf("%s runs in %s, the Dockerfile builds with %v", name, job.Container, image)
		}
		for _, step := range job.Steps {
			if step["uses"] != "" {
				t.Errorf("%s uses %s", name, step["uses"])
			}
		}
	}
}
