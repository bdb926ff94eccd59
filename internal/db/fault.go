package db

import (
	"context"
	"errors"

	"gorm.io/gorm"

	"github.com/perennial-ml/perennial"
)

// Fault wraps an error of a query with the operation and the fitting code: a
// missing record is not_found, a broken unique constraint conflict, a missing
// parent row not_found, a context that ended deadline. An error that has a code
// already keeps it; any other is internal. Fault(op, nil) is nil.
//
// A component gives its own message where it knows the reason ("run X doesn't
// exist") and uses Fault for the rest.
func Fault(op string, err error) error {
	var known *perennial.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return perennial.Wrap(op, err)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return perennial.Errorf(perennial.CodeDeadline, op, "the database query was stopped before it ended").Because(err)
	case errors.Is(err, gorm.ErrRecordNotFound):
		return perennial.Errorf(perennial.CodeNotFound, op, "there is no such record").Because(err)
	case errors.Is(err, gorm.ErrForeignKeyViolated):
		return perennial.Errorf(perennial.CodeNotFound, op, "the record that this one belongs to doesn't exist").Because(err)
	case errors.Is(err, gorm.ErrDuplicatedKey):
		return perennial.Errorf(perennial.CodeConflict, op, "there is such a record already").Because(err)
	}
	return perennial.Wrap(op, err)
}

// Take reads the first row that a query finds; found is false where there is
// none, which is no error.
func Take[T any](q *gorm.DB) (row T, found bool, err error) {
	found, err = true, q.Take(&row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		found, err = false, nil
	}
	return row, found, err
}
