package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/cadrift/cadrift/internal/api"
	"github.com/cadrift/cadrift/internal/drift"
)

// The layout of an export:
//
//	DIR/policy/CA001-block-legacy--1111….json
//	DIR/named_location/.gitkeep
//
// One file per object in Graph's own shape, named for people and for stable
// diffs; the id inside decides. A directory without objects is kept for git
// by .gitkeep, because "there are none" is part of a baseline.
const (
	extension = ".json"
	keepFile  = ".gitkeep"

	// maxFile bounds one file, maxDocument all of them; Graph's bodies stay
	// far below.
	maxFile     = 4 << 20
	maxDocument = 64 << 20
)

// written is the outcome of an export.
type written struct {
	Written int `json:"written"`
	Removed int `json:"removed"`
}

// writeLayout writes a snapshot below dir. Everything happens inside an
// os.Root: no name and no symbolic link leads out of it.
func writeLayout(dir string, s api.Snapshot) (written, error) {
	var done written
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return done, fmt.Errorf("make directory: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return done, fmt.Errorf("open directory: %w", err)
	}
	defer root.Close()

	files := map[drift.Kind]map[string][]byte{}
	for _, kind := range s.Kinds {
		files[kind] = map[string][]byte{}
	}
	for _, o := range s.Objects {
		name, err := fileName(o)
		if err != nil {
			return done, err
		}
		var text bytes.Buffer
		if err := json.Indent(&text, o.Body, "", "  "); err != nil {
			return done, fmt.Errorf("write %s: %w", name, err)
		}
		text.WriteByte('\n')
		if files[o.Kind] == nil {
			files[o.Kind] = map[string][]byte{}
		}
		files[o.Kind][name] = text.Bytes()
	}
	for _, kind := range drift.Kinds() {
		wanted, listed := files[kind]
		if listed {
			if err := writeKind(root, kind, wanted); err != nil {
				return done, err
			}
			done.Written += len(wanted)
		}
		removed, err := removeOld(root, kind, wanted)
		if err != nil {
			return done, err
		}
		done.Removed += removed
	}
	return done, nil
}

func writeKind(root *os.Root, kind drift.Kind, files map[string][]byte) error {
	if err := root.MkdirAll(string(kind), 0o755); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	if len(files) == 0 {
		return replaceFile(root, path.Join(string(kind), keepFile), nil)
	}
	for name, text := range files {
		if err := replaceFile(root, path.Join(string(kind), name), text); err != nil {
			return err
		}
	}
	return nil
}

// replaceFile writes a file whole or not at all, and leaves one alone that
// has these bytes.
func replaceFile(root *os.Root, name string, text []byte) error {
	if old, err := root.ReadFile(name); err == nil && bytes.Equal(old, text) {
		return nil
	}
	draft := name + ".tmp"
	if err := root.WriteFile(draft, text, 0o644); err != nil {
		return fmt.Errorf("write file: %w", err)
	}
	if err := root.Rename(draft, name); err != nil {
		return errors.Join(fmt.Errorf("write file: %w", err), root.Remove(draft))
	}
	return nil
}

// removeOld removes files of an earlier export that this one did not write:
// those that are named as we name them after the object inside.
func removeOld(root *os.Root, kind drift.Kind, wanted map[string][]byte) (int, error) {
	entries, err := fs.ReadDir(root.FS(), string(kind))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("list directory: %w", err)
	}
	removed := 0
	for _, entry := range entries {
		name := entry.Name()
		if _, keep := wanted[name]; keep || !entry.Type().IsRegular() || !strings.HasSuffix(name, extension) {
			continue
		}
		file := path.Join(string(kind), name)
		body, err := readFile(root, file)
		if err != nil {
			continue
		}
		id, err := idOf(body)
		if err != nil || !strings.HasSuffix(name, "--"+slug(id, maxID)+extension) {
			continue
		}
		if err := root.Remove(file); err != nil {
			return removed, fmt.Errorf("remove file: %w", err)
		}
		removed++
	}
	return removed, nil
}

// readLayout reads what writeLayout wrote, or a person did, and tells every
// problem at once.
func readLayout(dir string) (api.ImportOrder, error) {
	var order api.ImportOrder
	root, err := os.OpenRoot(dir)
	if err != nil {
		return order, fmt.Errorf("open directory: %w", err)
	}
	defer root.Close()
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return order, fmt.Errorf("list directory: %w", err)
	}
	var problems []error
	for _, entry := range entries {
		kind := drift.Kind(entry.Name())
		switch {
		case !entry.IsDir() || strings.HasPrefix(entry.Name(), "."):
		case !slices.Contains(drift.Kinds(), kind):
			problems = append(problems, fmt.Errorf("%s: not a kind: want %s", path.Join(dir, entry.Name()), kindNames()))
		default:
			objects, errs := readKind(root, dir, kind)
			order.Kinds = append(order.Kinds, kind)
			order.Objects = append(order.Objects, objects...)
			problems = append(problems, errs...)
		}
	}
	if err := errors.Join(problems...); err != nil {
		return order, err
	}
	if len(order.Kinds) == 0 {
		return order, &trouble{
			fmt.Sprintf("read baseline: no KIND/NAME--ID.json in %s", dir),
			"cadrift baseline export DIR or cadrift export DIR writes such files",
		}
	}
	return order, nil
}

func readKind(root *os.Root, dir string, kind drift.Kind) (objects []api.RawObject, problems []error) {
	entries, err := fs.ReadDir(root.FS(), string(kind))
	if err != nil {
		return nil, []error{fmt.Errorf("list directory: %w", err)}
	}
	seen := map[string]string{}
	for _, entry := range entries {
		if entry.IsDir() || !strings.HasSuffix(entry.Name(), extension) {
			continue
		}
		file := path.Join(string(kind), entry.Name())
		body, err := readFile(root, file)
		var id string
		if err == nil {
			id, err = idOf(body)
		}
		if other, twice := seen[strings.ToLower(id)]; err == nil && twice {
			err = fmt.Errorf("the same id as in %s", other)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", path.Join(dir, file), err))
			continue
		}
		seen[strings.ToLower(id)] = file
		objects = append(objects, api.RawObject{Kind: kind, Body: body})
	}
	return objects, problems
}

// readFile reads a file of at most maxFile bytes. Editors on Windows put a
// byte order mark before JSON; it goes.
func readFile(root *os.Root, name string) ([]byte, error) {
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("larger than %d MiB", maxFile>>20)
	}
	return bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), nil
}

// idOf is the id inside a body.
func idOf(body []byte) (string, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return "", fmt.Errorf("not a JSON object: %w", err)
	}
	var id string
	if err := json.Unmarshal(members["id"], &id); err != nil || id == "" {
		return "", errors.New(`no "id": it says which object this is`)
	}
	return id, nil
}

// The most characters that a file name takes from a display name and an id.
const (
	maxName = 60
	maxID   = 80
)

// fileName is NAME--ID.json: no separators, no dots in front, nothing that a
// shell or another system's disk could trip over.
func fileName(o api.SnapshotObject) (string, error) {
	id, err := idOf(o.Body)
	if err != nil {
		return "", fmt.Errorf("write %s %s: %w", o.Kind, drift.Visible(o.Name), err)
	}
	name := slug(o.Name, maxName)
	if name == "" {
		name = "unnamed"
	}
	return name + "--" + slug(id, maxID) + extension, nil
}

// slug keeps ASCII letters, digits, dot and underscore, and puts one hyphen
// for every run of anything else.
func slug(text string, limit int) string {
	var b strings.Builder
	gap := false
	for _, r := range text {
		keep := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '.' && b.Len() > 0
		if !keep {
			gap = true
			continue
		}
		if gap && b.Len() > 0 {
			b.WriteByte('-')
		}
		gap = false
		b.WriteRune(r)
		if b.Len() >= limit {
			break
		}
	}
	return strings.TrimRight(b.String(), ".-")
}

func kindNames() string {
	var names []string
	for _, k := range drift.Kinds() {
		names = append(names, string(k))
	}
	return strings.Join(names, ", ")
}
