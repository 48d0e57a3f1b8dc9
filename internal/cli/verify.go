package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cadrift/cadrift/internal/api"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/store"
	"github.com/cadrift/cadrift/internal/words"
)

func (e *env) verifyCommand() *cobra.Command {
	var head string
	c := &cobra.Command{
		Use:   "verify [FILE]",
		Short: "Check every record of the store, or of a backup, and its hash chain",
		Long: "Check every record of the store, or of a backup FILE, and its hash chain. --head compares\n" +
			"with a head that was seen outside, in an alert or a log: only that reveals a rollback.",
		Args: args("[FILE]"),
		RunE: func(c *cobra.Command, given []string) error {
			var answer api.Verified
			var text []byte
			var err error
			if len(given) > 0 {
				answer, text, err = e.verifyFile(c.Context(), given[0], head)
			} else {
				answer, text, err = e.verifyStore(c.Context(), head)
			}
			if err != nil {
				return err
			}
			p := e.printer()
			if e.json() {
				err = p.json(text)
			} else {
				p.verified(answer)
			}
			if err == nil && !answer.OK {
				err = exitCode(1)
			}
			return err
		},
	}
	c.Flags().StringVar(&head, "head", "", "a head seen outside, as `SEQ:HASH`")
	return c
}

func (e *env) verifyStore(ctx context.Context, head string) (answer api.Verified, text []byte, err error) {
	cl, err := e.connect(ctx, connection{})
	if err != nil {
		return answer, nil, err
	}
	defer cl.close()
	q := e.tenantQuery()
	set(q, "head", head)
	text, err = cl.get(ctx, route("verify"), q, &answer)
	return answer, text, err
}

// verifyFile checks a backup. It needs neither configuration nor daemon: the
// machine that a backup is checked on may have neither.
func (e *env) verifyFile(ctx context.Context, file, head string) (answer api.Verified, text []byte, err error) {
	var seen drift.Head
	if head != "" {
		if seen, err = api.ParseHead(head); err != nil {
			return answer, nil, err
		}
	}
	s, err := store.Open(file, store.Options{ReadOnly: true})
	if err != nil {
		return answer, nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	tenantID := ""
	if head != "" {
		if tenantID, err = e.tenantIn(s); err != nil {
			return answer, nil, err
		}
	}
	if answer, err = api.Verify(ctx, s, tenantID, seen); err != nil {
		return answer, nil, err
	}
	text, err = json.Marshal(answer)
	return answer, text, err
}

// tenantIn is the tenant of the file whose head is meant.
func (e *env) tenantIn(s *store.Store) (string, error) {
	tenants, err := s.Tenants()
	if err != nil {
		return "", err
	}
	var names []string
	for _, t := range tenants {
		if t.Name == e.flags.tenant || len(tenants) == 1 && e.flags.tenant == "" {
			return t.TenantID, nil
		}
		names = append(names, t.Name)
	}
	return "", &trouble{
		"whose head? the file has " + words.Count(len(tenants), "tenant", "tenants"),
		"--tenant, one of " + strings.Join(names, ", "),
	}
}

func (p *printer) verified(answer api.Verified) {
	rows := [][]cell{header("TENANT", "RECORDS", "HEAD", "RESULT")}
	for _, t := range answer.Tenants {
		result := cell{"ok", good}
		if t.Error != nil {
			result = cell{words.Clean(*t.Error, lineRunes), bad}
		}
		rows = append(rows, []cell{
			{t.Name, plain},
			{fmt.Sprintf("%d to %d", t.FromSeq, t.ToSeq), plain},
			{fmt.Sprintf("%d:%s", t.ToSeq, t.Head), plain},
			result,
		})
	}
	if len(answer.Tenants) > 0 {
		p.table(rows)
	}
	switch {
	case answer.Error != nil:
		p.line("%s", p.paint(bad, words.Clean(*answer.Error, lineRunes)))
	case answer.OK && len(answer.Tenants) == 0:
		p.line("the store is whole and holds no tenant yet")
	}
}
