package linear

import (
	"context"
	"math"

	"gonum.org/v1/gonum/floats"

	"github.com/perennial-ml/perennial"
)

// logisticProblem is the objective of a logistic regression over centred, scaled
// columns. Its parameters are one vector after the other, each of Cols
// coefficients and the intercept.
type logisticProblem struct {
	g       *design
	present []int
	vectors int
	label   []int     // per row, index into present
	weight  []float64 // per row, divided by their sum
	l1, l2  []float64 // per parameter, the penalty's strengths
	proba   []float64 // rows × vectors: the probabilities at the last point; nil: not needed
}

func newLogisticProblem(ctx context.Context, d *Data, s LogisticSettings) (*logisticProblem, error) {
	p := &logisticProblem{label: make([]int, d.Rows), weight: make([]float64, d.Rows)}
	sum, err := p.weigh(d, s.Balanced)
	if err != nil {
		return nil, err
	}
	if p.vectors = len(p.present); p.vectors <= 2 {
		p.vectors--
	}
	if p.g, err = newDesign(ctx, d, true, true); err != nil {
		return nil, err
	}
	width := d.Cols + 1
	p.l1, p.l2 = make([]float64, p.vectors*width), make([]float64, p.vectors*width)
	if s.Penalty == PenaltyNone {
		return p, nil
	}
	for i := range p.l1 {
		if j := i % width; j < d.Cols {
			inv := p.g.inv[j]
			p.l1[i] = s.L1Ratio / (s.C * sum) * inv
			p.l2[i] = (1 - s.L1Ratio) / (s.C * sum) * float64(inv*inv)
		}
	}
	return p, nil
}

// weigh sets labels and weights, and gives the weights' sum before it was
// divided out.
func (p *logisticProblem) weigh(d *Data, balanced bool) (float64, error) {
	counts, of := make([]int, d.Classes), make([]float64, d.Classes)
	total := 0.0
	for i, y := range d.Y {
		// Written so that NaN fails too.
		if !(y >= 0 && y < float64(d.Classes)) || y != math.Trunc(y) {
			return 0, perennial.Errorf(perennial.CodeInvalid, "", "the target of row %d is no class index: %g of %d classes", i, y, d.Classes)
		}
		counts[int(y)]++
		of[int(y)] += d.weight(i)
		total += d.weight(i)
	}
	slot := make([]int, d.Classes)
	for k, n := range counts {
		if n > 0 {
			slot[k] = len(p.present)
			p.present = append(p.present, k)
		}
	}
	for i, y := range d.Y {
		p.label[i], p.weight[i] = slot[int(y)], d.weight(i)
		if balanced && of[int(y)] > 0 {
			p.weight[i] *= total / (float64(len(p.present)) * of[int(y)])
		}
	}
	sum := floats.Sum(p.weight)
	floats.Scale(1/sum, p.weight)
	return sum, nil
}

// unscale gives the coefficients and intercepts for the columns as they came.
// Shifts of all vectors that change nothing are taken out.
func (p *logisticProblem) unscale(v []float64) (coef, intercept []float64) {
	cols, width := p.g.d.Cols, p.g.d.Cols+1
	coef, intercept = make([]float64, p.vectors*cols), make([]float64, p.vectors)
	for k := range p.vectors {
		w := coef[k*cols : (k+1)*cols]
		for j := range w {
			w[j] = v[k*width+j] * p.g.inv[j]
		}
		intercept[k] = v[k*width+cols] - dot(w, p.g.mean)
	}
	if p.vectors > 2 {
		if floats.Max(p.l1) == 0 {
			centre(coef, cols)
		}
		centre(intercept, 1)
	}
	return coef, intercept
}

// centre subtracts from the rows of the given width their mean.
func centre(rows []float64, width int) {
	n := len(rows) / max(width, 1)
	for j := range width {
		mean := 0.0
		for k := range n {
			mean += rows[k*width+j] / float64(n)
		}
		for k := range n {
			rows[k*width+j] -= mean
		}
	}
}

// evaluate gives the smooth part of the objective at v and its gradient, and
// keeps the probabilities for hessian.
func (p *logisticProblem) evaluate(ctx context.Context, v []float64) (value float64, grad []float64, err error) {
	width := p.g.width()
	sums, err := p.g.sum(ctx, len(v)+1, func() func(*batch, []float64) {
		z := make([]float64, p.vectors*batchRows)
		row := make([]float64, p.vectors)
		return func(b *batch, part []float64) {
			for k := range p.vectors {
				zk := z[k*batchRows : k*batchRows+b.n]
				clear(zk)
				for j := range width {
					if w := v[k*width+j]; w != 0 {
						addScaled(zk, w, b.col(j))
					}
				}
			}
			part[len(v)] += p.residuals(b, z, row)
			for k := range p.vectors {
				zk := z[k*batchRows : k*batchRows+b.n]
				for j := range width {
					part[k*width+j] += dot(zk, b.col(j))
				}
			}
		}
	})
	if err != nil {
		return 0, nil, err
	}
	value, grad = sums[len(v)], sums[:len(v)]
	for i, l2 := range p.l2 {
		value += float64(0.5 * l2 * float64(v[i]*v[i]))
		grad[i] += float64(l2 * v[i])
	}
	return value, grad, nil
}

// residuals replaces the linear predictors of a batch by the weighted residuals
// s·(p − 1{label}), and gives Σ s·(−log p(label)).
func (p *logisticProblem) residuals(b *batch, z, row []float64) float64 {
	loss := 0.0
	for i := range b.n {
		r := b.from + i
		for k := range row {
			row[k] = z[k*batchRows+i]
		}
		loss += float64(p.weight[r] * probabilities(row, p.label[r]))
		if p.proba != nil {
			copy(p.proba[r*p.vectors:], row)
		}
		if p.vectors == 1 {
			row[0] -= float64(p.label[r])
		} else {
			row[p.label[r]]--
		}
		for k, v := range row {
			z[k*batchRows+i] = p.weight[r] * v
		}
	}
	return loss
}

// probabilities turns the linear predictors of a row into probabilities, of the
// second class where there is one predictor, and gives −log p(label).
func probabilities(z []float64, label int) float64 {
	if len(z) == 1 {
		margin := z[0]
		if label == 0 {
			margin = -margin
		}
		z[0] = sigmoid(z[0])
		return log1pExp(-margin)
	}
	at, top := z[label], floats.Max(z)
	return math.Log(softmax(z)) + top - at
}

// hessian gives the second derivatives of the smooth part at the last point,
// row-major, estimated from each so many batches of the rows (1: of all).
func (p *logisticProblem) hessian(ctx context.Context, stride int) ([]float64, error) {
	width := p.g.width()
	var pairs [][2]int
	for k := range p.vectors {
		for l := range k + 1 {
			pairs = append(pairs, [2]int{k, l})
		}
	}
	blocks, err := p.g.gram(ctx, len(pairs), stride, func(b *batch, index int, w []float64) {
		k, l := pairs[index][0], pairs[index][1]
		for i := range w {
			r := b.from + i
			pk, pl := p.proba[r*p.vectors+k], p.proba[r*p.vectors+l]
			if k == l {
				w[i] = p.weight[r] * pk * (1 - pk)
			} else {
				w[i] = -p.weight[r] * pk * pl
			}
		}
	})
	if err != nil {
		return nil, err
	}
	n := p.vectors * width
	h := make([]float64, n*n)
	share := p.share(stride)
	for i, block := range blocks {
		k, l := pairs[i][0], pairs[i][1]
		if stride > 1 {
			floats.Scale(1/share, block)
		}
		for j := range width {
			copy(h[(k*width+j)*n+l*width:], block[j*width:(j+1)*width])
			copy(h[(l*width+j)*n+k*width:], block[j*width:(j+1)*width])
		}
	}
	for i, l2 := range p.l2 {
		h[i*n+i] += l2
	}
	return h, nil
}

// share is the part of the weights that the rows of each so many batches have.
func (p *logisticProblem) share(stride int) float64 {
	sum := 0.0
	for from := 0; from < len(p.weight); from += stride * batchRows {
		sum += floats.Sum(p.weight[from:min(from+batchRows, len(p.weight))])
	}
	return sum
}

// penalty is the L1 part of the objective.
func (p *logisticProblem) penalty(v []float64) float64 {
	sum := 0.0
	for i, l1 := range p.l1 {
		sum += float64(l1 * math.Abs(v[i]))
	}
	return sum
}

// steepest gives the subgradient of least norm: 0 at the solution.
func (p *logisticProblem) steepest(v, grad []float64) []float64 {
	out := make([]float64, len(v))
	for i, g := range grad {
		switch l1 := p.l1[i]; {
		case v[i] > 0:
			out[i] = g + l1
		case v[i] < 0:
			out[i] = g - l1
		default:
			out[i] = shrink(g, l1)
		}
	}
	return out
}
