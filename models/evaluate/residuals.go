package evaluate

import (
	"cmp"
	"math"
	"slices"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/stats"
)

// Bounds of the pictures of a regression.
const (
	maxDots       = 2000 // rows shown one by one
	residualBars  = 30   // of the histogram
	residualBands = 10   // groups of equal size along the predictions
)

// streamDots is the random stream that chooses the rows shown one by one.
const streamDots = 0x646f7473

// Predicted pairs what a regression predicted with what was true.
type Predicted struct {
	Target string       `json:"target"`
	Rows   int          `json:"rows"`
	Shown  int          `json:"shown"`  // rows among the points; chosen at random where there are more
	Points [][2]float64 `json:"points"` // predicted, actual
}

// Residuals says how far a regression missed: actual minus predicted.
type Residuals struct {
	Target    string         `json:"target"`
	Rows      int            `json:"rows"`
	Shown     int            `json:"shown"`
	Points    [][2]float64   `json:"points"` // predicted, residual
	Mean      float64        `json:"mean"`
	Std       float64        `json:"std"` // population
	Quantiles [5]float64     `json:"quantiles_05_25_50_75_95"`
	Histogram []Bar          `json:"histogram"` // over the central 99 %; what lies beyond is in the first and last bar
	Bands     []ResidualBand `json:"bands"`     // groups of equal size in the order of the predictions
}

// Bar is a bar of a histogram: the values in [Low, High).
type Bar struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"`
	Rows int     `json:"rows"`
}

// ResidualBand is a group of rows with neighbouring predictions.
type ResidualBand struct {
	Predicted float64 `json:"predicted"` // median
	Low       float64 `json:"low"`       // 10 % quantile of the residuals
	Median    float64 `json:"median"`
	High      float64 `json:"high"` // 90 % quantile
}

// NewPredicted gives the points of a regression; ok is false where there are
// none, or one isn't finite.
func NewPredicted(o Observed, target string, seed int64) (out Predicted, ok bool) {
	if !drawable(o) {
		return out, false
	}
	out = Predicted{Target: target, Rows: len(o.Y)}
	for _, i := range dots(len(o.Y), seed) {
		out.Points = append(out.Points, [2]float64{o.Values[i], o.Y[i]})
	}
	out.Shown = len(out.Points)
	return out, true
}

// NewResiduals gives the residuals of a regression; ok is false where there are
// none, or one isn't finite.
func NewResiduals(o Observed, target string, seed int64) (out Residuals, ok bool) {
	if !drawable(o) {
		return out, false
	}
	n := len(o.Y)
	out = Residuals{Target: target, Rows: n}
	residuals := make([]float64, n)
	for i := range residuals {
		residuals[i] = o.Y[i] - o.Values[i]
	}
	for _, i := range dots(n, seed) {
		out.Points = append(out.Points, [2]float64{o.Values[i], residuals[i]})
	}
	out.Shown = len(out.Points)
	out.Mean = mean(residuals)
	var squares float64
	for _, r := range residuals {
		squares += float64((r - out.Mean) * (r - out.Mean))
	}
	out.Std = math.Sqrt(squares / float64(n))
	out.Bands = bands(o.Values, residuals)
	slices.Sort(residuals)
	for i, q := range []float64{0.05, 0.25, 0.5, 0.75, 0.95} {
		out.Quantiles[i] = stats.Percentile(residuals, q)
	}
	out.Histogram = histogram(residuals)
	return out, true
}

// drawable reports whether a regression's numbers can be drawn: finite, and so
// are their differences.
func drawable(o Observed) bool {
	if o.Task != perennial.Regression || o.Validate() != nil || len(o.Y) == 0 {
		return false
	}
	const most = 1e140 // so that a sum of squares stays finite
	for i := range o.Y {
		if !(math.Abs(o.Y[i]) < most && math.Abs(o.Values[i]) < most) {
			return false
		}
	}
	return true
}

// dots chooses at most maxDots of n rows, in ascending order.
func dots(n int, seed int64) []int {
	rows := stats.NewRand(seed, streamDots).Perm(n)
	rows = rows[:min(n, maxDots)]
	slices.Sort(rows)
	return rows
}

// bands groups rows by their predictions.
func bands(predicted, residuals []float64) []ResidualBand {
	n := len(predicted)
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(predicted[a], predicted[b]) })
	groups := min(residualBands, n/20)
	out := make([]ResidualBand, 0, groups)
	for g := range groups {
		rows := order[g*n/groups : (g+1)*n/groups]
		group := make([]float64, len(rows))
		for i, r := range rows {
			group[i] = residuals[r]
		}
		slices.Sort(group)
		out = append(out, ResidualBand{
			Predicted: predicted[rows[len(rows)/2]],
			Low:       stats.Percentile(group, 0.1), Median: stats.Percentile(group, 0.5), High: stats.Percentile(group, 0.9),
		})
	}
	return out
}

// histogram counts sorted values in bars over their central 99 %, symmetric
// about 0.
func histogram(sorted []float64) []Bar {
	half := max(math.Abs(stats.Percentile(sorted, 0.005)), math.Abs(stats.Percentile(sorted, 0.995)))
	if half == 0 {
		half = 1
	}
	width := 2 * half / residualBars
	out := make([]Bar, residualBars)
	for i := range out {
		out[i].Low, out[i].High = float64(float64(i)*width)-half, float64(float64(i+1)*width)-half
	}
	for _, v := range sorted {
		i := int(math.Floor(max(-1, min((v+half)/width, residualBars))))
		out[max(0, min(i, residualBars-1))].Rows++
	}
	return out
}
