package perennial

import (
	"errors"
	"fmt"
	"strings"
)

// Code is a stable, append-only name for a kind of failure. Every code maps to
// one HTTP status (package api) and to one retry rule (package activities).
type Code string

// The codes of CONTRACTS §2.
const (
	CodeMalformed        Code = "malformed"         // the bytes can't be read as what they claim to be
	CodeUnauthorized     Code = "unauthorized"      // no or a wrong token
	CodeForbidden        Code = "forbidden"         // a good token without the role
	CodeNotFound         Code = "not_found"         // no such thing
	CodeNotYet           Code = "not_yet"           // it will exist soon: try again
	CodeConflict         Code = "conflict"          // it contradicts what is there
	CodePrecondition     Code = "precondition"      // the state moved on, or a rule forbids it now
	CodeTooLarge         Code = "too_large"         // over a limit
	CodeUnsupportedMedia Code = "unsupported_media" // wrong content type or encoding
	CodeInvalid          Code = "invalid"           // readable, but a value is wrong
	CodeRateLimited      Code = "rate_limited"      // too many requests
	CodeInternal         Code = "internal"          // our fault
	CodeUnavailable      Code = "unavailable"       // a dependency or a model isn't there now
	CodeDeadline         Code = "deadline"          // it took too long
)

// Codes lists every code, in the order of their HTTP status.
func Codes() []Code {
	return []Code{
		CodeMalformed, CodeUnauthorized, CodeForbidden, CodeNotFound, CodeNotYet, CodeConflict, CodePrecondition,
		CodeTooLarge, CodeUnsupportedMedia, CodeInvalid, CodeRateLimited, CodeInternal, CodeUnavailable, CodeDeadline,
	}
}

// Error is the one error type that crosses package borders.
//
// Message is written for the person who must mend it and may be shown to
// anyone; Err is the cause, for logs only, and never reaches a response.
type Error struct {
	Code    Code
	Op      string       // what was being done, as "dataset.Load"; for logs
	Message string       // what is wrong, where
	Hint    string       // how to mend it; may be empty
	Fields  []FieldError // the single faults of a request or file, all at once
	Err     error        // cause
}

// FieldError is one fault of one value. Path is a JSON pointer into the request
// or the file ("/features/plan"), Rule the rule it broke ("category"), Came the
// offending value and Allowed what would be accepted, where that can be listed.
type FieldError struct {
	Path    string   `json:"path"`
	Rule    string   `json:"rule"`
	Came    any      `json:"came,omitempty"`
	Allowed []string `json:"allowed,omitempty"`
	Message string   `json:"message"`
	File    string   `json:"file,omitempty"`
	Line    int      `json:"line,omitempty"` // 1-based; 0 where there is no file
}

// Error gives operation, message and cause in one line.
func (e *Error) Error() string {
	parts := make([]string, 0, 3)
	for _, p := range []string{e.Op, e.Message} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	if e.Err != nil {
		parts = append(parts, e.Err.Error())
	}
	if len(parts) == 0 {
		return string(e.Code)
	}
	return strings.Join(parts, ": ")
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error with a message for people. The cause, if any, is added
// with Because.
func Errorf(code Code, op, format string, args ...any) *Error {
	return &Error{Code: code, Op: op, Message: fmt.Sprintf(format, args...)}
}

// WithHint adds advice and returns the same error.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// Because sets the cause and returns the same error.
func (e *Error) Because(err error) *Error {
	e.Err = err
	return e
}

// Wrap adds an operation to an error and keeps its code; an error of another
// type becomes CodeInternal. Wrap(op, nil) is nil.
func Wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Code: CodeOf(err), Op: op, Err: err}
}

// CodeOf gives the code of the outermost Error in the chain, CodeInternal for
// any other error and "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return CodeInternal
}

// Explain gives what may be shown to anyone: the outermost message, hint and
// faults in the chain. An error without a message is our fault, and its text
// stays in the log.
func Explain(err error) (message, hint string, fields []FieldError) {
	for e := (*Error)(nil); errors.As(err, &e); err = e.Err {
		if message == "" {
			message = e.Message
		}
		if hint == "" {
			hint = e.Hint
		}
		if fields == nil {
			fields = e.Fields
		}
	}
	if message == "" {
		message = "Something went wrong on our side; the log has the details."
	}
	return message, hint, fields
}

// Failure is an Error in the form in which it is shown and stored.
type Failure struct {
	Code    Code         `json:"code"`
	Message string       `json:"message"`
	Hint    string       `json:"hint,omitempty"`
	Errors  []FieldError `json:"errors,omitempty"`
}

// FailureOf gives what may be shown of an error; nil for nil.
func FailureOf(err error) *Failure {
	if err == nil {
		return nil
	}
	message, hint, fields := Explain(err)
	return &Failure{Code: CodeOf(err), Message: message, Hint: hint, Errors: fields}
}
