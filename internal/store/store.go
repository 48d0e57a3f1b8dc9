package store

import (
	"os"
	"sync"
	"sync/atomic"

	bolt "go.etcd.io/bbolt"
)

// Store is an open store. Its methods are safe for concurrent use.
type Store struct {
	path     string
	readOnly bool
	db       *bolt.DB
	file     *os.File // db's own handle
	pageSize int
	codec    *codec
	metrics  *Metrics
	witness  *witness
	bound    Bound
	written  int // the schema of the version that wrote last
	queues   queues

	// writing is held until the outcome of a write is judged: another writer's
	// meta page would say nothing about it. It also keeps a writer apart from a
	// worker that is given rows: folding has to know what is held.
	writing sync.Mutex
	// handed is, by receiver, the last row given.
	handed map[string]uint64

	// broken: a write ended unknown, or bbolt panicked; nothing may be written
	// on top of that.
	broken atomic.Bool
	// stuck: bbolt panicked and may hold its own locks.
	stuck atomic.Bool
}

// Size is the size of the store's file in bytes.
func (s *Store) Size() int64 {
	info, err := os.Stat(s.path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// Close waits for the running transactions and closes the file.
func (s *Store) Close() error {
	if s.stuck.Load() {
		// bbolt's locks may be held for ever; closing the handle frees the file.
		return s.file.Close()
	}
	err := s.db.Close()
	s.codec.close()
	return err
}

// The buckets, see the package documentation.
const (
	bucketStore     = "cadrift"
	bucketNames     = "names"
	bucketTenants   = "tenants"
	bucketLatest    = "latest"
	bucketVersions  = "versions"
	bucketRevisions = "revisions"
	bucketBlobs     = "blobs"
	bucketBaseline  = "baseline"
	bucketFindings  = "findings"
	bucketEntries   = "entries"
	bucketChain     = "chain"
	bucketEvents    = "events"
	bucketNotes     = "notes"
	bucketPeople    = "people"
	bucketOutbox    = "outbox"
	bucketQueued    = "queued"
	bucketParked    = "parked"
	bucketReceivers = "receivers"
)

// tenantBuckets are those whose keys begin with a tenant_id.
func tenantBuckets() []string {
	return []string{
		bucketTenants, bucketLatest, bucketVersions, bucketRevisions, bucketBlobs, bucketBaseline,
		bucketFindings, bucketEntries, bucketChain, bucketEvents, bucketNotes, bucketPeople,
	}
}

// buckets are all of them.
func buckets() []string {
	return append(tenantBuckets(), bucketStore, bucketNames, bucketOutbox, bucketQueued, bucketParked, bucketReceivers)
}

// schema is the version of the layout. A store of a newer one is refused, one
// of an earlier one is read as it is and becomes one of this version with the
// first write. In schema 1 the newest form of an object also had the digest of
// its newest version; readers of schema 1 miss it.
const schema = 2

// keySchema holds the schema and is sealed as in schema 1 for ever, so that
// every version can tell what it has before it; keyErased holds the moment up
// to which people were erased.
const (
	keySchema = "schema"
	keyErased = "people_erased"
)

type schemaRecord struct {
	Schema int `json:"schema"`
}
