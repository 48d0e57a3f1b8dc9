package deploy

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// board is the part of a dashboard that the tests look at.
type board struct {
	ID            *int
	UID           string
	Title         string
	Editable      bool
	SchemaVersion int
	Refresh       string
	Panels        []panel
	Templating    struct {
		List []struct {
			Name       string
			Type       string
			Query      any
			Multi      bool
			IncludeAll bool
			AllValue   string
			Refresh    int
			Datasource struct{ UID string }
		}
	}
}

type panel struct {
	ID          int
	Type        string
	Title       string
	Description string
	Datasource  struct{ Type, UID string }
	GridPos     struct{ X, Y, W, H int }
	Targets     []struct {
		RefID      string
		Expr       string
		Datasource struct{ UID string }
	}
	FieldConfig struct{ Defaults struct{ Unit string } }
}

func dashboard(t *testing.T) board {
	t.Helper()
	var b board
	if err := json.Unmarshal([]byte(read(t, dashFile)), &b); err != nil {
		t.Fatal(err)
	}
	return b
}

// allPanels are the panels that show something.
func (b board) allPanels() []panel {
	var all []panel
	for _, p := range b.Panels {
		if p.Type != "row" {
			all = append(all, p)
		}
	}
	return all
}

var (
	counter  = regexp.MustCompile(`\bcadrift_\w+_total\b|\bcadrift_\w+_(?:bucket|sum|count)\b`)
	ranged   = regexp.MustCompile(`(?:rate|irate|increase)\((cadrift_\w+)\{[^}]*\}\[([^\]]+)\]\)`)
	selector = regexp.MustCompile(`\b(?:cadrift|process|go)_\w+\{([^}]*)\}`)
)

// Grafana's dashboard linter cannot be had here; these are its rules.
func TestDashboardRules(t *testing.T) {
	b := dashboard(t)
	if b.ID != nil || b.UID == "" || b.Editable || b.SchemaVersion < 36 || b.Refresh != "1m" {
		t.Errorf("id %v, uid %q, editable %v, schemaVersion %d, refresh %q", b.ID, b.UID, b.Editable, b.SchemaVersion, b.Refresh)
	}
	variables := map[string]bool{}
	for _, v := range b.Templating.List {
		variables[v.Name] = true
		if v.Name == "datasource" {
			if v.Type != "datasource" || v.Query != "prometheus" {
				t.Errorf("variable datasource: type %s, query %v", v.Type, v.Query)
			}
			continue
		}
		if v.Type != "query" || !v.Multi || !v.IncludeAll || v.AllValue != ".+" || v.Refresh != 2 || v.Datasource.UID != "${datasource}" {
			t.Errorf("variable %s: %+v", v.Name, v)
		}
	}
	for _, name := range []string{"datasource", "job", "instance", "tenant"} {
		if !variables[name] {
			t.Errorf("no variable %s", name)
		}
	}
	ids := map[int]bool{}
	for _, p := range b.Panels {
		if ids[p.ID] {
			t.Errorf("panel id %d twice", p.ID)
		}
		ids[p.ID] = true
		if p.Type != "row" {
			checkPanel(t, p)
		}
	}
	checkGrid(t, b.Panels)
}

func checkPanel(t *testing.T, p panel) {
	t.Helper()
	if p.Title == "" || p.Description == "" || len(p.Targets) == 0 || p.Datasource.UID != "${datasource}" {
		t.Errorf("panel %d %q: title, description, targets or datasource missing", p.ID, p.Title)
	}
	if p.FieldConfig.Defaults.Unit == "" {
		t.Errorf("panel %q has no unit", p.Title)
	}
	for _, target := range p.Targets {
		if target.Datasource.UID != "${datasource}" || target.RefID == "" {
			t.Errorf("panel %q: target %+v", p.Title, target)
		}
		for _, m := range selector.FindAllStringSubmatch(target.Expr, -1) {
			if !strings.Contains(m[1], `job=~"$job"`) || !strings.Contains(m[1], `instance=~"$instance"`) {
				t.Errorf("panel %q: %s does not select job and instance", p.Title, m[0])
			}
		}
		bare := ranged.ReplaceAllStringFunc(target.Expr, func(call string) string {
			if m := ranged.FindStringSubmatch(call); m[2] != "$__rate_interval" {
				t.Errorf("panel %q: range %s", p.Title, m[2])
			}
			return ""
		})
		// A counter times 0 stands for "no events": it only keeps the series.
		bare = regexp.MustCompile(`cadrift_\w+\{[^}]*\} \* 0`).ReplaceAllString(bare, "")
		if name := counter.FindString(bare); name != "" {
			t.Errorf("panel %q: counter %s outside rate or increase", p.Title, name)
		}
	}
}

// checkGrid finds panels that lie over one another or stick out.
func checkGrid(t *testing.T, panels []panel) {
	t.Helper()
	taken := map[[2]int]int{}
	for _, p := range panels {
		g := p.GridPos
		if g.W <= 0 || g.H <= 0 || g.X < 0 || g.X+g.W > 24 {
			t.Errorf("panel %q: position %+v", p.Title, g)
		}
		for x := g.X; x < g.X+g.W; x++ {
			for y := g.Y; y < g.Y+g.H; y++ {
				if other, ok := taken[[2]int{x, y}]; ok {
					t.Fatalf("panels %d and %d overlap at %d,%d", other, p.ID, x, y)
				}
				taken[[2]int{x, y}] = p.ID
			}
		}
	}
}

// Grafana's own types, from its npm package, judge the shape.
func TestDashboardSchema(t *testing.T) {
	oracles(t, "the types of @grafana/schema, which npm has to fetch")
	npm := program(t, "npm")
	dir := t.TempDir()
	// JSON has the values of Grafana's enumerations, not their names.
	text := "import type { Dashboard } from '@grafana/schema';\n" +
		"type Wire<T> = T extends string ? `${T}` : T extends (infer U)[] ? Wire<U>[] : T extends object ? { [K in keyof T]: Wire<T[K]> } : T;\n" +
		"export const d = " + strings.TrimSpace(read(t, dashFile)) + " satisfies Wire<Partial<Dashboard>>;\n"
	bad := strings.Replace(text, `"schemaVersion": 39`, `"schemaVersion": "39"`, 1)
	for name, body := range map[string]string{"package.json": "{}", "good.ts": text, "bad.ts": bad} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	npmIn := func(args ...string) (string, error) {
		cmd := exec.Command(npm, args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := npmIn("install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "@grafana/schema@13.2.3", "typescript@5.9.3"); err != nil {
		t.Fatalf("npm install: %v\n%s", err, out)
	}
	tsc := func(file string) (string, error) {
		return npmIn("exec", "--offline", "--", "tsc", "--noEmit", "--skipLibCheck", "--strict", "--module", "nodenext", "--moduleResolution", "nodenext", "--target", "es2022", file)
	}
	if out, err := tsc("good.ts"); err != nil {
		t.Errorf("the dashboard is not one of Grafana's:\n%s", out)
	}
	if out, err := tsc("bad.ts"); err == nil || !strings.Contains(out, "not assignable to type 'number'") {
		t.Errorf("a wrong schemaVersion passed: the check checks nothing\n%s", out)
	}
}
