package boosting

// WithSlots limits the histograms that a fit keeps, at least 3.
func WithSlots(s Settings, n int) Settings {
	s.slots = n
	return s
}
