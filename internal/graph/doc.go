// Package graph reads one tenant's Conditional Access objects from Microsoft
// Graph, complete or not at all, and changes policies for the guard.
//
// It owns the wire: tokens, headers, pacing, retries, paging, size limits, and
// the words for what went wrong. A listing is returned only when every page of
// it was an ordinary answer; everything else is an [*Error] with a reason from
// the contract's short list, and nothing of the listing. Bodies are handed on
// to the byte; what they mean is for others to say.
//
// It never follows a redirect, never sends the bearer token or even a request
// to an origin or path other than the one asked for (a nextLink gives its
// query, nothing else), never stores anything, and never puts a token, a
// credential or a URL's query into an error or a log line.
//
// A write ([Client.Patch]) is sent once. Its error says whether it may have
// taken place; only the caller knows how to find out.
//
// Order and pace: requests of one tenant pass one [Pacer], shared by every
// caller in the process, because Graph counts the tenant and not the caller.
// Once Graph has asked for a pause, no request of that tenant and lane goes
// out before it is over.
package graph
