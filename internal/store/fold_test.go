package store

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cadrift/cadrift/internal/drift"
)

// queueOf makes a queue of words, one a row: a subject, a colon, and marks.
//
//	! critical   . ends   @N attribution of row N   g guard   h held by a worker
func queueOf(words ...string) []*waiting {
	var rows []*waiting
	for i, word := range words {
		subject, marks, _ := strings.Cut(word, ":")
		w := &waiting{
			outboxRecord: outboxRecord{Event: fmt.Sprint(i + 1), Order: uint64(i + 1)},
			subject:      subject, typ: drift.DriftChanged, at: noon.Add(time.Duration(i) * time.Minute),
			critical: strings.Contains(marks, "!"), ends: strings.Contains(marks, "."),
			guard: strings.Contains(marks, "g"), held: strings.Contains(marks, "h"),
		}
		if _, about, ok := strings.Cut(marks, "@"); ok {
			w.typ, w.about = drift.EventAttributed, about
		}
		rows = append(rows, w)
	}
	return rows
}

// left writes what stays as the numbers of the rows, with the sum in brackets.
func left(rows []*waiting) string {
	var out []string
	for _, w := range rows {
		if w.dropped {
			continue
		}
		text := w.Event
		if n := w.Folded.Events(); n > 0 {
			text += fmt.Sprintf("(%d)", n)
		}
		out = append(out, text)
	}
	return strings.Join(out, " ")
}

func TestFold(t *testing.T) {
	for _, c := range []struct{ name, queue, want string }{
		{"nothing between first and last", "a a b", "1 2 3"},
		{"the middle goes", "a a a a", "1 4(2)"},
		{"subjects are apart", "a b a b a b", "1 2 5(1) 6(1)"},
		{"critical stays and carries", "a a a:! a a a", "1 3(1)! 6(2)"},
		{"end of something critical stays", "a a:! a a:. a a", "1 2 4(1) 6(1)"},
		{"end of something folded goes", "a a:. a a:. a a:. a", "1 2 7(4)"},
		{"first end stays: it may be of something told before", "a:. a a:. a", "1 4(2)"},
		{"guard stays", "t/guard:g t/guard:g t/guard:g", "1 2 3"},
		{"attribution goes with its event", "a a a:@2 a", "1 4(2)"},
		{"attribution stays with its event", "a a:! a:@2 a a", "1 2 3 5(1)"},
		{"attribution of something delivered before stays", "a:@99 a a a", "1 2 4(1)"},
		{"an attribution is not how things stand", "a a a a:@2", "1 3(2)"},
		{"what a worker holds stays and carries nothing", "a:h a:h a:h a a", "1 2 3 5(1)"},
		{"nothing is dropped that nobody carries", "a b:h a:@1 a:h", "1 2 3 4"},
	} {
		rows := queueOf(strings.Fields(c.queue)...)
		fold(rows)
		if got := left(rows); got != strings.ReplaceAll(c.want, "!", "") {
			t.Errorf("%s: %s: left %s, want %s", c.name, c.queue, got, c.want)
		}
	}
}

// Whatever waits: nothing vanishes uncounted, nothing goes that must stay, and
// folding what was folded changes nothing.
func TestFoldKeepsItsPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var words []string
		held := rapid.IntRange(0, 5).Draw(t, "held")
		for i := range rapid.IntRange(0, 40).Draw(t, "rows") {
			word := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "subject") + ":"
			if i < held {
				word += "h"
			}
			word += rapid.SampledFrom([]string{"", "", "", "", "!", ".", ".", "g", fmt.Sprintf("@%d", 1+i/2), "@99"}).Draw(t, "marks")
			words = append(words, word)
		}
		rows := queueOf(words...)
		fold(rows)
		sums := map[string]int{}
		kept := map[string][]*waiting{}
		for _, w := range rows {
			if !w.dropped {
				sums[w.subject] += w.Folded.Events()
				kept[w.subject] = append(kept[w.subject], w)
			}
		}
		byName := map[string]*waiting{}
		for _, w := range rows {
			byName[w.Event] = w
			if !w.dropped {
				continue
			}
			sums[w.subject]--
			if w.critical || w.guard || w.held {
				t.Fatalf("%v: row %s is gone", words, w.Event)
			}
			about := byName[w.about]
			if w.typ == drift.EventAttributed && (about == nil || !about.dropped) {
				t.Fatalf("%v: row %s says who did %s, which stays", words, w.Event, w.about)
			}
			covered := false
			for _, k := range kept[w.subject] {
				covered = covered || k.Folded.Events() > 0 && !k.held && !w.at.Before(k.Folded.From) && !w.at.After(k.Folded.To)
			}
			if !covered {
				t.Fatalf("%v: no sum covers row %s", words, w.Event)
			}
		}
		for subject, n := range sums {
			if n != 0 {
				t.Fatalf("%v: the sums of %s are off by %d", words, subject, n)
			}
		}
		again := make([]*waiting, 0, len(rows))
		for _, w := range rows {
			if !w.dropped {
				w.carries = false
				again = append(again, w)
			}
		}
		fold(again)
		for _, w := range again {
			if w.dropped || w.carries {
				t.Fatalf("%v: folded again, row %s changed", words, w.Event)
			}
		}
	})
}
