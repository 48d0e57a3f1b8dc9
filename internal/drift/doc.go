// Package drift holds the nouns of cadrift: tenants' objects and how they are
// told apart, changes and patches, directions and severities, events,
// findings, baselines, and the one transaction that makes a pass durable.
//
// It is the ground floor of the house: it imports the standard library only,
// does no input or output, knows no clock, and every other package speaks in
// its terms. JSON tags in this package are the public contract of the webhook
// body, the HTTP API and --output json.
package drift
