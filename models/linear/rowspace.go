package linear

import (
	"context"
	"math"
)

// inRowSpace solves least squares of more columns than rows by as many unknowns
// as there are rows: with Z the centred rows, each times √s, and t the centred
// targets likewise,
//
//	w = Zᵀ·a,   (Z·Zᵀ + αI)·a = t
//
// (Saunders, Gammerman and Vovk, "Ridge Regression Learning Algorithm in Dual
// Variables", ICML 1998), which without a penalty is the solution of least ‖w‖.
// Centring leaves a vector q ∝ √s with Zᵀ·q = 0 and q·t = 0, whose eigenvalue is
// moved away from 0: a doesn't change. Badly conditioned problems go through the
// singular values of Z.
func (p *centred) inRowSpace(ctx context.Context, s LeastSquaresSettings) ([]float64, error) {
	d := p.g.d
	n := d.Rows
	kernel, err := p.kernel(ctx)
	if err != nil {
		return nil, err
	}
	t, trace := make([]float64, n), 0.0
	for i, y := range d.Y {
		t[i] = math.Sqrt(d.weight(i)) * (y - p.yMean)
		trace += kernel[i*n+i]
	}
	if !finite(kernel...) || !finite(t...) || !finite(trace) {
		return nil, overflow()
	}
	for i := range n {
		for k := range n {
			kernel[i*n+k] += trace / float64(n) / p.total * math.Sqrt(d.weight(i)) * math.Sqrt(d.weight(k))
		}
	}
	a := append([]float64(nil), t...)
	ok, err := solvePenalised(ctx, kernel, a, s)
	if err == nil && !ok {
		a, err = p.bySingularValues(ctx, t, s)
	}
	if err != nil {
		return nil, err
	}
	w := make([]float64, d.Cols)
	err = p.g.rows(ctx, func(i int) {
		c := a[i] * math.Sqrt(d.weight(i))
		for j, x := range d.row(i) {
			w[j] += float64(c * (x - p.g.mean[j]))
		}
	})
	return w, err
}

// kernel gives Z·Zᵀ, both triangles, summed over batches of columns.
func (p *centred) kernel(ctx context.Context) ([]float64, error) {
	d := p.g.d
	n, threads := d.Rows, max(1, min(d.Threads, d.Rows))
	kernel, block := make([]float64, n*n), make([]float64, n*batchRows)
	every := lookEvery(n * batchRows)
	for from := 0; from < d.Cols; from += batchRows {
		width := min(batchRows, d.Cols-from)
		for i := range n {
			p.part(i, from, block[i*width:(i+1)*width], 1)
		}
		inParallel(threads, func(t int) {
			for i := t; i < n; i += threads {
				if i%every == 0 && ctx.Err() != nil {
					return
				}
				for k := range i + 1 {
					kernel[i*n+k] += dot(block[i*width:(i+1)*width], block[k*width:(k+1)*width])
				}
			}
		})
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	for i := range n {
		for k := range i {
			kernel[k*n+i] = kernel[i*n+k]
		}
	}
	return kernel, nil
}

// part writes some columns of a row of Z to every stride-th element of to.
func (p *centred) part(i, from int, to []float64, stride int) {
	root := math.Sqrt(p.g.d.weight(i))
	x, mean := p.g.d.row(i)[from:], p.g.mean[from:]
	for j := 0; j*stride < len(to); j++ {
		to[j*stride] = root * (x[j] - mean[j])
	}
}

// bySingularValues gives a = Σ vᵢ·(vᵢ·t)/(σᵢ² + α), with σᵢ and vᵢ of the triangle
// R of Zᵀ = Q·R.
func (p *centred) bySingularValues(ctx context.Context, t []float64, s LeastSquaresSettings) ([]float64, error) {
	d := p.g.d
	n := d.Rows
	r, block, scratch := make([]float64, n*n), make([]float64, batchRows*n), make([]float64, n)
	for from := 0; from < d.Cols; from += batchRows {
		rows := min(batchRows, d.Cols-from)
		for i := range n {
			p.part(i, from, block[i:(rows-1)*n+i+1], n)
		}
		for j := range n {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			reflect(r[j*n:(j+1)*n], block, rows, n, j, scratch)
		}
	}
	wide, v, least, err := p.singular(ctx, r, n, s.Cutoff)
	if err != nil {
		return nil, err
	}
	a := make([]float64, n)
	for i := range n {
		row, vector := wide[i*n:(i+1)*n], v[i*n:(i+1)*n]
		if square := dot(row, row); math.Sqrt(square) > least {
			addScaled(a, dot(vector, t)/(square+s.Alpha), vector)
		}
	}
	return a, nil
}
