package canon

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/cadrift/cadrift/internal/drift"
)

// Version numbers the canonical form and is part of every digest. It grows
// with any change that gives some body other bytes; digests of different
// versions are never compared.
const Version = 1

// maxDepth is how many objects and arrays an ordinary body may nest. Graph's
// deepest, a policy with enumerated external tenants, has six.
const maxDepth = 50

// Object reads the body of one object as Graph returned it. The error says that
// raw is not a JSON object, or has no id: there is nothing to file it under. Any
// other surprise gives an object whose Odd says what is wrong.
//
// The object keeps raw; the caller must not write to it afterwards.
func Object(kind drift.Kind, raw []byte) (drift.Object, error) {
	if !json.Valid(raw) {
		return drift.Object{}, fmt.Errorf("read %s: not JSON", kind.Words())
	}
	p := parser{raw: raw, clean: utf8.Valid(raw)}
	root := p.document()
	if root.kind != object {
		return drift.Object{}, fmt.Errorf("read %s: not a JSON object", kind.Words())
	}
	id := root.member("id")
	if text(id) == "" {
		return drift.Object{}, fmt.Errorf("read %s: no id", kind.Words())
	}
	id.token = lowerGUID(id.token)
	o := drift.Object{
		Ref:      drift.Ref{Kind: kind, ID: text(id), Name: text(root.member("displayName"))},
		Raw:      raw,
		Created:  moment(root.member("createdDateTime")),
		Modified: moment(root.member("modifiedDateTime")),
		Deleted:  moment(root.member("deletedDateTime")),
	}
	form, odd := canonical(kind, root, &p)
	o.Odd = odd
	o.Canonical = form.append(make([]byte, 0, len(raw)))
	if bytes.Contains(o.Canonical, []byte(unknownFutureValue)) {
		o.UnknownEnum = unknownEnums(form)
	}
	o.Digest = Digest(kind, o.Canonical)
	return o, nil
}

// canonical decides between the folded form and the plain one. Broken text
// comes last: it is flagged, but not a reason to leave the rest unfolded.
func canonical(kind drift.Kind, root node, p *parser) (node, string) {
	switch {
	case p.twice != "":
		return root, "the member " + strconv.Quote(drift.Visible(p.twice)) + " appears twice"
	case p.deepest > maxDepth:
		return root, fmt.Sprintf("nested %d levels deep, more than %d", p.deepest, maxDepth)
	}
	var f folder
	form := f.fold(root, rootOf(kind))
	form.kind = object // also one that says nothing
	switch {
	case f.odd != "":
		return root, f.odd
	case p.broken:
		return form, "text that is not valid UTF-8"
	}
	return form, ""
}

// Digest is the digest of a canonical form. It covers the kind and [Version].
func Digest(kind drift.Kind, canonical []byte) drift.Digest {
	b := make([]byte, 0, 64+len(canonical))
	b = append(b, "cadrift canon v"...)
	b = strconv.AppendInt(b, Version, 10)
	b = append(b, '\n')
	b = append(b, kind...)
	b = append(b, '\n')
	return sha256.Sum256(append(b, canonical...))
}

// Current is o in the form of this version: o itself, or what its raw body
// gives when another version wrote it. Digests are to be compared only between
// forms of one version.
func Current(o drift.Object) drift.Object {
	if o.Digest == Digest(o.Kind, o.Canonical) {
		return o
	}
	if again, err := Object(o.Kind, o.Raw); err == nil {
		return again
	}
	return o
}

// text is the text of a string node, and empty for anything else.
func text(n node) string {
	if n.kind != str {
		return ""
	}
	return string(decoded(n.token))
}

// moment is a point in time as Graph writes it, zero for null, for nothing and
// for what cannot be read: metadata never makes an object odd.
func moment(n node) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text(n))
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}
