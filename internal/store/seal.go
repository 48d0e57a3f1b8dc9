package store

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// A stored value is a format byte, the first sealLen bytes of a SHA-256, and
// the payload. The digest covers bucket and key as well, so that a record
// moved to another place is as visible as a changed one.
const (
	formatPlain = 1
	formatZstd  = 2

	sealLen = 16
	// worthPacking is the size below which a zstd frame saves nothing.
	worthPacking = 128
	// maxPayload bounds one record before compression and the memory that
	// decoding one may take. Graph pages end at 16 MiB; a record holds the raw
	// and the canonical form of one object of such a page.
	maxPayload = 64 << 20
)

// codec seals and opens values. Encoder and decoder are shared: making one
// costs more than a hundred records. Both are safe for concurrent use.
type codec struct {
	enc *zstd.Encoder
	dec *zstd.Decoder
}

func newCodec() (*codec, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false),
		zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(1<<20))
	if err != nil {
		return nil, fmt.Errorf("make zstd encoder: %w", err)
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(maxPayload))
	if err != nil {
		return nil, fmt.Errorf("make zstd decoder: %w", err)
	}
	return &codec{enc: enc, dec: dec}, nil
}

func (c *codec) close() { c.dec.Close() }

// seal makes the stored value of payload.
func (c *codec) seal(bucket string, key, payload []byte) ([]byte, error) {
	if len(payload) > maxPayload {
		return nil, fmt.Errorf("record %s %q has %d bytes, more than %d", bucket, key, len(payload), maxPayload)
	}
	value := make([]byte, 1+sealLen, 1+sealLen+len(payload))
	value[0] = formatPlain
	if len(payload) >= worthPacking {
		value[0] = formatZstd
		value = c.enc.EncodeAll(payload, value)
	}
	if value[0] == formatPlain || len(value) >= 1+sealLen+len(payload) {
		value = append(value[:1+sealLen], payload...)
		value[0] = formatPlain
	}
	copy(value[1:], sum(bucket, key, value))
	return value, nil
}

// open checks the seal and returns a copy of the payload.
func (c *codec) open(bucket string, key, value []byte) ([]byte, error) {
	if len(value) < 1+sealLen {
		return nil, damaged(bucket, key, "too short for a seal")
	}
	if subtle.ConstantTimeCompare(value[1:1+sealLen], sum(bucket, key, value)) != 1 {
		return nil, damaged(bucket, key, "the seal does not match")
	}
	switch value[0] {
	case formatPlain:
		return bytes.Clone(value[1+sealLen:]), nil
	case formatZstd:
		payload, err := c.dec.DecodeAll(value[1+sealLen:], nil)
		if err != nil {
			return nil, damaged(bucket, key, err.Error())
		}
		return payload, nil
	}
	return nil, damaged(bucket, key, fmt.Sprintf("unknown format %d", value[0]))
}

// sum is the digest that the seal of value must hold.
func sum(bucket string, key, value []byte) []byte {
	h := sha256.New()
	h.Write([]byte(bucket))
	h.Write([]byte{0, value[0]})
	h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(key))))
	h.Write(key)
	h.Write(value[1+sealLen:])
	return h.Sum(nil)[:sealLen]
}

// encode is the JSON of v as it is stored and hashed: no HTML escapes, which
// would change the bytes of raw values, and no final newline.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("encode %T: %w", v, err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// maxPart is the longest id that goes into a key as it is; bbolt's limit is
// 32 KB a key, and ids come from outside.
const maxPart = 256

// key joins parts so that keys sort like lists of parts and no part, whatever
// its bytes, can end early: 0 is escaped as 0 255 and 0 1 ends a part. A part
// that is too long is replaced by its digest behind 255, which no UTF-8 text
// begins with; records carry their ids themselves.
func key(parts ...string) []byte {
	var b []byte
	for _, p := range parts {
		if len(p) > maxPart {
			d := sha256.Sum256([]byte(p))
			p = "\xff" + string(d[:])
		}
		for i := range len(p) {
			b = append(b, p[i])
			if p[i] == 0 {
				b = append(b, 0xff)
			}
		}
		b = append(b, 0, 1)
	}
	return b
}

// tenantKey is a key under a tenant. GUIDs are equal in any case.
func tenantKey(tenantID string, parts ...string) []byte {
	return append(key(strings.ToLower(tenantID)), key(parts...)...)
}

// numbered appends a revision, sequence or order number.
func numbered(prefix []byte, n uint64) []byte {
	return binary.BigEndian.AppendUint64(bytes.Clone(prefix), n)
}

// number is what numbered appended.
func number(key []byte) uint64 {
	if len(key) < 8 {
		return 0
	}
	return binary.BigEndian.Uint64(key[len(key)-8:])
}
