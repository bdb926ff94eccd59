package boosting

// WithSlots limits the histograms that a fit keeps, at least 3.
func WithSlots(s Settings, n int) Settings {
	s.slots = n
	return s
}

// WithoutLanes scans columns one by one, as processors without AVX-512 do.
func WithoutLanes(s Settings) Settings {
	s.single = true
	return s
}
