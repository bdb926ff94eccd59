package linear

import (
	"fmt"

	"github.com/perennial-ml/perennial"
)

// Regression is a fitted linear regression: prediction = Intercept + Coef·x.
type Regression struct {
	Coef       []float64 `json:"coef"`
	Intercept  float64   `json:"intercept"`
	Status     Status    `json:"status,omitempty"` // "" for a solution in closed form
	Iterations int       `json:"iterations,omitempty"`
	Loss       []float64 `json:"-"` // the objective after each iteration; not in the file
}

// Predict writes the prediction for one row to out[0].
func (m *Regression) Predict(x, out []float64) { out[0] = m.Intercept + dot(m.Coef, x) }

// Encode writes the model for the model file.
func (m *Regression) Encode() ([]byte, error) { return encode("linear.Regression", m) }

// Warning says in a sentence what a user should know of the fit; "" for nothing.
func (m *Regression) Warning() string {
	if m.Status == "" || m.Status == Converged {
		return ""
	}
	return fmt.Sprintf("the coordinate descent ended as %s after %d iterations; scaling the features or a larger max_iter helps.", m.Status, m.Iterations)
}

// DecodeRegression reads what Encode wrote; a model that doesn't fit the number
// of features is an error of code malformed.
func DecodeRegression(b []byte, features int) (*Regression, error) {
	const op = "linear.DecodeRegression"
	m := &Regression{}
	if err := decode(op, b, m); err != nil {
		return nil, err
	}
	if m.Status != "" && !m.Status.known() {
		return nil, perennial.Errorf(perennial.CodeMalformed, op, "the fit ended as %q, which no fit does", m.Status)
	}
	if len(m.Coef) != features {
		return nil, perennial.Errorf(perennial.CodeMalformed, op, "%d coefficients for %d features", len(m.Coef), features)
	}
	return m, nil
}
