package boosting

import (
	"context"
	"math"
	"math/bits"
	"slices"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models/tree"
	"github.com/perennial-ml/perennial/stats"
)

// Streams of random numbers; those of iterations have the iteration added.
const (
	streamEdges      = 1
	streamValidation = 2
	streamRows       = 1 << 32
	streamColumns    = 2 << 32
)

// histogramBudget bounds the memory of histograms, in int64 words: beyond it, some
// are summed again instead of being subtracted.
const histogramBudget = 256 << 20 / 8

func newFit(ctx context.Context, t *tree.Table, s Settings, team *team) (*fit, error) {
	f := &fit{Settings: s, table: t, team: team, leaf: make([]uint16, t.Rows)}
	f.chooseSides()
	if !(weigh(t, f.rows) > 0) || (f.EarlyStopping > 0 && !(weigh(t, f.validation) > 0)) {
		return nil, perennial.Errorf(perennial.CodeInvalid, "", "%d rows leave none with a weight to train on, or none to stop early by", t.Rows)
	}
	f.others = slices.Clone(f.validation)
	l := layout{words: wide, counts: uint(bits.Len(uint(t.Rows)))}
	if f.Loss != Log && t.Weights == nil {
		l.words = narrow
	}
	d, err := newBinned(ctx, t, f.MaxBins, l.words, f.Seed, team)
	if err != nil {
		return nil, err
	}
	if f.Loss == Squared && l.words == narrow {
		e := newExact(d, l, t, f.rows, f.RowSample < 1)
		if e != nil {
			f.state = e
		} else {
			l.words = wide
			d.widen()
		}
	}
	if f.state == nil {
		f.state = f.newState(d, l)
	}
	slots := min(f.Leaves+1, max(histogramBudget/max(d.slot, 1), 3))
	if s.slots > 0 {
		slots = s.slots
	}
	f.hist = newHistograms(d, l, team, slots)
	f.hist.lanes, f.hist.ahead = hasLanes && !s.single, hasAhead && !s.single
	f.grower = newGrower(f.hist, limits{leaves: f.Leaves, depth: f.MaxDepth})
	f.fused = len(f.state.base()) == 1 && f.RowSample == 1 && f.ColumnSample == 1 && len(d.groups) > 0
	f.setRules()
	return f, nil
}

// setRules brings the regularisers into the units of the fixed-point sums.
func (f *fit) setRules() {
	g, h := f.state.units()
	f.unit = g / h
	mean := weigh(f.table, f.rows) / float64(len(f.rows))
	f.grower.rules = rules{
		minRows: int64(f.MinLeaf), minHessian: max(1, int64(minHessian*mean/h)),
		minGain: f.MinGain / g / g * h, l1: f.L1 / g, l2: f.L2 / h, catL2: catL2 / h,
		minGroup: int64(min(leastPerGroup, len(f.rows)/leastPerGroup)),
	}
}

func (f *fit) newState(d *binned, l layout) state {
	heaviest := 1.0
	if f.table.Weights != nil {
		heaviest = slices.Max(f.table.Weights)
	}
	switch {
	case f.Loss == Absolute:
		start := median(f.table, f.rows, func(r int32) float64 { return f.table.Y[r] })
		return &deviations{newFloats(d, l, f.table, []float64{start}, heaviest, heaviest)}
	case f.Loss == Squared:
		start, far := mean(f.table, f.rows), 0.0
		for _, r := range f.rows {
			far = max(far, math.Abs(f.table.Y[r]-start))
		}
		return &squares{newFloats(d, l, f.table, []float64{start}, far*heaviest*(1<<headroom), heaviest)}
	case f.table.Classes == 2:
		p := f.shares()
		return &logistic{newFloats(d, l, f.table, []float64{math.Log(p[1] / p[0])}, heaviest, heaviest/4)}
	default:
		p := f.shares()
		for k := range p {
			p[k] = math.Log(p[k])
		}
		return &softmax{newFloats(d, l, f.table, p, heaviest, heaviest/2), make([]float64, f.table.Rows)}
	}
}

// shares are the weighted shares of the classes among the rows that are fitted;
// one without rows counts as a tenth of a row, at most a millionth of them.
func (f *fit) shares() []float64 {
	p, whole := make([]float64, f.table.Classes), weigh(f.table, f.rows)
	for _, r := range f.rows {
		p[int(f.table.Y[r])] += weigh(f.table, []int32{r}) / whole
	}
	least := min(1e-6, 0.1/float64(len(f.rows)))
	for k := range p {
		p[k] = max(p[k], least)
	}
	return p
}

// weigh sums the weights of rows.
func weigh(t *tree.Table, rows []int32) float64 {
	if t.Weights == nil {
		return float64(len(rows))
	}
	sum := 0.0
	for _, r := range rows {
		sum += t.Weights[r]
	}
	return sum
}

// chooseSides draws the rows for early stopping, of every class its share.
func (f *fit) chooseSides() {
	byClass := make([][]int32, max(f.table.Classes, 1))
	for r := range int32(f.table.Rows) {
		k := 0
		if f.table.Classes > 0 {
			k = int(f.table.Y[r])
		}
		byClass[k] = append(byClass[k], r)
	}
	rng := stats.NewRand(f.Seed, streamValidation)
	for _, rows := range byClass {
		held := 0
		if f.EarlyStopping > 0 {
			held = int(math.Round(f.ValidationShare * float64(len(rows))))
			rng.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
		}
		f.validation = append(f.validation, rows[:held]...)
		f.rows = append(f.rows, rows[held:]...)
	}
	slices.Sort(f.validation)
	slices.Sort(f.rows)
}

// drawRows puts the rows of an iteration's trees at the front of the grower's
// index, ascending, and gives their number. A sample is drawn without
// replacement, row after row (Knuth, TAOCP 2, 3.4.2, algorithm S).
func (f *fit) drawRows(iteration int) int {
	index := f.grower.index
	if f.RowSample == 1 {
		return copy(index, f.rows)
	}
	rng := stats.NewRand(f.Seed, streamRows+uint64(iteration))
	need := max(1, int(math.Round(f.RowSample*float64(len(f.rows)))))
	taken := 0
	f.others = append(f.others[:0], f.validation...)
	for i, r := range f.rows {
		if rng.Uint64N(uint64(len(f.rows)-i)) < uint64(need-taken) {
			index[taken] = r
			taken++
		} else {
			f.others = append(f.others, r)
		}
	}
	return taken
}

// drawColumns says which features an iteration's trees may split.
func (f *fit) drawColumns(iteration int) func(feature int) bool {
	if f.ColumnSample == 1 {
		return func(int) bool { return true }
	}
	order := stats.NewRand(f.Seed, streamColumns+uint64(iteration)).Perm(f.table.Cols)
	drawn := make([]bool, f.table.Cols)
	for _, c := range order[:max(1, int(math.Round(f.ColumnSample*float64(f.table.Cols))))] {
		drawn[c] = true
	}
	return func(feature int) bool { return drawn[feature] }
}
