package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
)

// bbolt trusts its pages: a damaged one makes it panic, loop, or touch memory
// behind the end of the file, which kills the process. So before bbolt reads
// a tree, this file reads it with plain reads and checks all that bbolt takes
// for granted. The layout is that of bbolt's file format version 2.

const (
	boltMagic   = 0xED0CDAED
	boltVersion = 2

	branchPage   = 0x01
	leafPage     = 0x02
	freelistPage = 0x10

	// A page header is id, flags, count, overflow; an element of a branch is
	// position, key size, page; one of a leaf flags, position, key and value
	// size; a bucket is its root page and sequence.
	headerLen  = 16
	elementLen = 16
	bucketLen  = 16
	metaLen    = 64
	noFreelist = ^uint64(0)
	// bucketFlag marks a leaf element that is a bucket.
	bucketFlag = 0x01
)

var (
	errNoMagic   = errors.New("no bbolt header")
	errBadMeta   = errors.New("both meta pages are damaged")
	errTruncated = errors.New("truncated")
	errNotOurs   = errors.New("a bbolt file of another program")
)

// meta is what this package needs of a bbolt meta page.
type meta struct {
	pageSize            int
	root, freelist, hwm uint64
	txid                uint64
	magic, valid        bool
}

func parseMeta(r io.ReaderAt, offset int64) meta {
	b := make([]byte, headerLen+metaLen)
	if _, err := r.ReadAt(b, offset); err != nil {
		return meta{}
	}
	b = b[headerLen:]
	n := binary.NativeEndian
	h := fnv.New64a()
	h.Write(b[:56])
	m := meta{
		pageSize: int(n.Uint32(b[8:])), root: n.Uint64(b[16:]), freelist: n.Uint64(b[32:]),
		hwm: n.Uint64(b[40:]), txid: n.Uint64(b[48:]), magic: n.Uint32(b) == boltMagic,
	}
	size := m.pageSize
	m.valid = m.magic && n.Uint32(b[4:]) == boltVersion && n.Uint64(b[56:]) == h.Sum64() &&
		size >= 1024 && size <= 1<<24 && size&(size-1) == 0
	return m
}

// readMeta finds the meta page that bbolt would use: the newer valid one.
func readMeta(r io.ReaderAt, size int64) (meta, error) {
	first := parseMeta(r, 0)
	second, magic := meta{}, first.magic
	if first.valid {
		second = parseMeta(r, int64(first.pageSize))
	} else {
		// The page size is unknown, as in bbolt: look where it could be.
		for at := int64(1024); at <= 1<<24 && at < size; at *= 2 {
			if m := parseMeta(r, at); m.magic {
				magic = true
				if m.valid && int64(m.pageSize) == at {
					second = m
					break
				}
			}
		}
	}
	switch {
	case first.valid && (!second.valid || first.txid >= second.txid):
		return first, nil
	case second.valid:
		return second, nil
	case magic:
		return meta{}, errBadMeta
	}
	return meta{}, errNoMagic
}

// walker checks the pages that are reachable from one meta page.
type walker struct {
	r        io.ReaderAt
	pageSize uint64
	hwm      uint64
	seen     map[uint64]bool
}

// checkPages checks every page that m reaches, and that size holds them all.
// It begins with the bucket marker and calls found after it and before the
// rest, so that another program's or a newer version's file is refused for
// what it is.
func checkPages(r io.ReaderAt, size int64, m meta, marker string, found func() error) error {
	if need := m.hwm * uint64(m.pageSize); m.hwm < 4 || m.hwm > 1<<36 || uint64(size) < need {
		return fmt.Errorf("%w: %d bytes of at least %d", errTruncated, size, need)
	}
	w := &walker{r: r, pageSize: uint64(m.pageSize), hwm: m.hwm, seen: map[uint64]bool{0: true, 1: true}}
	if err := w.buckets(m.root, marker, found); err != nil {
		return err
	}
	return w.freelist(m.freelist)
}

// buckets checks the tree of top buckets below root, and each of them.
func (w *walker) buckets(root uint64, marker string, found func() error) error {
	all := map[string][]byte{}
	err := w.tree(root, nil, nil, func(k, v []byte, isBucket bool) error {
		if !isBucket {
			return fmt.Errorf("key %q lies outside every bucket", k)
		}
		all[string(k)] = v
		return nil
	})
	if err != nil {
		return err
	}
	if _, ok := all[marker]; !ok {
		return errNotOurs
	}
	if err := w.bucket(marker, all[marker]); err != nil {
		return err
	}
	if err := found(); err != nil {
		return err
	}
	delete(all, marker)
	for name, value := range all {
		if err := w.bucket(name, value); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) bucket(name string, value []byte) error {
	flat := func(k, _ []byte, isBucket bool) error {
		if isBucket {
			return fmt.Errorf("unexpected bucket %q", k)
		}
		return nil
	}
	err := errors.New("header is too short")
	if len(value) >= bucketLen {
		if root := binary.NativeEndian.Uint64(value); root != 0 {
			err = w.tree(root, nil, nil, flat)
		} else {
			// A small bucket is a leaf page within its own value.
			err = inlinePage(value[bucketLen:], flat)
		}
	}
	if err != nil {
		return fmt.Errorf("bucket %q: %w", name, err)
	}
	return nil
}

func inlinePage(page []byte, leaf func(k, v []byte, isBucket bool) error) error {
	if len(page) < headerLen || binary.NativeEndian.Uint16(page[8:]) != leafPage {
		return errors.New("inline page is no leaf")
	}
	return leafElements(page, nil, nil, leaf)
}

// tree checks the page id and everything below it; its keys must lie in
// [low, high), where nil is no bound. Each page may be reached once.
func (w *walker) tree(id uint64, low, high []byte, leaf func(k, v []byte, isBucket bool) error) error {
	page, err := w.page(id)
	if err != nil {
		return err
	}
	switch flags := binary.NativeEndian.Uint16(page[8:]); flags {
	case leafPage:
		err = leafElements(page, low, high, leaf)
	case branchPage:
		return w.branch(id, page, low, high, leaf)
	default:
		err = fmt.Errorf("neither branch nor leaf (flags %#x)", flags)
	}
	if err != nil {
		return fmt.Errorf("page %d: %w", id, err)
	}
	return nil
}

func (w *walker) branch(id uint64, page, low, high []byte, leaf func(k, v []byte, isBucket bool) error) error {
	n := binary.NativeEndian
	count := int(n.Uint16(page[10:]))
	if count == 0 || headerLen+count*elementLen > len(page) {
		return fmt.Errorf("page %d: %d branch elements", id, count)
	}
	keys, children := make([][]byte, count+1), make([]uint64, count)
	keys[count] = high
	for i := range count {
		at := headerLen + i*elementLen
		k, _, err := span(page, at, n.Uint32(page[at:]), n.Uint32(page[at+4:]), 0)
		if err == nil {
			err = ordered(k, low, high)
		}
		if err != nil {
			return fmt.Errorf("page %d: branch element %d: %w", id, i, err)
		}
		keys[i], children[i], low = k, n.Uint64(page[at+8:]), append(bytes.Clone(k), 0)
	}
	for i, child := range children {
		if err := w.tree(child, keys[i], keys[i+1], leaf); err != nil {
			return err
		}
	}
	return nil
}

func leafElements(page, low, high []byte, leaf func(k, v []byte, isBucket bool) error) error {
	n := binary.NativeEndian
	count := int(n.Uint16(page[10:]))
	if headerLen+count*elementLen > len(page) {
		return fmt.Errorf("%d leaf elements do not fit", count)
	}
	for i := range count {
		at := headerLen + i*elementLen
		flags := n.Uint32(page[at:])
		k, v, err := span(page, at, n.Uint32(page[at+4:]), n.Uint32(page[at+8:]), n.Uint32(page[at+12:]))
		if err == nil {
			err = ordered(k, low, high)
		}
		if err == nil && flags > bucketFlag {
			err = fmt.Errorf("flags %#x", flags)
		}
		if err == nil {
			err = leaf(k, v, flags == bucketFlag)
		}
		if err != nil {
			return fmt.Errorf("leaf element %d: %w", i, err)
		}
		low = append(bytes.Clone(k), 0)
	}
	return nil
}

// span cuts key and value of the element at byte at out of its page.
func span(page []byte, at int, pos, ksize, vsize uint32) (k, v []byte, err error) {
	start := uint64(at) + uint64(pos)
	end := start + uint64(ksize) + uint64(vsize)
	if ksize == 0 || pos < elementLen || end > uint64(len(page)) {
		return nil, nil, errors.New("outside its page")
	}
	return page[start : start+uint64(ksize)], page[start+uint64(ksize) : end], nil
}

func ordered(k, low, high []byte) error {
	if bytes.Compare(k, low) < 0 || high != nil && bytes.Compare(k, high) >= 0 {
		return errors.New("key out of order")
	}
	return nil
}

// page reads a page with its overflow and marks it as reached.
func (w *walker) page(id uint64) ([]byte, error) {
	if id < 2 || id >= w.hwm {
		return nil, fmt.Errorf("page %d does not exist", id)
	}
	head := make([]byte, headerLen)
	if _, err := w.r.ReadAt(head, int64(id*w.pageSize)); err != nil {
		return nil, fmt.Errorf("read page %d: %w", id, err)
	}
	n := binary.NativeEndian
	overflow := uint64(n.Uint32(head[12:]))
	if n.Uint64(head) != id || id+overflow >= w.hwm {
		return nil, fmt.Errorf("page %d calls itself %d, with %d more", id, n.Uint64(head), overflow)
	}
	for i := id; i <= id+overflow; i++ {
		if w.seen[i] {
			return nil, fmt.Errorf("page %d is used twice", i)
		}
		w.seen[i] = true
	}
	page := make([]byte, (1+overflow)*w.pageSize)
	if _, err := w.r.ReadAt(page, int64(id*w.pageSize)); err != nil {
		return nil, fmt.Errorf("read page %d: %w", id, err)
	}
	return page, nil
}

// freelist checks the list of free pages: a page that is both free and in use
// would be overwritten by the next commit.
func (w *walker) freelist(id uint64) error {
	if id == noFreelist {
		return nil
	}
	page, err := w.page(id)
	if err != nil {
		return fmt.Errorf("list of free pages: %w", err)
	}
	n := binary.NativeEndian
	if n.Uint16(page[8:]) != freelistPage {
		return fmt.Errorf("page %d is no list of free pages", id)
	}
	count, ids := uint64(n.Uint16(page[10:])), page[headerLen:]
	if count == 0xffff { // bbolt keeps a longer count in the first id
		count, ids = n.Uint64(ids), ids[8:]
	}
	if count > uint64(len(ids))/8 {
		return fmt.Errorf("list of free pages: %d do not fit", count)
	}
	for i := range count {
		free := n.Uint64(ids[8*i:])
		if free < 2 || free >= w.hwm || w.seen[free] {
			return fmt.Errorf("list of free pages: page %d does not exist, is used or is listed twice", free)
		}
		w.seen[free] = true
	}
	return nil
}
