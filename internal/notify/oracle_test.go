package notify_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/hostile"
	"github.com/cadrift/cadrift/internal/notify"
	"github.com/cadrift/cadrift/internal/notify/sinktest"
	"github.com/cadrift/cadrift/internal/notify/slack"
	"github.com/cadrift/cadrift/internal/notify/teams"
	"github.com/cadrift/cadrift/internal/notify/webhook"
	"github.com/cadrift/cadrift/internal/words"
)

// oracles is a directory with the npm packages of testdata/oracles in it:
// tools that we did not write. They are installed once, into the user's cache.
func oracles(t *testing.T) string {
	t.Helper()
	if os.Getenv("CADRIFT_ORACLES") != "1" {
		t.Skip("set CADRIFT_ORACLES=1 to ask tools that we did not write (needs node and npm)")
	}
	source := filepath.Join("..", "..", "testdata", "oracles")
	lock, err := os.ReadFile(filepath.Join(source, "package-lock.json"))
	fail(t, err)
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	dir := filepath.Join(cache, "cadrift-oracles", fmt.Sprintf("%x", sha256.Sum256(lock))[:16])
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	fail(t, os.MkdirAll(filepath.Dir(dir), 0o755))
	temp, err := os.MkdirTemp(filepath.Dir(dir), "new")
	fail(t, err)
	for _, name := range []string{"package.json", "package-lock.json"} {
		text, err := os.ReadFile(filepath.Join(source, name))
		fail(t, err)
		fail(t, os.WriteFile(filepath.Join(temp, name), text, 0o644))
	}
	run(t, temp, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	fail(t, os.Chmod(temp, 0o755))
	if err := os.Rename(temp, dir); err != nil { // another test was first
		os.RemoveAll(temp)
	}
	return dir
}

func fail(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// run runs a program in dir and returns what it said; it must succeed.
func run(t *testing.T, dir, program string, args ...string) string {
	t.Helper()
	out, err := try(t, dir, program, args...)
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", program, args, err, out)
	}
	return out
}

func try(t *testing.T, dir, program string, args ...string) (string, error) {
	t.Helper()
	c := exec.CommandContext(t.Context(), program, args...)
	c.Dir = dir
	out, err := c.CombinedOutput()
	return string(out), err
}

// place makes a directory of its own in which the packages are found.
func place(t *testing.T, packages string) string {
	t.Helper()
	dir := t.TempDir()
	fail(t, os.Symlink(filepath.Join(packages, "node_modules"), filepath.Join(dir, "node_modules")))
	fail(t, os.WriteFile(filepath.Join(dir, "package.json"), []byte(`{"private":true}`), 0o644))
	return dir
}

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	fail(t, os.WriteFile(path, []byte(text), 0o644))
	return path
}

// caught is what a sink posted.
type caught struct {
	header http.Header
	body   []byte
}

func (c *caught) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	c.header, c.body = r.Header.Clone(), body
	return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader("ok")), Header: http.Header{}, Request: r}, err
}

// post sends messages through a sink and returns what was posted.
func post(t *testing.T, make func(*notify.Poster, words.Links) notify.Sink, messages ...*notify.Message) []*caught {
	t.Helper()
	var all []*caught
	for _, m := range messages {
		c := &caught{}
		poster, err := notify.NewPoster(notify.PostOptions{URL: drift.NewSecret("https://receiver.example/x"), Transport: c})
		fail(t, err)
		if out := make(poster, words.Links{External: "https://drift.example"}).Send(t.Context(), m); out.Result != notify.Delivered {
			t.Fatalf("not sent: %+v", out)
		}
		all = append(all, c)
	}
	return all
}

// alert is an event about a policy of that name, as bad as the n-th of its
// kind.
func alert(name string, n int) *drift.Event {
	seen := drift.Visible(name)
	ref := drift.Ref{Kind: drift.Policy, ID: fmt.Sprintf("0d3c8b1e-5f2a-4c7d-9e6b-%012d", n), Name: name}
	at := time.Date(2026, 11, 21, 20, 0, 0, 0, time.UTC)
	severity := drift.Severities()[n%len(drift.Severities())]
	return &drift.Event{
		ID: drift.EventID("contoso", uint64(n+1)), Seq: uint64(n + 1), Time: at, Type: drift.DriftChanged, Tenant: "contoso",
		TenantID: "11111111-1111-1111-1111-111111111111", Window: &drift.Window{From: at.Add(-time.Minute), To: at},
		Object: &ref, Action: drift.Updated, Direction: new(drift.Weaker), Severity: severity,
		LockoutRisk: new(n%7 == 3), Summary: seen + ": excluded users + alex@contoso.example (enforced)",
		Changes: []drift.Change{
			{Path: "/conditions/users/excludeUsers", Field: "Excluded users", Text: "Excluded users: + alex@contoso.example", Direction: drift.Weaker},
			{Path: "/grantControls/builtInControls", Field: "Grant", Text: "Grant: all of MFA, compliant device → any of them", Direction: drift.Weaker},
		},
		Drift: drift.DriftOpened, DriftDirection: new(drift.Weaker), DriftSeverity: &severity,
		Affects:  []drift.Ref{ref},
		Actor:    &drift.Actor{Kind: "user", Name: "sam@contoso.example", Time: at},
		Revision: 12, Chain: strings.Repeat("9f86d081", 8),
	}
}

// messages are what there is to judge: every hostile name alone, an ordinary
// alert, groups, a digest and the plain forms.
func messages(t *testing.T) []*notify.Message {
	t.Helper()
	var all []*notify.Message
	group, full := &notify.Message{}, &notify.Message{Digest: true, Following: 3}
	for _, name := range hostile.Names(t) {
		it := notify.Item{Event: alert(name, len(all)), Repeat: len(all)%5 == 0}
		all = append(all, &notify.Message{Items: []notify.Item{it}})
		switch {
		case len(group.Items) < 12:
			group.Items = append(group.Items, it)
		case len(full.Items) < 12:
			full.Items = append(full.Items, it)
		default:
			full.Folded = append(full.Folded, it.Event)
		}
	}
	plain := *group
	plain.Plain = true
	sinktest.Drop(full, 42)
	return append(all, group, full, &plain)
}

func asTeams(p *notify.Poster, l words.Links) notify.Sink { return teams.New(p, l) }
func asSlack(p *notify.Poster, l words.Links) notify.Sink { return slack.New(p, l) }

// cards are the Adaptive Cards of the messages.
func cards(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, c := range post(t, asTeams, messages(t)...) {
		var envelope struct {
			Attachments []struct{ Content json.RawMessage }
		}
		fail(t, json.Unmarshal(c.body, &envelope))
		if len(envelope.Attachments) != 1 {
			t.Fatalf("%d attachments, Teams shows one", len(envelope.Attachments))
		}
		out = append(out, string(envelope.Attachments[0].Content))
	}
	return out
}

// Microsoft's own types of Teams cards accept every card, down to the last
// property.
func TestCardsSatisfyTheTypesOfTeams(t *testing.T) {
	packages := oracles(t)
	check := func(cards ...string) (string, error) {
		dir := place(t, packages)
		var b strings.Builder
		b.WriteString("import type { IAdaptiveCard } from \"@microsoft/teams.cards\";\n")
		for i, card := range cards {
			fmt.Fprintf(&b, "export const c%d = %s satisfies IAdaptiveCard;\n", i, card)
		}
		write(t, dir, "cards.ts", b.String())
		return try(t, dir, "node", "node_modules/typescript/bin/tsc", "--noEmit", "--skipLibCheck",
			"--module", "nodenext", "--moduleResolution", "nodenext", "--target", "es2022", "cards.ts")
	}
	all := cards(t)
	if out, err := check(all...); err != nil {
		t.Errorf("%v\n%.4000s", err, out)
	}
	bad := strings.Replace(all[0], `"weight":"Bolder"`, `"weigth":"Bolder"`, 1)
	if out, err := check(bad); err == nil || bad == all[0] {
		t.Errorf("a misspelt key was accepted: the check checks nothing\n%s", out)
	}
}

// A schema made of Slack's own types accepts every message.
func TestMessagesSatisfyTheTypesOfSlack(t *testing.T) {
	dir := place(t, oracles(t))
	write(t, dir, "msg.ts", `import type { KnownBlock } from "@slack/types";
export interface Message { text: string; blocks?: KnownBlock[]; unfurl_links?: boolean; unfurl_media?: boolean }
`)
	run(t, dir, "node", "node_modules/ts-json-schema-generator/bin/ts-json-schema-generator.js",
		"-p", "msg.ts", "-t", "Message", "--no-type-check", "-o", "schema.json")
	var bodies []json.RawMessage
	for _, c := range post(t, asSlack, messages(t)...) {
		bodies = append(bodies, c.body)
	}
	bad := strings.Replace(string(bodies[0]), `{"type":"header","text":{"type":"plain_text"`, `{"type":"header","text":{"type":"mrkdwn"`, 1)
	if bad == string(bodies[0]) {
		t.Fatalf("no header to spoil in %s", bad)
	}
	bodies = append(bodies, json.RawMessage(bad))
	text, err := json.Marshal(bodies)
	fail(t, err)
	write(t, dir, "bodies.json", string(text))
	write(t, dir, "judge.cjs", `
const fs = require("fs"), Ajv = require("ajv");
const validate = new Ajv({strict: false, allErrors: false}).compile(JSON.parse(fs.readFileSync("schema.json", "utf8")));
const bodies = JSON.parse(fs.readFileSync("bodies.json", "utf8"));
bodies.forEach((b, i) => { if (!validate(b)) console.log(i + " " + JSON.stringify(validate.errors[0])); });
`)
	var got []string
	for line := range strings.Lines(run(t, dir, "node", "judge.cjs")) {
		got = append(got, line)
	}
	if last := strconv.Itoa(len(bodies)-1) + " "; len(got) != 1 || !strings.HasPrefix(got[0], last) {
		t.Errorf("refused: %q, want only the spoilt one, number %s", got, last)
	}
}

// The npm verifier of Standard Webhooks accepts our signature, also while a
// secret is being replaced, and not the body with a byte more.
func TestSignaturesVerifyElsewhere(t *testing.T) {
	dir := place(t, oracles(t))
	const old, secret = "whsec_b2xkLW9sZC1vbGQtb2xkLW9sZC1vbGQtb2xkLW9s", "whsec_bmV3LW5ldy1uZXctbmV3LW5ldy1uZXctbmV3LW5l"
	file := write(t, dir, "secret", old+"\n"+secret+"\n")
	signed := func(p *notify.Poster, _ words.Links) notify.Sink { return webhook.New(p, file) }
	type delivery struct {
		Body    string            `json:"body"`
		Headers map[string]string `json:"headers"`
	}
	var all []delivery
	for _, c := range post(t, signed, messages(t)[:40]...) {
		d := delivery{Body: string(c.body), Headers: map[string]string{}}
		for key := range c.header {
			d.Headers[strings.ToLower(key)] = c.header.Get(key)
		}
		all = append(all, d)
	}
	all = append(all, delivery{all[0].Body + " ", all[0].Headers})
	text, err := json.Marshal(all)
	fail(t, err)
	write(t, dir, "deliveries.json", string(text))
	write(t, dir, "judge.cjs", `
const fs = require("fs"), { Webhook } = require("standardwebhooks");
const hook = new Webhook("`+secret+`");
JSON.parse(fs.readFileSync("deliveries.json", "utf8")).forEach((d, i) => {
  try { hook.verify(d.body, d.headers); } catch (e) { console.log(i + " " + e.message); }
});
`)
	if got, want := run(t, dir, "node", "judge.cjs"), strconv.Itoa(len(all)-1)+" No matching signature found\n"; got != want {
		t.Errorf("refused:\n%swant only the spoilt one:\n%s", got, want)
	}
}

// The reference renderer draws every card without a complaint, and the text
// that a reader sees is the text that we sent. CADRIFT_PICTURES=DIR keeps
// pictures of some, narrow and wide.
func TestCardsAreDrawn(t *testing.T) {
	packages := oracles(t)
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("no chromium on this machine: cards are not drawn")
	}
	dir := place(t, packages)
	library, err := os.ReadFile(filepath.Join(packages, "node_modules", "adaptivecards", "dist", "adaptivecards.min.js"))
	fail(t, err)
	all := cards(t)
	page := func(name string, cards ...string) string {
		return "file://" + write(t, dir, name, `<!doctype html><meta charset="utf-8"><style>body{font-family:sans-serif}</style><body><script>`+string(library)+`</script><script>
const config = new AdaptiveCards.HostConfig({spacing:{small:4,default:8,padding:12},fontSizes:{small:12,default:14,medium:16},
 containerStyles:{attention:{backgroundColor:"#f9d6d5"},warning:{backgroundColor:"#fdeccc"},good:{backgroundColor:"#d9f2dd"},accent:{backgroundColor:"#dbe9ff"},emphasis:{backgroundColor:"#eeeeee"}}});
for (const card of [`+strings.ReplaceAll(strings.Join(cards, ","), "</", `<\/`)+`]) {
  const context = new AdaptiveCards.SerializationContext(AdaptiveCards.Versions.v1_4), c = new AdaptiveCards.AdaptiveCard();
  c.hostConfig = config;
  c.parse(card, context);
  const box = document.createElement("section");
  box.appendChild(c.render());
  document.body.appendChild(box);
  const found = c.validateProperties().validationEvents.map(e => e.message);
  for (let i = 0; i < context.eventCount; i++) found.push(context.getEventAt(i).message);
  if (found.length) { const p = document.createElement("pre"); p.textContent = "COMPLAINT " + found.join("; "); document.body.appendChild(p); }
}
document.querySelectorAll("script").forEach(s => s.remove());
</script>`)
	}
	browse := func(args ...string) string {
		c := exec.CommandContext(t.Context(), chromium, append([]string{
			"--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
			"--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
			"--user-data-dir=" + t.TempDir(),
		}, args...)...)
		out, err := c.Output()
		fail(t, err)
		return string(out)
	}
	dom := browse("--dump-dom", page("all.html", all...))
	if n := strings.Count(dom, "<section"); n != len(all) || strings.Contains(dom, "COMPLAINT") {
		t.Errorf("%d of %d cards drawn, complaint %.500q", n, len(all), dom[max(0, strings.Index(dom, "COMPLAINT")):])
	}
	for _, m := range messages(t)[:100] {
		if seen := drift.Visible(m.Items[0].Event.Object.Name); !strings.Contains(textOf(dom), strings.TrimSpace(seen)) {
			t.Errorf("%q is not drawn", seen)
		}
	}
	if keep := os.Getenv("CADRIFT_PICTURES"); keep != "" {
		for name, card := range map[string]string{"single": all[4], "group": all[len(all)-3], "digest": all[len(all)-2], "plain": all[len(all)-1]} {
			for width, size := range map[string]string{"narrow": "360,900", "wide": "760,900"} {
				browse("--window-size="+size, "--screenshot="+filepath.Join(keep, name+"-"+width+".png"), page(name+".html", card))
			}
		}
	}
}

// textOf is the text of a serialised document, tags left out.
func textOf(dom string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(dom, "<") {
		_, text, _ := strings.Cut(part, ">")
		b.WriteString(text)
	}
	return html.UnescapeString(b.String())
}
