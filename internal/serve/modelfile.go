package serve

import "github.com/perennial-ml/perennial/models"

// decodeModel reads a model file of package models.
func decodeModel(b []byte) (Model, error) {
	m, err := models.Decode(b)
	if err != nil {
		return nil, err
	}
	return modelFile{m}, nil
}

type modelFile struct{ *models.Model }

// NewPredictor gives a predictor with a scratch of its own.
func (f modelFile) NewPredictor() Predictor { return &modelPredictor{f.Model, f.NewScratch()} }

type modelPredictor struct {
	model   *models.Model
	scratch *models.Scratch
}

// Predict answers one row.
func (p *modelPredictor) Predict(row []float64) (float64, []float64) {
	return p.model.Predict(row, p.scratch)
}

// Overflows names the values of a row that are too large for the model.
func (p *modelPredictor) Overflows(row []float64) []Overflow {
	var out []Overflow
	for _, o := range p.model.Overflows(row, p.scratch) {
		out = append(out, Overflow(o))
	}
	return out
}
