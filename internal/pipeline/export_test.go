package pipeline

import "github.com/perennial-ml/perennial"

// Decode is the part of Load that needs no schema.
func Decode(file string, b []byte) (*perennial.Pipeline, error) {
	p, d := decode(file, b)
	if err := failure("pipeline.Decode", d.faults); err != nil {
		return nil, err
	}
	return p, nil
}
