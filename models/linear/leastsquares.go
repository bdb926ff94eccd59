package linear

import (
	"context"
	"math"

	"github.com/perennial-ml/perennial"
)

// LeastSquaresSettings sets a least-squares fit.
type LeastSquaresSettings struct {
	Alpha float64 // strength of the L2 penalty, at least 0; 0 is ordinary least squares
	// Cutoff is the share of the largest singular value of the centred columns
	// below which a singular value counts as 0; default 2⁻⁵²·max(Rows, Cols).
	Cutoff float64
}

// The condition numbers (of the scaled normal equations) up to which they are
// solved as they are: nine digits are left then, seven with a penalty.
const (
	fastCondition      = 1e7
	penalisedCondition = 1e9
)

// maxColumns bounds the side of a square matrix: 800 MB at most.
const maxColumns = 10_000

// FitLeastSquares solves, as scikit-learn's LinearRegression and Ridge,
//
//	min Σᵢ sᵢ·(yᵢ − b − xᵢ·w)² + α·‖w‖²
//
// with row weights sᵢ; the intercept b = ȳ − x̄·w isn't penalised. Where several
// solutions are equally good, it gives the one of least ‖w‖, as scikit-learn.
//
// Well-conditioned problems, and those whose columns are exact combinations of
// others, go through the Cholesky factors of XᵀX + αI on centred columns, all
// others through a QR decomposition by Householder reflections (Golub and Van
// Loan, Matrix Computations, §5.2), without a penalty followed by singular values
// by one-sided Jacobi rotations (ibid., §8.6.3), which takes minutes above 1,000
// columns. More columns than rows are solved in the rows' space, at a cost that
// grows with columns × rows² and not with the columns' cube.
//
// It stops within a fraction of a second once ctx has ended and gives ctx's
// error. Other errors: code invalid for bad weights and for columns whose sums of
// squares overflow, too_large above 10,000 columns and as many rows. Besides the
// rows it needs one or two square matrices with a side of the smaller of both, and
// up to four where the problem is singular.
func FitLeastSquares(ctx context.Context, d Data, s LeastSquaresSettings) (*Regression, error) {
	const op = "linear.FitLeastSquares"
	if d.Cols > d.Rows {
		c, err := newCentred(ctx, &d, d.Rows)
		if err != nil {
			return nil, perennial.Wrap(op, err)
		}
		w, err := c.inRowSpace(ctx, s)
		if err != nil {
			return nil, perennial.Wrap(op, err)
		}
		return c.regression(op, w)
	}
	p, err := newMoments(ctx, &d)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	w, ok, err := p.normal(ctx, s)
	if err == nil && !ok {
		w, ok, err = p.dependent(ctx, s)
	}
	if err == nil && !ok {
		w, err = p.orthogonal(ctx, s)
	}
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	return p.regression(op, w)
}

// centred are the rows with the weighted means of their columns and target.
type centred struct {
	g     *design
	yMean float64
	total float64 // Σ s
}

// newCentred checks the data and measures it. side is that of the square matrices
// that the fit will need.
func newCentred(ctx context.Context, d *Data, side int) (*centred, error) {
	if err := d.check(""); err != nil {
		return nil, err
	}
	if side > maxColumns {
		return nil, perennial.Errorf(perennial.CodeTooLarge, "", "%d prepared columns and %d rows; this algorithm takes at most %d columns", d.Cols, d.Rows, maxColumns).
			WithHint("Encode categorical columns in another way than one_hot, or give them fewer max_values.")
	}
	g, err := newDesign(ctx, d, false, false)
	if err != nil {
		return nil, err
	}
	c := &centred{g: g}
	for i, y := range d.Y {
		c.total += d.weight(i)
		c.yMean += float64(d.weight(i) * y)
	}
	c.yMean /= c.total
	return c, nil
}

// overflow refuses sums that aren't finite.
func overflow() error {
	return perennial.Errorf(perennial.CodeInvalid, "", "the columns hold numbers whose squares overflow").WithHint("Scale the features and the target.")
}

// moments are the sums over the rows that least squares is made of, on centred
// columns and a centred target.
type moments struct {
	*centred
	gram []float64 // Σ s·x·xᵀ, Cols × Cols
	rhs  []float64 // Σ s·x·y
	y2   float64   // Σ s·y²
}

func newMoments(ctx context.Context, d *Data) (*moments, error) {
	c, err := newCentred(ctx, d, d.Cols)
	if err != nil {
		return nil, err
	}
	p, g := &moments{centred: c}, c.g
	n := d.Cols
	sums, err := g.sum(ctx, n+1, func() func(*batch, []float64) {
		weighted := make([]float64, batchRows)
		return func(b *batch, part []float64) {
			for i := range b.n {
				y := d.Y[b.from+i] - p.yMean
				weighted[i] = d.weight(b.from+i) * y
				part[n] += float64(weighted[i] * y)
			}
			for j := range n {
				part[j] += dot(weighted[:b.n], b.col(j))
			}
		}
	})
	if err != nil {
		return nil, err
	}
	p.rhs, p.y2 = sums[:n], sums[n]
	grams, err := g.gram(ctx, 1, 1, func(b *batch, _ int, w []float64) {
		for i := range w {
			w[i] = d.weight(b.from + i)
		}
	})
	if err != nil {
		return nil, err
	}
	p.gram = grams[0]
	if !finite(p.gram...) || !finite(p.rhs...) || !finite(p.y2) {
		return nil, overflow()
	}
	return p, nil
}

// normal solves the normal equations; ok is false where they are too badly
// conditioned for that, or where a singular value may count as 0.
func (p *moments) normal(ctx context.Context, s LeastSquaresSettings) (w []float64, ok bool, err error) {
	n := p.g.d.Cols
	if n == 0 {
		return nil, true, nil
	}
	a := p.gram // with a penalty, nothing else needs it
	if s.Alpha == 0 {
		a = append([]float64(nil), p.gram...)
	}
	w = append([]float64(nil), p.rhs...)
	ok, err = solvePenalised(ctx, a, w, s)
	return w, ok, err
}

// solvePenalised replaces b by the solution of (a + αI)·x = b, and spoils a; ok is
// false where that is too badly conditioned, or a singular value may count as 0.
func solvePenalised(ctx context.Context, a, b []float64, s LeastSquaresSettings) (ok bool, err error) {
	n := len(b)
	low, high := math.Inf(1), 0.0
	for j := range n {
		a[j*n+j] += s.Alpha
		low, high = min(low, a[j*n+j]), max(high, a[j*n+j])
	}
	c, ok, err := newCholesky(ctx, a, n, 0)
	if err != nil || !ok {
		return false, err
	}
	cond, limit := c.condition(), fastCondition
	if s.Alpha > 0 {
		limit = penalisedCondition
	}
	if !(cond <= limit) || (s.Alpha == 0 && !(math.Sqrt(cond*high/low)*s.Cutoff < 0.1)) {
		return false, nil
	}
	c.solve(b)
	return true, nil
}

// regression makes the predictor of centred coefficients.
func (p *centred) regression(op string, w []float64) (*Regression, error) {
	m := &Regression{Coef: w, Intercept: p.yMean - dot(p.g.mean, w)}
	if !finite(m.Intercept) || !finite(w...) {
		return nil, perennial.Errorf(perennial.CodeInvalid, op, "the coefficients grew beyond all bounds").WithHint("Scale the features and the target.")
	}
	return m, nil
}

// orthogonal solves by QR of the rows and, with a penalty, of √α·I below them;
// without one by the triangle's singular values: w = Σ vᵢ·(uᵢ·c)/σᵢ.
func (p *moments) orthogonal(ctx context.Context, s LeastSquaresSettings) ([]float64, error) {
	n := p.g.d.Cols
	r, c, err := p.triangle(ctx, s.Alpha)
	if err != nil {
		return nil, err
	}
	if s.Alpha > 0 {
		for i := n - 1; i >= 0; i-- {
			c[i] = (c[i] - dot(r[i*n+i+1:(i+1)*n], c[i+1:])) / r[i*n+i]
		}
		return c, nil
	}
	wide, v, least, err := p.singular(ctx, r, n, s.Cutoff)
	if err != nil {
		return nil, err
	}
	w := make([]float64, n)
	for i := range n {
		row := wide[i*n : (i+1)*n]
		square := dot(row, row)
		if math.Sqrt(square) > least {
			addScaled(w, dot(row, c)/square, v[i*n:(i+1)*n])
		}
	}
	return w, nil
}

// singular gives the triangle's n singular vectors as rows, uᵢ·σᵢ and vᵢ, and up
// to where a singular value counts as 0.
func (p *centred) singular(ctx context.Context, r []float64, n int, cutoff float64) (wide, v []float64, least float64, err error) {
	// Rows of wide are the columns of R, rotated until they are orthogonal.
	wide, v = make([]float64, n*n), make([]float64, n*n)
	for i := range n {
		for j := i; j < n; j++ {
			wide[j*n+i] = r[i*n+j]
		}
		v[i*n+i] = 1
	}
	if err := jacobi(ctx, wide, v, n); err != nil {
		return nil, nil, 0, err
	}
	largest := 0.0
	for i := range n {
		row := wide[i*n : (i+1)*n]
		largest = max(largest, math.Sqrt(dot(row, row)))
	}
	if cutoff == 0 {
		cutoff = 0x1p-52 * float64(max(p.g.d.Rows, p.g.d.Cols))
	}
	return wide, v, cutoff * largest, nil
}

// triangle gives R and the first Cols elements of Qᵀy of the centred, weighted
// rows (and of √α·I), batch by batch: each is reflected into the triangle so far.
func (p *moments) triangle(ctx context.Context, alpha float64) (r, c []float64, err error) {
	d, n := p.g.d, p.g.d.Cols
	wide := n + 1
	r, block := make([]float64, n*wide), make([]float64, batchRows*wide)
	t := make([]float64, wide)
	all := d.Rows
	if alpha > 0 {
		all += n
	}
	for from := 0; from < all; from += batchRows {
		rows := min(batchRows, all-from)
		for i := range rows {
			row := block[i*wide : (i+1)*wide]
			if at := from + i - d.Rows; at >= 0 {
				clear(row)
				row[at] = math.Sqrt(alpha)
				continue
			}
			root := math.Sqrt(d.weight(from + i))
			for j, x := range d.row(from + i) {
				row[j] = root * (x - p.g.mean[j])
			}
			row[n] = root * (d.Y[from+i] - p.yMean)
		}
		for j := range n {
			if ctx.Err() != nil {
				return nil, nil, ctx.Err()
			}
			reflect(r[j*wide:(j+1)*wide], block, rows, wide, j, t)
		}
	}
	triangle, c := make([]float64, n*n), make([]float64, n)
	for i := range n {
		copy(triangle[i*n:], r[i*wide:i*wide+n])
		c[i] = r[i*wide+n]
	}
	return triangle, c, nil
}

// reflect applies the Householder reflection that turns column j of the block
// (below row j of the triangle) to 0. t is scratch of the rows' width.
func reflect(top, block []float64, rows, wide, j int, t []float64) {
	scale := math.Abs(top[j])
	for i := range rows {
		scale = max(scale, math.Abs(block[i*wide+j]))
	}
	if scale == 0 {
		return
	}
	sum := float64((top[j] / scale) * (top[j] / scale))
	for i := range rows {
		v := block[i*wide+j] / scale
		sum += float64(v * v)
	}
	norm := scale * math.Sqrt(sum)
	alpha := -math.Copysign(norm, top[j])
	head := top[j] - alpha // v = (head, block column), vᵀv/2 = −alpha·head
	top[j] = alpha
	rest := t[j+1 : wide]
	copy(rest, top[j+1:])
	for i := range rest {
		rest[i] *= head
	}
	for i := range rows {
		if v := block[i*wide+j]; v != 0 {
			addScaled(rest, v, block[i*wide+j+1:(i+1)*wide])
		}
	}
	factor := 1 / (alpha * head) // −2/vᵀv
	addScaled(top[j+1:], factor*head, rest)
	for i := range rows {
		if v := block[i*wide+j]; v != 0 {
			addScaled(block[i*wide+j+1:(i+1)*wide], factor*v, rest)
			block[i*wide+j] = 0
		}
	}
}

// jacobi rotates pairs of rows of a (n × n) until all are orthogonal, and the
// rows of v with them.
func jacobi(ctx context.Context, a, v []float64, n int) error {
	const sweeps, eps = 60, 0x1p-50
	for range sweeps {
		rotated := false
		for i := range n - 1 {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			x := a[i*n : (i+1)*n]
			for k := i + 1; k < n; k++ {
				y := a[k*n : (k+1)*n]
				xx, yy, xy := dot(x, x), dot(y, y), dot(x, y)
				if math.Abs(xy) <= eps*math.Sqrt(xx)*math.Sqrt(yy) {
					continue
				}
				rotated = true
				zeta := (yy - xx) / (2 * xy)
				tan := math.Copysign(1, zeta) / (math.Abs(zeta) + math.Hypot(1, zeta))
				cos := 1 / math.Sqrt(1+float64(tan*tan))
				rotate(x, y, cos, cos*tan)
				rotate(v[i*n:(i+1)*n], v[k*n:(k+1)*n], cos, cos*tan)
			}
		}
		if !rotated {
			break
		}
	}
	return nil
}

func rotate(x, y []float64, cos, sin float64) {
	for i, a := range x {
		b := y[i]
		x[i] = float64(cos*a) - float64(sin*b)
		y[i] = float64(sin*a) + float64(cos*b)
	}
}
