package store

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	bolt "go.etcd.io/bbolt"

	"github.com/cadrift/cadrift/internal/drift"
)

// place is one record of the file.
type place struct {
	bucket     string
	key, value []byte
}

func places(t *testing.T, s *Store) []place {
	t.Helper()
	var all []place
	err := s.db.View(func(tx *bolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bolt.Bucket) error {
			return b.ForEach(func(k, v []byte) error {
				all = append(all, place{string(name), bytes.Clone(k), bytes.Clone(v)})
				return nil
			})
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// set writes past every seal.
func set(t *testing.T, s *Store, bucket string, k, v []byte) {
	t.Helper()
	err := s.db.Update(func(tx *bolt.Tx) error {
		if v == nil {
			return tx.Bucket([]byte(bucket)).Delete(k)
		}
		return tx.Bucket([]byte(bucket)).Put(k, v)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// tampered opens a small store with something in every bucket.
func tampered(t *testing.T) (*Store, []place) {
	t.Helper()
	path, _ := filled(t)
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.db.NoSync = true
	t.Cleanup(func() { check(t, s); s.Close() })
	all := places(t, s)
	seen := map[string]bool{}
	for _, p := range all {
		seen[p.bucket] = true
	}
	for _, bucket := range buckets() {
		if !seen[bucket] {
			t.Fatalf("bucket %s is empty: the test would prove nothing about it", bucket)
		}
	}
	return s, all
}

// Every byte of every value counts, and verify sees it change.
func TestFlippedBytesAreFound(t *testing.T) {
	s, all := tampered(t)
	stride := 17
	if os.Getenv("CADRIFT_LONG") != "" {
		stride = 1
	}
	n := 0
	for _, p := range all {
		for i := 0; i < len(p.value); i++ {
			if n++; n%stride != 0 {
				continue
			}
			bad := bytes.Clone(p.value)
			bad[i] ^= 1 << (n % 8)
			set(t, s, p.bucket, p.key, bad)
			if len(verifyProblems(s)) == 0 {
				t.Errorf("%s %q: byte %d flipped, not found", p.bucket, p.key, i)
			}
		}
		set(t, s, p.bucket, p.key, p.value)
	}
	t.Logf("%d records, %d bytes, every %dth flipped", len(all), n, stride)
}

// A record that is gone, cut short, moved, doubled or exchanged is found.
func TestMovedRecordsAreFound(t *testing.T) {
	s, all := tampered(t)
	// Losing these leaves no trace but the loss of what they say: the time of
	// the last delivery, and a delivery that was given up and told so.
	harmless := map[string]bool{bucketReceivers: true, bucketParked: true}
	found := func(what string, p place) {
		if len(verifyProblems(s)) == 0 {
			t.Errorf("%s %q %s, not found", p.bucket, p.key, what)
		}
	}
	for i, p := range all {
		if erasure := p.bucket == bucketStore && string(p.key) == keyErased; !harmless[p.bucket] && !erasure {
			set(t, s, p.bucket, p.key, nil)
			found("dropped", p)
			moved := append(bytes.Clone(p.key), 7)
			set(t, s, p.bucket, moved, p.value)
			found("moved", p)
			set(t, s, p.bucket, moved, nil)
		}
		for _, short := range []int{0, 1, len(p.value) / 2, len(p.value) - 1} {
			set(t, s, p.bucket, p.key, p.value[:short:short])
			found(fmt.Sprintf("cut to %d bytes", short), p)
		}
		other := all[(i+1)%len(all)]
		set(t, s, p.bucket, p.key, other.value)
		found("overwritten by its neighbour", p)
		set(t, s, p.bucket, p.key, p.value)
	}
}

// Somebody who knows the format seals what he changes; the links still tell.
func TestResealedRecordsAreFound(t *testing.T) {
	s, all := tampered(t)
	for _, p := range all {
		payload, err := s.codec.open(p.bucket, p.key, p.value)
		if err != nil {
			t.Fatal(err)
		}
		bad := bytes.Replace(payload, []byte("2026"), []byte("2027"), 1)
		bad = bytes.Replace(bad, []byte(`"state\":\"o`), []byte(`"state\":\"O`), 1)
		switch p.bucket {
		case bucketChain, bucketEvents, bucketNotes, bucketPeople, bucketBlobs, bucketBaseline, bucketFindings:
		default:
			continue
		}
		if bytes.Equal(bad, payload) {
			bad = append(bytes.Clone(payload), ' ')
		}
		value, err := s.codec.seal(p.bucket, p.key, bad)
		if err != nil {
			t.Fatal(err)
		}
		set(t, s, p.bucket, p.key, value)
		if len(verifyProblems(s)) == 0 {
			t.Errorf("%s %q rewritten and sealed again, not found", p.bucket, p.key)
		}
		set(t, s, p.bucket, p.key, p.value)
	}
}

// The newest records can be cut off so that what is left is a valid chain:
// only the head in the tenant's record, and one seen outside, tell.
func TestTruncatedChainIsFound(t *testing.T) {
	s, all := tampered(t)
	head := mustLoad(t, s, contosoID).Head
	for cut := range 3 {
		for _, bucket := range []string{bucketChain, bucketEvents, bucketNotes, bucketPeople} {
			set(t, s, bucket, numbered(tenantKey(contosoID), head.Seq-uint64(cut)), nil)
		}
		if len(verifyProblems(s)) == 0 {
			t.Errorf("the last %d records cut off, not found", cut+1)
		}
	}
	for _, p := range all {
		set(t, s, p.bucket, p.key, p.value)
	}
	// A whole older file is a valid store; its head is not the one seen.
	if hash, err := s.HashAt(contosoID, head.Seq); err != nil || hash != head.Hash {
		t.Errorf("hash at the head: %v, %v", hash, err)
	}
}

// Whatever byte of the file flips, the answer is an error or the truth, and
// never a crash: free pages and gaps between records hold nothing.
func TestFlippedBytesOfTheFile(t *testing.T) {
	_, content := filled(t)
	path := filepath.Join(t.TempDir(), "cadrift.db")
	var want drift.State
	flips := 300
	if os.Getenv("CADRIFT_LONG") != "" {
		flips = 5000
	}
	seed := uint64(os.Getpid())
	r := rand.New(rand.NewPCG(7, seed))
	found := 0
	for i := range flips + 1 {
		bad := bytes.Clone(content)
		at, bit := r.IntN(len(bad)), byte(1)<<r.IntN(8)
		if i > 0 { // the first one is left as it is
			bad[at] ^= bit
		}
		write(t, path, bad)
		s, err := Open(path, Options{ReadOnly: i%2 == 1})
		if err != nil {
			found++
			continue
		}
		problems := verifyProblems(s)
		got, err := s.Load(contosoID)
		if i == 0 {
			want = got
		}
		if err == nil && cmp.Diff(want, got, cmpopts.EquateEmpty()) != "" {
			t.Errorf("byte %d, bit %d: another state was read", at, bit)
		}
		if err != nil && len(problems) == 0 {
			t.Errorf("byte %d, bit %d: verify found nothing, reading says %v", at, bit, err)
		}
		if len(problems) > 0 {
			found++
		}
		s.Close()
	}
	if found < flips/30 {
		t.Errorf("only %d of %d flips were found: do they hit the records?", found, flips)
	}
	t.Logf("%d of %d flips hit something, seed %d", found, flips, seed)
}
