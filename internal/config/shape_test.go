package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

const (
	examplePath = "../../config/cadrift.example.yaml"
	schemaPath  = "../../config/cadrift.schema.json"
)

// loaderKeys is every key path that the loader knows, with [] for lists, and
// the words that it takes.
func loaderKeys(keys []field, path string) map[string][]string {
	known := map[string][]string{}
	for _, key := range keys {
		here := join(path, key.name)
		known[here] = slices.Sorted(slices.Values(key.words))
		maps.Copy(known, loaderKeys(key.keys, here))
	}
	return known
}

type schema struct {
	Ref        string `json:"$ref"`
	Properties map[string]schema
	Items      *schema
	AnyOf      []schema
	Enum       []string
	Required   []string
	Default    json.RawMessage
	Defs       map[string]schema `json:"$defs"`
	// AdditionalProperties must be false in every object: an editor shall
	// mark what the loader refuses.
	AdditionalProperties *bool
	Description          string
}

func readSchema(t *testing.T) schema {
	t.Helper()
	var s schema
	if err := json.Unmarshal(read(t, schemaPath), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// schemaKeys visits every key path of the schema.
func schemaKeys(t *testing.T, root, s schema, path string, visit func(path string, s schema)) {
	t.Helper()
	if name, ok := strings.CutPrefix(s.Ref, "#/$defs/"); ok {
		def, ok := root.Defs[name]
		if !ok {
			t.Fatalf("%s: no definition %s", path, name)
		}
		s.Properties, s.Items, s.Enum, s.AdditionalProperties = def.Properties, def.Items, def.Enum, def.AdditionalProperties
	} else if s.Ref != "" {
		t.Fatalf("%s: reference %s", path, s.Ref)
	}
	if path != "" {
		visit(path, s)
	}
	for _, other := range s.AnyOf {
		schemaKeys(t, root, other, "", func(string, schema) {}) // its definitions exist
		if other.Ref != "" {
			s.Properties = root.Defs[strings.TrimPrefix(other.Ref, "#/$defs/")].Properties
		}
	}
	if len(s.Properties) > 0 && len(s.AnyOf) == 0 && (s.AdditionalProperties == nil || *s.AdditionalProperties) {
		t.Errorf("%s: an object of the schema takes any key", path)
	}
	for name, below := range s.Properties {
		schemaKeys(t, root, below, join(path, name), visit)
	}
	if s.Items == nil {
		return
	}
	item := *s.Items
	if name, ok := strings.CutPrefix(item.Ref, "#/$defs/"); ok {
		item = root.Defs[name]
	}
	for name, below := range item.Properties {
		schemaKeys(t, root, below, join(path, name), visit)
	}
}

// TestSchemaKeys: the schema beside the example has the loader's keys, all of
// them and no others, and the loader's words.
func TestSchemaKeys(t *testing.T) {
	root := readSchema(t)
	got := map[string][]string{}
	schemaKeys(t, root, root, "", func(path string, s schema) {
		if s.Description == "" {
			t.Errorf("%s has no description", path)
		}
		words := s.Enum
		if s.Items != nil {
			item := *s.Items
			if name, ok := strings.CutPrefix(item.Ref, "#/$defs/"); ok {
				item = root.Defs[name]
			}
			words = item.Enum
		}
		got[path] = slices.Sorted(slices.Values(words))
	})
	if diff := cmp.Diff(loaderKeys(fields(&Config{}), ""), got); diff != "" {
		t.Errorf("keys and words of the loader (-) and of the schema (+):\n%s", diff)
	}
}

// TestSchemaDefaults: what the schema calls a default is what the loader
// fills in.
func TestSchemaDefaults(t *testing.T) {
	cfg := parsed(t, minimal+`    emergency_access: {mode: off}
receivers:
  - {name: a, type: slack, url: "http://127.0.0.1/"}
`)
	var effective any
	if err := yaml.Unmarshal(cfg.Effective(fakeClouds), &effective); err != nil {
		t.Fatal(err)
	}
	root, checked := readSchema(t), 0
	schemaKeys(t, root, root, "", func(path string, s schema) {
		if s.Default == nil {
			return
		}
		var want any
		if err := json.Unmarshal(s.Default, &want); err != nil {
			t.Fatal(err)
		}
		got := lookup(effective, strings.Split(path, "."))
		if got == nil {
			got = "" // an empty text is not shown
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("the schema's default of %s is %v, the loader's %v", path, want, got)
		}
		checked++
	})
	if checked < 25 {
		t.Errorf("%d defaults in the schema, want at least 25", checked)
	}
}

// lookup follows keys, through the first element of lists.
func lookup(value any, keys []string) any {
	if len(keys) == 0 {
		return value
	}
	switch v := value.(type) {
	case []any:
		return lookup(v[0], keys)
	case map[string]any:
		return lookup(v[keys[0]], keys[1:])
	}
	return nil
}

// TestExample: the shipped example documents every key and loads once the
// files that it names exist.
func TestExample(t *testing.T) {
	text := string(read(t, examplePath))
	for path := range loaderKeys(fields(&Config{}), "") {
		key := regexp.MustCompile(`(?m)^[ #-]*` + lastKey(path) + `:`)
		if inline := regexp.MustCompile(`[{,] ?` + lastKey(path) + `:`); !key.MatchString(text) && !inline.MatchString(text) {
			t.Errorf("the example does not show %s", path)
		}
	}
	dir := t.TempDir()
	for name, content := range map[string]string{
		"contoso-secret": "SECRETMARKER",
		"slack":          "https://hooks.slack.com/services/SECRETMARKER",
		"teams":          "https://x.1f.environment.api.powerplatform.com:443/workflows/1/invoke?sig=SECRETMARKER",
		"siem":           "whsec_U0VDUkVUTUFSS0VSU0VDUkVUTUFSS0VSU0VDUkVUTUFSS0VS",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "cadrift.yaml")
	text = strings.ReplaceAll(text, "/run/credentials/cadrift.service", dir)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Warnings) > 0 {
		t.Errorf("the example is warned of: %q", cfg.Warnings)
	}
	keepsSecrets(t, string(cfg.Effective(fakeClouds)))
}

// TestExampleAlternatives uncomments every line of the example that shows a
// key: each must be known where it stands.
func TestExampleAlternatives(t *testing.T) {
	commented := regexp.MustCompile(`(?m)^( *)# ( *[a-z_]+:( .*)?)$`)
	text := string(read(t, examplePath))
	_, text, _ = strings.Cut(text, "\n\n") // the head shows a whole file
	if n := len(commented.FindAllString(text, -1)); n < 10 {
		t.Fatalf("%d commented keys, want at least 10", n)
	}
	_, err := Parse("example.yaml", []byte(commented.ReplaceAllString(text, "$1$2")), t.TempDir())
	if err == nil {
		t.Fatal("credentials of five kinds are accepted")
	}
	for _, problem := range err.(*Problems).Unwrap() {
		if text := problem.Error(); strings.Contains(text, "unknown key") || strings.Contains(text, "not valid YAML") {
			t.Error(text)
		}
	}
}
