package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// objectRecord is one form of an object without its bytes: in latest, in
// versions and in the baseline.
type objectRecord struct {
	Kind        drift.Kind   `json:"kind"`
	ID          string       `json:"id"`
	Name        string       `json:"name"`
	Digest      drift.Digest `json:"digest"`
	Blob        drift.Digest `json:"blob"`
	Created     time.Time    `json:"created,omitzero"`
	Modified    time.Time    `json:"modified,omitzero"`
	Deleted     time.Time    `json:"deleted,omitzero"`
	Odd         string       `json:"odd,omitempty"`
	UnknownEnum []string     `json:"unknown_enum,omitempty"`

	// Revision and Time are those of the version; Gone marks a deletion.
	Revision uint64    `json:"revision,omitempty"`
	Time     time.Time `json:"time,omitzero"`
	Gone     bool      `json:"gone,omitempty"`
}

func (r *objectRecord) key() drift.Key { return drift.Key{Kind: r.Kind, ID: r.ID} }

// form is an object made ready for the store before its transaction starts:
// packing is the slow part.
type form struct {
	record objectRecord
	key    drift.Key
	blob   []byte // sealed
}

// forms packs objects. The same bytes are packed once.
func (s *Store) forms(tenantID string, objects []drift.Object) ([]form, error) {
	packed := make([]form, len(objects))
	for i := range objects {
		o := &objects[i]
		content := contentOf(o)
		digest := blobDigest(o.Kind, o.ID, content)
		blob, err := s.codec.seal(bucketBlobs, blobKey(tenantID, digest), content)
		if err != nil {
			return nil, err
		}
		packed[i] = form{key: o.Key(), blob: blob, record: objectRecord{
			Kind: o.Kind, ID: o.ID, Name: o.Name, Digest: o.Digest, Blob: digest,
			Created: o.Created, Modified: o.Modified, Deleted: o.Deleted, Odd: o.Odd, UnknownEnum: o.UnknownEnum,
		}}
	}
	return packed, nil
}

// contentOf is what a blob holds: the canonical form behind its length, and
// the raw body, which repeats most of it and packs well beside it.
func contentOf(o *drift.Object) []byte {
	content := binary.AppendUvarint(make([]byte, 0, len(o.Canonical)+len(o.Raw)+binary.MaxVarintLen64), uint64(len(o.Canonical)))
	return append(append(content, o.Canonical...), o.Raw...)
}

// blobDigest names a blob. Kind and id are part of it, so no blob belongs to
// two objects and one object's can be dropped without asking the others.
func blobDigest(kind drift.Kind, id string, content []byte) drift.Digest {
	h := sha256.New()
	h.Write(key(string(kind), id))
	h.Write(content)
	return drift.Digest(h.Sum(nil))
}

func blobKey(tenantID string, digest drift.Digest) []byte {
	return append(tenantKey(tenantID), digest[:]...)
}

func objectKey(tenantID string, k drift.Key) []byte { return tenantKey(tenantID, string(k.Kind), k.ID) }

func versionKey(tenantID string, k drift.Key, revision uint64) []byte {
	return numbered(objectKey(tenantID, k), revision)
}

// putBlob stores a packed blob unless it is there.
func (t *tx) putBlob(tenantID string, f *form) error {
	b, err := t.bucket(bucketBlobs)
	if err != nil {
		return err
	}
	k := blobKey(tenantID, f.record.Blob)
	if b.Get(k) != nil {
		return nil
	}
	return b.Put(k, f.blob)
}

// formReader makes objects of records. The baseline mostly has the bytes that
// the newest snapshot has, so what was unpacked once is shared.
type formReader struct {
	tx       *tx
	tenantID string
	contents map[drift.Digest][]byte
}

func newForms(t *tx, tenantID string) *formReader {
	return &formReader{t, tenantID, map[drift.Digest][]byte{}}
}

func (f *formReader) object(r objectRecord) (drift.Object, error) {
	o := drift.Object{
		Ref: drift.Ref{Kind: r.Kind, ID: r.ID, Name: r.Name}, Digest: r.Digest,
		Created: r.Created, Modified: r.Modified, Deleted: r.Deleted, Odd: r.Odd, UnknownEnum: r.UnknownEnum,
	}
	content, ok := f.contents[r.Blob]
	if !ok {
		var err error
		if content, err = f.tx.content(f.tenantID, r); err != nil {
			return o, err
		}
		f.contents[r.Blob] = content
	}
	n, size := binary.Uvarint(content)
	if size <= 0 || n > uint64(len(content)-size) {
		return o, damaged(bucketBlobs, blobKey(f.tenantID, r.Blob), "no canonical form")
	}
	if n > 0 {
		o.Canonical = content[size : size+int(n) : size+int(n)]
	}
	if rest := content[size+int(n):]; len(rest) > 0 {
		o.Raw = rest
	}
	return o, nil
}

// content reads the blob of a record and checks that it is that record's.
func (t *tx) content(tenantID string, r objectRecord) ([]byte, error) {
	k := blobKey(tenantID, r.Blob)
	content, err := t.read(bucketBlobs, k)
	if err != nil {
		return nil, err
	}
	if content == nil {
		return nil, damaged(bucketBlobs, k, fmt.Sprintf("missing, %s needs it", r.key()))
	}
	if blobDigest(r.Kind, r.ID, content) != r.Blob {
		return nil, damaged(bucketBlobs, k, fmt.Sprintf("is not the body of %s", r.key()))
	}
	return content, nil
}

// digester makes the digest of a whole state: of the keys and digests of all
// its objects, in the order of their stored keys.
type digester struct{ lines bytes.Buffer }

func (d *digester) add(k drift.Key, digest drift.Digest) {
	fmt.Fprintf(&d.lines, "%s %s\n", key(string(k.Kind), k.ID), digest)
}

func (d *digester) digest() drift.Digest {
	h := sha256.New()
	h.Write([]byte("cadrift state v1\n"))
	h.Write(d.lines.Bytes())
	return drift.Digest(h.Sum(nil))
}
