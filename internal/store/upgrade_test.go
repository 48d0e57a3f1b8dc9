package store

import (
	"bytes"
	"compress/gzip"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

var keepSchema = flag.Bool("keep-schema", false, "write testdata/schema-N.db.gz, the store of this version, for later versions to open")

// fixture is the store that [populate] made when a schema was new, packed, and
// the head of its first tenant's chain.
func fixture(n int) (db, head string) {
	return fmt.Sprintf("testdata/schema-%d.db.gz", n), fmt.Sprintf("testdata/schema-%d.head", n)
}

// Every schema that was ever released has a fixture, which is written once and
// never again.
func TestKeepSchema(t *testing.T) {
	db, head := fixture(schema)
	if !*keepSchema {
		if _, err := os.Stat(db); err != nil {
			t.Errorf("schema %d has no fixture: go test ./internal/store -run TestKeepSchema -keep-schema", schema)
		}
		return
	}
	if _, err := os.Stat(db); err == nil {
		t.Fatalf("%s is there: a store that was written stays as it is", db)
	}
	path, content := filled(t)
	s, err := Open(path, Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Write(content)
	for _, step := range []error{
		err, w.Close(), os.MkdirAll("testdata", 0o755), os.WriteFile(db, packed.Bytes(), 0o644),
		os.WriteFile(head, fmt.Appendln(nil, mustLoad(t, s, contosoID).Head.Hash), 0o644),
	} {
		if step != nil {
			t.Fatal(step)
		}
	}
}

// A store of every earlier schema opens, is whole, holds what was put into it,
// and its chain goes on.
func TestEarlierSchemas(t *testing.T) {
	for n := 1; n <= schema; n++ {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			path, head := unpack(t, n)
			s, err := Open(path, Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			check(t, s)
			holdsWhatWasPut(t, s)
			if got := schemaOf(t, s); got != n {
				t.Errorf("opening made schema %d of it", got)
			}
			reports, err := s.Verify(context.Background(), nil)
			if err != nil || len(reports) != 2 || reports[0].Head.String() != head {
				t.Fatalf("verify: %+v, %v, want the head %s", reports, err, head)
			}
			c := policy("c", "on")
			done := mustCommit(t, s, drift.Commit{Time: noon.Add(2 * time.Hour), Put: []drift.Object{c}, Events: []drift.NewEvent{changed(c, noon.Add(2*time.Hour), drift.High, "siem")}})
			if done.Head.Seq <= reports[0].ToSeq || done.Revision != 3 {
				t.Errorf("the next commit: record %d, revision %d", done.Head.Seq, done.Revision)
			}
			check(t, s)
			if got := schemaOf(t, s); got != schema {
				t.Errorf("schema %d after the first write, want %d", got, schema)
			}
			if got, err := s.HashAt(contosoID, reports[0].ToSeq); err != nil || got.String() != head {
				t.Errorf("the earlier head is now %s, %v", got, err)
			}
		})
	}
}

func schemaOf(t *testing.T, s *Store) int {
	t.Helper()
	var r schemaRecord
	err := s.view(func(t *tx) (err error) {
		r, _, err = get[schemaRecord](t, bucketStore, []byte(keySchema))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return r.Schema
}

// unpack puts a fixture where a store would be.
func unpack(t *testing.T, n int) (path, head string) {
	t.Helper()
	db, text := fixture(n)
	f, err := os.Open(db)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "cadrift.db")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	line, err := os.ReadFile(text)
	if err != nil {
		t.Fatal(err)
	}
	return path, strings.TrimSpace(string(line))
}

// holdsWhatWasPut compares a store with what populate puts into one.
func holdsWhatWasPut(t *testing.T, s *Store) {
	t.Helper()
	state := mustLoad(t, s, contosoID)
	a := state.Objects[drift.Key{Kind: drift.Policy, ID: "a"}]
	base := state.Baseline.Objects[a.Key()]
	if len(state.Objects) != 1 || diff(policy("a", "off"), a) != "" || diff(policy("a", "on"), base) != "" {
		t.Errorf("objects %v, baseline %v", state.Objects, state.Baseline)
	}
	if f := state.Findings[a.Key()]; len(state.Findings) != 1 || f.Ack == nil || f.Ack.Reason != "known" {
		t.Errorf("findings %+v", state.Findings)
	}
	entries, err := s.Entries(contosoID, "expect")
	if err != nil || len(entries) != 1 || entries[0].ID != "1" {
		t.Errorf("entries %+v, %v", entries, err)
	}
	events, _, err := s.Events(EventQuery{TenantID: contosoID})
	if err != nil || len(events) != 2 || events[0].Actor.Name != "alex@contoso.example" {
		t.Errorf("events %+v, %v", events, err)
	}
	if was, _, err := s.Object(contosoID, a.Key(), 1); err != nil || diff(policy("a", "on").Canonical, was.Canonical) != "" {
		t.Errorf("the policy at revision 1: %+v, %v", was, err)
	}
	parked, err := s.Parked()
	if err != nil || len(parked) != 1 || parked[0].Receiver != "oncall" || parked[0].Reason != "gone" {
		t.Errorf("parked %+v, %v", parked, err)
	}
	waiting, err := s.Pending("oncall", 0)
	if err != nil || len(waiting) != 2 || waiting[0].Event.ID != "contoso-000000000002" || waiting[1].Event.ID != "contoso-r-1" {
		t.Errorf("outbox %+v, %v", waiting, err)
	}
	if last, err := s.LastDelivered(); err != nil || last["siem"].IsZero() {
		t.Errorf("last delivered %v, %v", last, err)
	}
}
