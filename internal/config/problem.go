package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Position is a place in the configuration file. Line and Column count from
// one, Column in characters; a zero Line means the file as a whole.
type Position struct {
	File         string
	Line, Column int
}

// String is "file:line:column", or the file alone.
func (p Position) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

func (p Position) compare(o Position) int {
	return cmp.Or(cmp.Compare(p.Line, o.Line), cmp.Compare(p.Column, o.Column))
}

// Problem is one thing that is wrong with the configuration.
type Problem struct {
	Position Position
	// Text says what is wrong, Hint what to do about it; Hint may be empty.
	Text string
	Hint string
	// Err is the cause, if there is one; Text already has its words.
	Err error
}

// Error is "file:line:column: what is wrong", and the hint on a second line.
func (p *Problem) Error() string {
	text := p.Position.String() + ": " + p.Text
	if p.Hint != "" {
		text += "\nhint: " + p.Hint
	}
	return text
}

// Unwrap is the cause.
func (p *Problem) Unwrap() error { return p.Err }

// maxProblems is the most problems that one error prints: a megabyte of some
// other file must not become a megabyte of complaints.
const maxProblems = 100

// Problems is everything that is wrong with one configuration file, in the
// order of the file.
type Problems struct{ list []*Problem }

// Error has every problem on a line of its own.
func (p *Problems) Error() string {
	var b strings.Builder
	for i, problem := range p.list {
		if i == maxProblems {
			fmt.Fprintf(&b, "\n… and %d more problems", len(p.list)-i)
			break
		}
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(problem.Error())
	}
	return b.String()
}

// Unwrap gives the single problems.
func (p *Problems) Unwrap() []error {
	errs := make([]error, len(p.list))
	for i, problem := range p.list {
		errs[i] = problem
	}
	return errs
}

// Join puts the problems among errs into the order of the file and gives them
// as one *[Problems]; an error that is no problem of the file keeps its text
// and comes first. Without errors it is nil.
func Join(errs ...error) error {
	var list []*Problem
	for _, err := range errs {
		list = appendProblems(list, err)
	}
	if len(list) == 0 {
		return nil
	}
	return &Problems{sorted(list)}
}

func appendProblems(list []*Problem, err error) []*Problem {
	if err == nil {
		return list
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, err := range many.Unwrap() {
			list = appendProblems(list, err)
		}
		return list
	}
	var one *Problem
	if errors.As(err, &one) {
		return append(list, one)
	}
	return append(list, &Problem{Text: err.Error(), Err: err})
}

func sorted(list []*Problem) []*Problem {
	slices.SortStableFunc(list, func(a, b *Problem) int {
		return cmp.Or(a.Position.compare(b.Position), cmp.Compare(a.Text, b.Text))
	})
	return slices.CompactFunc(list, func(a, b *Problem) bool {
		return a.Position == b.Position && a.Text == b.Text
	})
}
