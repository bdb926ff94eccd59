// Package infer reads a stranger's CSV file once and drafts the pipeline and the
// schema that train a model on it, each choice with its reason as a comment.
//
// It reads the whole file as a stream, so a type is proven and not guessed from
// a sample, and keeps counts only. It writes no file, and a draft that it gives
// has been read back by package pipeline without a fault. What it can't read as
// it is ends in an error that says which line, and how to mend it.
//
// Start reading at Infer; dialect.go finds encoding and delimiter, column.go
// counts what a column holds, form.go decides how numbers and nulls are written,
// features.go what each column is for, target.go the task, and yaml.go writes.
package infer
