// Package contoso is the tenant of the demonstration: Contoso, with some sixty
// Conditional Access policies, twelve named locations, strengths and
// contexts, all made up here, and an administrator who changes a few of them
// by a script ([Script]). It serves the demo command and end-to-end tests.
//
// Ids are derived from names and the same in every run; dates are relative to
// the time that [New] is given, so that it fits fake time too.
package contoso
