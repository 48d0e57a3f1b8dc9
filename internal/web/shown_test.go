package web

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/cadrift/cadrift/internal/drift"
)

// What keeps the guard from writing stands on the front page, and which policies
// are open meanwhile; without a guard there is nothing to say.
func TestGuardIsShown(t *testing.T) {
	s := sample()
	if page := get(handler(t, s), "/").Body.String(); strings.Contains(page, "<dt>Guard</dt>") {
		t.Errorf("a guard that is not there is on\n%s", page)
	}
	g := Guard{Mode: "enforce", Missing: 7, Stopped: true, Stops: []string{"GUARD_STOP is there", hostileName}}
	for range g.Missing {
		g.Gaps = append(g.Gaps, Gap{s.ref, "1 of 2 emergency ids are not excluded; on hold: x"})
	}
	s.overview.Tenants[0].Guard = g
	page := get(handler(t, s), "/").Body.String()
	for _, want := range []string{
		"<dt>Guard</dt><dd>enforce, 7 exclusions missing, stopped</dd>",
		"<strong>Guard stopped:</strong> GUARD_STOP is there<", "<strong>Guard stopped:</strong> &#34;&gt;&lt;script&gt;",
		`<a href="/objects/contoso/policy/` + s.ref.ID + `">&#34;&gt;&lt;script&gt;`, "not excluded; on hold: x</p>",
		"and 2 more without the exclusion",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in\n%s", want, page)
		}
	}
	if n := strings.Count(page, "on hold: x"); n != shownGaps {
		t.Errorf("%d gaps are shown, want %d", n, shownGaps)
	}
}

// The fields of an object that came or went whole have no direction of their
// own; those of an edited one do.
func TestPartsOfAWholeObjectHaveNoArrows(t *testing.T) {
	s := sample()
	e, d := &s.events[0], &s.drifts[0]
	page := func(target string) (arrows int, text string) {
		text = get(handler(t, s), target).Body.String()
		_, list, _ := strings.Cut(text, `<ul class="changes">`)
		list, _, _ = strings.Cut(list, "</ul>")
		if !strings.Contains(list, "State: on") {
			t.Fatalf("%s: no fields in\n%s", target, text)
		}
		return strings.Count(list, `class="direction`), text
	}
	event, object := "/events/"+e.ID, "/objects/contoso/policy/"+s.ref.ID
	for _, tt := range []struct {
		patch  drift.Patch
		title  string
		arrows int
	}{
		{e.Patch, "What changed", 1},
		{drift.Patch{{Op: "replace", Value: json.RawMessage("null")}}, "What it had", 0},
		{drift.Patch{{Op: "add", Value: json.RawMessage("{}")}}, "What it has", 0},
	} {
		e.Patch, d.BaselinePatch = tt.patch, tt.patch
		if n, text := page(event); n != tt.arrows || !strings.Contains(text, "<h2>"+tt.title+"</h2>") {
			t.Errorf("event: %d arrows, want %d and %q in\n%s", n, tt.arrows, tt.title, text)
		}
		if n, text := page(object); n != tt.arrows {
			t.Errorf("object: %d arrows, want %d in\n%s", n, tt.arrows, text)
		}
	}
}

// Addresses break before the @, where they are long enough to break at all.
func TestLongWordsBreakSensibly(t *testing.T) {
	for _, text := range []string{
		"", "@", " ", "CA006: + sam@contoso.example, x", strings.Repeat("W", 300), "@" + strings.Repeat("W", 300),
		"- emergency.account.1|@contoso.example, emergency.account.2|@contoso.example (gone)",
		"emergency.account.11|@contoso.example", "a@b" + strings.Repeat("€", 30) + "|@c", "@@@" + strings.Repeat("x", 30) + "|@",
	} {
		if got := strings.Join(pieces(strings.ReplaceAll(text, "|", "")), "|"); got != text {
			t.Errorf("got %q, want %q", got, text)
		}
	}
	s := sample()
	s.events[0].Summary, s.drifts[0].Summary = "off for emergency.account.1@contoso.example", "off for emergency.account.1@contoso.example"
	for _, target := range []string{"/", "/events/" + s.events[0].ID, "/objects/contoso/policy/" + s.ref.ID} {
		if page := get(handler(t, s), target).Body.String(); !strings.Contains(page, "off for emergency.account.1<wbr>@contoso.example<") {
			t.Errorf("%s: nowhere to break in\n%s", target, page)
		}
	}
}

// A baseline of files that were read before the first snapshot has no revision.
func TestBaselineFromFiles(t *testing.T) {
	s := sample()
	s.overview.Tenants[0].BaselineRevision = 0
	if page := get(handler(t, s), "/").Body.String(); !strings.Contains(page, "<dd>from files, ") || strings.Contains(page, "revision 0") {
		t.Errorf("no origin in\n%s", page)
	}
}
