// Package diff compares two canonical forms of one object: what changed, field
// by field, and the RFC 6902 patch that turns the old form into the new one.
//
// Every array of a canonical form is a set (package canon sorts it and drops
// repeats), and sets are compared here by merging the two sorted lists: a set
// that both sides have is one change with its members added and removed, and a
// patch that removes by index from the end and then adds in ascending order, so
// that applying it gives the new array to the byte. Everything else goes through
// jsondiff with its default options: its Equivalent and Factorize lose changes,
// and its LCS is quadratic. jsondiff sees every leaf as the text of its JSON, so
// that "1" and 1, or two numbers that are one float, are never equal.
//
// Changes and patch come in the order of their paths and depend on nothing but
// the two forms. Different canonical forms give at least one change and one
// operation, equal ones give none of either.
//
// Odd objects, which package canon leaves unfolded, are compared too: a list
// that is not sorted is replaced whole, and so is a document that holds
// one member name twice, since neither jsondiff nor any patch can tell such
// members apart.
//
// The package is pure, never writes to its arguments, and is the only importer
// of jsondiff.
package diff
