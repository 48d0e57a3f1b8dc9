package words

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/golden"
)

func at(clock string) time.Time {
	t, err := time.Parse(time.DateTime, "2026-11-21 "+clock)
	if err != nil {
		panic(err)
	}
	return t
}

const policyID = "0d3c8b1e-5f2a-4c7d-9e6b-1a2f3c4d5e6f"

// switchedOff is the worst ordinary event: an enforced policy turned off.
func switchedOff() *drift.Event {
	return &drift.Event{
		ID: "contoso-000000000042", Seq: 42, Time: at("20:00:00"), Type: drift.DriftChanged,
		Window: &drift.Window{From: at("19:59:00"), To: at("20:00:00")},
		Tenant: "contoso", TenantID: "11111111-1111-1111-1111-111111111111",
		Object:    &drift.Ref{Kind: drift.Policy, ID: policyID, Name: "CA001: Require MFA for all users"},
		Action:    drift.Updated,
		Direction: new(drift.Weaker), Severity: drift.Critical, LockoutRisk: new(false),
		Summary: "CA001: Require MFA for all users: state on → off",
		Changes: []drift.Change{{Path: "/state", Field: "State", Text: "State: on → off", Direction: drift.Weaker}},
		Drift:   drift.DriftOpened, DriftDirection: new(drift.Weaker), DriftSeverity: new(drift.Critical),
		Actor:    &drift.Actor{Kind: "user", ID: "x", Name: "alex@contoso.example (Alex)", IP: "203.0.113.9", Time: at("19:59:12")},
		Revision: 12, Chain: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
	}
}

// examples is one event of every type, and the variants of a change.
func examples() map[string]*drift.Event {
	lockout := switchedOff()
	lockout.LockoutRisk, lockout.LockoutReasons = new(true), []string{"the emergency account 33333333… is no longer excluded"}
	lockout.Direction, lockout.Drift, lockout.Actor = new(drift.Stronger), drift.DriftUpdated, nil
	lockout.Summary = "CA009: Block access: excluded users: − breakglass@contoso.example"
	lockout.Changes = []drift.Change{
		{Text: "Excluded users: − breakglass@contoso.example", Direction: drift.Stronger},
		{Text: "Client apps: + other clients", Direction: drift.Weaker},
		{Path: "/conditions/newThing", Old: []byte(`"a"`), New: []byte(`{"b":1}`), Direction: drift.Mixed, Unknown: true},
	}

	moved := switchedOff()
	moved.Cause, moved.Action, moved.Actor, moved.Changes = "baseline", "", nil, nil
	moved.Direction, moved.Severity = new(drift.Neutral), drift.Low
	moved.Summary = "CA001: Require MFA for all users: state on → off"

	resolved := switchedOff()
	resolved.Direction, resolved.Severity, resolved.Drift = new(drift.Stronger), drift.Medium, drift.DriftResolved
	resolved.Summary = "CA001: Require MFA for all users: state off → on"

	dropped := *moved
	dropped.Drift, dropped.DriftDirection, dropped.DriftSeverity = drift.DriftResolved, new(drift.Neutral), new(drift.Low)
	dropped.Summary = "CA001: Require MFA for all users: no longer compared, the baseline holds no policy"

	expected := switchedOff()
	expected.DeliveredSeverity = new(drift.Low)
	expected.Expected = &drift.Expectation{ID: "x1", Pattern: "CA001*", Until: at("22:00:00"), Reason: "change 4711", By: "uid 1000"}

	location := switchedOff()
	location.Object = &drift.Ref{Kind: drift.NamedLocation, ID: policyID, Name: "Office"}
	location.Summary, location.Severity = "Office: + 203.0.113.0/24", drift.High
	location.Changes = []drift.Change{{Text: "IP ranges: + 203.0.113.0/24", Direction: drift.Weaker}}
	for i := range 11 {
		location.Affects = append(location.Affects, drift.Ref{Kind: drift.Policy, ID: fmt.Sprint(i), Name: fmt.Sprintf("CA%03d", i)})
	}
	location.Drift, location.DriftDirection, location.DriftSeverity = drift.DriftNone, nil, nil

	recreated := switchedOff()
	recreated.Action, recreated.Related, recreated.Changes = drift.Created, "99999999-9999-9999-9999-999999999999", nil

	deleted := switchedOff()
	deleted.Action, deleted.Patch = drift.Deleted, drift.Patch{{Op: "replace", Path: "", Value: []byte("null")}}
	deleted.Summary = "CA002: Block device code flow deleted (was on: blocks all users (3 exclusions) on all apps under 1 condition)"
	deleted.Changes = []drift.Change{
		{Path: "/conditions/applications/includeApplications", Field: "Included apps", Text: "Included apps: All apps"},
		{Path: "/conditions/authenticationFlows/transferMethods", Field: "Authentication flows", Text: "Authentication flows: Device code flow"},
		{Path: "/conditions/users/excludeUsers", Field: "Excluded users", Text: "Excluded users: a → none, b"},
		{Path: "/conditions/users/includeUsers", Field: "Included users", Text: "Included users: All users"},
		{Path: "/displayName", Field: "Name", Text: "Name: CA002: Block device code flow", Part: true},
		{Path: "/grantControls/builtInControls", Field: "Grant", Text: "Grant: block access"},
		{Path: "/grantControls/operator", Field: "Grant operator", Text: "Grant operator: any of the controls", Part: true},
		{Path: "/sessionControls/new", Field: "Unknown setting sessionControls.new", Text: "Unknown setting sessionControls.new: 1", Unknown: true},
		{Path: "/state", Field: "State", Text: "State: on"},
	}
	created := switchedOff()
	created.Action, created.Severity, created.Direction = drift.Created, drift.Medium, new(drift.Stronger)
	created.Patch = drift.Patch{{Op: "add", Path: "", Value: []byte("{}")}}
	created.Drift, created.DriftDirection, created.DriftSeverity = drift.DriftNone, nil, nil
	created.Summary = "CA002: Block device code flow created (on: blocks all users on all apps)"
	created.Changes = []drift.Change{
		{Path: "/conditions/users/includeUsers", Field: "Included users", Text: "Included users: All users"},
		{Path: "/grantControls/builtInControls", Field: "Grant", Text: "Grant: block access"},
		{Path: "/grantControls/operator", Field: "Grant operator", Text: "Grant operator: any of the controls", Part: true},
		{Path: "/new", New: []byte(`{"a":1}`), Unknown: true},
	}
	staged := switchedOff()
	staged.Severity, staged.Direction = drift.High, new(drift.Mixed)
	staged.Drift, staged.DriftSeverity, staged.DriftDirection = drift.DriftUpdated, new(drift.High), new(drift.Weaker)
	staged.Summary = "CA203: state off → on; weaker than when it was last enforced: grant"
	staged.Changes = []drift.Change{
		{Path: "/grantControls/builtInControls", Field: "Grant", Text: "Grant: all of MFA, compliant device → any of them", Direction: drift.Weaker},
		{Path: "/grantControls/operator", Field: "Grant operator", Text: "Grant operator: all → any", Direction: drift.Weaker, Part: true},
		{Path: "/state", Field: "State", Text: "State: off → on", Direction: drift.Stronger},
	}

	base := func(t drift.EventType, s drift.Severity, summary string) *drift.Event {
		return &drift.Event{
			ID: "contoso-000000000043", Seq: 43, Time: at("20:01:00"), Type: t, Tenant: "contoso",
			Severity: s, Summary: summary, Revision: 12, Chain: "9f86d081884c7d65",
		}
	}
	reminder := base(drift.DriftReminder, drift.Low, "CA001: state on → off, open for 3 days")
	reminder.Seq, reminder.ID, reminder.Revision, reminder.Chain = 0, "contoso-r-01JD8WZ3Y4", 0, ""
	reminder.Object, reminder.Direction, reminder.Actor = switchedOff().Object, new(drift.Neutral), switchedOff().Actor
	reminder.Drift, reminder.DriftDirection, reminder.DriftSeverity = drift.DriftUpdated, new(drift.Weaker), new(drift.Critical)
	quiet := *reminder
	quiet.DeliveredSeverity, quiet.Expected = expected.DeliveredSeverity, expected.Expected
	attributed := base(drift.EventAttributed, drift.Low, "CA001: state on → off was alex@contoso.example")
	attributed.About, attributed.Actor = "contoso-000000000042", switchedOff().Actor
	misused := base(drift.EventAttributed, drift.High, "CA001: updated by somebody with cadrift's own credential, but not cadrift (the app Watcher)")
	misused.About, misused.Actor = attributed.About, &drift.Actor{Kind: "app", ID: "x", Name: "Watcher", Time: at("19:59:12"), OwnCredential: true}
	schema := base(drift.SchemaChanged, drift.Low, "12 policies have a new property")
	schema.Direction, schema.Kinds = new(drift.Neutral), []drift.Kind{drift.Policy}
	armed := base(drift.GuardArmed, drift.Medium, "guard armed with 2 accounts")
	written := base(drift.GuardWritten, drift.Medium, "CA007: emergency exclusion added")
	written.Policy = &drift.Ref{Kind: drift.Policy, ID: policyID, Name: "CA007"}
	written.Added, written.Result = []string{"33333333-3333-3333-3333-333333333333"}, "verified"
	undone := base(drift.GuardWritten, drift.Critical, "CA007: write of contoso-000000000042 undone, exclusion taken away: bg1@contoso.example")
	undone.Policy, undone.Result, undone.About, undone.By, undone.Reason = written.Policy, "sent", "contoso-000000000042", "uid 1000 (root)", "guard undo: drill"
	undone.LockoutRisk, undone.LockoutReasons = new(true), []string{"emergency account bg1@contoso.example no longer excluded"}
	refused := base(drift.GuardRefused, drift.Medium, "CA008: not written")
	refused.Policy, refused.Reason = written.Policy, "targets_account"
	failed := base(drift.GuardFailed, drift.High, "CA007: write failed")
	failed.Policy, failed.Reason = written.Policy, "403 from Graph"
	blind := base(drift.MonitorBlind, drift.Critical, "cannot read contoso: the credential is refused (AADSTS7000222)")
	blind.Detail = "list policies: get token: 401 AADSTS7000222: The provided client secret keys are expired"
	blind.Reason, blind.Kinds = string(drift.ReasonCredential), []drift.Kind{drift.Policy, drift.NamedLocation}
	recovered := base(drift.MonitorRecovered, drift.Low, "readings are complete again")
	recovered.Reason = string(drift.ReasonCredential)
	pinned := base(drift.BaselinePinned, drift.Medium, "baseline pinned at revision 12")
	pinned.Reason, pinned.By, pinned.Digest = "quarterly review", "uid 1000 (root)", "9f86d081884c7d659a2feaa0c55ad015"

	return map[string]*drift.Event{
		"changed": switchedOff(), "changed-lockout": lockout, "changed-baseline": moved, "changed-resolved": resolved, "changed-dropped": &dropped,
		"changed-announced": expected, "changed-location": location, "changed-recreated": recreated,
		"changed-deleted": deleted, "changed-created": created, "changed-staged": staged,
		"reminder": reminder, "reminder-announced": &quiet, "attributed": attributed, "attributed-misused": misused, "schema": schema,
		"guard-armed": armed, "guard-written": written, "guard-undone": undone, "guard-refused": refused, "guard-failed": failed,
		"blind": blind, "recovered": recovered, "pinned": pinned,
		"heartbeat": base(drift.MonitorHeartbeat, drift.Info, "watching 64 objects"),
		"test":      base(drift.TestEvent, drift.Critical, "this is a test"),
	}
}

func TestPlainGolden(t *testing.T) {
	seen := map[drift.EventType]bool{}
	for name, e := range examples() {
		seen[e.Type] = true
		golden.Compare(t, filepath.Join("testdata", name+".txt"), Plain(e))
	}
	for _, typ := range drift.EventTypes() {
		if !seen[typ] {
			t.Errorf("no example of %s", typ)
		}
	}
}

// The first line decides whether someone gets up: these words must be in it,
// in this order, before the summary.
func TestHeadlineSaysWhetherToGetUp(t *testing.T) {
	for name, want := range map[string]string{
		"changed":            "CRITICAL · WEAKER · contoso · CA001",
		"changed-lockout":    "CRITICAL · stronger · LOCKOUT RISK · contoso · CA009",
		"changed-baseline":   "CRITICAL · WEAKER than baseline · contoso · CA001",
		"changed-resolved":   "MEDIUM · stronger · RESOLVED · contoso · CA001",
		"changed-announced":  "LOW · WEAKER · announced · contoso · CA001",
		"changed-staged":     "HIGH · WEAKER than baseline · contoso · CA203",
		"reminder":           "CRITICAL · WEAKER than baseline · STILL OPEN · contoso · CA001",
		"reminder-announced": "LOW · WEAKER than baseline · STILL OPEN · announced · contoso · CA001",
		"schema":             "LOW · neutral · contoso · ",
		"guard-failed":       "HIGH · GUARD FAILED · contoso · ",
		"blind":              "CRITICAL · BLIND · contoso · cannot read contoso: the credential is refused",
		"test":               "TEST · CRITICAL · contoso · ",
	} {
		if got := Headline(examples()[name]); !strings.HasPrefix(got, want) {
			t.Errorf("%s: got %q, want prefix %q", name, got, want)
		}
	}
}

func TestGroupHeadlineCountsBeforeTheSummary(t *testing.T) {
	got := GroupHeadline(switchedOff(), 12)
	if want := "CRITICAL · WEAKER · contoso · 12 events, first: CA001"; !strings.HasPrefix(got, want) {
		t.Errorf("got %q, want prefix %q", got, want)
	}
	if got, want := GroupHeadline(switchedOff(), 1), Headline(switchedOff()); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestHeadlineWithoutSummary(t *testing.T) {
	e := switchedOff()
	e.Summary, e.Action, e.Tenant = "", drift.Deleted, ""
	if got, want := Headline(e), "CRITICAL · WEAKER · policy CA001: Require MFA for all users deleted"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := Headline(&drift.Event{Type: drift.TestEvent}), "TEST · INFO · test"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// IP addresses of people go to webhook receivers only.
func TestNoAddressOfAPerson(t *testing.T) {
	if got := Plain(switchedOff()); strings.Contains(got, "203.0.113.9") {
		t.Errorf("the actor's address is shown:\n%s", got)
	}
}

func TestListsAreCapped(t *testing.T) {
	e := switchedOff()
	e.Changes = nil
	for i := range 40 {
		e.Changes = append(e.Changes, drift.Change{Text: fmt.Sprintf("Field %d: a → b", i)})
	}
	var changed []string
	for _, l := range Lines(e) {
		if l.Label == LabelChanged {
			changed = append(changed, l.Text)
		}
	}
	if len(changed) != maxChanges+1 || changed[maxChanges] != "… and 28 more" {
		t.Errorf("got %d lines, last %q", len(changed), changed[len(changed)-1])
	}
}

func TestDirectionMarkSurvivesALongList(t *testing.T) {
	e := switchedOff()
	e.Direction = new(drift.Mixed)
	e.Changes = []drift.Change{
		{Text: "Excluded users: " + strings.Repeat("a", 5000), Direction: drift.Weaker},
		{Text: "State: off → on", Direction: drift.Stronger},
	}
	for _, l := range Lines(e)[:2] {
		if !strings.HasSuffix(l.Text, ")") || utf8.RuneCountInString(l.Text) > lineRunes {
			t.Errorf("got %d runes ending in %q", utf8.RuneCountInString(l.Text), l.Text[len(l.Text)-20:])
		}
	}
}

func TestWindowWithoutABeginning(t *testing.T) {
	e := switchedOff()
	e.Window.From = time.Time{}
	if got, want := when(e), "before 2026-11-21 20:00:00 UTC"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLinks(t *testing.T) {
	e := switchedOff()
	reminder := *e
	reminder.Seq = 0
	deleted := *e
	deleted.Action = drift.Deleted
	forged := *e
	forged.Object = &drift.Ref{Kind: drift.Policy, ID: "x#view/evil"}
	odd := *e
	odd.ID = "contoso-1/../../x?y"
	l := Links{External: "https://drift.example/watch/", Clouds: map[string]string{"gov": "usgov", "own": "custom", "cn": "china"}}
	in := func(tenant string) *drift.Event { c := *e; c.Tenant = tenant; return &c }
	blade := "/#view/Microsoft_AAD_ConditionalAccess/PolicyBlade/policyId/" + policyID
	for _, c := range []struct{ name, got, want string }{
		{"event", l.Event(e), "https://drift.example/watch/events/contoso-000000000042"},
		{"reminder has no page", l.Event(&reminder), "https://drift.example/watch/objects/contoso/policy/" + policyID},
		{"heartbeat has no page", l.Event(&drift.Event{ID: "contoso-r-1", Type: drift.MonitorHeartbeat, Tenant: "contoso"}), "https://drift.example/watch/"},
		{"odd id", l.Event(&odd), "https://drift.example/watch/events/contoso-1%2F..%2F..%2Fx%3Fy"},
		{"no external address", Links{}.Event(e), ""},
		{"not http", Links{External: "javascript://x/alert(1)"}.Event(e), ""},
		{"with a password", Links{External: "https://u:p@drift.example"}.Home(), ""},
		{"portal", l.Portal(e), "https://entra.microsoft.com" + blade},
		{"portal of a government cloud", l.Portal(in("gov")), "https://entra.microsoft.us" + blade},
		{"portal of China", l.Portal(in("cn")), "https://entra.microsoftonline.cn" + blade},
		{"portal of a custom cloud", l.Portal(in("own")), ""},
		{"deleted policy", l.Portal(&deleted), ""},
		{"id is not a GUID", l.Portal(&forged), ""},
		{"location", l.Portal(examples()["changed-location"]), ""},
		{"guard's policy", l.Portal(examples()["guard-written"]), "https://entra.microsoft.com" + blade},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, c.got, c.want)
		}
	}
}

// hostile draws strings from what has broken alert text before.
func hostile() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.String(),
		rapid.StringN(200, 900, -1),
		rapid.SampledFrom([]string{"a\nb", "\x00\x1b[31m", "\u202egnp.exe", "\xff\xfe", "\u2028x", "{{DATE(2026)}}", strings.Repeat("€", 3000), "e\u0301\u200b"}),
	)
}

func TestCleanIsOneSafeLine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in, limit := hostile().Draw(t, "text"), rapid.IntRange(1, 600).Draw(t, "limit")
		got := Clean(in, limit)
		if n := utf8.RuneCountInString(got); n > limit {
			t.Fatalf("got %d runes, want at most %d", n, limit)
		}
		if again := Clean(got, limit); again != got {
			t.Fatalf("cleaning twice: got %q, then %q", got, again)
		}
		for _, r := range got {
			if r != ' ' && (!unicode.IsGraphic(r) || unicode.IsSpace(r)) {
				t.Fatalf("got %q with %U", got, r)
			}
		}
		if utf8.RuneCountInString(in) <= drift.NameRunes && utf8.RuneCountInString(drift.Visible(in)) <= limit && got != drift.Visible(in) {
			t.Fatalf("got %q, want %q", got, drift.Visible(in))
		}
	})
}

// Whatever Graph, an administrator or a poller writes into an event, every
// line stays one line.
func TestNoNewLineFromOutside(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := func(what string) string { return hostile().Draw(t, what) }
		e := switchedOff()
		e.Summary, e.Object.Name, e.Actor.Name, e.Chain = s("summary"), s("name"), s("actor"), s("chain")
		e.Changes[0].Text = s("change")
		e.Changes = append(e.Changes, drift.Change{Path: s("path"), New: []byte(`"x"`)})
		e.LockoutReasons, e.Added = []string{s("reason")}, []string{s("added")}
		e.Affects = []drift.Ref{{Kind: drift.Policy, Name: s("affected")}}
		e.Reason, e.By, e.Related, e.About = s("reason"), s("by"), s("related"), s("about")
		e.Expected = &drift.Expectation{Reason: s("announced"), By: s("announcer")}
		lines := Lines(e)
		if got, want := strings.Count(Plain(e), "\n"), len(lines)+1; got != want {
			t.Fatalf("got %d lines, want %d", got, want)
		}
		if got := lines[len(lines)-1].Label; got != LabelEvent {
			t.Fatalf("last line is %q", got)
		}
	})
}
