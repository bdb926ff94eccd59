package linear

import (
	"context"
	"math"
)

// covariances are a problem by XᵀX: its rows are added to the gradient, so that a
// coefficient that stays costs nothing.
type covariances struct {
	*moments
	grad []float64 // Xᵀ(y − X·w)
}

func (p *covariances) square(j int) float64 { return p.gram[j*len(p.grad)+j] }

func (p *covariances) gradient(j int) float64 { return p.grad[j] }

func (p *covariances) change(j int, by float64) {
	n := len(p.grad)
	addScaled(p.grad, by, p.gram[j*n:(j+1)*n])
}

func (p *covariances) refresh(ctx context.Context, w []float64) error {
	copy(p.grad, p.rhs)
	every := lookEvery(len(w))
	for j, v := range w {
		if j%every == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if v != 0 {
			p.change(j, -v)
		}
	}
	return nil
}

func (p *covariances) residual(w []float64) (rr, yr float64) {
	wq := dot(w, p.rhs)
	wr := dot(w, p.grad)
	// w·Xᵀ(y − Xw) = wr, so ‖y − Xw‖² = y·y − w·Xᵀy − wr.
	return max(0, p.y2-wq-wr), p.y2 - wq
}

func (p *covariances) targets() float64 { return p.y2 }

// residuals are a problem by its columns: each step costs as much as there are rows.
type residuals struct {
	*centred
	x       []float64 // column by column
	squares []float64 // of the columns
	y, r    []float64 // r = y − X·w
	y2      float64
}

func newResiduals(ctx context.Context, d *Data) (*residuals, error) {
	c, err := newCentred(ctx, d, d.Rows)
	if err != nil {
		return nil, err
	}
	p := &residuals{centred: c, x: make([]float64, len(d.X)), squares: make([]float64, d.Cols), y: make([]float64, d.Rows)}
	if err := c.g.rows(ctx, func(i int) {
		p.part(i, 0, p.x[i:(d.Cols-1)*d.Rows+i+1], d.Rows)
		p.y[i] = math.Sqrt(d.weight(i)) * (d.Y[i] - c.yMean)
	}); err != nil {
		return nil, err
	}
	for j := range p.squares {
		p.squares[j] = dot(p.column(j), p.column(j))
	}
	p.y2, p.r = dot(p.y, p.y), append([]float64(nil), p.y...)
	if !finite(p.squares...) || !finite(p.y2) {
		return nil, overflow()
	}
	return p, nil
}

func (p *residuals) column(j int) []float64 { return p.x[j*len(p.y) : (j+1)*len(p.y)] }

func (p *residuals) square(j int) float64 { return p.squares[j] }

func (p *residuals) gradient(j int) float64 { return dot(p.column(j), p.r) }

func (p *residuals) change(j int, by float64) { addScaled(p.r, by, p.column(j)) }

func (p *residuals) refresh(ctx context.Context, w []float64) error {
	copy(p.r, p.y)
	for j, v := range w {
		if v != 0 {
			p.change(j, -v)
		}
	}
	return ctx.Err()
}

func (p *residuals) residual([]float64) (rr, yr float64) { return dot(p.r, p.r), dot(p.y, p.r) }

func (p *residuals) targets() float64 { return p.y2 }
