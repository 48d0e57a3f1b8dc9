package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/cadrift/cadrift/internal/drift"
)

// Failure is the body of every answer that is not a success.
type Failure struct {
	Error string `json:"error"`
	Hint  string `json:"hint,omitempty"`
}

// failure is an error with a status of its own.
type failure struct {
	status     int
	text, hint string
}

func (f *failure) Error() string { return f.text }
func (f *failure) Hint() string  { return f.hint }

func badRequest(hint, format string, args ...any) error {
	return &failure{http.StatusBadRequest, fmt.Sprintf(format, args...), hint}
}

func notFound(hint, format string, args ...any) error {
	return &failure{http.StatusNotFound, fmt.Sprintf(format, args...), hint}
}

// statusOf maps an error to a status:
//
//	a failure of this package     its own
//	an order that is refused      409
//	something that is not there   404
//	a word outside a closed list  400
//	a body over the limit         413
//	anything else                 500
func statusOf(err error) int {
	var own *failure
	var word *drift.WordError
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &own):
		return own.status
	case errors.Is(err, ErrRefused):
		return http.StatusConflict
	case errors.Is(err, drift.ErrNotFound):
		return http.StatusNotFound
	case errors.As(err, &word):
		return http.StatusBadRequest
	case errors.As(err, &large):
		return http.StatusRequestEntityTooLarge
	}
	return http.StatusInternalServerError
}

func writeFailure(w http.ResponseWriter, err error) {
	body := Failure{Error: err.Error()}
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) {
		body.Hint = hinted.Hint()
	}
	writeJSON(w, statusOf(err), body)
}

// writeJSON writes one document. Raw bodies inside it keep the order of their
// members and the spelling of their numbers; only white space between tokens
// goes.
func writeJSON(w http.ResponseWriter, status int, document any) {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(document); err != nil {
		// Only a stored body that is no JSON can do this.
		status = http.StatusInternalServerError
		body.Reset()
		fmt.Fprintf(&body, "{\"error\":%q}\n", "encode answer: "+err.Error())
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// An error here is a reader that went away.
	_, _ = body.WriteTo(w)
}
