package tracking_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"gorm.io/gorm"

	"github.com/perennial-ml/perennial/internal/db"
	"github.com/perennial-ml/perennial/internal/db/dbtest"
	"github.com/perennial-ml/perennial/internal/tracking"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1")) // one for the process, from its first answer on
}

// suite is one store on an empty database, and a second one that shares it, as
// another process would.
type suite struct {
	*tracking.Store
	other *tracking.Store
	db    *gorm.DB
}

// each runs a conformance test on every database.
func each(t *testing.T, f func(t *testing.T, s suite)) {
	t.Helper()
	dbtest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		a, b := open(), open()
		require.NoError(t, db.Migrate(t.Context(), a, tracking.Component, tracking.Migrations))
		f(t, suite{Store: tracking.NewStore(a), other: tracking.NewStore(b), db: a})
	})
}
