package linear

import (
	"context"
	"math"
)

const (
	// dependentShare is the share of a column's sum of squares that may be left
	// where it counts as a combination of others: the rounding of the sums.
	dependentShare = 1e-12
	// dependentCutoff is the least Cutoff that lets so much count as 0.
	dependentCutoff = 1e-7
)

// dependent solves the normal equations where some columns are combinations of
// others, as all columns of a one-hot encoding are: a Cholesky decomposition with
// pivoting picks columns that are independent, the rest are X_rest = X_pick·T,
// and the solution of least norm is Mᵀ(M·Mᵀ)⁻¹u with M = (I T) and u the solution
// on the picked columns alone. ok is false where it isn't certain which columns
// depend on which, or where the picked ones are badly conditioned.
func (p *moments) dependent(ctx context.Context, s LeastSquaresSettings) (w []float64, ok bool, err error) {
	n := p.g.d.Cols
	if s.Alpha > 0 || s.Cutoff < dependentCutoff {
		return nil, false, nil
	}
	pick, rest, certain, err := p.independent(ctx)
	if err != nil || !certain {
		return nil, false, err
	}
	r := len(pick)
	square := make([]float64, r*r)
	for i, a := range pick {
		for k, b := range pick[:i+1] {
			square[i*r+k] = p.gram[a*n+b]
		}
	}
	c, ok, err := newCholesky(ctx, square, r, 0)
	if err != nil || !ok || c.condition() > fastCondition {
		return nil, false, err
	}
	pickOf := func(column []float64) []float64 {
		out := make([]float64, r)
		for i, a := range pick {
			out[i] = column[a]
		}
		c.solve(out)
		return out
	}
	t := make([][]float64, len(rest))
	outer := make([]float64, r*r) // I + T·Tᵀ
	for i := range r {
		outer[i*r+i] = 1
	}
	for i, j := range rest {
		if ctx.Err() != nil {
			return nil, false, ctx.Err()
		}
		t[i] = pickOf(p.gram[j*n : (j+1)*n])
		for a, v := range t[i] {
			addScaled(outer[a*r:a*r+a+1], v, t[i][:a+1])
		}
	}
	m, ok, err := newCholesky(ctx, outer, r, 0)
	if err != nil || !ok {
		return nil, false, err
	}
	v := pickOf(p.rhs)
	m.solve(v)
	w = make([]float64, n)
	for i, a := range pick {
		w[a] = v[i]
	}
	for i, j := range rest {
		w[j] = dot(t[i], v)
	}
	return w, true, nil
}

// independent picks columns, the one with the most left unexplained by those
// before it first, until nothing but rounding is left. certain is false where a
// column keeps more than that and less than a column of its own would.
func (p *moments) independent(ctx context.Context) (pick, rest []int, certain bool, err error) {
	n := p.g.d.Cols
	left, factor, picked := make([]float64, n), make([]float64, n*n), make([]bool, n)
	largest := 0.0
	for j := range left {
		left[j] = p.gram[j*n+j]
		largest = max(largest, left[j])
	}
	for k := range n {
		if ctx.Err() != nil {
			return nil, nil, false, ctx.Err()
		}
		q := -1
		for j, v := range left {
			if !picked[j] && (q < 0 || v > left[q]) {
				q = j
			}
		}
		if left[q] <= dependentShare*largest {
			break
		}
		picked[q] = true
		pick = append(pick, q)
		root := math.Sqrt(left[q])
		for j := range n {
			if picked[j] {
				continue
			}
			row := factor[j*n : j*n+k+1]
			row[k] = (p.gram[j*n+q] - dot(row[:k], factor[q*n:q*n+k])) / root
			left[j] -= float64(row[k] * row[k])
		}
	}
	certain = true
	for j, done := range picked {
		if !done {
			rest = append(rest, j)
			certain = certain && left[j] <= dependentShare*p.gram[j*n+j]
		}
	}
	return pick, rest, certain, nil
}
