package linear

import (
	"context"
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
)

// history is the number of steps that L-BFGS remembers.
const history = 10

// quasiNewton steps by L-BFGS; with an L1 part each step stays in one orthant,
// where the penalty is smooth (OWL-QN).
type quasiNewton struct {
	p         *logisticProblem
	moves     [][]float64 // differences of the parameters, oldest first
	turns     [][]float64 // differences of the gradients
	curvature []float64   // their dot products
}

func (s *quasiNewton) next(ctx context.Context, at *point, slope []float64) (*point, error) {
	for {
		direction := s.direction(slope)
		for i := range direction {
			if s.p.l1[i] > 0 && direction[i]*slope[i] >= 0 {
				direction[i] = 0
			}
		}
		next, err := s.p.search(ctx, at, slope, dot(slope, direction), func(t float64) []float64 { return s.move(at, slope, direction, t) })
		if err != nil {
			return nil, err
		}
		if next != nil {
			s.remember(at, next)
			return next, nil
		}
		if len(s.moves) == 0 {
			return nil, ctx.Err()
		}
		// What was remembered may mislead; the steepest way is tried before giving up.
		s.moves, s.turns, s.curvature = nil, nil, nil
	}
}

// direction is −H⁻¹·slope with the inverse Hessian that the history implies.
func (s *quasiNewton) direction(slope []float64) []float64 {
	out := make([]float64, len(slope))
	addScaled(out, -1, slope)
	k := len(s.moves)
	if k == 0 {
		floats.Scale(1/max(1, floats.Norm(slope, 2)), out)
		return out
	}
	alpha := make([]float64, k)
	for i := k - 1; i >= 0; i-- {
		alpha[i] = dot(s.moves[i], out) / s.curvature[i]
		addScaled(out, -alpha[i], s.turns[i])
	}
	last := s.turns[k-1]
	floats.Scale(s.curvature[k-1]/dot(last, last), out)
	for i := range k {
		addScaled(out, alpha[i]-dot(s.turns[i], out)/s.curvature[i], s.moves[i])
	}
	return out
}

// move goes t along the direction and stops penalised parameters at 0 where they
// would change their sign.
func (s *quasiNewton) move(at *point, slope, direction []float64, t float64) []float64 {
	v := slices.Clone(at.v)
	addScaled(v, t, direction)
	for i, l1 := range s.p.l1 {
		if l1 == 0 {
			continue
		}
		side := at.v[i]
		if side == 0 {
			side = -slope[i]
		}
		if v[i]*side < 0 {
			v[i] = 0
		}
	}
	return v
}

func (s *quasiNewton) remember(from, to *point) {
	move, turn := slices.Clone(to.v), slices.Clone(to.grad)
	floats.Sub(move, from.v)
	floats.Sub(turn, from.grad)
	c := dot(move, turn)
	if !(c > 1e-16*math.Sqrt(dot(move, move))*math.Sqrt(dot(turn, turn))) { // NaN fails too
		return
	}
	s.moves, s.turns, s.curvature = append(s.moves, move), append(s.turns, turn), append(s.curvature, c)
	if len(s.moves) > history {
		s.moves, s.turns, s.curvature = s.moves[1:], s.turns[1:], s.curvature[1:]
	}
}
