package mlflow

import "context"

type decidedKey struct{}

// Decided marks a call that carries out what Perennial has decided, such as a move
// of an alias after traffic: the embedded server doesn't ask about it again. The
// mark is in the context alone, so that nobody from outside can set it.
func Decided(ctx context.Context) context.Context {
	return context.WithValue(ctx, decidedKey{}, true)
}

// IsDecided reports whether a call has the mark.
func IsDecided(ctx context.Context) bool { return ctx.Value(decidedKey{}) != nil }
