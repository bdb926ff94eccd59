package perennial_test

import (
	"crypto/md5" //nolint:gosec // the row key's hash
	"encoding/hex"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/perennial-ml/perennial"
)

// md5Of is the row key as DESIGN §4 defines it, written out by hand.
func md5Of(s string) string {
	sum := md5.Sum([]byte(s)) //nolint:gosec // as above
	return hex.EncodeToString(sum[:])
}

func TestRowKeyIsTheMD5OfItsFeatures(t *testing.T) {
	t.Parallel()
	k := perennial.NewRowKeyer()
	k.Number(5.1)
	k.Number(41)
	k.Text("größer")
	k.Null()
	k.Number(math.NaN())
	k.Number(1e21)
	require.Equal(t, md5Of("5.1\x1f41\x1fgrößer\x1f\x00\x1f\x00\x1f1e+21"), k.Sum())
	k.Number(math.Copysign(0, -1))
	require.Equal(t, md5Of("0"), k.Sum(), "a keyer starts anew after Sum, and -0 is 0")
	require.Equal(t, md5Of(""), k.Sum())
}

func TestKeysUseTheFeaturesNotTheTarget(t *testing.T) {
	t.Parallel()
	table := perennial.Table{
		Schema: perennial.Schema{Columns: []perennial.Column{
			{Name: "y", Role: perennial.RoleTarget, Type: perennial.TypeNumeric}, {Name: "x", Role: perennial.RoleFeature, Type: perennial.TypeNumeric},
			{Name: "note", Role: perennial.RoleIgnore}, {Name: "c", Role: perennial.RoleFeature, Type: perennial.TypeCategorical},
		}},
		Columns: []perennial.Series{{Numbers: []float64{1, 2, 3}}, {Numbers: []float64{0.1, 0.1, 7}}, {}, {Codes: []int32{1, 1, -1}, Dict: []string{"a", "b"}}},
		Rows:    3,
	}
	require.Equal(t, []string{md5Of("0.1\x1fb"), md5Of("0.1\x1fb"), md5Of("7\x1f\x00")}, table.Keys())
	table.Schema.Columns[2] = perennial.Column{Name: "id", Role: perennial.RoleID}
	table.Columns[2] = perennial.Series{Codes: []int32{0, 1, 2}, Dict: []string{"r1", "r2", "r3"}}
	require.Equal(t, []string{"r1", "r2", "r3"}, table.Keys(), "an id column is the key")
}

func TestLaterSidesKeepTheirShare(t *testing.T) {
	t.Parallel()
	count := map[perennial.Side]int{}
	for i := range 20000 {
		count[perennial.LaterSide(42, fmt.Sprint("key", i), 0.2)]++
	}
	require.InDelta(t, 4000, count[perennial.SideHoldout], 200)
	require.Equal(t, 20000, count[perennial.SideHoldout]+count[perennial.SideTrain])
	clear(count)
	for i := range 20000 {
		count[perennial.StreamSide(42, fmt.Sprint("key", i), 0.5)]++
	}
	require.InDelta(t, 10000, count[perennial.SideStream], 300)
	require.Equal(t, 20000, count[perennial.SideStream]+count[perennial.SideHoldout])
}

// The literal sides, computed from the definition in Python, hold the functions still: they decide which rows were
// trained on, so they may never change.
func TestLaterSidesNeverChange(t *testing.T) {
	t.Parallel()
	got := ""
	for i := range 20 {
		got += string(perennial.LaterSide(42, fmt.Sprint("row", i), 0.3)[0]) + string(perennial.StreamSide(42, fmt.Sprint("row", i), 0.5)[0]) + " "
	}
	require.Equal(t, "th ts th hh hh th hs ts th th hh hs ts th hh th th th ts ts ", got)
}

func TestLaterSideGrowsWithTheShare(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		seed, key := rapid.Int64().Draw(t, "seed"), rapid.String().Draw(t, "key")
		low := rapid.Float64Range(0, 1).Draw(t, "low")
		high := rapid.Float64Range(low, 1).Draw(t, "high")
		if perennial.LaterSide(seed, key, low) == perennial.SideHoldout {
			require.Equal(t, perennial.SideHoldout, perennial.LaterSide(seed, key, high))
		}
		require.Equal(t, perennial.SideTrain, perennial.LaterSide(seed, key, 0))
		require.Equal(t, perennial.SideHoldout, perennial.LaterSide(seed, key, 1))
		require.Equal(t, perennial.SideStream, perennial.StreamSide(seed, key, 1))
	})
}

func TestTextsOfAColumn(t *testing.T) {
	t.Parallel()
	table := perennial.Table{
		Schema: perennial.Schema{Columns: []perennial.Column{
			{Name: "plan", Type: perennial.TypeCategorical, Role: perennial.RoleFeature},
			{Name: "student", Type: perennial.TypeBoolean, Role: perennial.RoleFeature},
			{Name: "age", Type: perennial.TypeNumeric, Role: perennial.RoleFeature},
		}},
		Rows: 3,
		Columns: []perennial.Series{
			{Codes: []int32{0, 1, -1}, Dict: []string{"basic", "plus"}}, {Numbers: []float64{1, 0, math.NaN()}}, {Numbers: []float64{1, 0.5, math.NaN()}},
		},
	}
	for column, want := range map[string][]string{"plan": {"basic", "plus", ""}, "student": {"true", "false", ""}, "age": {"1", "0.5", ""}} {
		got, ok := table.Texts(column)
		require.True(t, ok)
		require.Equal(t, want, got, column)
	}
	_, ok := table.Texts("nope")
	require.False(t, ok)
}
