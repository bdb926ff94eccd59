package stats

// Hash maps a seed and a number to 64 bits that look random: a pure function,
// so that everything seeded by it is the same in every run and on every machine.
// Neighbouring seeds and numbers share nothing (splitmix64 over both).
func Hash(seed int64, n uint64) uint64 {
	s := splitmix64(uint64(seed)) //nolint:gosec // the bits of the seed, not its value
	return splitmix64(s ^ splitmix64(n))
}
