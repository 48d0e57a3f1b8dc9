package contoso

import (
	"fmt"
	"slices"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/graphsim"
)

// Step is one thing that the scripted administrators do.
type Step struct {
	// Title says what will happen, for the console.
	Title string
	// Expect says what on-call should see, or "nothing".
	Expect string
	// Pause is the time to let pass before Do.
	Pause time.Duration
	// Do does it.
	Do func(*graphsim.Tenant) error
}

// lateLog is longer than an alert takes, at any speed of the demonstration.
const lateLog = 8 * time.Second

// Script is two and a half minutes in the life of the tenant. It can be run once per
// tenant; the steps depend on each other.
func Script() []Step {
	alex := graphsim.User(ID("Alex"), "alex@contoso.example", "192.0.2.10")
	sam := graphsim.User(ID("Sam"), "sam@contoso.example", "198.51.100.70")
	robot := graphsim.ByApp(ID("Release pipeline"), "Release pipeline")
	copier := graphsim.ByApp(ID("Policy copier"), "Policy copier")
	patch := func(by graphsim.Actor, name string, what body) func(*graphsim.Tenant) error {
		return func(t *graphsim.Tenant) error { return t.As(by).PatchPolicy(ID(name), text(what)) }
	}
	return []Step{
		{
			Title: fmt.Sprintf("Alex renames %q", mobileApps), Expect: "neutral, low: only the name changed", Pause: 10 * time.Second,
			Do: patch(alex, mobileApps, body{"displayName": "CA204: Internals - Require protected apps on phones and tablets"}),
		},
		{
			Title: "Graph returns the lists of two objects in another order", Expect: "nothing", Pause: 12 * time.Second,
			Do: reorder,
		},
		{
			Title: fmt.Sprintf("Sam excludes a user from %q", adminKeys), Expect: "weaker, high: one more account signs in without a key", Pause: 12 * time.Second,
			Do: patch(sam, adminKeys, body{"conditions": body{"users": body{"excludeUsers": append(EmergencyUsers(), ID("Kim"))}}}),
		},
		{
			Title: `Sam adds a mobile carrier's shared range to the trusted location "HQ"`, Pause: 15 * time.Second,
			Expect: "weaker, critical: four million addresses count as the office now, and the policies that spare it are named",
			Do: func(t *graphsim.Tenant) error {
				return t.As(sam).PatchLocation(ID("HQ"), text(network("HQ", true, "192.0.2.0/26", "198.51.100.16/28", "100.64.0.0/10")))
			},
		},
		{
			Title: fmt.Sprintf("Sam adds twelve people to a group below %q", travellers), Pause: 12 * time.Second,
			Expect: "weaker, high: nothing changed in the policy, and twelve more people are exempt from it",
			Do: func(t *graphsim.Tenant) error {
				return t.As(sam).JoinGroup(ID("Conference visitors"), ids(crowd())...)
			},
		},
		{
			Title: fmt.Sprintf("The release pipeline switches %q off", finance), Expect: "weaker, critical: the policy no longer acts", Pause: 15 * time.Second,
			Do: patch(robot, finance, body{"state": "disabled"}),
		},
		{
			Title: "… makes its two requirements alternatives while it is off", Expect: "still critical against the baseline, and the change is named; by itself it is low, since nothing acts", Pause: 13 * time.Second,
			Do: patch(robot, finance, body{"grantControls": body{"operator": "OR"}}),
		},
		{
			Title: "… and switches it on again", Expect: "weaker than when it last acted: MFA or a managed device instead of both", Pause: 13 * time.Second,
			Do: patch(robot, finance, body{"state": "enabled"}),
		},
		{
			Title: fmt.Sprintf("Alex deletes %q, and the audit log is late", deviceCode), Pause: 15 * time.Second,
			Expect: "weaker, critical: device code flow is open to everybody; who it was is told when the log knows",
			Do: func(t *graphsim.Tenant) error {
				t.Tune(func(b *graphsim.Behaviour) { b.AuditLeast = lateLog })
				defer t.Tune(func(b *graphsim.Behaviour) { b.AuditLeast = 0 })
				return t.As(alex).DeletePolicy(ID(deviceCode))
			},
		},
		{
			Title: "… and makes it anew under the same name", Expect: "stronger, medium: a new policy of that name, with an id of its own", Pause: 15 * time.Second,
			Do: anew(alex),
		},
		{
			Title: fmt.Sprintf("Sam takes the emergency accounts out of the exclusions of %q", everyMFA), Pause: 10 * time.Second,
			Expect: "critical, lockout risk; then the guard puts them back, and the exclusion of the service accounts stays",
			Do:     patch(sam, everyMFA, body{"conditions": body{"users": body{"excludeUsers": []string{}}}}),
		},
		{
			Title: "A second automation applies its own copy of that policy, without the accounts", Pause: 5 * time.Second,
			Expect: "the same alert, and the guard puts them back again",
			Do:     patch(copier, everyMFA, body{"conditions": body{"users": body{"excludeUsers": []string{}}}}),
		},
		{
			Title: "… and again", Pause: 5 * time.Second,
			Expect: "the guard's third and last write to this policy today",
			Do:     patch(copier, everyMFA, body{"conditions": body{"users": body{"excludeUsers": []string{}}}}),
		},
		{
			Title: "… and once more", Pause: 5 * time.Second,
			Expect: "the breaker trips: the guard gives up on this policy and calls people",
			Do:     patch(copier, everyMFA, body{"conditions": body{"users": body{"excludeUsers": []string{}}}}),
		},
	}
}

// reorder turns the lists of a policy and of a location round. No time moves,
// as when another replica answers.
func reorder(t *graphsim.Tenant) error {
	for _, key := range []drift.Key{{Kind: drift.Policy, ID: ID(adminKeys)}, {Kind: drift.NamedLocation, ID: ID("Data centre")}} {
		if t.ReorderLists(key.Kind, key.ID) == 0 {
			return fmt.Errorf("reorder %s: it has no list of two", key)
		}
	}
	return nil
}

func anew(by graphsim.Actor) func(*graphsim.Tenant) error {
	return func(t *graphsim.Tenant) error {
		drafts := global()
		i := slices.IndexFunc(drafts, func(d *draft) bool { return d.name == deviceCode })
		_, err := t.As(by).CreatePolicy(text(drafts[i].request()))
		return err
	}
}
