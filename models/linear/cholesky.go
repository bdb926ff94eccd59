package linear

import (
	"context"
	"math"

	"gonum.org/v1/gonum/mat"
)

// cholesky is the factor of a symmetric positive definite matrix that was scaled
// to a unit diagonal first, so that columns of very different sizes don't look
// singular.
type cholesky struct {
	n      int
	factor []float64 // lower triangle, row-major
	scale  []float64
}

// newCholesky factors a (n × n, row-major; its lower triangle is overwritten),
// with jitter added to the scaled diagonal. ok is false where the matrix is not
// positive definite; the only error is the context's. It is our own because
// mat.Cholesky.Factorize can't be interrupted, and takes minutes at 10,000
// columns.
func newCholesky(ctx context.Context, a []float64, n int, jitter float64) (c *cholesky, ok bool, err error) {
	c = &cholesky{n: n, factor: a, scale: make([]float64, n)}
	for j := range c.scale {
		v := a[j*n+j]
		if !(v > 0) || !finite(v) { // NaN fails too
			return nil, false, ctx.Err()
		}
		c.scale[j] = 1 / math.Sqrt(v)
	}
	for i := range n {
		for j := range i + 1 {
			a[i*n+j] *= c.scale[i] * c.scale[j]
		}
		a[i*n+i] += jitter
	}
	for i := range n {
		if err := ctx.Err(); err != nil {
			return nil, false, err
		}
		row := a[i*n : i*n+i+1]
		for j := range i {
			row[j] = (row[j] - dot(row[:j], a[j*n:j*n+j])) / a[j*n+j]
		}
		v := row[i] - dot(row[:i], row[:i])
		if !(v > 0) {
			return nil, false, nil
		}
		row[i] = math.Sqrt(v)
	}
	return c, true, nil
}

// condition estimates the condition number of the scaled matrix.
func (c *cholesky) condition() float64 {
	var chol mat.Cholesky
	chol.SetFromU(mat.NewTriDense(c.n, mat.Lower, c.factor).TTri())
	return chol.Cond()
}

// solve replaces b by the solution of a·x = b.
func (c *cholesky) solve(b []float64) {
	n := c.n
	for i := range b {
		b[i] = (float64(b[i]*c.scale[i]) - dot(c.factor[i*n:i*n+i], b[:i])) / c.factor[i*n+i]
	}
	for i := n - 1; i >= 0; i-- {
		b[i] /= c.factor[i*n+i]
		addScaled(b[:i], -b[i], c.factor[i*n:i*n+i])
	}
	for i := range b {
		b[i] *= c.scale[i]
	}
}
