package graph

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/cadrift/cadrift/internal/drift"
)

const needsPermission = "needs the application permission "

// Cause says why a reading failed to somebody who was woken up by it and does
// not know Graph: what follows after "cannot read contoso: ". [Plain] has the
// details.
func Cause(err error) string {
	e := &Error{}
	_ = errors.As(err, &e) // a foreign error is told by its reason alone
	from := "Graph"
	if strings.HasSuffix(e.Op, "get token") {
		from = "the token endpoint"
	}
	switch ReasonOf(err) {
	case drift.ReasonUnreachable:
		if e.Status != 0 {
			return fmt.Sprintf("%s answers with errors (%d)", from, e.Status)
		}
		return from + " cannot be reached" + inBrackets(innermost(cmp.Or(e.Message, "no answer in time")))
	case drift.ReasonThrottled:
		return "Graph takes no more requests for now: other applications use up what it allows this tenant"
	case drift.ReasonPermission:
		if _, name, told := strings.Cut(e.Message, needsPermission); told {
			return "the application permission " + name + " is missing"
		}
		return "the application may not read it" + inBrackets(e.Code)
	case drift.ReasonCredential:
		if e.Status != 0 {
			return "the credential is refused" + inBrackets(cmp.Or(e.Code, fmt.Sprint(e.Status)))
		}
		return "the credential cannot be used" + inBrackets(innermost(e.Message))
	}
	return "the answer cannot be used" + inBrackets(e.Message)
}

// innermost is the last part of a text in layers: "connection refused".
func innermost(text string) string {
	return text[strings.LastIndex(text, ": ")+1:]
}

func inBrackets(text string) string {
	if text = strings.TrimSpace(text); text == "" {
		return ""
	}
	return " (" + text + ")"
}
