package access_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/perennial-ml/perennial/internal/access"
)

func TestAnOrderIsForOneStep(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, g *gorm.DB, s, other *access.Store) {
		ctx := t.Context()
		order := access.Order{OpID: "op-1", WorkflowID: "rollout:iris", Action: "promote", Actor: "ann", CreatedAt: 1000}
		take := func(o access.Order, by string) string {
			actor, ok, err := other.TakeOrder(ctx, o, by)
			require.NoError(t, err)
			require.Equal(t, ok, actor != "")
			return actor
		}
		require.Empty(t, take(order, "step-1"), "nobody ordered it")
		require.NoError(t, s.SaveOrder(ctx, order))
		again := order
		again.Actor = "bob"
		require.NoError(t, s.SaveOrder(ctx, again))
		for name, change := range map[string]func(*access.Order){
			"another model": func(o *access.Order) { o.WorkflowID = "rollout:churn" }, "another change": func(o *access.Order) { o.Action = "abort" },
			"another order": func(o *access.Order) { o.OpID = "op-2" },
		} {
			wrong := order
			change(&wrong)
			require.Empty(t, take(wrong, "step-1"), name)
		}
		require.Equal(t, "ann", take(order, ""), "an offer is safe to repeat by itself")
		require.Equal(t, "ann", take(order, "step-1"))
		require.Equal(t, "ann", take(order, "step-1"), "the same step again")
		require.Empty(t, take(order, "step-2"), "another step")

		late := access.Order{OpID: "op-3", WorkflowID: "rollout:iris", Action: "abort", Actor: "ann", CreatedAt: 1000 + 31*24*3600*1000}
		require.NoError(t, s.SaveOrder(ctx, late))
		var n int64
		require.NoError(t, g.Table("orders").Count(&n).Error)
		require.EqualValues(t, 1, n, "old ones are forgotten")
	})
}
