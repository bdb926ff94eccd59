package activities_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/activities"
	"github.com/perennial-ml/perennial/internal/access"
)

// orderBook knows one order, op-1.
type orderBook struct {
	steps []string
	audit []perennial.AuditEntry
}

func (b *orderBook) TakeOrder(_ context.Context, o access.Order, by string) (string, bool, error) {
	b.steps = append(b.steps, by)
	if o.OpID != "op-1" || o.Action != "promote" || o.WorkflowID == "" {
		return "", false, nil
	}
	return "ann", true, nil
}

func (b *orderBook) Append(_ context.Context, e perennial.AuditEntry) (perennial.AuditEntry, error) {
	b.audit = append(b.audit, e)
	return e, nil
}

func TestWhoAsksForAnUpdate(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		guarded bool
		in      activities.UpdateInput
		actor   string
		code    perennial.Code
		audited bool
	}{
		"an order":                           {guarded: true, in: activities.UpdateInput{OpID: "op-1", Once: true}, actor: "ann"},
		"an offer":                           {guarded: true, in: activities.UpdateInput{OpID: "op-1"}, actor: "ann"},
		"past Perennial, open":               {actor: "temporal", audited: true},
		"past Perennial, guarded":            {guarded: true, code: perennial.CodeForbidden, audited: true},
		"an order that nobody gave, open":    {in: activities.UpdateInput{OpID: "op-2", Once: true}, actor: "temporal", audited: true},
		"an order that nobody gave, guarded": {guarded: true, in: activities.UpdateInput{OpID: "op-2", Once: true}, code: perennial.CodeForbidden, audited: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			book := &orderBook{}
			a := &activities.Activities{
				Orders: book, Guarded: func(context.Context) (bool, error) { return c.guarded, nil }, Now: func() time.Time { return time.UnixMilli(1000) },
			}
			env := new(testsuite.WorkflowTestSuite).NewTestActivityEnvironment()
			env.RegisterActivity(a)
			c.in.Model, c.in.Name, c.in.Reason = "iris", "promote", "looks good"
			value, err := env.ExecuteActivity(a.AuthoriseUpdate, c.in)
			if c.code != "" {
				require.ErrorContains(t, err, "came past Perennial")
				require.Contains(t, string(book.audit[0].After), "forbidden")
			} else {
				var actor string
				require.NoError(t, err)
				require.NoError(t, value.Get(&actor))
				require.Equal(t, c.actor, actor)
			}
			if c.in.OpID != "" {
				require.Equal(t, c.in.Once, book.steps[0] != "", "one that is for one step names it")
			}
			require.Equal(t, c.audited, len(book.audit) == 1)
			if c.audited {
				require.Equal(t, "rollout.promote", book.audit[0].Action)
				require.Equal(t, "temporal", book.audit[0].Actor)
				require.Equal(t, "looks good", book.audit[0].Reason)
			}
		})
	}
}
