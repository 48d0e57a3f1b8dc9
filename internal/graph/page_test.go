package graph

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/cadrift/cadrift/internal/drift"
)

func zipped(body string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(body))
	_ = z.Close()
	return b.String()
}

func with(key, value string) http.Header { return http.Header{key: {value}} }

func TestListRefusesBadPages(t *testing.T) {
	good := answer{body: collection(nextPage(2), object("a"))}
	one := func(body string) []answer { return []answer{{body: body}} }
	two := func(a answer) []answer { return []answer{good, a} }
	utf16 := "{\x00\"\x00v\x00a\x00l\x00u\x00e\x00\"\x00:\x00[\x00]\x00}\x00"
	half := collection("", object("a"), object("b"))
	many := make([]string, maxItems+1)
	for i := range many {
		many[i] = object(fmt.Sprint(i))
	}
	gz := with("Content-Encoding", "gzip")
	html := http.Header{"Content-Type": {"text/html; charset=utf-8"}}
	tests := []struct {
		name    string
		answers []answer
		want    string
	}{
		{"html", []answer{{body: "<html>sign in</html>", header: html}}, "page 1: 200 OK: an HTML page"},
		{"html called json", one("<html>sign in</html>"), "page 1: 200 OK: not JSON"},
		{"html on page two", two(answer{body: "<html>", header: html}), "page 2: 200 OK: an HTML page"},
		{"no content type", []answer{{body: collection(""), header: with("Content-Type", "")}}, "the content type"},
		{"text", []answer{{body: collection(""), header: with("Content-Type", "text/plain")}}, "the content type"},
		{"content type with tail", []answer{{body: collection(""), header: with("Content-Type", "application/json-seq")}}, "the content type"},
		{"utf-16 by charset", []answer{{body: utf16, header: with("Content-Type", "application/json; charset=utf-16")}}, "charset"},
		{"utf-16 unsaid", one(utf16), "not JSON"},
		{"utf-16 with mark", one("\xff\xfe" + utf16), "byte order mark"},
		{"utf-16 big end", one("\xfe\xff" + utf16), "byte order mark"},
		{"bom", one("\xef\xbb\xbf" + collection("")), "byte order mark"},
		{"empty body", one(""), "empty body"},
		{"white body", one(" \n\t "), "empty body"},
		{"empty body on page two", two(answer{body: ""}), "page 2"},
		{"truncated", one(half[:len(half)-3]), "cut short"},
		{"truncated in a string", one(half[:40]), "cut short"},
		{"truncated on page two", two(answer{body: half[:30]}), "page 2"},
		{"trailing garbage", one(half + "x"), "not JSON"},
		{"trailing object", one(half + half), "not JSON"},
		{"trailing NUL", one(half + "\x00"), "not JSON"},
		{"NaN", one(`{"value":[{"id":"a","n":NaN}]}`), "not JSON"},
		{"single quotes", one(`{'value':[]}`), "not JSON"},
		{"comment", one(`{"value":[]/*all*/}`), "not JSON"},
		{"array", one(`[` + object("a") + `]`), "not a JSON object"},
		{"null", one(`null`), "not a JSON object"},
		{"string", one(`"value"`), "not a JSON object"},
		{"no value", one(`{"@odata.context":"x"}`), `no "value"`},
		{"an entity", one(object("a")), `no "value"`},
		{"value null", one(`{"value":null}`), "not an array"},
		{"value object", one(`{"value":{}}`), "not an array"},
		{"value string", one(`{"value":"[]"}`), "not an array"},
		{"value number", one(`{"value":0}`), "not an array"},
		{"value twice", one(`{"value":[` + object("a") + `],"value":[]}`), "twice"},
		{"value twice, once escaped", one(`{"value":[` + object("a") + `],"\u0076alue":[]}`), "twice"},
		{"value in capitals beside it", one(`{"value":[` + object("a") + `],"VALUE":[]}`), "misspelt"},
		{"value in capitals", one(`{"Value":[]}`), "misspelt"},
		{"next link twice", one(`{"value":[],"@odata.nextLink":"` + nextPage(2) + `","@odata.nextLink":"` + nextPage(3) + `"}`), "twice"},
		{"next link a number", one(`{"value":[],"@odata.nextLink":2}`), "not a link"},
		{"next link empty", one(`{"value":[],"@odata.nextLink":""}`), "not a link"},
		{"next link an object", one(`{"value":[],"@odata.nextLink":{}}`), "not a link"},
		{"next link without a prefix", one(`{"value":[],"@nextLink":"` + nextPage(2) + `"}`), "misspelt"},
		{"next link in another case", one(`{"value":[],"@odata.nextlink":"` + nextPage(2) + `"}`), "misspelt"},
		{"next link null beside one", one(`{"value":[],"@odata.nextLink":null,"@odata.nextLink":"x"}`), "twice"},
		{"error with 200", one(`{"error":{"code":"UnknownError","message":"m"}}`), "an error in the body"},
		{"error beside value", one(`{"value":[],"error":{"code":"x"}}`), "an error in the body"},
		{"error on page two", two(answer{body: `{"error":{}}`}), "page 2: 200 OK: status 200 with an error"},
		{"item null", one(`{"value":[null]}`), "item 1: not an object"},
		{"item string", one(`{"value":["a"]}`), "item 1: not an object"},
		{"item array", one(`{"value":[[]]}`), "not an object"},
		{"second item without id", one(`{"value":[` + object("a") + `,{"displayName":"x"}]}`), `item 2: no "id"`},
		{"id null", one(`{"value":[{"id":null}]}`), `an "id" that is not one`},
		{"id number", one(`{"value":[{"id":7}]}`), `an "id" that is not one`},
		{"id empty", one(`{"value":[{"id":""}]}`), `an "id" that is not one`},
		{"id in capitals", one(`{"value":[{"ID":"a"}]}`), `no "id"`},
		{"id twice", one(`{"value":[{"id":"a","id":"b"}]}`), `"id" twice`},
		{"id with a line break", one(`{"value":[{"id":"a\nb"}]}`), `an "id" that is not one`},
		{"id without end", one(`{"value":[{"id":"` + strings.Repeat("a", 300) + `"}]}`), `an "id" that is not one`},
		{"id nested only", one(`{"value":[{"x":{"id":"a"}}]}`), `no "id"`},
		{"deep", one(`{"value":[` + strings.Repeat("[", 60) + strings.Repeat("]", 60) + `]}`), "nested deeper"},
		{"very deep", one(strings.Repeat(`{"a":`, 1e6)), "nested deeper"},
		{"too many objects", one(collection("", many...)), "more than 5000 objects"},
		{"too large", one(`{"value":[],"pad":"` + strings.Repeat("x", maxPageBytes) + `"}`), "larger than"},
		{"bomb", []answer{{body: zipped(strings.Repeat(" ", 64<<20)), header: gz}}, "larger than"},
		{"not gzip", []answer{{body: half, header: gz}}, "damaged"},
		{"gzip with a wrong sum", []answer{{body: spoil(zipped(half), -6), header: gz}}, "damaged"},
		{"brotli", []answer{{body: half, header: with("Content-Encoding", "br")}}, "not asked for"},
		{"self link", []answer{{body: collection(endpoint+policiesPath, object("a"))}}, "circle"},
		{"loop", []answer{good, {body: collection(nextPage(3), object("b"))}, {body: collection(nextPage(2), object("c"))}}, "page 4"},
		{"no content", []answer{{status: 204}}, "204"},
		{"created", []answer{{status: 201, body: half}}, "201"},
		{"partial content", []answer{{status: 206, body: half}}, "206"},
		{"redirect", []answer{{status: 302, header: with("Location", endpoint+"/elsewhere")}}, "redirect refused"},
		{"permanent redirect", []answer{{status: 308, header: with("Location", "https://evil.example/")}}, "redirect refused"},
		{"bad request", []answer{{status: 400, body: `{"error":{"code":"BadRequest","message":"m"}}`}}, "400 BadRequest: m"},
		{"not found", []answer{{status: 404}}, "404 Not Found"},
		{"gone on page two", two(answer{status: 410}), "page 2: 410"},
		{"same id, other content", []answer{
			good,
			{body: collection("", `{"id":"a","displayName":"other"}`)},
			good,
			{body: collection("", `{"id":"a","displayName":"other"}`)},
		}, "the listing moved"},
		{"same id, other content, on one page", []answer{{body: collection("", object("a"), `{"id":"a"}`)}, {body: collection("", object("a"), `{"id":"a"}`)}}, "the listing moved"},
	}
	if len(tests) < 60 {
		t.Fatalf("got %d cases, want at least 60", len(tests))
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, w := script(t, tt.answers...)
			before, err := c.List(t.Context(), drift.Policy)
			if err == nil {
				t.Fatalf("got %d objects, want an error with %q", len(before.Items), tt.want)
			}
			if e := fault(t, err); e.Reason != drift.ReasonIncomplete || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %s: %v, want incomplete with %q", e.Reason, err, tt.want)
			}
			if before.Items != nil || before.Version != 0 {
				t.Errorf("got a listing %+v beside the error", before)
			}
			if got := w.count(); got > len(tt.answers) {
				t.Errorf("got %d requests, want no more than %d: such answers are not asked for again", got, len(tt.answers))
			}
			// One bad reading leaves nothing behind.
			w.mu.Lock()
			w.answers, w.asked = []answer{{body: collection("", object("a"))}}, nil
			w.mu.Unlock()
			after, err := c.List(t.Context(), drift.Policy)
			if err != nil || ids(after.Items) != "a" || after.Same {
				t.Errorf("afterwards got %v, same %v, error %v, want a", ids(after.Items), after.Same, err)
			}
		})
	}
}

func spoil(s string, at int) string {
	b := []byte(s)
	b[len(b)+at] ^= 0xff
	return string(b)
}

func TestListAcceptsOddObjects(t *testing.T) {
	deep := `{"id":"d","x":` + strings.Repeat("[", maxNesting-3) + strings.Repeat("]", maxNesting-3) + `}`
	tests := []struct{ name, body, want string }{
		{"empty", collection(""), ""},
		{"spaces", " {\r\n \"value\" : [ \t{ \"id\" : \"a\" } , {\"id\":\"b\"}\n] } \n", "a b"},
		{"unknown members", `{"value":[{"id":"a","@odata.type":"#x","new":{"value":[],"id":"z"}}]}`, "a"},
		{"tips", `{"@microsoft.graph.tips":"use $select","value":[` + object("a") + `]}`, "a"},
		{"repeated member that is not the id", `{"value":[{"id":"a","state":"x","state":"y"}]}`, "a"},
		{"brackets in strings", `{"value":[{"id":"a]}","n":"\"}]\\"}]}`, "a]}"},
		{"escaped id", `{"value":[{"\u0069d":"\u0061"}]}`, "a"},
		{"next link null", `{"value":[],"@odata.nextLink":null}`, ""},
		{"error null", `{"value":[` + object("a") + `],"error":null}`, "a"},
		{"same id, same bytes", collection("", object("a"), object("b"), object("a")), "a b"},
		{"as deep as allowed", collection("", deep), "d"},
		{"broken utf-8 in a name", "{\"value\":[{\"id\":\"a\",\"n\":\"\xff\"}]}", "a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := script(t, answer{body: tt.body})
			got, err := c.List(t.Context(), drift.Policy)
			if err != nil {
				t.Fatal(err)
			}
			if ids(got.Items) != tt.want {
				t.Errorf("got %q, want %q", ids(got.Items), tt.want)
			}
			for _, item := range got.Items {
				if !strings.Contains(tt.body, string(item.Raw)) {
					t.Errorf("got %s, want bytes of the body", item.Raw)
				}
			}
		})
	}
}

// An object that stays while its neighbours change for months must not keep
// the page alive that it once came with.
func TestItemsDoNotHoldThePage(t *testing.T) {
	body := []byte(collection("", object("a"), object("b")))
	p, err := parsePage(body, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range body {
		body[i] = 'x'
	}
	for _, item := range p.items {
		if string(item.Raw) != object(item.ID) {
			t.Errorf("got %s, want a copy of %s", item.Raw, object(item.ID))
		}
	}
}

func TestListCaps(t *testing.T) {
	t.Run("pages", func(t *testing.T) {
		n := 0
		w := &wire{route: func(*http.Request) answer {
			n++
			return answer{body: collection(nextPage(n))}
		}}
		_, err := newClient(t, w).List(t.Context(), drift.Policy)
		if e := fault(t, err); e.Reason != drift.ReasonIncomplete || !strings.Contains(e.Message, "more than 200 pages") {
			t.Errorf("got %v, want an end after 200 pages", err)
		}
		if w.count() != maxPages {
			t.Errorf("got %d requests, want %d", w.count(), maxPages)
		}
	})
	t.Run("bytes", func(t *testing.T) {
		n := 0
		pad := strings.Repeat("x", 15<<20)
		w := &wire{route: func(*http.Request) answer {
			n++
			return answer{body: `{"pad":"` + pad + `",` + collection(nextPage(n), object(fmt.Sprint(n)))[1:]}
		}}
		_, err := newClient(t, w).List(t.Context(), drift.Policy)
		if e := fault(t, err); !strings.Contains(e.Message, "the listing is larger") {
			t.Errorf("got %v, want the listing's limit", err)
		}
		if w.count() != 5 {
			t.Errorf("got %d requests of 15 MiB, want 5", w.count())
		}
	})
	t.Run("objects over pages", func(t *testing.T) {
		n := 0
		w := &wire{route: func(*http.Request) answer {
			n++
			var items []string
			for i := range 1000 {
				items = append(items, object(fmt.Sprintf("%d-%d", n, i)))
			}
			return answer{body: collection(nextPage(n), items...)}
		}}
		_, err := newClient(t, w).List(t.Context(), drift.Policy)
		if e := fault(t, err); !strings.Contains(e.Message, "more than 5000 objects") || w.count() != 6 {
			t.Errorf("got %v after %d requests, want the limit on the sixth", err, w.count())
		}
	})
}

// A body of one byte a second must end with the page's deadline.
func TestSlowBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		c := newClient(t, &wire{}, func(o *Options) { o.Transport = drip{} })
		_, err := c.List(t.Context(), drift.Policy)
		if e := fault(t, err); e.Reason != drift.ReasonUnreachable || !strings.Contains(e.Message, "timeout") {
			t.Errorf("got %v, want a timeout", err)
		}
		if took := time.Since(start); took != pageTime {
			t.Errorf("took %s, want %s", took, pageTime)
		}
	})
}

type drip struct{}

func (drip) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Header: with("Content-Type", "application/json"), Body: dripping{req}, Request: req}, nil
}

type dripping struct{ req *http.Request }

func (d dripping) Read(p []byte) (int, error) {
	if err := sleep(d.req.Context(), time.Second); err != nil {
		return 0, err
	}
	p[0] = ' '
	return 1, nil
}
func (dripping) Close() error { return nil }

// FuzzPage holds the scanner against encoding/json: what parsePage accepts,
// the standard library reads the same way, and nothing makes it panic.
func FuzzPage(f *testing.F) {
	for _, seed := range []string{
		collection("", object("a"), object("b")), collection(nextPage(2)), `{"value":[{"id":"a","x":[1,-2.5e3,true,null,"\"}"]}]}`,
		`{"value":null}`, `{"Value":[]}`, `{"value":[],"value":[]}`, `[]`, ``, `{"value":[{"id":"\u0061"}]}`, "\xef\xbb\xbf{}", `{"value":[],}`, `{"":[]}`, "{\"value\":[],\"@odata.nextLink\":\"\xcb\"}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := parsePage(body, nil)
		if err != nil {
			if p.items != nil {
				t.Fatalf("items beside the error %v", err)
			}
			return
		}
		var want struct {
			Value []json.RawMessage `json:"value"`
			Next  string            `json:"@odata.nextLink"`
		}
		if err := json.Unmarshal(body, &want); err != nil {
			t.Fatalf("accepted %q, which encoding/json refuses: %v", body, err)
		}
		// encoding/json replaces broken UTF-8; here a link keeps it, and is refused for it.
		if len(p.items) != len(want.Value) || p.next != want.Next && utf8.ValidString(p.next) {
			t.Fatalf("got %d items and link %q, want %d and %q", len(p.items), p.next, len(want.Value), want.Next)
		}
		for i, raw := range want.Value {
			var members map[string]any
			if err := json.Unmarshal(raw, &members); err != nil || members["id"] != p.items[i].ID {
				t.Fatalf("item %d: got id %q, want %v (%v)", i, p.items[i].ID, members["id"], err)
			}
			if !bytes.Equal(p.items[i].Raw, raw) {
				t.Fatalf("item %d: got %q, want %q", i, p.items[i].Raw, raw)
			}
		}
	})
}
