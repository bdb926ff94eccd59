package predlog_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"gorm.io/gorm"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/db"
	"github.com/perennial-ml/perennial/internal/db/dbtest"
	"github.com/perennial-ml/perennial/internal/predlog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// setup gives a log on an empty database that writes only when told to.
func setup(t *testing.T, open func() *gorm.DB, o predlog.Options) (*predlog.Log, *gorm.DB) {
	t.Helper()
	g := open()
	require.NoError(t, db.Migrate(t.Context(), g, predlog.Component, predlog.Migrations))
	return predlog.New(g, o), g
}

// row is the nth prediction of a day long past.
func row(n, attempt int) perennial.Prediction {
	return perennial.Prediction{ID: fmt.Sprintf("018bcfe5-%04x-7000-8000-%012x", n>>16, n), Replica: "a", At: 1700000000000000 + int64(n), Model: "iris", Version: "1",
		Variant: perennial.VariantChampion, Kind: perennial.KindLive, Attempt: attempt, Status: "ok", Value: 1, Features: json.RawMessage(`{}`)}
}

func ids(rows []perennial.Prediction) []string {
	var out []string
	for _, r := range rows {
		out = append(out, r.ID)
	}
	return out
}

func count(t *testing.T, g *gorm.DB) int {
	t.Helper()
	var n int
	require.NoError(t, g.WithContext(t.Context()).Raw("SELECT COUNT(*) FROM predictions").Scan(&n).Error)
	return n
}

func TestLog(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(t *testing.T, open func() *gorm.DB){
		"every field comes back":                      testFields,
		"text that a database refuses is mended":      testOddText,
		"many rows, in order and once":                testMany,
		"the last attempt is the prediction":          testAttempts,
		"pages, newest first":                         testPages,
		"a failing database keeps rows to the bound":  testOutage,
		"stop writes what is buffered":                testStop,
		"stop says what is lost":                      testStopWithoutDatabase,
		"an unknown id is not_found or not_yet":       testUnknown,
		"a page token must be one that a page gave":   testBadCursor,
		"appending, flushing and reading at one time": testConcurrent,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dbtest.Each(t, test)
		})
	}
}

func testFields(t *testing.T, open func() *gorm.DB) {
	l, g := setup(t, open, predlog.Options{})
	class := perennial.Prediction{ID: "018bcfe5-0000-7000-8000-000000000001", Replica: "host-1", At: 1700000000123456, Model: "churn", Version: "6",
		Variant: perennial.VariantChallenger, Epoch: 19, Bucket: 1234, UnitID: "user-17", Key: "order-8812", Kind: perennial.KindShadow, Attempt: 1, Status: "error",
		LatencyNS: 12345, Features: json.RawMessage(`{"plan": "b\u0000sic", "x":1}`), Redacted: []string{"email"}, Answer: "yes",
		Value: math.NaN(), Probabilities: map[string]float64{"no": 0.31, "yes": 0.69}, DecisionID: "d1"}
	number := row(2, 0)
	number.Value, number.Bucket, number.Features = 4.526000000000001, -1, nil
	for _, want := range []perennial.Prediction{class, number} {
		require.True(t, l.Append(want))
		unflushed, err := l.Get(t.Context(), want.ID)
		require.NoError(t, err)
		requireSame(t, want, unflushed)
	}
	require.Zero(t, count(t, g))
	require.NoError(t, l.Flush(t.Context()))
	require.Equal(t, 2, count(t, g))
	for _, want := range []perennial.Prediction{class, number} {
		got, err := l.Get(t.Context(), want.ID)
		require.NoError(t, err)
		requireSame(t, want, got)
	}
}

func requireSame(t *testing.T, want, got perennial.Prediction) {
	t.Helper()
	require.Equal(t, math.Float64bits(want.Value), math.Float64bits(got.Value))
	want.Value, got.Value = 0, 0
	require.Equal(t, want, got)
}

func testOddText(t *testing.T, open func() *gorm.DB) {
	l, _ := setup(t, open, predlog.Options{})
	p := row(1, 0)
	p.UnitID, p.Key = "a\x00b", "a\xffb"
	l.Append(p)
	require.NoError(t, l.Flush(t.Context()))
	got, err := l.Get(t.Context(), p.ID)
	require.NoError(t, err)
	require.Equal(t, "a\uFFFDb", got.UnitID)
	require.Equal(t, "a\uFFFDb", got.Key)
}

func testMany(t *testing.T, open func() *gorm.DB) {
	l, g := setup(t, open, predlog.Options{})
	const n = 4567 // two full transactions, full statements and a rest
	for i := range n {
		require.True(t, l.Append(row(i, 0)))
	}
	require.True(t, l.Append(row(0, 0)), "a row that comes twice")
	require.NoError(t, l.Flush(t.Context()))
	require.Equal(t, n, count(t, g))
	var inversions int
	require.NoError(t, g.WithContext(t.Context()).Raw("SELECT COUNT(*) FROM predictions a JOIN predictions b ON b.seq = a.seq + 1 WHERE a.at >= b.at").Scan(&inversions).Error)
	require.Zero(t, inversions)
	require.NoError(t, l.Flush(t.Context()), "an empty buffer")
}

func testAttempts(t *testing.T, open func() *gorm.DB) {
	l, _ := setup(t, open, predlog.Options{})
	failed, answered := row(1, 0), row(1, 1)
	failed.Status, failed.Version = "error", "2"
	for _, flushed := range []bool{false, true} {
		l.Append(failed)
		l.Append(answered)
		if flushed {
			require.NoError(t, l.Flush(t.Context()))
		}
		got, err := l.Get(t.Context(), failed.ID)
		require.NoError(t, err)
		require.Equal(t, 1, got.Attempt)
	}
	page, err := l.List(t.Context(), predlog.Query{Model: "iris"})
	require.NoError(t, err)
	require.Len(t, page.Items, 1)
	require.Equal(t, "1", page.Items[0].Version)
}

func testPages(t *testing.T, open func() *gorm.DB) {
	l, _ := setup(t, open, predlog.Options{})
	want := map[string][]string{}
	for i := range 25 {
		p := row(i, 0)
		p.At = row(i-i%3, 0).At // several at one time
		if i%5 == 0 {
			p.Model = "house"
		}
		l.Append(p)
		want[p.Model] = append([]string{p.ID}, want[p.Model]...)
		want[""] = append([]string{p.ID}, want[""]...)
	}
	require.NoError(t, l.Flush(t.Context()))
	for model, all := range want {
		var got []string
		q := predlog.Query{Model: model, Limit: 4}
		for {
			page, err := l.List(t.Context(), q)
			require.NoError(t, err)
			require.LessOrEqual(t, len(page.Items), 4)
			got = append(got, ids(page.Items)...)
			if q.Before = page.Next; q.Before == "" {
				break
			}
		}
		require.Equal(t, all, got, "model %q", model)
	}
	page, err := l.List(t.Context(), predlog.Query{Model: "iris", Limit: len(want["iris"])})
	require.NoError(t, err)
	require.Empty(t, page.Next, "a page that is just full is the last")
	page, err = l.List(t.Context(), predlog.Query{Model: "nope"})
	require.NoError(t, err)
	require.Empty(t, page.Items)
}

// outage takes the table away and gives a function that brings it back.
func outage(t *testing.T, g *gorm.DB) (over func()) {
	t.Helper()
	rename := func(from, to string) {
		require.NoError(t, g.WithContext(t.Context()).Exec("ALTER TABLE "+from+" RENAME TO "+to).Error)
	}
	rename("predictions", "gone")
	return func() { rename("gone", "predictions") }
}

func testOutage(t *testing.T, open func() *gorm.DB) {
	registry := prometheus.NewRegistry()
	l, g := setup(t, open, predlog.Options{BufferBytes: 10_000, Registerer: registry})
	over := outage(t, g)
	kept, dropped := 0, 0
	for i := range 100 {
		if l.Append(row(i, 0)) {
			kept++
		} else {
			dropped++
		}
		if i%10 == 0 {
			require.Error(t, l.Flush(t.Context()))
		}
	}
	require.Positive(t, kept)
	require.Positive(t, dropped)
	require.InDelta(t, 10_000, metric(t, registry, "perennial_predlog_buffer_bytes"), 600)
	_, err := l.Get(t.Context(), row(kept-1, 0).ID)
	require.NoError(t, err, "what is kept can be read")
	over()
	require.NoError(t, l.Flush(t.Context()))
	require.Equal(t, kept, count(t, g))
	require.True(t, l.Append(row(200, 0)), "there is room again")
	require.InDelta(t, dropped, metric(t, registry, "perennial_predlog_rows_dropped_total"), 0)
	require.InDelta(t, kept, metric(t, registry, "perennial_predlog_rows_written_total"), 0)
	require.Positive(t, metric(t, registry, "perennial_predlog_flush_duration_seconds"))
}

// metric gives the value of a metric, of a histogram the number of observations.
func metric(t *testing.T, registry *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := registry.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() == name {
			m := f.GetMetric()[0]
			return m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	require.Fail(t, "no such metric", name)
	return 0
}

func testStop(t *testing.T, open func() *gorm.DB) {
	l, g := setup(t, open, predlog.Options{Flush: time.Hour})
	require.NoError(t, l.Start(t.Context()))
	for i := range 3000 {
		l.Append(row(i, 0))
	}
	require.NoError(t, l.Stop(t.Context()))
	require.Equal(t, 3000, count(t, g))
	require.False(t, l.Append(row(1, 0)))
}

func testStopWithoutDatabase(t *testing.T, open func() *gorm.DB) {
	l, g := setup(t, open, predlog.Options{Flush: time.Hour})
	require.NoError(t, l.Start(t.Context()))
	outage(t, g)
	l.Append(row(1, 0))
	l.Append(row(2, 0))
	err := l.Stop(t.Context())
	require.Equal(t, perennial.CodeUnavailable, perennial.CodeOf(err))
	require.ErrorContains(t, err, "2 rows of the prediction log")
}

func testUnknown(t *testing.T, open func() *gorm.DB) {
	l, _ := setup(t, open, predlog.Options{})
	fresh, err := uuid.NewV7()
	require.NoError(t, err)
	for id, want := range map[string]perennial.Code{
		fresh.String():         perennial.CodeNotYet,
		row(1, 0).ID:           perennial.CodeNotFound,
		uuid.NewString():       perennial.CodeNotFound,
		"nonsense":             perennial.CodeNotFound,
		"":                     perennial.CodeNotFound,
		"a\x00b":               perennial.CodeNotFound,
		strings.Repeat("x", 9): perennial.CodeNotFound,
	} {
		_, err := l.Get(t.Context(), id)
		require.Equal(t, want, perennial.CodeOf(err), "%q: %v", id, err)
		_, hint, _ := perennial.Explain(err) // it can't tell a request that no model answered from one on its way
		require.Contains(t, hint, "model answered")
	}
}

func testBadCursor(t *testing.T, open func() *gorm.DB) {
	l, _ := setup(t, open, predlog.Options{})
	for _, before := range []string{"x", ".", "1", "x.y", "1.\x00"} {
		_, err := l.List(t.Context(), predlog.Query{Model: "iris", Before: before})
		require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err), before)
	}
}

func testConcurrent(t *testing.T, open func() *gorm.DB) {
	l, g := setup(t, open, predlog.Options{Flush: time.Millisecond})
	require.NoError(t, l.Start(t.Context()))
	const workers, each = 4, 500
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				p := row(w*each+i, 0)
				l.Append(p)
				if got, err := l.Get(t.Context(), p.ID); err != nil || got.ID != p.ID {
					t.Errorf("row %s can't be read right after it was appended: %v", p.ID, err)
				}
			}
		})
	}
	wg.Wait()
	require.NoError(t, l.Stop(t.Context()))
	require.Equal(t, workers*each, count(t, g))
}

// In fake time, with a database that is closed: every flush fails.
func TestFailureIsLoggedOnceAndTriedLessOften(t *testing.T) {
	t.Parallel()
	g, err := db.Open(t.Context(), db.Options{URL: "sqlite:" + t.TempDir() + "/p.db"})
	require.NoError(t, err)
	require.NoError(t, db.Close(g))
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		registry := prometheus.NewRegistry()
		l := predlog.New(g, predlog.Options{Logger: slog.New(slog.NewTextHandler(&logged, nil)), Registerer: registry})
		require.NoError(t, l.Start(t.Context()))
		l.Append(row(1, 0))
		<-time.After(time.Minute)
		synctest.Wait()
		tries := metric(t, registry, "perennial_predlog_flush_failures_total")
		require.Greater(t, tries, 10.0)
		require.Less(t, tries, 20.0)
		require.Equal(t, 1, strings.Count(logged.String(), "level=ERROR"))
		require.Error(t, l.Stop(context.Background()))
	})
}

func TestARunningLogWritesByItself(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		l, g := setup(t, open, predlog.Options{Flush: time.Millisecond})
		require.NoError(t, l.Start(t.Context()))
		l.Append(row(1, 0))
		require.Eventually(t, func() bool { return count(t, g) == 1 }, 10*time.Second, 5*time.Millisecond)
		require.NoError(t, l.Stop(t.Context()))
	})
}

func BenchmarkLog(b *testing.B) {
	g, err := db.Open(b.Context(), db.Options{URL: "sqlite:" + b.TempDir() + "/p.db"})
	require.NoError(b, err)
	defer func() { require.NoError(b, db.Close(g)) }()
	require.NoError(b, db.Migrate(b.Context(), g, predlog.Component, predlog.Migrations))
	l := predlog.New(g, predlog.Options{BufferBytes: 1 << 40})
	p := row(0, 0)
	p.Features = json.RawMessage(`{"sepal_length":5.1,"sepal_width":3.5,"petal_length":1.4,"petal_width":0.2}`)
	p.Probabilities = map[string]float64{"setosa": 0.9, "versicolor": 0.1, "virginica": 0}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		p.ID = row(i, 0).ID
		l.Append(p)
		if i%20000 == 0 {
			require.NoError(b, l.Flush(b.Context()))
		}
	}
	require.NoError(b, l.Flush(b.Context()))
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
