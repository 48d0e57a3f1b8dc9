package store

import (
	"bytes"
	"errors"
	"testing"
)

// Whatever lies in the file, reading it before bbolt does ends, does not
// panic, and takes no more memory than the file is long.
func FuzzPages(f *testing.F) {
	_, good := filled(f)
	for _, at := range []uint16{20, 4096, 4106, 8192 + 8, 8192 + 10, 8192 + 12, 3 * 4096, 5*4096 + 20} {
		f.Add(at, []byte{0xff, 0xff}, uint16(0))
	}
	f.Add(uint16(0), []byte{}, uint16(4096))
	f.Fuzz(func(t *testing.T, at uint16, patch []byte, cut uint16) {
		content := bytes.Clone(good)
		copy(content[min(int(at), len(content)):], patch)
		content = content[:max(0, len(content)-int(cut))]
		r := bytes.NewReader(content)
		m, err := readMeta(r, int64(len(content)))
		if err != nil {
			return
		}
		err = checkPages(r, int64(len(content)), m, bucketStore, func() error { return nil })
		if err == nil && m.hwm*uint64(m.pageSize) > uint64(len(content)) {
			t.Error("pages behind the end of the file passed")
		}
	})
}

// Nothing that this package did not seal for that place is read.
func FuzzOpenValue(f *testing.F) {
	c, err := newCodec()
	if err != nil {
		f.Fatal(err)
	}
	sealed, err := c.seal(bucketEvents, []byte("key"), bytes.Repeat([]byte("payload "), 100))
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte("key"), sealed)
	f.Add([]byte("other"), sealed)
	f.Add([]byte("key"), sealed[:10])
	f.Add([]byte{}, []byte{})
	f.Fuzz(func(t *testing.T, key, value []byte) {
		payload, err := c.open(bucketEvents, key, value)
		if bytes.Equal(value, sealed) && string(key) == "key" {
			if err != nil {
				t.Error(err)
			}
			return
		}
		if err == nil || !errors.Is(err, ErrCorrupt) {
			t.Errorf("%q at %q was read as %q, %v", value, key, payload, err)
		}
	})
}

// Chain records come from the file, too.
func FuzzParseChained(f *testing.F) {
	f.Add([]byte("12345678"), append(make([]byte, 32), `{"seq":1}`...))
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 1}, append(make([]byte, 32), `{"seq":1,"severity":"high"}`...))
	f.Add([]byte{}, []byte("short"))
	f.Fuzz(func(t *testing.T, key, payload []byte) {
		c, err := parseChained(key, payload)
		if err == nil && (c.record.Seq != number(key) || len(c.text) != len(payload)-32) {
			t.Errorf("%q at %q was taken for %+v", payload, key, c)
		}
		if err != nil && !errors.Is(err, ErrCorrupt) {
			t.Errorf("got %v, want ErrCorrupt", err)
		}
	})
}
