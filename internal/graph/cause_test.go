package graph

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/cadrift/cadrift/internal/drift"
)

func TestCause(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{&Error{Op: "list policies: get token", Message: "token endpoint: connect: connection refused", Reason: drift.ReasonUnreachable}, "the token endpoint cannot be reached (connection refused)"},
		{&Error{Op: "list policies", Message: "dns: no such host", Reason: drift.ReasonUnreachable}, "Graph cannot be reached (no such host)"},
		{&Error{Op: "list policies", Status: 503, Reason: drift.ReasonUnreachable}, "Graph answers with errors (503)"},
		{fmt.Errorf("list policies: %w", context.DeadlineExceeded), "Graph cannot be reached (no answer in time)"},
		{&Error{Status: 429, Reason: drift.ReasonThrottled}, "Graph takes no more requests for now: other applications use up what it allows this tenant"},
		{&Error{Status: 403, Code: "AccessDenied", Message: "no; " + needsPermission + "Policy.Read.All", Reason: drift.ReasonPermission}, "the application permission Policy.Read.All is missing"},
		{&Error{Status: 403, Code: "AccessDenied", Reason: drift.ReasonPermission}, "the application may not read it (AccessDenied)"},
		{&Error{Op: "get token", Status: 401, Code: "AADSTS7000222", Reason: drift.ReasonCredential}, "the credential is refused (AADSTS7000222)"},
		{&Error{Op: "get token", Message: "read secret: no such file or directory", Reason: drift.ReasonCredential}, "the credential cannot be used (no such file or directory)"},
		{&Error{Status: 200, Message: "an HTML page instead of JSON", Reason: drift.ReasonIncomplete}, "the answer cannot be used (an HTML page instead of JSON)"},
		{errors.New("something else"), "the answer cannot be used"},
	} {
		if got := Cause(c.err); got != c.want {
			t.Errorf("%v\n got %q\nwant %q", c.err, got, c.want)
		}
	}
}
