package drift_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/cadrift/cadrift/internal/drift"
)

func TestDirections(t *testing.T) {
	for _, c := range []struct{ a, b, join drift.Direction }{
		{drift.Neutral, drift.Neutral, drift.Neutral},
		{drift.Neutral, drift.Weaker, drift.Weaker},
		{drift.Weaker, drift.Stronger, drift.Mixed},
		{drift.Mixed, drift.Weaker, drift.Mixed},
	} {
		if got := c.a.Join(c.b); got != c.join {
			t.Errorf("%v joined with %v: got %v, want %v", c.a, c.b, got, c.join)
		}
	}
	for d, want := range map[drift.Direction]drift.Direction{
		drift.Neutral: drift.Neutral, drift.Weaker: drift.Stronger, drift.Stronger: drift.Weaker, drift.Mixed: drift.Mixed,
	} {
		if got := d.Swap(); got != want {
			t.Errorf("%v swapped: got %v, want %v", d, got, want)
		}
	}
}

// Words of closed lists survive JSON, as values and as keys of a map; other
// words are refused and named.
func TestWordsOfClosedLists(t *testing.T) {
	text, err := json.Marshal(map[drift.Severity]drift.Direction{drift.Critical: drift.Mixed})
	if got, want := string(text), `{"critical":"mixed"}`; err != nil || got != want {
		t.Fatalf("marshal: got %s, %v, want %s", got, err, want)
	}
	var back map[drift.Severity]drift.Direction
	if err := json.Unmarshal(text, &back); err != nil || back[drift.Critical] != drift.Mixed {
		t.Errorf("unmarshal: got %v, %v", back, err)
	}
	for _, s := range drift.Severities() {
		var got drift.Severity
		if err := got.UnmarshalText([]byte(s.String())); err != nil || got != s {
			t.Errorf("severity %v came back as %v, %v", s, got, err)
		}
	}
	var s drift.Severity
	if err := s.UnmarshalText([]byte("urgent")); err == nil || !strings.Contains(err.Error(), "urgent") {
		t.Errorf("an unknown severity gave %v", err)
	}
}

// A secret is shown by no door that a log record, an error, an answer or a
// debug print could use.
func TestSecretStaysSecret(t *testing.T) {
	const marker = "hunter2"
	type holder struct {
		S drift.Secret
		P *drift.Secret
	}
	s := drift.NewSecret(marker)
	h := holder{s, &s}
	var shown []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T %v"} {
		shown = append(shown, fmt.Sprintf(verb, s), fmt.Sprintf(verb, &s), fmt.Sprintf(verb, h), fmt.Sprintf(verb, []drift.Secret{s}), fmt.Sprintf(verb, map[string]drift.Secret{"k": s}))
	}
	doc, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "s", s, "h", h)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "s", s, "h", h)
	shown = append(shown, string(doc), log.String(), fmt.Errorf("with %v", s).Error())
	for _, text := range shown {
		if strings.Contains(text, marker) || strings.Contains(text, fmt.Sprintf("%x", marker)) {
			t.Errorf("shown: %s", text)
		}
	}
	if s.Reveal() != marker {
		t.Error("Reveal does not reveal")
	}
}

func FuzzVisible(f *testing.F) {
	for _, s := range []string{"CA001", "a\nb", "\u202egnp.exe", "\xff\xfe", "a\u200bb", strings.Repeat("é", 300), "\ufffd", "\u2028", "💥", "\x1b[31m"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := drift.Visible(s)
		if !utf8.ValidString(got) {
			t.Errorf("Visible(%q) is not UTF-8: %q", s, got)
		}
		for _, r := range got {
			switch {
			case r < ' ', r >= 0x7f && r < 0xa0, r >= 0x200b && r <= 0x200f, r >= 0x2028 && r <= 0x202e, r >= 0x2060 && r <= 0x206f, r == 0xfeff:
				t.Errorf("Visible(%q) shows %U", s, r)
			}
		}
		if n := utf8.RuneCountInString(s); n <= drift.NameRunes && strings.HasSuffix(got, "…") && !strings.HasSuffix(s, "…") {
			t.Errorf("Visible(%q) was cut", s)
		}
	})
}

func TestDigestText(t *testing.T) {
	d := drift.Digest{1, 2, 3}
	text, _ := d.MarshalText()
	var back drift.Digest
	if err := back.UnmarshalText(text); err != nil || back != d {
		t.Errorf("came back as %v, %v", back, err)
	}
	for _, bad := range []string{"00", strings.Repeat("g", 64), strings.Repeat("0", 66)} {
		if err := back.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
