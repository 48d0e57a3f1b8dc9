package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// A Check looks at a configuration for problems that this package cannot see,
// such as a schedule that cron refuses. It runs even when the load found
// problems, so that all of them are told at once: what could not be read then
// has its default, and lists may be empty. Its errors are made by
// [Config.Problem]; it must keep no pointer into the configuration.
type Check func(*Config) []error

// Load reads the configuration file, and the files and environment variables
// that it names. The error is a *[Problems] and tells everything that is
// wrong.
func Load(path string, checks ...Check) (*Config, error) {
	return load(path, true, checks)
}

// LoadText is [Load] without a look at other files and the environment. It is
// for commands that talk to the daemon or to the store alone: they run as
// people who may not read the daemon's secrets.
func LoadText(path string, checks ...Check) (*Config, error) {
	return load(path, false, checks)
}

// Parse is [Load] of data under the name that its problems give. Relative file
// names in it start at dir.
func Parse(name string, data []byte, dir string, checks ...Check) (*Config, error) {
	return parse(name, data, dir, true, checks)
}

func load(path string, outside bool, checks []Check) (*Config, error) {
	data, mode, err := readConfig(path)
	if err != nil {
		return nil, Join(unreadable(path, err))
	}
	cfg, err := parse(path, data, filepath.Dir(path), outside, checks)
	if err != nil {
		return nil, err
	}
	if outside && runtime.GOOS != "windows" && mode.IsRegular() && mode.Perm()&0o022 != 0 {
		cfg.Warnings = append([]string{fmt.Sprintf("%s: others may write to this file (mode %04o): whoever can, decides what is watched",
			path, mode.Perm())}, cfg.Warnings...)
	}
	return cfg, nil
}

// readConfig reads one byte more than is allowed, at most. A pipe is read like
// a file: shells make one of <(…).
func readConfig(path string) ([]byte, fs.FileMode, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	return data, info.Mode(), err
}

func unreadable(path string, err error) *Problem {
	p := &Problem{Position: Position{File: path}, Text: "cannot read the configuration: " + reason(err), Err: err}
	if errors.Is(err, fs.ErrNotExist) {
		p.Hint = "name the file with --config FILE or CADRIFT_CONFIG"
	}
	return p
}

// reason is the innermost cause, without the path that wraps it.
func reason(err error) string {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		err = pathError.Err
	}
	return err.Error()
}

func parse(name string, data []byte, dir string, outside bool, checks []Check) (*Config, error) {
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return nil, Join(unreadable(name, err))
	}
	l := &loader{
		file: name, dir: absolute, outside: outside, cfg: defaults(),
		positions: map[string]Position{}, bad: map[string]bool{}, seen: map[string]Position{},
	}
	l.cfg.File, l.cfg.positions = name, l.positions
	root := l.source(data)
	if root == nil && len(l.problems) > 0 {
		return nil, l.failure()
	}
	if root != nil {
		l.object("", root, fields(&l.cfg))
	}
	if !l.bad[""] {
		l.validate()
	}
	cfg := &l.cfg
	errs := []error{l.failure()}
	for _, check := range checks {
		errs = append(errs, check(cfg)...)
	}
	if err := Join(errs...); err != nil {
		return nil, err
	}
	for _, warning := range sorted(l.warnings) {
		cfg.Warnings = append(cfg.Warnings, warning.Error())
	}
	return cfg, nil
}

func (l *loader) failure() error {
	errs := make([]error, len(l.problems))
	for i, p := range l.problems {
		errs[i] = p
	}
	return Join(errs...)
}

// At is the position of a key path such as tenants[0].schedule, or of the
// nearest thing above it when the file is silent about it.
func (c *Config) At(path string) Position { return find(c.positions, c.File, path) }

// Problem is an error about the value at a key path, with its position; %w in
// the format keeps the cause. A cause with a method Hint() string gives the
// hint.
func (c *Config) Problem(path, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	p := &Problem{Position: c.At(path), Text: strings.TrimSpace(err.Error()), Err: errors.Unwrap(err)}
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) {
		p.Hint = hinted.Hint()
	}
	return p
}

// Tenant is the tenant of that name.
func (c *Config) Tenant(name string) (*Tenant, bool) {
	i := slices.IndexFunc(c.Tenants, func(t Tenant) bool { return t.Name == name })
	if i < 0 {
		return nil, false
	}
	return &c.Tenants[i], true
}
