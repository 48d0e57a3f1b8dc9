package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/cadrift/cadrift/internal/drift"
)

// field is one key of the file: how it is read, how `config check` shows it,
// and what may stand below it.
type field struct {
	name string
	read func(l *loader, path string, n *yaml.Node)
	// show is the value as YAML has it; nil leaves the key out.
	show func() any
	// keys are the keys of the object, or of each object of the list.
	keys []field
	// words are the only values that the key takes.
	words []string
}

// text is free text. The text of the node counts, not what YAML takes it for:
// an id of digits keeps its leading zero, and off stays off.
func text(name string, dst *string) field {
	return field{name: name, show: shown(dst), read: func(l *loader, path string, n *yaml.Node) {
		if value, ok := l.scalar(path, n, "text"); ok {
			*dst = value
		}
	}}
}

// shown leaves an empty text out.
func shown(s *string) func() any {
	return func() any {
		if *s == "" {
			return nil
		}
		return *s
	}
}

// file is the name of a file or directory; a relative one is relative to the
// directory of the configuration file.
func file(name string, dst *string) field {
	return field{name: name, show: shown(dst), read: func(l *loader, path string, n *yaml.Node) {
		value, ok := l.scalar(path, n, "the name of a file")
		if !ok {
			return
		}
		if problem := notAFileName(name, value); problem != nil {
			l.problemHint(path, problem.Hint, "%s", problem.Text)
			return
		}
		*dst = l.resolve(value)
	}}
}

// secret is text that no message and no output shows.
func secret(name string, dst *drift.Secret) field {
	show := func() any {
		if dst.IsZero() {
			return nil
		}
		return dst.String()
	}
	return field{name: name, show: show, read: func(l *loader, path string, n *yaml.Node) {
		if value, ok := l.scalar(path, n, "text"); ok && value != "" {
			*dst = drift.NewSecret(value)
		}
	}}
}

// guid is an id as Entra writes it, kept in lower case. A wrong one is not
// repeated: the neighbour of a client id is often its secret.
func guid(name string, dst *string) field {
	return field{name: name, show: shown(dst), read: func(l *loader, path string, n *yaml.Node) {
		if value, ok := l.scalar(path, n, "a GUID"); ok && value != "" {
			if id, ok := l.guid(path, name, value); ok {
				*dst = id
			}
		}
	}}
}

func guids(name string, dst *[]string) field {
	show := func() any { return append([]string{}, *dst...) }
	return field{name: name, show: show, read: func(l *loader, path string, n *yaml.Node) {
		items, _ := l.items(path, n)
		for i, item := range items {
			// A value that was refused keeps its place, so that positions of
			// the later ones stay right.
			at, id := element(path, i), ""
			if value, ok := l.scalar(at, item, "a GUID"); ok {
				id, _ = l.guid(at, "an id in "+name, value)
			}
			*dst = append(*dst, id)
		}
	}}
}

// texts is a list of names.
func texts(name string, dst *[]string) field {
	show := func() any {
		if len(*dst) == 0 {
			return nil
		}
		return *dst
	}
	return field{name: name, show: show, read: func(l *loader, path string, n *yaml.Node) {
		items, ok := l.items(path, n)
		if !ok {
			return
		}
		if len(items) == 0 {
			l.emptyList(path, name)
		}
		var list []string
		for i, item := range items {
			value, _ := l.scalar(element(path, i), item, "a name")
			list = append(list, value)
		}
		*dst = list
	}}
}

// choice is one word of a closed list and what it stands for.
type choice[T comparable] struct {
	word  string
	value T
}

// strs makes choices of words that stand for themselves.
func strs[T ~string](words ...T) []choice[T] {
	list := make([]choice[T], len(words))
	for i, word := range words {
		list[i] = choice[T]{string(word), word}
	}
	return list
}

func wordsOf[T comparable](choices []choice[T]) []string {
	words := make([]string, len(choices))
	for i, c := range choices {
		words[i] = c.word
	}
	return words
}

func wordFor[T comparable](choices []choice[T], value T) any {
	for _, c := range choices {
		if c.value == value {
			return c.word
		}
	}
	return nil
}

// pick is one word of a closed list.
func pick[T comparable](name string, dst *T, choices []choice[T]) field {
	show := func() any { return wordFor(choices, *dst) }
	return field{name: name, show: show, words: wordsOf(choices), read: func(l *loader, path string, n *yaml.Node) {
		if value, ok := l.scalar(path, n, "one of "+strings.Join(wordsOf(choices), ", ")); ok {
			choose(l, path, value, choices, func(v T) { *dst = v })
		}
	}}
}

// pickList is a list of different words of a closed list, never empty.
func pickList[T comparable](name string, dst *[]T, choices []choice[T]) field {
	show := func() any {
		if len(*dst) == 0 {
			return nil
		}
		list := []any{}
		for _, value := range *dst {
			list = append(list, wordFor(choices, value))
		}
		return list
	}
	return field{name: name, show: show, words: wordsOf(choices), read: func(l *loader, path string, n *yaml.Node) {
		items, ok := l.items(path, n)
		if !ok {
			return
		}
		if len(items) == 0 {
			l.emptyList(path, name)
			return
		}
		var list []T
		for i, item := range items {
			at := element(path, i)
			if value, ok := l.scalar(at, item, "one of "+strings.Join(wordsOf(choices), ", ")); ok {
				l.once(at, path, name, value)
				choose(l, at, value, choices, func(v T) { list = append(list, v) })
			}
		}
		*dst = list
	}}
}

func choose[T comparable](l *loader, path, word string, choices []choice[T], set func(T)) {
	for _, c := range choices {
		if c.word == word {
			set(c.value)
			return
		}
	}
	words := wordsOf(choices)
	hint := "one of " + strings.Join(words, ", ")
	if near := nearest(word, words); near != "" {
		hint = fmt.Sprintf("did you mean %s? (%s)", near, hint)
	}
	l.problemHint(path, hint, "%s cannot be %s", lastKey(path), quote(word))
}

// yesNo is true or false. YAML 1.1's yes and on are text to everything else
// that reads this file, so they are refused.
func yesNo(name string, dst *bool) field {
	return field{name: name, show: func() any { return *dst }, read: func(l *loader, path string, n *yaml.Node) {
		value, ok := l.scalar(path, n, "true or false")
		switch {
		case !ok:
		case n.Style == 0 && value == "true":
			*dst = true
		case n.Style == 0 && value == "false":
			*dst = false
		default:
			l.problemHint(path, unquoteHint(n), "%s takes true or false, not %s", name, quote(value))
		}
	}}
}

// unquoteHint is for what would be right without its quotes.
func unquoteHint(n *yaml.Node) string {
	if n.Style == 0 {
		return ""
	}
	return "write it without quotes"
}

// count is a whole number from one up.
func count(name string, dst *int) field {
	return field{name: name, show: func() any { return *dst }, read: func(l *loader, path string, n *yaml.Node) {
		value, ok := l.scalar(path, n, "a whole number")
		if !ok {
			return
		}
		i, err := strconv.Atoi(value)
		if err != nil || n.Style != 0 || i < 1 || i > math.MaxInt32 {
			l.problemHint(path, unquoteHint(n), "%s takes a whole number from 1 up, not %s", name, quote(value))
			return
		}
		*dst = i
	}}
}

// rate is a number above zero.
func rate(name string, dst *float64) field {
	return field{name: name, show: func() any { return *dst }, read: func(l *loader, path string, n *yaml.Node) {
		value, ok := l.scalar(path, n, "a number")
		if !ok {
			return
		}
		f, err := strconv.ParseFloat(value, 64)
		if err != nil || n.Style != 0 || !(f > 0) || math.IsInf(f, 0) {
			l.problemHint(path, unquoteHint(n), "%s takes a number above 0, not %s", name, quote(value))
			return
		}
		*dst = f
	}}
}

// span is a duration of at least least.
func span(name string, dst *time.Duration, least time.Duration) field {
	show := func() any { return FormatDuration(*dst) }
	return field{name: name, show: show, read: func(l *loader, path string, n *yaml.Node) {
		value, ok := l.scalar(path, n, "a duration")
		if !ok {
			return
		}
		d, err := ParseDuration(value)
		switch {
		case err != nil:
			l.problemHint(path, "durations are whole numbers with y, w, d, h, m, s or ms, largest first: 90d, 24h, 1h30m, 30s",
				"%s is not a duration: %s", name, quote(value))
		case d < least:
			l.problem(path, "%s must be at least %s, not %s", name, FormatDuration(least), quote(value))
		default:
			*dst = d
		}
	}}
}

// object is a block of keys.
func object(name string, keys ...field) field {
	return field{name: name, keys: keys, show: func() any { return render(keys) }, read: func(l *loader, path string, n *yaml.Node) {
		l.object(path, n, keys)
	}}
}

// optional is a block whose presence means something.
func optional[T any](name string, dst **T, fresh func() T, keys func(*T) []field) field {
	show := func() any {
		if *dst == nil {
			return nil
		}
		return render(keys(*dst))
	}
	return field{name: name, keys: keys(new(T)), show: show, read: func(l *loader, path string, n *yaml.Node) {
		value := fresh()
		l.object(path, n, keys(&value))
		*dst = &value
	}}
}

// objects is a list of blocks.
func objects[T any](name string, dst *[]T, fresh func() T, keys func(*T) []field) field {
	show := func() any {
		list := []any{}
		for i := range *dst {
			list = append(list, render(keys(&(*dst)[i])))
		}
		return list
	}
	return field{name: name, keys: keys(new(T)), show: show, read: func(l *loader, path string, n *yaml.Node) {
		items, _ := l.items(path, n)
		list := make([]T, len(items))
		for i, item := range items {
			list[i] = fresh()
			l.object(element(path, i), item, keys(&list[i]))
		}
		*dst = list
	}}
}
