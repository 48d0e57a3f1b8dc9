package graphsim

import (
	"fmt"
	"net/http"
)

// Refusal is the service's refusal of a request: what an error answer says.
type Refusal struct {
	Status int
	// Code is error.code, for example BadRequest.
	Code string
	// Number is the Conditional Access error number, 0 where none is known.
	Number int
	Text   string
	// Challenge is the WWW-Authenticate header of a 401.
	Challenge string
	// RetryAfter is the header of a 429, usually empty for Conditional Access.
	RetryAfter string

	// old puts the text where older versions of the service put it.
	old bool
}

// Error is the status and the message.
func (r *Refusal) Error() string {
	return fmt.Sprintf("graph answered %d %s: %s", r.Status, r.Code, r.message())
}

func (r *Refusal) message() string {
	if r.Number == 0 {
		return r.Text
	}
	return fmt.Sprintf("%d: %s", r.Number, r.Text)
}

// The numbers that clients in the field have met. The texts are ours: clients
// treat them as opaque.
const (
	numSchema         = 1007
	numApplications   = 1011
	numMixedApps      = 1012
	numControls       = 1032
	numUnknownApps    = 1034
	numUnknownPlace   = 1040
	numInvalid        = 1085
	numFrequency      = 1104
	numReadOnlyOrigin = 1118
)

func badRequest(number int, format string, args ...any) *Refusal {
	return &Refusal{Status: http.StatusBadRequest, Code: "BadRequest", Number: number, Text: fmt.Sprintf(format, args...)}
}

// schemaMismatch is the answer to anything that does not fit the type, a
// misspelt property above all.
func schemaMismatch(format string, args ...any) *Refusal {
	return badRequest(numSchema, "The object in the request is null or does not match the schema of its type: "+format, args...)
}

// notFound: the real code of a missing policy is not known; clients go by the
// status.
func notFound(id string) *Refusal {
	return &Refusal{Status: http.StatusNotFound, Code: "ResourceNotFound", Text: fmt.Sprintf("Nothing has the id '%s'.", id)}
}

func methodNotAllowed(method string) *Refusal {
	return &Refusal{Status: http.StatusMethodNotAllowed, Code: "Request_BadRequest", Text: "The resource does not take " + method + "."}
}
