package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

func (e *env) backupCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "backup FILE",
		Short: "Write a consistent copy of the store while the daemon runs",
		Long: "Write a consistent copy of the store to FILE, which is replaced whole or not at all.\n" +
			"Check it with cadrift verify FILE.",
		Args: args("FILE"),
		RunE: func(c *cobra.Command, given []string) error {
			size, err := e.backup(c.Context(), given[0])
			if err != nil {
				return err
			}
			p := e.printer()
			if e.json() {
				return p.document(map[string]any{"file": given[0], "bytes": size})
			}
			p.line("%d bytes written to %s", size, given[0])
			return nil
		},
	}
}

func (e *env) backup(ctx context.Context, file string) (size int64, err error) {
	if err := e.replaceable(file); err != nil {
		return 0, err
	}
	cl, err := e.connect(ctx, connection{})
	if err != nil {
		return 0, err
	}
	defer cl.close()
	stream, err := cl.open(ctx, http.MethodGet, route("backup"), nil, nil)
	if err != nil {
		return 0, err
	}
	defer stream.Close()
	draft, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".*")
	if err != nil {
		return 0, fmt.Errorf("write backup: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(draft.Name()))
		}
	}()
	size, err = io.Copy(draft, stream)
	if err == nil {
		err = draft.Sync()
	}
	if err := errors.Join(err, draft.Close()); err != nil {
		return 0, fmt.Errorf("write backup: %w", err)
	}
	if err := os.Rename(draft.Name(), file); err != nil {
		return 0, fmt.Errorf("write backup: %w", err)
	}
	return size, nil
}

// replaceable refuses targets that a backup must never replace: directories,
// devices, and anything beside the live store that carries its name.
func (e *env) replaceable(file string) error {
	info, err := os.Stat(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("write backup: %w", err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("write backup: %s is not a regular file", file)
	}
	c, err := e.configuration()
	if err != nil {
		return err
	}
	live, err := os.Stat(filepath.Join(c.StateDir, "cadrift.db"))
	if err == nil && os.SameFile(info, live) {
		return &trouble{"write backup: " + file + " is the store itself", "name another file"}
	}
	return nil
}
