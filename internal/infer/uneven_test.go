package infer_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/infer"
)

// share writes a table in which the first of two classes has a number of rows.
func share(first, second string, n, of int) string {
	return "x,y\n" + rows(of, func(i int) string {
		class := second
		if i%(of/n) == 1 && i/(of/n) < n {
			class = first
		}
		return fmt.Sprintf("%d.5,%s", i*7%13, class)
	})
}

// The rare class is the positive one, whatever its name, unless it is said
// otherwise; and a model can gain over guessing what the gate asks for.
func TestUnevenClasses(t *testing.T) {
	t.Parallel()
	const ap, logLoss = "average_precision", "log_loss"
	for name, c := range map[string]struct {
		text      string
		asked     string
		positive  string
		by        string
		gain      float64
		threshold bool
		says      string
	}{
		"a rare no":           {share("no", "yes", 10, 400), "", "no", ap, 0.05, true, `positive: "no"   # the rare class, 2.5 % of the rows, which scores and threshold are about; where they are to be about "yes", draft anew with --positive "yes"`},
		"a rare yes":          {share("yes", "no", 10, 400), "", "yes", ap, 0.05, true, `the other one is "no"`},
		"a rare no, asked":    {share("no", "yes", 10, 400), "yes", "yes", logLoss, 0.002, false, "guessing has a log loss of 0.12 only"},
		"rarer":               {share("no", "yes", 5, 4000), "yes", "yes", logLoss, 0.0001, false, "guessing has a log loss of 0.0096 only"},
		"about even":          {share("no", "yes", 160, 400), "", "yes", logLoss, 0.01, false, `the other one is "no"`},
		"three, one dominant": {strings.Replace(share("b", "a", 8, 400), ",a\n", ",c\n", 4), "", "", logLoss, 0.003, false, "a fiftieth of it"},
		"three rows":          {share("bad", "good", 3, 300), "", "bad", logLoss, 0.001, false, "needs 5 rows of it. select:"},
		"one row":             {share("bad", "good", 1, 300), "", "bad", logLoss, 0.0004, false, "2 folds: bad has 1 rows, too few for each fold to hold one"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := draft(t, c.text, infer.Options{Target: "y", Positive: c.asked})
			p := d.Spec.Pipeline
			require.Equal(t, c.positive, p.Data.Positive)
			require.Equal(t, c.by, p.Select.Metric)
			require.Equal(t, c.by, p.Gates[0].Metric)
			require.InDelta(t, c.gain, *p.Gates[0].MinGain, 0)
			require.Equal(t, c.threshold, p.Threshold != nil)
			require.Contains(t, strings.Join(strings.Fields(strings.ReplaceAll(string(d.Pipeline), "\n#", " ")), " "), strings.Join(strings.Fields(c.says), " "))
			trains(t, d, []byte(c.text))
		})
	}
}

// Too few rows to measure R² on those held out: no gate asks for it.
func TestFewRowsOfARegressionHaveNoGate(t *testing.T) {
	t.Parallel()
	for n, gates := range map[int]int{5: 0, 19: 0, 20: 2} {
		d := draft(t, "x,y\n"+rows(n, func(i int) string { return fmt.Sprintf("%d,%d.25", i%4, i) }), infer.Options{Target: "y"})
		require.Len(t, d.Spec.Pipeline.Gates, gates, n)
	}
}

func TestALongCellIsNoCategory(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("v", 2<<20)
	text := "x,k,y\n" + rows(40, func(i int) string { return fmt.Sprintf("%d,%s,%d.5", i%9, strings.Repeat(long, i/39)+"k", i) })
	d := draft(t, text, infer.Options{Target: "y"})
	require.Contains(t, string(d.Schema), "k: {role: ignore}   # a text of 2097153 bytes in line 41: no category")
	require.True(t, slices.ContainsFunc(d.Notes, func(n infer.Note) bool {
		return n.Warning && n.Column == "k" && strings.Contains(n.Text, "in line 41")
	}))
	trains(t, d, []byte(text))
	for _, o := range []infer.Options{{Target: "k"}, {Target: "k", Positive: "k"}} {
		_, err := infer.Infer(t.Context(), "mine.csv", strings.NewReader(text), o)
		require.ErrorContains(t, err, "mine.csv, line 41: the target k has a text of 2097153 bytes here")
	}
	draft(t, text, infer.Options{Target: "y", Group: "k", ID: "x", Ignore: nil})

	var names []string
	for i := range 6000 {
		names = append(names, fmt.Sprintf("%s%d", strings.Repeat("n", 190), i))
	}
	row := strings.Repeat("1,", 6000)
	_, err := infer.Infer(t.Context(), "mine.csv", strings.NewReader(strings.Join(names, ",")+",y\n"+rows(9, func(i int) string { return strings.ReplaceAll(row, "1", fmt.Sprint(i%3)) + fmt.Sprint(i) })), infer.Options{Target: "y"})
	require.ErrorContains(t, err, "too many for a schema")
	require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err))
}

// A row that is taken for the names is told of where --target names one of its
// values, so that it can't be refused.
func TestNumbersForNamesAreToldOf(t *testing.T) {
	t.Parallel()
	text := rows(60, func(i int) string { return fmt.Sprintf("%d.25,%c,%d.5", i*7%60, 'a'+rune(i%3), i) })
	warned := func(text, target string) bool {
		for _, n := range draft(t, text, infer.Options{Target: target}).Notes {
			if n.Warning && strings.Contains(n.Text, "numbers for names") {
				return true
			}
		}
		return false
	}
	require.True(t, warned(text, "a"))
	require.False(t, warned("2024,k,y\n"+text, "y"))
	require.False(t, warned("k,kind,y\n"+text, "kind"))
}

// Bounds of huge and tiny numbers have as few digits as others.
func TestBoundsAreRound(t *testing.T) {
	t.Parallel()
	for scale, want := range map[float64][2]float64{1e300: {-3.1e300, 3e300}, 1e-300: {-3.1e-300, 3e-300}, 1e25: {-3.1e25, 3e25}, 1: {-3.1, 3}, 1e-7: {-3.1e-7, 3e-7}, 1e-320: {-3.1e-320, 3e-320}} {
		text := "x,y\n" + rows(40, func(i int) string { return fmt.Sprintf("%g,%d.5", (-3.0723+float64(i)*0.1551)*scale, i*i%17) })
		d := draft(t, text, infer.Options{Target: "y"})
		c, _ := d.Spec.Schema.Column("x")
		require.LessOrEqual(t, c.Range[0], -3.0723*scale)
		if scale > 1e-310 {
			require.InDelta(t, 0, math.Abs(c.Range[0]-want[0])+math.Abs(c.Range[1]-want[1]), 0, "%v", c.Range)
		}
	}
}
