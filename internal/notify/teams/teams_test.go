package teams

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/notify"
	"github.com/cadrift/cadrift/internal/notify/sinktest"
	"github.com/cadrift/cadrift/internal/words"
)

var links = words.Links{External: "https://drift.contoso.example/"}

func TestGolden(t *testing.T) {
	lockout := sinktest.Lockout("CA009: Block legacy *apps* & [more](https://x.example)")
	group := sinktest.Message(lockout, sinktest.Event(8, "CA001", drift.High), sinktest.Event(9, "CA002", drift.Low))
	group.Items[1].Repeat = true
	resolved := sinktest.Event(50, "CA001: {{DATE(2026-11-21T20:00:00Z)}}", drift.Medium)
	resolved.Drift, resolved.Direction = drift.DriftResolved, new(drift.Stronger)
	fallback := sinktest.Message(lockout, sinktest.Event(8, "CA001", drift.High))
	fallback.Plain = true
	for name, m := range map[string]*notify.Message{
		"critical": sinktest.Message(sinktest.Event(42, "CA001: Require MFA for all users", drift.Critical)),
		"group":    group, "resolved": sinktest.Message(resolved), "fallback": fallback,
	} {
		body, err := compose(m, links)
		if err != nil {
			t.Fatal(err)
		}
		sinktest.Golden(t, name, body)
	}
}

// allowed are the members that Adaptive Cards 1.4 knows for the elements that
// we use: a misspelt one would be ignored in silence.
var allowed = map[string]string{
	"AdaptiveCard":   "$schema type version fallbackText msteams body actions",
	"Container":      "type style bleed items",
	"RichTextBlock":  "type inlines spacing separator",
	"TextRun":        "type text weight size color isSubtle",
	"Action.OpenUrl": "type title url",
}

var enums = map[string]string{
	"style": "attention warning accent good emphasis", "spacing": "Small", "weight": "Bolder", "size": "Small Medium",
	"color": "Attention Warning Accent Good Default",
}

// check reads a request body as a stranger would and gives the paragraphs'
// texts. It fails on anything that Teams drops in silence.
func check(t rapid.TB, body []byte) []string {
	t.Helper()
	if len(body) > 20_000 {
		t.Fatalf("got %d bytes, want at most 20000", len(body))
	}
	var env struct {
		Type        string
		Attachments []struct {
			ContentType string
			Content     map[string]any
		}
	}
	if err := json.Unmarshal(body, &env); err != nil {
		t.Fatalf("not JSON: %v", err)
	}
	if env.Type != "message" || len(env.Attachments) != 1 || env.Attachments[0].ContentType != "application/vnd.microsoft.card.adaptive" {
		t.Fatalf("got envelope %+v", env)
	}
	card := env.Attachments[0].Content
	if card["version"] != "1.4" || fmt.Sprint(card["msteams"]) != "map[width:full]" {
		t.Fatalf("got version %v, msteams %v", card["version"], card["msteams"])
	}
	if actions, _ := card["actions"].([]any); len(actions) > 4 {
		t.Fatalf("got %d actions, want at most 4", len(actions))
	}
	var texts []string
	walk(t, card, &texts)
	return texts
}

func walk(t rapid.TB, node map[string]any, texts *[]string) {
	t.Helper()
	kind, _ := node["type"].(string)
	known, ok := allowed[kind]
	if !ok {
		t.Fatalf("unknown element %q", kind)
	}
	for key, value := range node {
		if !strings.Contains(" "+known+" ", " "+key+" ") {
			t.Fatalf("%s has no member %q", kind, key)
		}
		if set, ok := enums[key]; ok && !strings.Contains(" "+set+" ", fmt.Sprintf(" %v ", value)) {
			t.Fatalf("%s: %s is %v", kind, key, value)
		}
	}
	if kind == "RichTextBlock" {
		var whole strings.Builder
		for _, x := range node["inlines"].([]any) {
			r := x.(map[string]any)
			walk(t, r, texts)
			s := r["text"].(string)
			for _, bad := range []string{"{{", "}}", "${", "@{", "<a", "<A", "\n", "\r"} {
				if strings.Contains(s, bad) {
					t.Fatalf("%q in one run: %q", bad, s)
				}
			}
			whole.WriteString(s)
		}
		if whole.Len() == 0 {
			t.Fatalf("empty paragraph")
		}
		*texts = append(*texts, whole.String())
	}
	if kind == "Action.OpenUrl" {
		u, err := url.Parse(node["url"].(string))
		if err != nil || u.Scheme != "https" {
			t.Fatalf("got link %v", node["url"])
		}
	}
	for _, list := range []string{"body", "items", "actions"} {
		children, _ := node[list].([]any)
		for _, c := range children {
			walk(t, c.(map[string]any), texts)
		}
	}
}

var hostile = sinktest.Texts{
	"<at>Alex</at>", "<AT>x</AT>", "[Sign in](https://evil.example)", "**bold** _it_ # head", "- list", "1. list", "\\*", "![i](x)", "~~s~~", "`code`",
	"{{DATE(2026-11-21T20:00:00Z,SHORT)}}", "{{{{}}}}", "${user.name}", "@{triggerBody()}", "@@{x}", "&nbsp;&lt;", "<b>x</b>", "<script>alert(1)</script>", "\"quoted\"", "\\", "\\u0041",
	"line\nbreak", "a\r\n\r\nb", "\x00", "\x1b[31mred", "\u202egnp.exe", "\u200b", "\u2028", "\xff\xfe", "𝕌𝕟𝕚", "👩‍👩‍👧‍👦", "javascript:alert(1)", "https://evil.example/login",
	strings.Repeat("{{", 5000), strings.Repeat("\"", 10000), strings.Repeat("\\", 10000), strings.Repeat("😀", 5000), strings.Repeat("a", 30000), "",
}

func TestHostileNames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := hostile.Message(t, shownEvents)
		body, err := compose(m, links)
		if err != nil {
			t.Fatal(err)
		}
		check(t, body)
	})
}

// Each hostile name comes out as one piece of text, equal to its visible form.
func TestNameReadsAsItIs(t *testing.T) {
	for _, name := range hostile {
		e := sinktest.Event(1, name, drift.Critical)
		e.Summary = "x"
		body, err := compose(sinktest.Message(e), links)
		if err != nil {
			t.Fatal(err)
		}
		want := "Object: policy " + drift.Visible(name)
		if name == "" {
			want = "Object: policy ("
		}
		if strings.HasPrefix(name, "{{{{{{") { // each pair costs a run of its own: cut, but not changed
			want = want[:45]
		}
		if got := strings.Join(check(t, body), "\n"); !strings.Contains(got, want) {
			t.Errorf("%.60q: %.60q is not in\n%.900s", name, want, got)
		}
	}
}

func TestDefuseKeepsTheText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := hostile.Draw(t, "text")
		if got := strings.Join(defuse(s), ""); got != s {
			t.Fatalf("got %q, want %q", got, s)
		}
	})
}

func TestAllOfAStormIsWithinBudget(t *testing.T) {
	for _, plain := range []bool{false, true} {
		m := sinktest.Storm(strings.Repeat("\"{{", 60), shownEvents)
		m.Plain = plain
		body, err := compose(m, words.Links{External: "https://drift.example/" + strings.Repeat("x", 500)})
		if err != nil {
			t.Fatal(err)
		}
		all := strings.Join(check(t, body), "\n")
		if want := "; queue was full, earlier events folded: 119988, 2026-03-01 08:00:00 – 2026-11-21 20:00:00 UTC; see the history"; !strings.Contains(all, want) {
			t.Errorf("plain %v: %q is not in\n%s", plain, want, all)
		}
		for _, it := range m.Items {
			if !strings.Contains(all, it.Event.ID) {
				t.Errorf("plain %v: event %s is not in the card", plain, it.Event.ID)
			}
		}
	}
}

// One event with a sum says so, and leads to the history.
func TestFoldedBeforeOne(t *testing.T) {
	m := sinktest.Message(sinktest.Event(42, "CA001", drift.High))
	sinktest.Drop(m, 17)
	body, err := compose(m, links)
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(check(t, body), "\n")
	for _, want := range []string{"queue was full, earlier events folded: 17, 2026-03-01", "17 earlier folded · "} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is not in\n%s", want, all)
		}
	}
	if !strings.Contains(string(body), `"title":"All events and open drift"`) {
		t.Errorf("no link to the history in %s", body)
	}
}

const address = "https://default.00.environment.api.powerplatform.example:443/powerautomate/automations/direct/workflows/x/triggers/manual/paths/invoke?api-version=1&sig=MARKERSIGNATURE"

func newSink(t *testing.T, url string, r sinktest.Receiver) notify.Sink {
	t.Helper()
	return New(sinktest.Poster(t, url, r), links)
}

func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		want   notify.Result
		reason string
	}{
		{202, "", notify.Delivered, "HTTP 202"},
		{200, "1", notify.Delivered, "HTTP 200"},
		{204, "", notify.Delivered, "HTTP 204"},
		{200, "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429 with ContextId x", notify.Later, "HTTP 429"},
		{200, "Microsoft Teams endpoint returned HTTP error 403", notify.Refused, "HTTP 403"},
		{200, "HTTP error 200", notify.Delivered, "HTTP 200"},
		{400, `{"error":{"code":"TriggerInputSchemaMismatch","message":"x"}}`, notify.Unfit, "HTTP 400 TriggerInputSchemaMismatch"},
		{401, `{"error":{"code":"DirectApiAuthorizationRequired"}}`, notify.Refused, "HTTP 401 DirectApiAuthorizationRequired"},
		{403, "", notify.Refused, "HTTP 403"},
		{404, `{"error":{"code":"WorkflowNotFound"}}`, notify.Refused, "HTTP 404 WorkflowNotFound"},
		{404, `{"error":{"code":"<b>what somebody wrote</b>"}}`, notify.Refused, "HTTP 404"},
		{413, "", notify.Unfit, "HTTP 413"},
		{302, "", notify.Refused, "HTTP 302: redirects are not followed"},
		{408, "", notify.Later, "HTTP 408"},
		{429, "", notify.Later, "HTTP 429"},
		{502, "<html>", notify.Later, "HTTP 502"},
	} {
		sinktest.CheckAnswer(t, newSink(t, address, sinktest.Answers(c.status, c.body)), fmt.Sprintf("%d %q", c.status, c.body), c.want, c.reason)
	}
}

func TestNoAnswerIsTriedAgain(t *testing.T) {
	sink := newSink(t, address, func(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF })
	got := sink.Send(context.Background(), sinktest.Message(sinktest.Event(1, "CA001", drift.Low)))
	if got.Result != notify.Later || strings.Contains(fmt.Sprint(got), "MARKER") {
		t.Errorf("got %+v, want later without the address", got)
	}
}

func TestRetiredConnectorIsRefused(t *testing.T) {
	for _, host := range []string{"contoso.webhook.office.com", "outlook.office.com", "Contoso.Webhook.Office.COM"} {
		sink := newSink(t, "https://"+host+"/webhookb2/x", func(*http.Request) (*http.Response, error) {
			t.Errorf("%s: a request was made", host)
			return nil, io.EOF
		})
		if got := sink.Send(context.Background(), sinktest.Message(sinktest.Event(1, "CA001", drift.Low))); got.Result != notify.Refused || !strings.Contains(got.Reason, "retired") {
			t.Errorf("%s: got %+v, want refused because it is retired", host, got)
		}
	}
}

func TestCheckAddressWarnsAndLetsPass(t *testing.T) {
	for text, warns := range map[string]bool{
		address: false,
		"https://prod-00.westeurope.logic.azure.example/workflows/x/triggers/manual/paths/invoke?api-version=1": true,
		"https://flows.unknown.example/x?sig=y":           false,
		"https://webhook.office.com.evil.example/x?sig=y": false,
		"http://127.0.0.1:9/sink":                         false,
	} {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		warning, err := CheckAddress(u)
		if err != nil || (warning != "") != warns {
			t.Errorf("%s: got %q, %v, want a warning: %v", text, warning, err, warns)
		}
	}
}

func BenchmarkCompose(b *testing.B) {
	m := &notify.Message{}
	for i := range shownEvents {
		m.Items = append(m.Items, notify.Item{Event: sinktest.Event(uint64(i+1), "CA001: Require MFA", drift.High)})
	}
	for b.Loop() {
		if _, err := compose(m, links); err != nil {
			b.Fatal(err)
		}
	}
}
