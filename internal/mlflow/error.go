package mlflow

import (
	"fmt"
	"net/http"
)

// MLflow's error codes, as far as they are answered or understood here.
const (
	CodeInvalid       = "INVALID_PARAMETER_VALUE"
	CodeNotFound      = "RESOURCE_DOES_NOT_EXIST"
	CodeExists        = "RESOURCE_ALREADY_EXISTS"
	CodeNoEndpoint    = "ENDPOINT_NOT_FOUND"
	CodeNotLoggedIn   = "UNAUTHENTICATED"
	CodeDenied        = "PERMISSION_DENIED"
	CodeNotBuilt      = "NOT_IMPLEMENTED"
	CodeInvalidState  = "INVALID_STATE"
	CodeInternal      = "INTERNAL_ERROR"
	CodeUnavailable   = "TEMPORARILY_UNAVAILABLE"
	CodeLimitExceeded = "REQUEST_LIMIT_EXCEEDED"
)

// statuses gives MLflow's HTTP status of each code; any other code is 500.
var statuses = map[string]int{
	CodeInvalid:       http.StatusBadRequest,
	CodeExists:        http.StatusBadRequest,
	CodeNotFound:      http.StatusNotFound,
	CodeNoEndpoint:    http.StatusNotFound,
	CodeNotLoggedIn:   http.StatusUnauthorized,
	CodeDenied:        http.StatusForbidden,
	CodeNotBuilt:      http.StatusNotImplemented,
	CodeInvalidState:  http.StatusInternalServerError,
	CodeInternal:      http.StatusInternalServerError,
	CodeUnavailable:   http.StatusServiceUnavailable,
	CodeLimitExceeded: http.StatusTooManyRequests,
}

// Error is MLflow's error document. MLflow's client repeats a request for minutes
// when the status is 429, 408 or 5xx, so that no fault of a caller may have one of
// those.
type Error struct {
	Code    string `json:"error_code"`
	Message string `json:"message"`
}

// Error gives code and message.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Status gives MLflow's HTTP status of the code.
func (e *Error) Status() int {
	if status, ok := statuses[e.Code]; ok {
		return status
	}
	return http.StatusInternalServerError
}

// Errorf makes an error of a code.
func Errorf(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Invalid makes an error of code INVALID_PARAMETER_VALUE.
func Invalid(format string, args ...any) *Error { return Errorf(CodeInvalid, format, args...) }

// Missing makes an error of code RESOURCE_DOES_NOT_EXIST.
func Missing(format string, args ...any) *Error { return Errorf(CodeNotFound, format, args...) }
