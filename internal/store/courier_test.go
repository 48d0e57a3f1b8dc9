package store

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cadrift/cadrift/internal/drift"
)

// courier drives a store with short queues, and counts what a receiver was
// told.
type courier struct {
	s      *Store
	path   string
	n      int
	routed int
	told   int // delivered, one by one or in a sum
	hand   []drift.Delivery
}

func (c *courier) Commit(t *rapid.T) {
	severity := rapid.SampledFrom([]drift.Severity{drift.Low, drift.Medium, drift.Medium, drift.Critical}).Draw(t, "severity")
	for range rapid.IntRange(1, 9).Draw(t, "events") {
		e := flapping(c.n, 3, severity)
		c.n++
		if _, err := c.s.Commit(drift.Commit{TenantID: contosoID, Time: e.Event.Time, Events: []drift.NewEvent{e}}); err != nil {
			t.Fatal(err)
		}
		c.routed++
	}
}

// Take is a worker that reads its outbox.
func (c *courier) Take(t *rapid.T) {
	c.hand = must(c.s.Pending("oncall", rapid.IntRange(1, 9).Draw(t, "limit")))
}

// Send is a worker that sends the first of what it read, some time ago.
func (c *courier) Send(t *rapid.T) {
	if len(c.hand) == 0 {
		return
	}
	d := c.hand[0]
	c.hand = c.hand[1:]
	ids := []string{d.Event.ID}
	before := c.s.Queues()["oncall"]
	switch rapid.IntRange(0, 4).Draw(t, "answer") {
	case 0:
		if err := c.s.Retry("oncall", ids, noon, "503"); err != nil {
			t.Fatal(err)
		}
		c.hand = nil // it stays the first
	case 1:
		if err := c.s.Park("oncall", ids, noon, "404"); err != nil {
			t.Fatal(err)
		}
	default:
		if err := c.s.Delivered("oncall", ids); err != nil {
			t.Fatal(err)
		}
		if after := c.s.Queues()["oncall"]; after.Queued != before.Queued-1 {
			t.Fatalf("delivered %s: %+v before, %+v after: a row in hand was gone", d.Event.ID, before, after)
		}
		c.told += 1 + d.Folded.Events()
	}
}

func (c *courier) Replay(t *rapid.T) {
	c.hand = nil // as the worker, which is woken
	if _, err := c.s.Replay("oncall"); err != nil {
		t.Fatal(err)
	}
}

func (c *courier) Restart(t *rapid.T) {
	if err := c.s.Close(); err != nil {
		t.Fatal(err)
	}
	c.hand = nil
	c.open(t)
}

func (c *courier) open(t *rapid.T) {
	s, err := Open(c.path, Options{Create: true, Queue: Bound{Events: 10}})
	if err != nil {
		t.Fatal(err)
	}
	s.db.NoSync = true
	c.s = s
}

// Check: every event was told, or is in a row, or in the sum of a row.
func (c *courier) Check(t *rapid.T) {
	q := c.s.Queues()["oncall"]
	if got := c.told + q.Queued + q.Parked + q.Folded; got != c.routed {
		t.Fatalf("%d told and %+v, want %d in all", c.told, q, c.routed)
	}
	for _, problem := range verifyProblems(c.s) {
		t.Fatalf("verify: %s", problem)
	}
}

// Whatever happens in which order: every event is told once, singly or in a
// sum, and what a worker holds is never folded away.
func TestFoldingLosesNothing(t *testing.T) {
	dir := t.TempDir()
	deadline := time.Now().Add(700 * time.Millisecond)
	folded := 0
	rapid.Check(t, func(t *rapid.T) {
		if os.Getenv("CADRIFT_LONG") == "" && time.Now().After(deadline) {
			return // everyday tests take what fits
		}
		sub, err := os.MkdirTemp(dir, "")
		if err != nil {
			t.Fatal(err)
		}
		c := &courier{path: filepath.Join(sub, "cadrift.db")}
		c.open(t)
		defer func() { c.s.Close(); os.RemoveAll(sub) }()
		if err := c.s.Bind("contoso", contosoID); err != nil {
			t.Fatal(err)
		}
		t.Repeat(map[string]func(*rapid.T){
			"commit": c.Commit, "commit again": c.Commit, "take": c.Take, "send": c.Send, "send again": c.Send,
			"replay": c.Replay, "restart": c.Restart, "": c.Check,
		})
		folded += c.s.Queues()["oncall"].Folded
	})
	if folded == 0 {
		t.Error("nothing was ever folded")
	}
}

// BenchmarkFold folds the queue of a receiver that was away for months.
func BenchmarkFold(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	for b.Loop() {
		b.StopTimer()
		s := openBound(b, filepath.Join(b.TempDir(), "cadrift.db"), Bound{})
		c := drift.Commit{TenantID: contosoID, Time: noon}
		for n := range boundEvents {
			e := flapping(n, 240, drift.Severities()[1+r.IntN(4)])
			e.Event.Summary = fmt.Sprint(r.Perm(300))
			c.Events = append(c.Events, e)
		}
		mustCommit(b, s, c)
		b.StartTimer()
		mustCommit(b, s, drift.Commit{TenantID: contosoID, Time: noon, Events: []drift.NewEvent{flapping(boundEvents, 240, drift.Medium)}})
		b.StopTimer()
		if s.Queues()["oncall"].Folded == 0 {
			b.Fatal("nothing was folded")
		}
		s.Close()
		b.StartTimer()
	}
}
