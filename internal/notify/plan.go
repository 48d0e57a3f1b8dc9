package notify

import (
	"cmp"
	"iter"
	"math"
	"slices"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

const (
	// manyPasses is how many passes may be waiting before they are told
	// together: more than a minute of messages, which only an outage or a
	// storm leaves behind.
	manyPasses = 5
	// manyCritical is how many critical events of a backlog get a message of
	// their own: three minutes of messages. More share messages, unfolded.
	manyCritical = 15
	// passSpan is how far apart in time the events of one pass may be.
	passSpan = time.Second
)

// row is a delivery with what planning asks of it again and again.
type row struct {
	*drift.Delivery
	subject  string // events of one subject keep their order
	critical bool   // must be shown, never folded
}

// batch is one message to be, over rows of the outbox.
type batch struct {
	rows      []row // shown, in order
	folded    []row // counted only
	following int
	digest    bool

	// What pick compares, filled by weigh.
	attempts int // the most tries that any row has had
	critical bool
}

// all are the rows that the batch settles, shown and folded.
func (b *batch) all() iter.Seq[row] {
	return func(yield func(row) bool) {
		for _, part := range [][]row{b.rows, b.folded} {
			for _, r := range part {
				if !yield(r) {
					return
				}
			}
		}
	}
}

func (b *batch) ids() []string {
	var ids []string
	for r := range b.all() {
		ids = append(ids, r.Event.ID)
	}
	return ids
}

func (b *batch) weigh() {
	b.critical = slices.ContainsFunc(b.rows, func(r row) bool { return r.critical })
	for r := range b.all() {
		b.attempts = max(b.attempts, r.Attempts)
	}
}

func (b *batch) message() *Message {
	m := &Message{Following: b.following, Digest: b.digest}
	for _, r := range b.rows {
		m.Items = append(m.Items, Item{Event: &r.Event, Repeat: r.Attempts > 0, Dropped: r.Folded})
		m.Dropped.Join(r.Folded)
	}
	for _, r := range b.folded {
		m.Folded = append(m.Folded, &r.Event)
		m.Dropped.Join(r.Folded)
	}
	return m
}

// ready leaves out the rows whose next try lies ahead, and the later rows of
// their subjects, which must not overtake them. Next is the earliest moment at
// which a held row is due, zero when none is held.
func ready(deliveries []drift.Delivery, now time.Time) (out []row, next time.Time) {
	held := map[string]bool{}
	for i := range deliveries {
		d := &deliveries[i]
		r := row{d, d.Event.Subject(), d.Event.Critical()}
		// No wait is as long as this: the clock was set back since.
		if d.Next.After(now) && d.Next.Sub(now) <= max(lastBackoff, maxRetryAfter) && !held[r.subject] {
			held[r.subject] = true
			if next.IsZero() || d.Next.Before(next) {
				next = d.Next
			}
		}
		if !held[r.subject] {
			out = append(out, r)
		}
	}
	return out, next
}

// plan makes messages of the rows that are ready, in an order in which they
// may be sent.
//
//	sink       waiting            messages
//	webhook    any                one per event
//	chat       up to 5 passes     one per pass and tenant, spilling over for critical events only
//	chat       more               critical events singly, then one digest per tenant
func plan(rows []row, limits Limits) []batch {
	var out []batch
	if limits.grouped() {
		out = chat(rows, limits.Events)
	} else {
		for i := range rows {
			out = append(out, batch{rows: rows[i : i+1]})
		}
	}
	for i := range out {
		out[i].weigh()
	}
	return out
}

func chat(rows []row, limit int) []batch {
	passes := group(rows, passSpan)
	if len(passes) > manyPasses {
		return backlog(rows, limit)
	}
	var out []batch
	for _, pass := range passes {
		out = append(out, spill(pass, limit)...)
	}
	return out
}

// group puts rows of one tenant together that lie within span of the first. A
// row joins the newest group of its tenant or opens another, never an older
// one: so the groups keep the order of every subject, whatever the times say.
func group(rows []row, span time.Duration) [][]row {
	var groups [][]row
	newest := map[string]int{}
	for _, r := range rows {
		i, open := newest[r.Event.Tenant]
		if !open || r.Event.Time.Sub(groups[i][0].Event.Time).Abs() >= span {
			i = len(groups)
			newest[r.Event.Tenant] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], r)
	}
	return groups
}

// spill makes the messages of one pass: the first limit events, most severe
// first, and as many further messages as the critical ones need. What is left
// is folded into the last.
func spill(pass []row, limit int) []batch {
	loud, quiet := split(pass)
	loudRows := slices.Concat(loud...)
	var out []batch
	for chunk := range slices.Chunk(loudRows, limit) {
		out = append(out, batch{rows: chunk})
	}
	if len(out) == 0 {
		out = []batch{{}}
	}
	last := &out[len(out)-1]
	room := limit - len(last.rows)
	rest := slices.Concat(quiet...)
	shown := min(room, len(rest))
	last.rows = slices.Concat(last.rows, rest[:shown])
	last.folded = rest[shown:]
	follow(out)
	return out
}

// backlog makes the messages of a long queue: nothing critical is folded, and
// the rest of each tenant is one digest.
func backlog(rows []row, limit int) []batch {
	var out, digests []batch
	for _, tenant := range group(rows, math.MaxInt64) {
		loud, quiet := split(tenant)
		if len(loud) <= manyCritical {
			for _, thread := range loud {
				for chunk := range slices.Chunk(thread, limit) {
					out = append(out, batch{rows: chunk})
				}
			}
		} else {
			for chunk := range slices.Chunk(slices.Concat(loud...), limit) {
				out = append(out, batch{rows: chunk})
			}
		}
		if rest := slices.Concat(quiet...); len(rest) > 0 {
			n := min(limit, len(rest))
			digests = append(digests, batch{rows: rest[:n], folded: rest[n:], digest: len(rest) > 1})
		}
	}
	return append(out, digests...)
}

// split sorts rows by subject into those that must be shown and those that may
// be folded. Shown is every critical event and what came before it on the same
// subject, so that order per subject holds across messages. Subjects are
// sorted most severe first and keep their own order inside.
func split(rows []row) (loud, quiet [][]row) {
	index := map[string]int{}
	var threads [][]row
	for _, r := range rows {
		i, known := index[r.subject]
		if !known {
			i = len(threads)
			index[r.subject] = i
			threads = append(threads, nil)
		}
		threads[i] = append(threads[i], r)
	}
	for _, thread := range threads {
		n := len(thread)
		for n > 0 && !thread[n-1].critical {
			n--
		}
		if n > 0 {
			loud = append(loud, thread[:n])
		}
		if n < len(thread) {
			quiet = append(quiet, thread[n:])
		}
	}
	slices.SortStableFunc(loud, mostSevereFirst)
	slices.SortStableFunc(quiet, mostSevereFirst)
	return loud, quiet
}

func mostSevereFirst(a, b []row) int { return cmp.Compare(peak(b), peak(a)) }

// peak ranks a thread: a lockout risk before every severity.
func peak(thread []row) int {
	top := 0
	for _, r := range thread {
		top = max(top, loudness(&r.Event))
	}
	return top
}

// follow tells each message how many events of its pass come after it.
func follow(batches []batch) {
	n := 0
	for i := len(batches) - 1; i >= 0; i-- {
		batches[i].following = n
		n += len(batches[i].rows) + len(batches[i].folded)
	}
}

// pick chooses the message to send next: the least tried, so that one that
// keeps failing does not hold up the rest; then critical ones; then the
// oldest. A message waits for earlier ones about the same subject.
func pick(batches []batch) int {
	best := 0
	for i := 1; i < len(batches); i++ {
		if rank(&batches[i]) < rank(&batches[best]) && !blocked(batches, i) {
			best = i
		}
	}
	return best
}

// rank orders messages for pick, lowest first.
func rank(b *batch) int {
	r := 2 * b.attempts
	if !b.critical {
		r++
	}
	return r
}

// blocked tells whether an earlier message speaks of a subject of the i-th.
func blocked(batches []batch, i int) bool {
	mine := map[string]bool{}
	for r := range batches[i].all() {
		mine[r.subject] = true
	}
	for j := range i {
		for r := range batches[j].all() {
			if mine[r.subject] {
				return true
			}
		}
	}
	return false
}
