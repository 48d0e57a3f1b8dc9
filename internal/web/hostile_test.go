package web

import (
	"encoding/xml"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/hostile"
)

// corpus are the hostile names, and two that are merely long.
func corpus(t *testing.T) []string {
	t.Helper()
	return append(hostile.Names(t), strings.Repeat("W", 10_000), strings.Repeat("€", 300))
}

// named is a site where everything that people can name is called name.
func named(name string) *site {
	s := sample()
	ref := &drift.Ref{Kind: drift.Policy, ID: s.ref.ID, Name: name}
	s.ref = *ref
	s.overview.Tenants[0].Blind[0].Text = name
	seen := drift.Visible(name)
	d, e := &s.drifts[0], &s.events[0]
	d.Object, d.Summary, d.Ack.By, d.Ack.Reason = *ref, seen+": state on → off", name, name
	d.Changes[0].Text = "Excluded users: + " + seen
	e.Object, e.Summary, e.Actor.Name, e.LockoutReasons = ref, seen+": state on → off", name, []string{seen}
	e.Changes = d.Changes
	e.Affects = []drift.Ref{*ref}
	e.Expected = &drift.Expectation{Reason: name, By: name}
	s.events[1].Reason = name
	return s
}

// skeleton is a page without its texts: tags and attributes; and the texts. A
// place where a long word may break ends no text.
func skeleton(t *testing.T, page string) (tags, texts []string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(page))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	broken := false
	for {
		token, err := d.Token()
		if err == io.EOF {
			return tags, texts
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, page)
		}
		switch token := token.(type) {
		case xml.StartElement:
			if broken = token.Name.Local == "wbr"; broken {
				continue
			}
			var tag strings.Builder
			tag.WriteString(token.Name.Local)
			for _, a := range token.Attr {
				value := a.Value
				if a.Name.Local == "datetime" || a.Name.Local == "title" {
					value = ""
				}
				tag.WriteString(" " + a.Name.Local + "=" + value)
			}
			tags = append(tags, tag.String())
		case xml.CharData:
			if broken {
				texts[len(texts)-1] += string(token)
			} else {
				texts = append(texts, string(token))
			}
			broken = false
		case xml.Comment, xml.ProcInst:
			tags = append(tags, "comment")
		}
	}
}

func paths(s *site) []string {
	return []string{"/", "/events/contoso-000000000042", "/events/contoso-000000000041", "/objects/contoso/policy/" + s.ref.ID}
}

// Each hostile name is text on every page, equal to its visible form, and
// changes no tag, attribute or address.
func TestHostileCorpusIsText(t *testing.T) {
	get := func(s *site, path string) string {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", path, nil)
		r.Host = "127.0.0.1:9488"
		handler(t, s).ServeHTTP(w, r)
		if w.Code != 200 {
			t.Fatalf("%s: %d", path, w.Code)
		}
		return w.Body.String()
	}
	for _, name := range corpus(t) {
		seen := drift.Visible(name)
		s, plain := named(name), named("CA001")
		for _, path := range paths(s) {
			tags, texts := skeleton(t, get(s, path))
			want, _ := skeleton(t, get(plain, path))
			if diff := cmp.Diff(want, tags); diff != "" && name != "" { // without a name a row is missing
				t.Errorf("%q changes %s (-want +got):\n%s", name, path, diff)
			}
			if whole := strings.Join(texts, "\n"); !strings.Contains(whole, seen) && len(seen) < drift.NameRunes { // longer ones are cut
				t.Errorf("%q is not on %s as %q", name, path, seen)
			}
		}
	}
}
