package graph

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Item is one object of a listing: its id, and its body as Graph sent it.
// Items of later listings share the memory of unchanged bodies; nobody writes
// to Raw.
type Item struct {
	ID  string
	Raw []byte
}

// Limits on what is accepted from the other side (decompressed).
const (
	maxPageBytes    = 16 << 20
	maxListingBytes = 64 << 20
	maxPages        = 200
	maxItems        = 5000
	maxNesting      = 50
	maxIDBytes      = 256
	maxLinkBytes    = 16 << 10
	maxErrorBytes   = 64 << 10
)

// malformed says what is wrong with a body that came with 200. The listing it
// belongs to is incomplete. Its text is ours, never the server's.
type malformed string

func (m malformed) Error() string { return string(m) }

// page is one page as it was accepted, kept to recognise it next time.
type page struct {
	body  []byte
	items []Item
	next  string
}

// parsePage reads a page of a collection. Bodies that known already holds for
// the same id are shared, all others are copied out of body, which stays the
// caller's.
func parsePage(body []byte, known map[string][]byte) (page, error) {
	if err := checkJSON(body); err != nil {
		return page{}, err
	}
	p := page{body: body}
	var values, links int
	for key, value := range members(body) {
		switch name := string(key); {
		case name == "error" && string(value) != "null":
			return page{}, malformed("status 200 with an error in the body")
		case name == "value":
			values++
			if value[0] != '[' {
				return page{}, malformed(`"value" is not an array`)
			}
			items, err := parseItems(value, known)
			if err != nil {
				return page{}, err
			}
			p.items = items
		case name == "@odata.nextLink":
			link, ok := text(value)
			if links++; !ok && string(value) != "null" || ok && link == "" {
				return page{}, malformed(`"@odata.nextLink" is not a link`)
			}
			p.next = link
		case strings.EqualFold(name, "value"), len(name) >= 8 && strings.EqualFold(name[len(name)-8:], "nextLink"):
			// Read by a looser client, these would be the page's content.
			return page{}, malformed(`a misspelt "value" or "@odata.nextLink"`)
		}
	}
	switch {
	case values == 0:
		return page{}, malformed(`no "value"`)
	case values > 1 || links > 1:
		return page{}, malformed(`"value" or "@odata.nextLink" twice`)
	}
	return p, nil
}

func parseItems(array []byte, known map[string][]byte) ([]Item, error) {
	var items []Item
	for element := range elements(array) {
		id, err := identity(element)
		if err != nil {
			return nil, fmt.Errorf("item %d: %w", len(items)+1, err)
		}
		if len(items) == maxItems {
			return nil, malformed(fmt.Sprintf("more than %d objects", maxItems))
		}
		items = append(items, Item{id, keep(id, element, known)})
	}
	return items, nil
}

// keep gives a body that outlives the buffer it was read into.
func keep(id string, raw []byte, known map[string][]byte) []byte {
	if old := known[id]; bytes.Equal(old, raw) {
		return old
	}
	return bytes.Clone(raw)
}

// parseEntity reads the answer to a GET of one object.
func parseEntity(body []byte) (Item, error) {
	if err := checkJSON(body); err != nil {
		return Item{}, err
	}
	if fault, n := member(body, "error"); n > 0 && string(fault) != "null" {
		return Item{}, malformed("status 200 with an error in the body")
	}
	body = bytes.TrimSpace(body)
	id, err := identity(body)
	return Item{id, body}, err
}

// identity is the id of an object. It is the only thing that an object must
// have: whatever else is odd about it is passed on.
func identity(object []byte) (string, error) {
	if object[0] != '{' {
		return "", malformed("not an object")
	}
	value, times := member(object, "id")
	id, ok := text(value)
	switch {
	case times == 0:
		return "", malformed(`no "id"`)
	case times > 1:
		return "", malformed(`"id" twice`)
	case !ok, id == "", len(id) > maxIDBytes, !utf8.ValidString(id), strings.ContainsFunc(id, unicode.IsControl):
		return "", malformed(`an "id" that is not one`)
	}
	return id, nil
}

// checkJSON accepts a JSON object, whole and nothing else.
func checkJSON(body []byte) error {
	switch {
	case len(bytes.TrimSpace(body)) == 0:
		return malformed("an empty body")
	case bytes.HasPrefix(body, []byte("\xef\xbb\xbf")),
		bytes.HasPrefix(body, []byte("\xfe\xff")), bytes.HasPrefix(body, []byte("\xff\xfe")):
		return malformed("the body begins with a byte order mark")
	case deeperThan(maxNesting, body):
		return malformed(fmt.Sprintf("JSON nested deeper than %d levels", maxNesting))
	case !json.Valid(body):
		return malformed("not JSON, or JSON cut short")
	case bytes.TrimSpace(body)[0] != '{':
		return malformed("not a JSON object")
	}
	return nil
}

// checkType accepts JSON in UTF-8.
func checkType(header http.Header) error {
	kind, params, err := mime.ParseMediaType(header.Get("Content-Type"))
	if kind == "text/html" {
		return malformed("an HTML page instead of JSON: a proxy or a captive portal may have given it")
	}
	if err != nil || kind != "application/json" {
		return malformed("the content type is not application/json")
	}
	if charset := params["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") {
		return malformed("the charset is not UTF-8")
	}
	return nil
}

// splice puts the separately listed configurations into the body of an
// authentication strength, as member combinationConfigurations: in the place
// of the one that is there (Graph lists it as [] unless asked to expand), else
// as the last member. All other bytes stay as they are.
func splice(strength []byte, configurations []Item) []byte {
	const name = "combinationConfigurations"
	array := []byte{'['}
	for i, c := range configurations {
		if i > 0 {
			array = append(array, ',')
		}
		array = append(array, c.Raw...)
	}
	array = append(array, ']')
	for n, at := range spans(strength) {
		if string(n) == name {
			return slices.Concat(strength[:at.start], array, strength[at.end:])
		}
	}
	brace := bytes.LastIndexByte(strength, '}')
	return slices.Concat(strength[:brace], []byte(`,"`+name+`":`), array, strength[brace:])
}
