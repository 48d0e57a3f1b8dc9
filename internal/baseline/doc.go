// Package baseline compares objects with the approved state: what differs, and
// what became of a difference that was there before. It reads baselines that
// are kept in files, too.
//
// It never decides what a difference means, which is package judge's, nor who
// is told of it. Apart from the files it takes values and returns values.
package baseline
