package stats

import "math/rand/v2"

// NewRand gives a generator that is a pure function of seed and stream: PCG
// (O'Neill, "PCG: A Family of Simple Fast Space-Efficient Statistically Good
// Algorithms for Random Number Generation", 2014) from math/rand/v2.
//
// Both numbers are hashed with splitmix64 first, so that neighbouring seeds and
// streams (trial 3 and trial 4) share nothing. A generator must not be used by
// two goroutines at once.
func NewRand(seed int64, stream uint64) *rand.Rand {
	s := splitmix64(uint64(seed))                                     //nolint:gosec // the bits of the seed, not its value
	return rand.New(rand.NewPCG(s, splitmix64(s^splitmix64(stream)))) //nolint:gosec // statistics, not security
}

// splitmix64 is the output function of Steele, Lea and Flood, "Fast Splittable
// Pseudorandom Number Generators" (2014): a bijection that spreads every bit.
func splitmix64(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb
	return x ^ (x >> 31)
}
