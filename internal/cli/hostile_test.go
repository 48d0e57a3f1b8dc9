package cli

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/cadrift/cadrift/internal/api"
	"github.com/cadrift/cadrift/internal/app"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/hostile"
	"github.com/cadrift/cadrift/internal/notify"
	"github.com/cadrift/cadrift/internal/notify/slack"
	"github.com/cadrift/cadrift/internal/notify/teams"
	"github.com/cadrift/cadrift/internal/notify/webhook"
	"github.com/cadrift/cadrift/internal/words"
)

// corpus are the hostile names, and some that are merely long.
func corpus(t *testing.T) []string {
	t.Helper()
	return append(hostile.Names(t), strings.Repeat("W", 10_000), strings.Repeat("€", 300), strings.Repeat("<!channel>", 100))
}

const externalURL = "https://drift.example"

// called is an event in which everything that people can name is called name.
func called(name string) *drift.Event {
	seen := drift.Visible(name)
	ref := drift.Ref{Kind: drift.Policy, ID: policyID, Name: name}
	at := time.Date(2026, 11, 21, 20, 0, 0, 0, time.UTC)
	return &drift.Event{
		ID: "contoso-000000000042", Seq: 42, Time: at, Type: drift.DriftChanged, Tenant: "contoso", TenantID: tenantID,
		Object: &ref, Action: drift.Updated, Direction: new(drift.Weaker), Severity: drift.Critical,
		LockoutRisk: new(true), LockoutReasons: []string{seen + " is no longer excluded"},
		Summary: seen + ": state on → off",
		Changes: []drift.Change{{Path: "/state", Field: "State", Text: "Excluded users: + " + seen, Direction: drift.Weaker}},
		Drift:   drift.DriftOpened, DriftDirection: new(drift.Weaker), DriftSeverity: new(drift.Critical),
		Affects: []drift.Ref{ref}, Actor: &drift.Actor{Kind: "user", Name: name, Time: at}, Related: name,
		Expected: &drift.Expectation{Reason: name, By: name, Until: at}, Revision: 3, Chain: "abcd",
	}
}

// wire catches what a sink posts.
type wire struct{ body []byte }

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	w.body = body
	return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader("ok")), Header: http.Header{}, Request: r}, err
}

// posted is the body that a sink posts for events, decoded.
func posted(t *testing.T, make func(*notify.Poster, words.Links) notify.Sink, events ...*drift.Event) any {
	t.Helper()
	w := &wire{}
	post, err := notify.NewPoster(notify.PostOptions{URL: drift.NewSecret("https://receiver.example/x"), Transport: w})
	if err != nil {
		t.Fatal(err)
	}
	m := &notify.Message{}
	for _, e := range events {
		m.Items = append(m.Items, notify.Item{Event: e})
	}
	if out := make(post, words.Links{External: externalURL}).Send(t.Context(), m); out.Result != notify.Delivered {
		t.Fatalf("not sent: %+v", out)
	}
	var doc any
	if err := json.Unmarshal(w.body, &doc); err != nil {
		t.Fatalf("%v: %s", err, w.body)
	}
	return doc
}

// walk visits every JSON object below v.
func walk(v any, visit func(map[string]any)) {
	switch v := v.(type) {
	case map[string]any:
		visit(v)
		for _, key := range slices.Sorted(keysOf(v)) {
			walk(v[key], visit)
		}
	case []any:
		for _, item := range v {
			walk(item, visit)
		}
	}
}

func keysOf(m map[string]any) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// objectLine is the line that names the object, in every sink.
func objectLine(name string) string {
	return "Object: " + words.Clean(strings.TrimSpace("policy "+drift.Visible(name))+" ("+policyID+")", 500)
}

// ownLink is a link that we wrote.
var ownLink = regexp.MustCompile(`^<(https://drift\.example/events/contoso-000000000042|https://entra\.microsoft\.com/#view/[A-Za-z_/0-9-]+)\|(Open in cadrift|Open in Entra)>$`)

// Slack parses < > & only; names stand in plain_text without emoji codes, and
// mrkdwn holds our own links and nothing else.
func TestHostileNamesInSlack(t *testing.T) {
	sink := func(p *notify.Poster, l words.Links) notify.Sink { return slack.New(p, l) }
	parse := func(name string, events ...*drift.Event) (lines int, found bool) {
		walk(posted(t, sink, events...), func(o map[string]any) {
			text, ok := o["text"].(string)
			if !ok {
				return
			}
			if o["type"] == "mrkdwn" {
				if !ownLink.MatchString(text) {
					t.Errorf("%q: mrkdwn %q is not one of our links", name, text)
				}
				return
			}
			if strings.ContainsAny(text, "<>") {
				t.Errorf("%q: unescaped in %q", name, text)
			}
			if o["type"] == "plain_text" && o["emoji"] != false {
				t.Errorf("%q: emoji codes are read in %q", name, text)
			}
			read := strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(text)
			if strings.Contains(strings.NewReplacer("&lt;", "", "&gt;", "", "&amp;", "").Replace(text), "&") {
				t.Errorf("%q: a cut or raw & in %q", name, text)
			}
			for line := range strings.SplitSeq(read, "\n") {
				lines++
				found = found || line == objectLine(name)
			}
		})
		return lines, found
	}
	for _, name := range corpus(t) {
		plain := strings.Repeat("x", len([]rune(drift.Visible(name))))
		lines, found := parse(name, called(name))
		if !found && len([]rune(name)) < 200 {
			t.Errorf("%q: no line %q", name, objectLine(name))
		}
		if want, _ := parse(plain, called(plain)); lines != want && len([]rune(name)) < 200 && lines != want+1 { // escapes may cut the first line, which is then repeated
			t.Errorf("%q: %d lines, a plain name of its length has %d", name, lines, want)
		}
	}
}

// Teams reads Markdown in TextBlocks, which we do not use; runs are text, and
// no mention is declared.
func TestHostileNamesInTeams(t *testing.T) {
	sink := func(p *notify.Poster, l words.Links) notify.Sink { return teams.New(p, l) }
	parse := func(name string) (paragraphs []string) {
		walk(posted(t, sink, called(name)), func(o map[string]any) {
			switch kind, _ := o["type"].(string); kind {
			case "message", "AdaptiveCard", "Container", "TextRun", "":
			case "RichTextBlock":
				var b strings.Builder
				for _, run := range o["inlines"].([]any) {
					b.WriteString(run.(map[string]any)["text"].(string))
				}
				paragraphs = append(paragraphs, b.String())
			case "Action.OpenUrl":
				if url := o["url"].(string); !strings.HasPrefix(url, externalURL+"/events/") && !strings.HasPrefix(url, "https://entra.microsoft.com/#view/") {
					t.Errorf("%q: link to %q", name, url)
				}
			default:
				t.Errorf("%q: a %s", name, kind)
			}
			if o["entities"] != nil || o["selectAction"] != nil {
				t.Errorf("%q: a mention or an action of its own: %v", name, o)
			}
			if text, ok := o["text"].(string); ok {
				for _, bad := range []string{"{{", "${", "@{", "<at"} {
					if strings.Contains(strings.ToLower(text), bad) {
						t.Errorf("%q: %q in one run: %q", name, bad, text)
					}
				}
			}
		})
		return paragraphs
	}
	for _, name := range corpus(t) {
		got := parse(name)
		for _, p := range got {
			if strings.ContainsAny(p, "\n\r") {
				t.Errorf("%q: a line feed in %q", name, p)
			}
		}
		if len([]rune(name)) < 200 && !slices.Contains(got, objectLine(name)) {
			t.Errorf("%q: no paragraph %q in %q", name, objectLine(name), got)
		}
		if want := parse("CA001"); name != "" && len(got) != len(want) && len(got) != len(want)+1 { // a long first line is repeated in full
			t.Errorf("%q: %d paragraphs, want %d", name, len(got), len(want))
		}
	}
}

// A webhook receiver gets the very name.
func TestHostileNamesInWebhooks(t *testing.T) {
	sink := func(p *notify.Poster, _ words.Links) notify.Sink { return webhook.New(p, "") }
	for _, name := range corpus(t) {
		got := posted(t, sink, called(name)).(map[string]any)["object"].(map[string]any)["name"]
		if want := strings.ToValidUTF8(name, "\ufffd"); got != want && !strings.Contains(want, "\ufffd") {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// printable fails when text would do more on a terminal than be read.
func printable(t *testing.T, name, text string) {
	t.Helper()
	for _, r := range text {
		if r != '\n' && r != ' ' && (!unicode.IsGraphic(r) || unicode.Is(unicode.Bidi_Control, r)) {
			t.Errorf("%q: %U in %q", name, r, text)
			return
		}
	}
}

// The terminal shows each name in its visible form, in a line that it does not
// end.
func TestHostileNamesOnTheTerminal(t *testing.T) {
	show := func(name string) string {
		var b bytes.Buffer
		p := &printer{w: &b, now: time.Now()}
		e := called(name)
		p.events([]drift.Event{*e})
		p.drifts(api.Drifts{Baseline: true, Drifts: []drift.Finding{{
			Tenant: "contoso", Object: *e.Object, Summary: e.Summary, Changes: e.Changes, Ack: &drift.Ack{By: name, Reason: name}, Actor: &drift.Actor{Kind: "app", Name: name},
		}}})
		p.tested(api.Tested{Receivers: []api.TestedReceiver{{Name: "oncall", Messages: []api.Attempt{{Reason: name, Answer: "x" + name}}}}})
		p.table([][]cell{{{drift.Visible(name), plain}, {words.Clean(name, lineRunes), plain}}})
		b.WriteString(words.Plain(e))
		return b.String()
	}
	want := strings.Count(show("CA001"), "\n")
	for _, name := range corpus(t) {
		got := show(name)
		printable(t, name, got)
		if seen := drift.Visible(name); !strings.Contains(got, strings.TrimSpace(seen)) {
			t.Errorf("%q is not shown as %q:\n%s", name, seen, got)
		}
		if n := strings.Count(got, "\n"); n != want && strings.TrimSpace(name) != "" {
			t.Errorf("%q: %d lines, want %d:\n%s", name, n, want, got)
		}
	}
}

// logged is the visible form that a log shows: line feeds and tabs are left to
// the handlers, which escape them.
func logged(name string) string {
	var b strings.Builder
	for i, r := range name {
		switch piece := name[i:]; {
		case r == '\n' || r == '\t':
			b.WriteRune(r)
		case strings.HasPrefix(piece, "\ufffd"):
			b.WriteString(`\u{fffd}`)
		case r == unicode.ReplacementChar:
			b.WriteString(drift.Visible(piece[:1]))
		default:
			b.WriteString(drift.Visible(string(r)))
		}
	}
	return b.String()
}

// A log record stays one record, even with the raw name in it.
func TestHostileNamesInLogs(t *testing.T) {
	for _, name := range corpus(t) {
		for _, format := range []string{"json", "text"} {
			var b bytes.Buffer
			app.NewLogger(&b, slog.LevelInfo, format, "never").Info("event", "summary", name, "id", "after")
			line := strings.TrimSuffix(b.String(), "\n")
			printable(t, name, line)
			read := jsonRecord
			if format == "text" {
				read = textRecord
			}
			if got, tail := read(line); strings.Contains(line, "\n") || got != logged(name) || tail != "after" {
				t.Errorf("%q in %s: got %q, then id %q, in %q", name, format, got, tail, line)
			}
		}
	}
}

func jsonRecord(line string) (summary, id string) {
	var record struct{ Summary, ID string }
	if err := json.Unmarshal([]byte(line), &record); err != nil {
		return "", err.Error()
	}
	return record.Summary, record.ID
}

func textRecord(line string) (summary, id string) {
	_, rest, _ := strings.Cut(line, "summary=")
	if quoted, err := strconv.QuotedPrefix(rest); err == nil && rest[0] == '"' {
		summary, err = strconv.Unquote(quoted)
		if err != nil {
			return "", err.Error()
		}
		return summary, strings.TrimPrefix(rest[len(quoted):], " id=")
	}
	summary, id, _ = strings.Cut(rest, " id=")
	return summary, id
}
