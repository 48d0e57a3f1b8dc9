package baseline

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/cadrift/cadrift/internal/canon"
	"github.com/cadrift/cadrift/internal/drift"
)

// maxFile bounds one baseline file; Graph's own bodies stay far below.
const maxFile = 4 << 20

// ReadDir reads DIR/KIND/*.json. The id inside a file decides which
// object it is, the name of the file is for people. The kinds are those that
// have a folder: an empty one says that there shall be no object of its kind.
func ReadDir(dir string) (out []drift.Object, kinds []drift.Kind, err error) {
	seen := map[drift.Key]string{}
	for _, kind := range drift.Kinds() {
		paths, err := list(filepath.Join(dir, string(kind)))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return nil, nil, fmt.Errorf("list baseline files: %w", err)
		}
		kinds = append(kinds, kind)
		for _, path := range paths {
			obj, err := readFile(kind, path)
			if err != nil {
				return nil, nil, err
			}
			if first, twice := seen[obj.Key()]; twice {
				return nil, nil, fmt.Errorf("read baseline: %s and %s hold the same object %s", first, path, obj.ID)
			}
			seen[obj.Key()] = path
			out = append(out, obj)
		}
	}
	if len(out) == 0 {
		return nil, nil, fmt.Errorf("read baseline: no KIND/NAME--ID.json files in %s (hint: cadrift baseline export %s)", dir, dir)
	}
	return out, kinds, nil
}

// list are the files of one folder. A folder that cannot be read is an error:
// it must not pass for an empty one.
func list(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".json") {
			paths = append(paths, filepath.Join(folder, e.Name()))
		}
	}
	return paths, nil
}

func readFile(kind drift.Kind, path string) (drift.Object, error) {
	info, err := os.Stat(path)
	if err != nil {
		return drift.Object{}, fmt.Errorf("read baseline: %w", err)
	}
	if info.Size() > maxFile {
		return drift.Object{}, fmt.Errorf("read baseline: %s: larger than %d MiB", path, maxFile>>20)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return drift.Object{}, fmt.Errorf("read baseline: %w", err)
	}
	obj, err := canon.Object(kind, raw)
	if err != nil {
		return drift.Object{}, fmt.Errorf("read baseline: %s: %w", path, err)
	}
	return obj, nil
}

// Stamp is a fingerprint of the files that [ReadDir] reads: their names, sizes
// and times, and where they really lie, since mounts and checkouts exchange
// links to files, folders or the whole.
func Stamp(dir string) string {
	h := sha256.New()
	for _, kind := range drift.Kinds() {
		folder := filepath.Join(dir, string(kind))
		paths, err := list(folder)
		fmt.Fprintln(h, err)
		for _, path := range append(paths, folder) {
			real, err := filepath.EvalSymlinks(path)
			if err != nil {
				continue
			}
			if info, err := os.Stat(real); err == nil && info.IsDir() {
				fmt.Fprintf(h, "%s\x00%s\n", path, real)
			} else if err == nil {
				fmt.Fprintf(h, "%s\x00%s\x00%d\x00%d\n", path, real, info.Size(), info.ModTime().UnixNano())
			}
		}
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}
