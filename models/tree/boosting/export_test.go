package boosting

// WithSlots limits the histograms that a fit keeps, at least 3.
func WithSlots(s Settings, n int) Settings {
	s.slots = n
	return s
}

// WithoutLanes does without assembly.
func WithoutLanes(s Settings) Settings {
	s.single = true
	return s
}
