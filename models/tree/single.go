package tree

import "math"

// finishSingle makes the answer of the scores in out as XGBoost does, every
// operation rounded to float32 (xgboost/src/common/math.h, Sigmoid and Softmax).
func (e *Ensemble) finishSingle(out []float64) {
	switch e.Combine &^ Single {
	case SumLogistic:
		p := logisticSingle(float32(out[0]))
		out[0], out[1] = float64(1-p), float64(p)
	case SumSoftmax:
		softmaxSingle(out)
	case SumExp:
		for k, s := range out {
			out[k] = float64(expSingle(float32(s)))
		}
	case SumLogistics:
		for k, s := range out {
			out[k] = float64(logisticSingle(float32(s)))
		}
	default: // Sum
	}
}

// logisticSingle is 1/(1+e⁻ˢ) with XGBoost's guard against overflow.
func logisticSingle(s float32) float32 {
	const most, eps = 88.7, 1e-16
	return 1 / (expSingle(min(-s, most)) + 1 + eps)
}

// softmaxSingle adds up the exponentials in float64, as XGBoost does, and
// divides by their sum rounded to float32.
func softmaxSingle(out []float64) {
	top := float32(out[0])
	for _, s := range out[1:] {
		top = max(top, float32(s))
	}
	sum := 0.0
	for k, s := range out {
		v := float64(expSingle(float32(s) - top))
		out[k] = v
		sum += v
	}
	for k, v := range out {
		out[k] = float64(float32(v) / float32(sum))
	}
}

// expSingle is expf of glibc 2.27 and later, which XGBoost calls on Linux: float64
// arithmetic rounded once to float32. With N = 32 and x·N/ln 2 = k + r, |r| ≤ ½,
// it is 2^(k/N) · 2^(r/N): the first from a table, the second a cubic in r
// (Szabolcs Nagy, ARM optimized routines, math/expf.c). Its results are those of
// the exact exponential but for about one in a thousand, which is a float32
// beside it; a float64 exponential rounded to float32 would miss those.
func expSingle(x float32) float32 {
	switch {
	case x != x:
		return x
	case x > 0x1.62e42ep6: // ln 2^128
		return float32(math.Inf(1))
	case x < -0x1.9fe368p6: // ln 2^-150
		return 0
	}
	const (
		bits  = 5
		n     = 1 << bits
		scale = 0x1.71547652b82fep+0 * n // N / ln 2
		shift = 0x1.8p+52                // adding it rounds to a whole number
		c0    = 0x1.c6af84b912394p-5 / n / n / n
		c1    = 0x1.ebfce50fac4f3p-3 / n / n
		c2    = 0x1.62e42ff0c52d6p-1 / n
	)
	z := float64(scale * float64(x))
	kd := float64(z + shift)
	k := math.Float64bits(kd)
	r := z - float64(kd-shift)
	s := math.Float64frombits(powers[k%n] + k<<(52-bits))
	y := float64(float64(c0*r)+c1)*float64(r*r) + float64(float64(c2*r)+1)
	return float32(float64(y) * s)
}

// powers holds the bits of 2^(i/32), less i<<47.
var powers = [32]uint64{
	0x3ff0000000000000, 0x3fefd9b0d3158574, 0x3fefb5586cf9890f, 0x3fef9301d0125b51,
	0x3fef72b83c7d517b, 0x3fef54873168b9aa, 0x3fef387a6e756238, 0x3fef1e9df51fdee1,
	0x3fef06fe0a31b715, 0x3feef1a7373aa9cb, 0x3feedea64c123422, 0x3feece086061892d,
	0x3feebfdad5362a27, 0x3feeb42b569d4f82, 0x3feeab07dd485429, 0x3feea47eb03a5585,
	0x3feea09e667f3bcd, 0x3fee9f75e8ec5f74, 0x3feea11473eb0187, 0x3feea589994cce13,
	0x3feeace5422aa0db, 0x3feeb737b0cdc5e5, 0x3feec49182a3f090, 0x3feed503b23e255d,
	0x3feee89f995ad3ad, 0x3feeff76f2fb5e47, 0x3fef199bdd85529c, 0x3fef3720dcef9069,
	0x3fef5818dcfba487, 0x3fef7c97337b9b5f, 0x3fefa4afa2a490da, 0x3fefd0765b6e4540,
}
