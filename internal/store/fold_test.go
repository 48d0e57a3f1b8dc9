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
//	m with our own credential   - no actor   ~N carries a sum with N, which has no actor
func queueOf(words ...string) []*waiting {
	var rows []*waiting
	for i, word := range words {
		subject, marks, _ := strings.Cut(word, ":")
		w := &waiting{
			outboxRecord: outboxRecord{Event: fmt.Sprint(i + 1), Order: uint64(i + 1)},
			subject:      subject, typ: drift.DriftChanged, at: noon.Add(time.Duration(i) * time.Minute),
			critical: strings.Contains(marks, "!"), ends: strings.Contains(marks, "."),
			guard: strings.Contains(marks, "g"), held: strings.Contains(marks, "h"),
			misused: strings.Contains(marks, "m"), unnamed: strings.Contains(marks, "-"),
		}
		if _, folded, ok := strings.Cut(marks, "~"); ok {
			w.take(&waiting{outboxRecord: outboxRecord{Event: folded}, unnamed: true, typ: drift.DriftChanged, at: noon})
			w.carries = false
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
		{"own credential stays", "a a:m a a:m a a", "1 2 4(1) 6(1)"},
		{"own credential found late stays, its event goes", "a a a a:m@2 a", "1 4(2) 5"},
		{"attribution goes when its event was folded before", "a a:~88 a:@88 a", "1 4(3)"},
		{"sums are joined with the names of what they tell of", "a a:~88 a a:@88", "1 3(3)"},
		{"attribution of another event stays", "a a:~88 a:@89 a", "1 3(2) 4"},
		{"own credential stays when its event was folded before", "a a:~88 a:m@88 a", "1 3(2) 4"},
		{"attribution that nobody carries stays", "a:h~88 a:@88", "1(1) 2"},
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
			subject := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "subject")
			earlier, _, _ := strings.Cut(append(words, subject)[i/2], ":")
			word := rapid.SampledFrom([]string{
				subject + ":", subject + ":!", subject + ":.", subject + ":g", subject + ":m", subject + ":-",
				fmt.Sprintf("%s:@%d", earlier, 1+i/2), // an attribution has the subject of its event
				subject + ":~98" + subject, subject + ":@98" + subject, subject + ":m@98" + subject, subject + ":@99",
			}).Draw(t, "row")
			if i < held {
				word = strings.Replace(word, ":", ":h", 1)
			}
			words = append(words, word)
		}
		rows := queueOf(words...)
		sums := map[string]int{}
		kept := map[string][]*waiting{}
		folded := map[string]bool{} // before
		for _, w := range rows {
			sums[w.subject] -= w.Folded.Events()
			for id := range w.Unnamed {
				folded[id] = true
			}
		}
		fold(rows)
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
			if w.critical || w.guard || w.misused || w.held {
				t.Fatalf("%v: row %s is gone", words, w.Event)
			}
			about := byName[w.about]
			if w.typ == drift.EventAttributed && !folded[w.about] && (about == nil || !about.dropped) {
				t.Fatalf("%v: row %s is gone and says who did %s, which is not", words, w.Event, w.about)
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

// A sum remembers events without an actor for as long as one may be told.
func TestSumForgetsWhatStaysUnnamed(t *testing.T) {
	w := &waiting{at: noon}
	for id, age := range map[string]time.Duration{"young": attributedWithin, "old": attributedWithin + 1} {
		w.take(&waiting{outboxRecord: outboxRecord{Event: id}, typ: drift.DriftChanged, at: noon.Add(-age), unnamed: true})
		w.take(&waiting{outboxRecord: outboxRecord{Event: "named " + id}, typ: drift.DriftChanged, at: noon.Add(-age)})
	}
	if d := diff(map[string]time.Time{"young": noon.Add(-attributedWithin)}, w.Unnamed); d != "" || w.Folded.Events() != 4 {
		t.Errorf("of %d events (-want +got):\n%s", w.Folded.Events(), d)
	}
}
