package stage

import (
	"context"
	"log/slog"
)

// Scope is the stage that a function works for, as the function sees it. A [Runtime] is one.
type Scope interface {
	Logger() *slog.Logger
	Count(name string, n int64)
}

type scopeKey struct{}

// WithScope gives the context for the functions of a stage. It is for engines and test kits.
func WithScope(ctx context.Context, s Scope) context.Context {
	return context.WithValue(ctx, scopeKey{}, s)
}

// Count adds to a counter of the stage that ctx was given by to one of its functions: what
// [Runtime.Count] is to an operator. Snapshot shows it under the name. With any other context it does
// nothing.
func Count(ctx context.Context, name string, n int64) {
	if s, ok := ctx.Value(scopeKey{}).(Scope); ok {
		s.Count(name, n)
	}
}

// Logger logs with the name of the stage that ctx was given by to one of its functions. With any other
// context it logs nothing.
func Logger(ctx context.Context) *slog.Logger {
	if s, ok := ctx.Value(scopeKey{}).(Scope); ok {
		return s.Logger()
	}
	return slog.New(slog.DiscardHandler)
}
