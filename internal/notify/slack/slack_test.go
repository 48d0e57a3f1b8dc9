package slack

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/notify"
	"github.com/cadrift/cadrift/internal/notify/sinktest"
	"github.com/cadrift/cadrift/internal/words"
)

var links = words.Links{External: "https://drift.contoso.example/"}

func TestGolden(t *testing.T) {
	lockout := sinktest.Lockout("CA009: Block legacy <apps> & more")
	group := sinktest.Message(lockout, sinktest.Event(8, "CA001", drift.High), sinktest.Event(9, "CA002", drift.Low))
	group.Items[1].Repeat = true
	digest := sinktest.Message(sinktest.Event(8, "CA001", drift.High), sinktest.Event(9, "CA002", drift.Low))
	digest.Digest = true
	for i := range 40 {
		e := sinktest.Event(uint64(10+i), "CA003", drift.Low)
		e.Time = e.Time.Add(time.Duration(i) * time.Hour)
		digest.Folded = append(digest.Folded, e)
	}
	fallback := sinktest.Message(lockout)
	fallback.Plain = true
	test := sinktest.Event(1, "", drift.Critical)
	test.Type, test.Seq, test.Object, test.Changes, test.Summary = drift.TestEvent, 0, nil, nil, "a test of critical alerts"
	for name, m := range map[string]*notify.Message{
		"critical": sinktest.Message(sinktest.Event(42, "CA001: Require MFA for all users", drift.Critical)),
		"group":    group, "digest": digest, "fallback": fallback, "test": sinktest.Message(test),
	} {
		body, err := encode(compose(m, links))
		if err != nil {
			t.Fatal(err)
		}
		sinktest.Golden(t, name, body)
	}
}

// check fails when a message is one that Slack refuses, or that is above our
// own budgets.
func check(t rapid.TB, p payload) {
	t.Helper()
	total := size(p.Text)
	if p.Text == "" {
		t.Fatalf("no text")
	}
	if len(p.Blocks) > 40 {
		t.Fatalf("got %d blocks, want at most 40", len(p.Blocks))
	}
	one := func(x text, limit int) {
		total += size(x.Text)
		if n := size(x.Text); n < 1 || n > limit {
			t.Fatalf("got %d characters in %q, want 1 to %d", n, x.Text, limit)
		}
		switch {
		case x.Type == "plain_text" && x.Emoji != nil && !*x.Emoji && x.Verbatim == nil:
		case x.Type == "mrkdwn" && x.Verbatim != nil && *x.Verbatim && x.Emoji == nil:
		default:
			t.Fatalf("got text object %+v", x)
		}
	}
	for _, b := range p.Blocks {
		switch b.Type {
		case "header":
			one(*b.Text, 150)
			if b.Text.Type != "plain_text" {
				t.Fatalf("header is %s", b.Text.Type)
			}
		case "section":
			one(*b.Text, 2800)
		case "context":
			if len(b.Elements) < 1 || len(b.Elements) > 10 {
				t.Fatalf("got %d context elements", len(b.Elements))
			}
			for _, x := range b.Elements {
				one(x, 2000)
			}
		default:
			t.Fatalf("unknown block %q", b.Type)
		}
	}
	if total > 9000 {
		t.Fatalf("got %d characters, want at most 9000", total)
	}
}

// texts are all texts of a message that foreign text may be in.
func texts(p payload) []string {
	out := []string{p.Text}
	for _, b := range p.Blocks {
		if b.Text != nil {
			out = append(out, b.Text.Text)
		}
		for _, x := range b.Elements {
			if x.Type == "plain_text" {
				out = append(out, x.Text)
			}
		}
	}
	return out
}

// read undoes Slack's escapes, as Slack does when it shows plain text. It
// fails on anything that Slack would take for a link, a mention or markup.
func read(t rapid.TB, s string) string {
	t.Helper()
	if strings.ContainsAny(s, "<>") {
		t.Fatalf("raw < or > in %q", s)
	}
	out := strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(s)
	if strings.Count(s, "&") != strings.Count(s, "&lt;")+strings.Count(s, "&gt;")+strings.Count(s, "&amp;") {
		t.Fatalf("raw or cut & in %q", s)
	}
	return out
}

var hostile = sinktest.Texts{
	"<!channel>", "<!here|x>", "<!everyone>", "<@U012AB3CD>", "<#C024BE7LR|x>", "<https://evil.example|Sign in>", "https://evil.example/login",
	"&lt;!channel&gt;", "&amp;lt;", "&", "<", ">", "*bold* _it_ ~no~ `code`", "```block```", ":wave: :rotating_light:", "> quote", "&#39;",
	"line\nbreak", "tab\tand\x00nul", "\x1b[31mred", "\u202egnp.exe", "\u200b\u2060", "\xff\xfe\x80", "|pipe|", "{\"json\":1}", "'; drop", "𝕌𝕟𝕚", "👩‍👩‍👧‍👦", "e\u0301\u0301\u0301",
	strings.Repeat("&", 10000), strings.Repeat("<!channel>", 500), strings.Repeat("😀", 3000), strings.Repeat("a", 20000), "",
}

// Whatever an attacker names a policy: the message is within every budget,
// nothing pings, links or formats, and the name reads as it is, made visible.
func TestHostileNames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := hostile.Message(t, shownEvents)
		p := compose(m, links)
		check(t, p)
		for _, s := range texts(p) {
			read(t, s)
		}
		if m.Plain {
			checkCodeBlock(t, p.Text)
		}
	})
}

// checkCodeBlock: nothing in a code block may end it.
func checkCodeBlock(t rapid.TB, s string) {
	t.Helper()
	inner, ok := strings.CutPrefix(s, "```\n")
	inner, ok2 := strings.CutSuffix(inner, "\n```")
	if !ok || !ok2 || strings.Contains(inner, "`") {
		t.Fatalf("got %q, want one code block", s)
	}
}

// Each hostile name comes out as one piece of text, equal to its visible form.
func TestNameReadsAsItIs(t *testing.T) {
	for _, name := range hostile {
		e := sinktest.Event(1, name, drift.Critical)
		e.Summary = "x"
		want := "Object: policy " + drift.Visible(name)
		if name == "" {
			want = "Object: policy ("
		}
		var all []string
		for _, s := range texts(compose(sinktest.Message(e), links)) {
			all = append(all, read(t, s))
		}
		if got := strings.Join(all, "\n"); !strings.Contains(got, want) {
			t.Errorf("%.60q: %.60q is not in\n%.900s", name, want, got)
		}
	}
}

// One event with a sum says so, and leads to the history.
func TestFoldedBeforeOne(t *testing.T) {
	m := sinktest.Message(sinktest.Event(42, "CA001", drift.High))
	sinktest.Drop(m, 17)
	p := compose(m, links)
	check(t, p)
	got := fmt.Sprint(p.Blocks[1].Text, p.Blocks[len(p.Blocks)-1].Elements)
	for _, want := range []string{"queue was full, earlier events folded: 17, 2026-03-01", "17 earlier folded · ", "|" + homeLabel + ">"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}

func TestFitNeverCutsAnEscape(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, limit := hostile.Draw(t, "text"), rapid.IntRange(1, 200).Draw(t, "limit")
		got := fit(s, limit)
		if size(got) > limit {
			t.Fatalf("got %d characters, want at most %d", size(got), limit)
		}
		plain := read(t, got)
		if !strings.HasPrefix(s, strings.TrimSuffix(plain, "…")) && !strings.Contains(s, "\xff") && !strings.ContainsRune(plain, '\ufffd') {
			t.Fatalf("got %q of %q", plain, s)
		}
	})
}

func TestAllOfAStormIsWithinBudget(t *testing.T) {
	m := sinktest.Storm(strings.Repeat("<&>", 60), shownEvents)
	p := compose(m, words.Links{External: "https://drift.example/" + strings.Repeat("x", 150)})
	check(t, p)
	if got := strings.Join(texts(p), "\n"); !strings.Contains(got, "; queue was full, earlier events folded: 149985, 2026-03-01 08:00:00 – 2026-11-21 20:00:00 UTC; see the history") {
		t.Errorf("got %s, want what was folded, uncut", got)
	}
	for _, it := range m.Items {
		if !strings.Contains(strings.Join(texts(p), "\n"), it.Event.ID) {
			t.Errorf("event %s is not in the message", it.Event.ID)
		}
	}
}

func TestLinksCannotBeBroken(t *testing.T) {
	for url, want := range map[string]string{
		"https://x.example/a?b=1&c=2": "<https://x.example/a?b=1&amp;c=2|Open>",
		"https://x.example/|a>b<c":    "<https://x.example/%7Ca%3Eb%3Cc|Open>",
		"":                            "",
		"https://x.example/" + strings.Repeat("x", 400): "",
	} {
		if got := link(url, "Open"); got != want {
			t.Errorf("%q: got %q, want %q", url, got, want)
		}
	}
}

const address = "https://hooks.slack.example/services/T0/B0/x"

func newSink(t *testing.T, r sinktest.Receiver) notify.Sink {
	t.Helper()
	return New(sinktest.Poster(t, address, r), links)
}

func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		want   notify.Result
		reason string
	}{
		{200, "ok", notify.Delivered, "HTTP 200"},
		{200, "ok\n", notify.Delivered, "HTTP 200"},
		{200, "<html>Sign in to the proxy</html>", notify.Later, "HTTP 200: the answer is not Slack's ok"},
		{200, "", notify.Later, "HTTP 200: the answer is not Slack's ok"},
		{302, "", notify.Refused, "HTTP 302: redirects are not followed"},
		{400, "invalid_blocks", notify.Unfit, "HTTP 400 invalid_blocks"},
		{400, "invalid_payload", notify.Unfit, "HTTP 400 invalid_payload"},
		{400, "user_not_found", notify.Refused, "HTTP 400 user_not_found"},
		{413, "", notify.Unfit, "HTTP 413"},
		{403, "invalid_token", notify.Refused, "HTTP 403 invalid_token"},
		{403, "action_prohibited", notify.Refused, "HTTP 403 action_prohibited"},
		{404, "no_service", notify.Refused, "HTTP 404 no_service"},
		{404, "<h1>what the attacker wrote</h1>", notify.Refused, "HTTP 404"},
		{410, "channel_is_archived", notify.Refused, "HTTP 410 channel_is_archived"},
		{408, "", notify.Later, "HTTP 408"},
		{429, `{"retry_after":1,"ok":false,"error":"rate_limited"}`, notify.Later, "HTTP 429"},
		{500, "rollup_error", notify.Later, "HTTP 500 rollup_error"},
		{503, "<html>", notify.Later, "HTTP 503"},
	} {
		sinktest.CheckAnswer(t, newSink(t, sinktest.Answers(c.status, c.body)), fmt.Sprintf("%d %q", c.status, c.body), c.want, c.reason)
	}
}

func TestNoAnswerIsTriedAgain(t *testing.T) {
	sink := newSink(t, func(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF })
	got := sink.Send(context.Background(), sinktest.Message(sinktest.Event(1, "CA001", drift.Low)))
	if got.Result != notify.Later || strings.Contains(fmt.Sprint(got), "services") {
		t.Errorf("got %+v, want later without the address", got)
	}
}

func TestRequest(t *testing.T) {
	var body []byte
	sink := newSink(t, func(r *http.Request) (*http.Response, error) {
		if got := r.Header.Get("Content-Type"); r.Method != http.MethodPost || got != "application/json" {
			t.Errorf("got %s %q", r.Method, got)
		}
		body, _ = io.ReadAll(r.Body)
		return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader("ok"))}, nil
	})
	if got := sink.Send(context.Background(), sinktest.Message(sinktest.Event(1, "CA001", drift.Low))); got.Result != notify.Delivered {
		t.Fatalf("got %+v", got)
	}
	var p payload
	if err := json.Unmarshal(body, &p); err != nil {
		t.Fatal(err)
	}
	check(t, p)
}

func BenchmarkCompose(b *testing.B) {
	m := &notify.Message{}
	for i := range shownEvents {
		m.Items = append(m.Items, notify.Item{Event: sinktest.Event(uint64(i+1), "CA001: Require MFA", drift.High)})
	}
	for b.Loop() {
		if _, err := encode(compose(m, links)); err != nil {
			b.Fatal(err)
		}
	}
}
