package graphsim

import (
	"bytes"
	"compress/gzip"
	"sync"
)

// page is the body of a listing that may be sent many times: in a simulated
// year nearly every answer repeats the one before.
type page struct {
	plain  []byte
	once   sync.Once
	packed []byte
}

// gzipped compresses the page the first time it is asked for.
func (p *page) gzipped() []byte {
	p.once.Do(func() { p.packed = pack(p.plain) })
	return p.packed
}

func pack(body []byte) []byte {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	w.Write(body) // a bytes.Buffer takes everything
	w.Close()
	return packed.Bytes()
}
