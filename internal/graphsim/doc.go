// Package graphsim is a simulated Microsoft Entra tenant: the token endpoint
// and the part of Microsoft Graph that Conditional Access lives in, faithful
// enough that a client cannot tell. The demonstration and the tests run
// against it; nothing else imports it.
//
// # What it owns
//
// A [Server] is the cloud: it routes, issues and checks tokens, injects
// faults and remembers what it was asked. It is an [http.Handler] for real
// sockets and an [http.RoundTripper] for tests in fake time. A [Tenant] is
// the state behind it: policies, named locations, authentication strengths
// and contexts, security defaults and deleted items, and the way the service
// behaves ([Behaviour]): throttling, paging, replica lag. An [Admin] changes
// that state as a person or an app would, through the same code that answers
// a PATCH.
//
// # What it promises
//
// Time is [time.Now] and there are no goroutines outside Serve, no lock is
// held across a wait, and nothing that a client decides on is random beyond a
// seed, so it works inside a synctest bubble and comes out the same every
// time. An unchanged listing is rendered and compressed once. Stored bodies
// are never changed in place; a write makes a new version.
//
// # Fidelity
//
// The shapes in model.go follow Microsoft's v1.0 model, checked by a test
// against the CSDL. Where the behaviour of the real service is not known, the
// simulator is the stricter of the plausible ones (a client that satisfies it
// satisfies both) and the comment says so. Users, groups, roles and audit
// records are simulated as far as a watcher reads them. Not simulated: $batch,
// $filter beyond that, what-if and licences.
package graphsim
