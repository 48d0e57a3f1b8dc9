// Package archtest holds the house to its plan: which package may import
// which, who may touch a third-party library, and what no package may be
// called. It has no code of its own; `go test ./internal/archtest` is the
// whole of it.
package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/cadrift/cadrift/"

// stories is the table of the house. A package imports only packages of lower
// stories; a subpackage may import its parent, and nobody a neighbour.
var stories = map[string]int{
	"internal/drift": 0,

	"internal/golden": 0, "internal/hostile": 0, "internal/csdl": 0,

	"internal/canon": 1, "internal/diff": 1, "internal/judge": 1, "internal/words": 1, "internal/schedule": 1,

	"internal/baseline": 2,

	"internal/graph": 2, "internal/store": 2, "internal/config": 2,
	"internal/notify": 2, "internal/notify/slack": 2, "internal/notify/teams": 2, "internal/notify/webhook": 2,
	"internal/notify/sinktest": 2,
	"internal/graphsim":        2, "internal/graphsim/contoso": 2,

	"internal/beside": 3,

	"internal/poll": 4, "internal/guard": 4, "internal/api": 4, "internal/web": 4,

	"internal/app": 5,

	"internal/demo": 6,

	"internal/cli": 7,

	"cmd/cadrift": 8,
}

// fences name the one package that may import a third-party module, and why.
var fences = map[string]struct{ owner, why string }{
	"github.com/AzureAD/microsoft-authentication-library-for-go": {"internal/graph", "MSAL errors can hold a token: they are scrubbed in one place"},
	"go.etcd.io/bbolt":          {"internal/store", "the store speaks domain terms, its engine is nobody else's business"},
	"github.com/robfig/cron":    {"internal/schedule", "its parser panics on user input: it is guarded in one place"},
	"github.com/wI2L/jsondiff":  {"internal/diff", "two of its options report no change where there is one"},
	"github.com/lmittmann/tint": {"internal/app", "packages log through slog, the handler is chosen once"},
	"github.com/spf13/cobra":    {"internal/cli", "flags and commands belong to the command line"},
	"go.yaml.in/yaml":           {"internal/config", "positions of keys are kept where they are read"},
}

// restricted are packages of ours that only some may import, besides tests.
var restricted = map[string][]string{
	"internal/golden":          {"internal/notify/sinktest"},
	"internal/hostile":         nil,
	"internal/csdl":            nil,
	"internal/notify/sinktest": nil,

	"internal/graphsim":         {"internal/demo", "internal/graphsim/contoso"},
	"internal/graphsim/contoso": {"internal/demo"},
}

// pure are the packages that take values and return values.
var pure = []string{"internal/drift", "internal/canon", "internal/diff", "internal/judge", "internal/words", "internal/schedule"}

// impure are the imports that would end that.
var impure = []string{"context", "net", "net/http", "os", "time/tzdata", "io/fs", "sync", "math/rand", "math/rand/v2", "github.com/prometheus/client_golang/prometheus"}

// vague are names that tell nobody which line belongs where.
var vague = []string{"types", "common", "util", "utils", "helpers", "helper", "manager", "misc", "base", "shared", "lib"}

type file struct {
	path string
	ast  *ast.File
}

// load parses the module's packages: directory → its files outside tests.
func load(t *testing.T) map[string][]file {
	t.Helper()
	root := filepath.Join("..", "..")
	fset := token.NewFileSet()
	pkgs := map[string][]file{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); name == "testdata" || strings.HasPrefix(name, ".") && path != root {
				return filepath.SkipDir
			}
			// A module of its own is another house.
			if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil && path != root {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		pkgs[filepath.ToSlash(rel)] = append(pkgs[filepath.ToSlash(rel)], file{path, f})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(pkgs) < 10 {
		t.Fatalf("found %d packages: is the test looking at the right tree?", len(pkgs))
	}
	return pkgs
}

func imports(f file) []string {
	var out []string
	for _, spec := range f.ast.Imports {
		path, _ := strconv.Unquote(spec.Path.Value)
		out = append(out, path)
	}
	return out
}

func TestEveryPackageHasAStory(t *testing.T) {
	pkgs := load(t)
	for pkg := range pkgs {
		if _, ok := stories[pkg]; !ok {
			t.Errorf("%s is not in the table of stories: which room is it?", pkg)
		}
	}
	for pkg := range stories {
		if _, ok := pkgs[pkg]; !ok {
			t.Errorf("the table of stories has %s, the tree does not", pkg)
		}
	}
}

func TestImportsGoDown(t *testing.T) {
	for pkg, files := range load(t) {
		for _, f := range files {
			for _, path := range imports(f) {
				other, ours := strings.CutPrefix(path, module)
				if !ours {
					continue
				}
				parent := strings.HasPrefix(pkg, other+"/")
				if stories[other] >= stories[pkg] && !parent {
					t.Errorf("%s (story %d) imports %s (story %d)", f.path, stories[pkg], other, stories[other])
				}
				if who, ok := restricted[other]; ok && !slices.Contains(who, pkg) {
					t.Errorf("%s imports %s: only %s may", f.path, other, strings.Join(append([]string{"tests"}, who...), ", "))
				}
			}
		}
	}
}

func TestFences(t *testing.T) {
	used := map[string]bool{}
	for pkg, files := range load(t) {
		for _, f := range files {
			for _, path := range imports(f) {
				for fenced, rule := range fences {
					if path != fenced && !strings.HasPrefix(path, fenced+"/") {
						continue
					}
					used[fenced] = true
					if pkg != rule.owner {
						t.Errorf("%s imports %s, which is for %s: %s", f.path, path, rule.owner, rule.why)
					}
				}
			}
		}
	}
	for fenced := range fences {
		if !used[fenced] {
			t.Errorf("nobody imports %s: the fence stands around nothing", fenced)
		}
	}
}

func TestPurePackages(t *testing.T) {
	pkgs := load(t)
	for _, pkg := range pure {
		for _, f := range pkgs[pkg] {
			for _, path := range imports(f) {
				if slices.Contains(impure, path) {
					t.Errorf("%s imports %s: %s takes values and returns values", f.path, path, pkg)
				}
			}
			ast.Inspect(f.ast, func(n ast.Node) bool {
				if sel, ok := n.(*ast.SelectorExpr); ok {
					if x, ok := sel.X.(*ast.Ident); ok && x.Name == "time" && (sel.Sel.Name == "Now" || sel.Sel.Name == "Since") {
						t.Errorf("%s reads the clock: time is an argument in %s", f.path, pkg)
					}
				}
				return true
			})
		}
	}
}

func TestPackageDocs(t *testing.T) {
	for pkg, files := range load(t) {
		var docs []string
		for _, f := range files {
			if f.ast.Doc != nil {
				docs = append(docs, f.path)
			}
		}
		if len(docs) != 1 {
			t.Errorf("%s has a package comment in %d files, want exactly one: %v", pkg, len(docs), docs)
		}
	}
}

func TestNamesSaySomething(t *testing.T) {
	for pkg, files := range load(t) {
		if slices.Contains(vague, filepath.Base(pkg)) {
			t.Errorf("%s: a package name that says nothing", pkg)
		}
		for _, f := range files {
			if slices.Contains(vague, strings.TrimSuffix(filepath.Base(f.path), ".go")) {
				t.Errorf("%s: a file name that says nothing", f.path)
			}
		}
	}
}

func TestNoInit(t *testing.T) {
	for _, files := range load(t) {
		for _, f := range files {
			for _, d := range f.ast.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
					t.Errorf("%s has an init function: construction happens in app", f.path)
				}
			}
		}
	}
}

func TestTopLevel(t *testing.T) {
	allowed := []string{
		"cmd", "internal", "config", "deploy", "testdata", "go.mod", "go.sum", "Dockerfile", "Makefile", "README.md",
		"bin", "dist",
	} // the last two are built, not kept
	entries, err := os.ReadDir(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") && !slices.Contains(allowed, e.Name()) {
			t.Errorf("%s is outside the agreed top level", e.Name())
		}
	}
}

func TestMainIsADoor(t *testing.T) {
	src, err := os.ReadFile(filepath.Join("..", "..", "cmd", "cadrift", "main.go"))
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(string(src), "\n"); lines > 40 {
		t.Errorf("main.go has %d lines: it turns signals into a context and calls cli", lines)
	}
}
