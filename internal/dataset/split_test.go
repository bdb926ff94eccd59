package dataset_test

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/dataset"
)

// table has a numeric feature x, a group g, a time day and a target y.
func table(x []float64, g []string, day []float64, y []string) *perennial.Table {
	coded := func(values []string) perennial.Series {
		s := perennial.Series{}
		for _, v := range values {
			if !slices.Contains(s.Dict, v) {
				s.Dict = append(s.Dict, v)
			}
			s.Codes = append(s.Codes, int32(slices.Index(s.Dict, v))) //nolint:gosec // small
		}
		return s
	}
	return &perennial.Table{
		Schema: perennial.Schema{Columns: []perennial.Column{
			{Name: "x", Role: perennial.RoleFeature, Type: perennial.TypeNumeric}, {Name: "g", Role: perennial.RoleFeature, Type: perennial.TypeCategorical},
			{Name: "day", Role: perennial.RoleFeature, Type: perennial.TypeDate}, {Name: "y", Role: perennial.RoleTarget, Type: perennial.TypeCategorical}, {Name: "note", Role: perennial.RoleIgnore},
		}},
		Columns: []perennial.Series{{Numbers: x}, coded(g), {Numbers: day}, coded(y), {}}, Rows: len(x),
	}
}

// draw makes a table with duplicate rows, uneven groups and uneven classes.
func draw(t *rapid.T) *perennial.Table {
	n := rapid.IntRange(8, 60).Draw(t, "rows")
	var x, day []float64
	var g, y []string
	for range n {
		x = append(x, float64(rapid.IntRange(0, n).Draw(t, "x")))
		g = append(g, fmt.Sprint("g", rapid.IntRange(0, 9).Draw(t, "g")))
		day = append(day, float64(rapid.IntRange(0, 9).Draw(t, "day")))
		y = append(y, []string{"a", "b", "c"}[rapid.IntRange(0, 2).Draw(t, "y")])
	}
	x[0], x[1], g[0], g[1] = 1, 2, "g0", "g1" // two units at least
	return table(x, g, day, y)
}

func permute(t *perennial.Table, order []int) *perennial.Table {
	out := *t
	out.Columns = make([]perennial.Series, len(t.Columns))
	for i, s := range t.Columns {
		out.Columns[i].Dict = s.Dict
		for _, r := range order {
			if s.Numbers != nil {
				out.Columns[i].Numbers = append(out.Columns[i].Numbers, s.Numbers[r])
			}
			if s.Codes != nil {
				out.Columns[i].Codes = append(out.Columns[i].Codes, s.Codes[r])
			}
		}
	}
	return &out
}

func anySplit(t *rapid.T) perennial.Split {
	s := perennial.Split{
		By:   rapid.SampledFrom([]perennial.SplitKind{perennial.SplitRandom, perennial.SplitStratified, perennial.SplitGroup, perennial.SplitTime}).Draw(t, "by"),
		Test: rapid.Float64Range(0.05, 0.8).Draw(t, "test"), Stream: rapid.Float64Range(0, 1).Draw(t, "stream"), Seed: rapid.Int64().Draw(t, "seed"),
	}
	switch s.By {
	case perennial.SplitGroup:
		s.Column = "g"
	case perennial.SplitTime:
		s.Column = "day"
	case perennial.SplitRandom, perennial.SplitStratified, perennial.SplitGiven:
	}
	return s
}

func TestOrderOfRowsChangesNoSide(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		data, split := draw(t), anySplit(t)
		sides, err := dataset.Split(data, split, nil)
		rows := make([]int, data.Rows)
		for i := range rows {
			rows[i] = i
		}
		again, err2 := dataset.Split(permute(data, rapid.Permutation(rows).Draw(t, "order")), split, nil)
		require.Equal(t, err == nil, err2 == nil)
		require.Equal(t, string(sides.Encode()), string(again.Encode()))
	})
}

func TestEveryUnitHasOneSideAndItsRowsFollow(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		data, split := draw(t), anySplit(t)
		sides, err := dataset.Split(data, split, nil)
		if err != nil {
			t.Skip("a split that leaves nothing to train on")
		}
		units, err := dataset.Units(data, split)
		require.NoError(t, err)
		train := sides.Rows(units, perennial.SideTrain)
		rest := sides.Rows(units, perennial.SideHoldout, perennial.SideStream)
		require.Len(t, append(train, rest...), data.Rows, "each row on exactly one side")
		require.NotEmpty(t, train)
		require.NotEmpty(t, rest)
		pick := func(rows []int) (out []string) {
			for _, r := range rows {
				out = append(out, units[r])
			}
			return out
		}
		require.NoError(t, dataset.CheckLeak(pick(train), pick(rest)))
	})
}

func TestExtendNeverChangesASide(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		data, split := draw(t), anySplit(t)
		base, err := dataset.Split(data, split, nil)
		if err != nil {
			t.Skip("nothing to train on")
		}
		before := maps.Clone(base)
		later := rapid.SliceOf(rapid.String()).Draw(t, "later")
		first := dataset.Extend(base, later, split.Seed, split.Test)
		second := dataset.Extend(first, append(slices.Clone(later), "one more"), split.Seed, split.Test)
		require.Equal(t, before, base)
		for u, side := range base {
			require.Equal(t, side, second[u])
		}
		for _, u := range later {
			require.Equal(t, first[u], second[u])
			if _, known := base[u]; !known {
				require.Equal(t, perennial.LaterSide(split.Seed, u, split.Test), first[u])
			}
		}
	})
}

func TestStratifiedKeepsTheShares(t *testing.T) {
	t.Parallel()
	var x []float64
	var y []string
	for i := range 1000 {
		x, y = append(x, float64(i)), append(y, map[bool]string{true: "rare", false: "often"}[i%50 == 0])
	}
	y[0] = "once"
	data := table(x, y, x, y)
	sides, err := dataset.Split(data, perennial.Split{By: perennial.SplitStratified, Test: 0.2, Seed: 42, Stream: 0.5}, nil)
	require.NoError(t, err)
	count := map[string]int{}
	for _, r := range sides.Rows(data.Keys(), perennial.SideHoldout, perennial.SideStream) {
		count[y[r]]++
	}
	require.Equal(t, map[string]int{"often": 196, "rare": 4}, count)
	other, err := dataset.Split(data, perennial.Split{By: perennial.SplitStratified, Test: 0.2, Seed: 43, Stream: 0.5}, nil)
	require.NoError(t, err)
	require.NotEqual(t, sides, other, "another seed, another split")
}

func TestRandomHoldsOutTheShareRoundedUp(t *testing.T) {
	t.Parallel()
	x := make([]float64, 151)
	for i := range x {
		x[i] = float64(i)
	}
	y := make([]string, len(x))
	data := table(x, y, x, y)
	for test, want := range map[float64]int{0.2: 31, 0.1: 16, 0.001: 1, 0.999: 150} {
		sides, err := dataset.Split(data, perennial.Split{By: perennial.SplitRandom, Test: test}, nil)
		require.NoError(t, err)
		require.Len(t, sides.Rows(data.Keys(), perennial.SideHoldout), want, "without a stream share all of it is holdout")
	}
}

func TestTimeHoldsOutTheLatest(t *testing.T) {
	t.Parallel()
	day := []float64{5, 1, 4, 2, 3, 9, 0, 8, 7, 6}
	y := make([]string, len(day))
	data := table(day, y, day, y)
	sides, err := dataset.Split(data, perennial.Split{By: perennial.SplitTime, Column: "day", Test: 0.3, Stream: 0}, nil)
	require.NoError(t, err)
	require.Equal(t, []int{5, 7, 8}, sides.Rows(data.Keys(), perennial.SideHoldout))
}

func TestGroupsStayTogether(t *testing.T) {
	t.Parallel()
	data := table([]float64{1, 2, 3, 4, 5, 6}, []string{"a", "a", "b", "b", "c", "c"}, make([]float64, 6), make([]string, 6))
	data.Columns[1].Codes[5] = -1
	split := perennial.Split{By: perennial.SplitGroup, Column: "g", Test: 0.25, Seed: 1}
	units, err := dataset.Units(data, split)
	require.NoError(t, err)
	require.Equal(t, []string{"a", "a", "b", "b", "c", data.Keys()[5]}, units, "a row without a group is on its own")
	split.Column = "day"
	units, err = dataset.Units(data, split)
	require.NoError(t, err)
	require.Equal(t, "0", units[0], "a number's shortest text")
}

func TestGivenSplitFollowsTheFirstRowOfAKey(t *testing.T) {
	t.Parallel()
	data := table([]float64{1, 2, 1, 3, 2}, make([]string, 5), make([]float64, 5), make([]string, 5))
	sides, err := dataset.Split(data, perennial.Split{By: perennial.SplitGiven}, []int{2, 1})
	require.NoError(t, err)
	keys := data.Keys()
	require.Equal(t, []int{1, 4}, sides.Rows(keys, perennial.SideHoldout), "row 4 follows its key's first row, 1; row 2 follows row 0")
	require.Equal(t, []int{0, 2, 3}, sides.Rows(keys, perennial.SideTrain))
	sides, err = dataset.Split(data, perennial.Split{By: perennial.SplitGiven, Stream: 1}, []int{1})
	require.NoError(t, err)
	require.Equal(t, []int{1, 4}, sides.Rows(keys, perennial.SideStream))
}

func TestSplitRefusesWhatTheTableDoesNotAllow(t *testing.T) {
	t.Parallel()
	good := table([]float64{1, 2, 3}, []string{"a", "b", "c"}, []float64{1, math.NaN(), 3}, []string{"u", "v", "w"})
	same := table([]float64{1, 1}, []string{"a", "a"}, []float64{1, 1}, []string{"u", "v"})
	numeric := table([]float64{1, 2, 3}, []string{"a", "b", "c"}, []float64{1, 2, 3}, []string{"u", "v", "w"})
	numeric.Schema.Columns[3].Type = perennial.TypeNumeric
	for name, c := range map[string]struct {
		data  *perennial.Table
		split perennial.Split
		given []int
		want  string
	}{
		"one unit":           {same, perennial.Split{By: perennial.SplitRandom, Test: 0.5}, nil, "all 2 rows are alike"},
		"one group":          {same, perennial.Split{By: perennial.SplitGroup, Test: 0.5, Column: "g"}, nil, "all 2 rows are in one group by g"},
		"classes of one":     {good, perennial.Split{By: perennial.SplitStratified, Test: 0.5}, nil, "at least one"},
		"numeric target":     {numeric, perennial.Split{By: perennial.SplitStratified, Test: 0.5}, nil, "categorical target"},
		"no such column":     {good, perennial.Split{By: perennial.SplitGroup, Test: 0.5, Column: "nope"}, nil, `"nope"`},
		"ignored column":     {good, perennial.Split{By: perennial.SplitGroup, Test: 0.5, Column: "note"}, nil, "doesn't read"},
		"time of text":       {good, perennial.Split{By: perennial.SplitTime, Test: 0.5, Column: "g"}, nil, "holds text"},
		"time missing":       {good, perennial.Split{By: perennial.SplitTime, Test: 0.5, Column: "day"}, nil, "row 1 has no day"},
		"unknown kind":       {good, perennial.Split{By: "luck", Test: 0.5}, nil, "luck"},
		"share":              {good, perennial.Split{By: perennial.SplitRandom, Test: 1}, nil, "between 0 and 1"},
		"given out of range": {good, perennial.Split{By: perennial.SplitGiven}, []int{3}, "names row 3"},
		"given negative":     {good, perennial.Split{By: perennial.SplitGiven}, []int{-1}, "names row -1"},
		"given twice":        {good, perennial.Split{By: perennial.SplitGiven}, []int{1, 1}, "row 1 twice"},
		"given none":         {good, perennial.Split{By: perennial.SplitGiven}, nil, "at least one"},
		"given all":          {good, perennial.Split{By: perennial.SplitGiven}, []int{0, 1, 2}, "at least one"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := dataset.Split(c.data, c.split, c.given)
			require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err))
			message, _, _ := perennial.Explain(err)
			require.Contains(t, message, c.want)
		})
	}
}
