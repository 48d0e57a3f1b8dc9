// Package web is what cadrift shows on its TCP listener: a small page for
// people, /healthz and /readyz for supervisors, /metrics for Prometheus and
// /api/v1 for scripts.
//
// It is read-only by type: it holds a [Reader] and a [Watch], neither of which
// can change anything, and it refuses every method but GET and HEAD. Pages are
// rendered on the server from embedded templates and carry no script. They
// show verdicts, changes and patches, never a raw body and never a secret.
//
// Every answer, errors included, goes through one shield ([Options] says which
// hosts may be asked for): security headers, a Host allow list against DNS
// rebinding, and a refusal of cross-origin writes. Whether a listener that is
// not loopback may be opened at all is decided where listeners are made.
package web
