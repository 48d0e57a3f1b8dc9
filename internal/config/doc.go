// Package config reads cadrift.yaml.
//
// It owns the shape of the file (the field tables in shape.go are the one list
// of keys), the defaults, the strict decode, every rule that can be checked
// without the network, and the position of every value, by key path, so that
// the assembly can point at the line to blame when a schedule, a credential or
// a receiver turns out to be wrong later.
//
// A load tells every problem of the file at once, in the order of the file,
// each with file:line:column and, where there is one, the next step. It
// returns a whole configuration or none: nothing half-applied leaves this
// package.
//
// It never parses a schedule (package schedule does), never knows the hosts of a
// cloud (package graph does), opens no socket and keeps no state. It never puts
// into a message a value that may be a secret: of a webhook URL, a secret and
// of what stands where an id or a file name was expected, only the position is
// told.
package config
