package boosting

import (
	"math"
	"slices"

	"github.com/perennial-ml/perennial/models/tree"
)

// squares is squared error with weights, or with targets whose spread is too
// wide for exact: loss w·(y−f)²; the negative gradient of its half is w·(y−f),
// the hessian w.
type squares struct{ floats }

func (s *squares) refresh(rows []int32) float64 {
	sum, limit := 0.0, math.Ldexp(1, 62-int(s.counts))/s.gScale
	for _, r := range rows {
		w, v := s.weight(r), s.table.Y[r]-s.scores[0][r]
		s.write(r, min(max(w*v, -limit), limit), w)
		sum += float64(float64(w*v) * v)
	}
	return sum
}

func (s *squares) gradients(int, []int32) {}

// deviations is absolute error: loss w·|y−f|, negative gradient w·sign(y−f).
// Its second derivative is 0, so splits are searched with hessian w, and a leaf's
// value is what minimises the loss itself, the weighted median of its residuals
// (Friedman, "Greedy Function Approximation: A Gradient Boosting Machine", 2001,
// algorithm 3, LAD_TreeBoost).
type deviations struct{ floats }

func (s *deviations) value(rows []int32, _, rate float64) float64 {
	if len(rows) == 0 {
		return 0
	}
	return rate * s.median(rows, func(r int32) float64 { return s.table.Y[r] - s.scores[0][r] })
}

func (s *deviations) median(rows []int32, of func(r int32) float64) float64 {
	return median(s.table, rows, of)
}

func (s *deviations) refresh(rows []int32) float64 {
	sum := 0.0
	for _, r := range rows {
		w, v := s.weight(r), s.table.Y[r]-s.scores[0][r]
		switch {
		case v > 0:
			s.write(r, w, w)
		case v < 0:
			s.write(r, -w, w)
		default:
			s.write(r, 0, w)
		}
		sum += float64(w * math.Abs(v))
	}
	return sum
}

func (s *deviations) gradients(int, []int32) {}

// logistic is the log loss of two classes: with p = 1/(1+exp(−f)) the loss is
// −w·ln p of the row's class, the negative gradient w·(y−p), the hessian w·p·(1−p)
// (Friedman, 2001, section 4.5).
type logistic struct{ floats }

func (s *logistic) refresh(rows []int32) float64 {
	sum := logSum{product: 1}
	for _, r := range rows {
		w, y := s.weight(r), s.table.Y[r]
		p := 1 / (1 + math.Exp(-s.scores[0][r]))
		s.write(r, w*(y-p), w*p*(1-p))
		right := p
		if y == 0 {
			right = 1 - p
		}
		sum.add(w, right)
	}
	return sum.total()
}

func (s *logistic) gradients(int, []int32) {}

// softmax is the log loss of K > 2 classes, one score and one tree per iteration
// for each: p_k = exp(f_k)/Σexp(f_j), negative gradient w·(1{y=k}−p_k) (Friedman,
// 2001, section 4.6) and, as in LightGBM, hessian w·p_k·(1−p_k)·K/(K−1).
type softmax struct {
	floats
	norm []float64 // ln Σ exp(f_j) of every row at the start of the iteration
}

func (s *softmax) refresh(rows []int32) float64 {
	sum := logSum{product: 1}
	for _, r := range rows {
		most := math.Inf(-1)
		for _, f := range s.scores {
			most = max(most, f[r])
		}
		total := 0.0
		for _, f := range s.scores {
			total += math.Exp(f[r] - most)
		}
		s.norm[r] = most + math.Log(total)
		sum.add(s.weight(r), math.Exp(s.scores[int(s.table.Y[r])][r]-s.norm[r]))
	}
	return sum.total()
}

func (s *softmax) gradients(score int, rows []int32) {
	f, classes := s.scores[score], float64(len(s.scores))
	factor := classes / (classes - 1)
	for _, r := range rows {
		w, p, y := s.weight(r), math.Exp(f[r]-s.norm[r]), 0.0
		if int(s.table.Y[r]) == score {
			y = 1
		}
		s.write(r, w*(y-p), factor*w*max(p*(1-p), 0))
	}
}

// logSum sums −w·ln p; with equal weights it multiplies first, since a logarithm
// costs more than a dozen products.
type logSum struct {
	sum     float64
	product float64 // of the probabilities not yet in sum
}

func (l *logSum) add(w, p float64) {
	p = max(p, 1e-15)
	if w != 1 {
		l.sum -= float64(w * math.Log(p))
		return
	}
	if l.product *= p; l.product < 1e-200 {
		l.sum -= math.Log(l.product)
		l.product = 1
	}
}

func (l *logSum) total() float64 { return l.sum - math.Log(l.product) }

// mean is the weighted mean target of rows.
func mean(t *tree.Table, rows []int32) float64 {
	sum, weights := 0.0, 0.0
	for _, r := range rows {
		w := 1.0
		if t.Weights != nil {
			w = t.Weights[r]
		}
		sum += float64(w * t.Y[r])
		weights += w
	}
	if weights == 0 {
		return 0
	}
	return sum / weights
}

// median is the weighted median over rows: the least value at which half of the
// weight is reached, and where it is reached exactly, the mean with the next.
func median(t *tree.Table, rows []int32, of func(r int32) float64) float64 {
	values := make([]float64, len(rows))
	for i, r := range rows {
		values[i] = of(r)
	}
	if t.Weights == nil {
		k := len(values) / 2
		high := nth(values, k)
		if len(values)%2 == 1 {
			return high
		}
		return slices.Max(values[:k])/2 + high/2
	}
	order := make([]int32, len(rows))
	total := 0.0
	for i, r := range rows {
		order[i] = int32(i)
		total += t.Weights[r]
	}
	slices.SortStableFunc(order, func(a, b int32) int {
		switch {
		case values[a] < values[b]:
			return -1
		case values[a] > values[b]:
			return 1
		default:
			return 0
		}
	})
	sum := 0.0
	for at, i := range order {
		sum += t.Weights[rows[i]]
		if 2*sum > total || at == len(order)-1 {
			return values[i]
		}
		if 2*sum == total {
			return values[i]/2 + values[order[at+1]]/2
		}
	}
	return 0
}

// nth puts the value that is k-th in order, from 0, where it belongs, none
// greater before it and none smaller behind (Hoare's quickselect, with the middle
// of three as pivot), and gives it.
func nth(v []float64, k int) float64 {
	lo, hi := 0, len(v)-1
	for lo < hi {
		a, b, c := v[lo], v[lo+(hi-lo)/2], v[hi]
		pivot := max(min(a, b), min(max(a, b), c))
		i, j := lo, hi
		for i <= j {
			for v[i] < pivot {
				i++
			}
			for v[j] > pivot {
				j--
			}
			if i <= j {
				v[i], v[j] = v[j], v[i]
				i++
				j--
			}
		}
		switch {
		case k <= j:
			hi = j
		case k >= i:
			lo = i
		default:
			return v[k]
		}
	}
	return v[k]
}
