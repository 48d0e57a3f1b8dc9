package diff

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// value is a JSON value in the shape that jsondiff compares: a branch, or a
// string that holds the JSON text of anything that is not an object.
type value = any

// branch is a JSON object.
type branch = map[string]any

// errTwice reports a document in which names do not tell members apart.
var errTwice = errors.New("a member name appears twice, or text is not valid UTF-8")

// read reads a document whose root is an object.
func read(doc []byte) (branch, error) {
	r := reader{doc: doc, dec: json.NewDecoder(bytes.NewReader(doc))}
	switch {
	case !json.Valid(doc) || r.next() != '{':
		return nil, errors.New("not a JSON object")
	case !utf8.Valid(doc):
		return nil, errTwice
	}
	return r.object()
}

// reader walks a document once; leaves are cut out of it as text.
type reader struct {
	doc []byte
	dec *json.Decoder
}

// next is the first byte of the value that the decoder is in front of.
func (r *reader) next() byte {
	return bytes.TrimLeft(r.doc[r.dec.InputOffset():], " \t\r\n,:")[0]
}

func (r *reader) object() (branch, error) {
	if _, err := r.dec.Token(); err != nil { // {
		return nil, fmt.Errorf("read JSON: %w", err)
	}
	members := branch{}
	for r.dec.More() {
		name, err := r.dec.Token()
		if err != nil {
			return nil, fmt.Errorf("read JSON: %w", err)
		}
		key, _ := name.(string) // read has seen that doc is valid
		if _, twice := members[key]; twice {
			return nil, errTwice
		}
		if members[key], err = r.value(); err != nil {
			return nil, err
		}
	}
	if _, err := r.dec.Token(); err != nil { // }
		return nil, fmt.Errorf("read JSON: %w", err)
	}
	return members, nil
}

func (r *reader) value() (value, error) {
	if r.next() == '{' {
		return r.object()
	}
	var leaf json.RawMessage
	if err := r.dec.Decode(&leaf); err != nil {
		return nil, fmt.Errorf("read JSON: %w", err)
	}
	return string(leaf), nil
}

// leaves visits every leaf at and below path; an object without members is one,
// except that a document without members has nothing to show.
func leaves(path string, v value, visit func(path, leaf string)) {
	switch v := v.(type) {
	case string:
		visit(path, v)
	case branch:
		for name, member := range v {
			leaves(path+"/"+escape(name), member, visit)
		}
		if len(v) == 0 && path != "" {
			visit(path, "{}")
		}
	}
}

// render writes a value as JSON, names sorted.
func render(dst []byte, v value) []byte {
	members, ok := v.(branch)
	if !ok {
		leaf, _ := v.(string)
		return append(dst, leaf...)
	}
	dst = append(dst, '{')
	for i, name := range slices.Sorted(maps.Keys(members)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(quote(dst, name), ':')
		dst = render(dst, members[name])
	}
	return append(dst, '}')
}

// quote writes a member name as a JSON string. Unlike json.Marshal it leaves <,
// > and & readable: patches are shown to people.
func quote(dst []byte, name string) []byte {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(name); err != nil {
		panic("quote a member name: " + err.Error()) // a string always encodes
	}
	return append(dst, strings.TrimSuffix(b.String(), "\n")...)
}
