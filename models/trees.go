package models

import "github.com/perennial-ml/perennial/models/tree"

// compiledTrees predicts by the compiled form and is stored as the ensemble.
type compiledTrees struct {
	*tree.Compiled
	ensemble *tree.Ensemble
}

// Encode gives the ensemble's bytes.
func (c compiledTrees) Encode() ([]byte, error) { return c.ensemble.Encode() }

func compileTrees(e *tree.Ensemble) compiledTrees { return compiledTrees{tree.Compile(e), e} }

func decodeTrees(b []byte, width, outputs int) (Predictor, error) {
	e, err := tree.Decode(b, width, outputs)
	if err != nil {
		return nil, err
	}
	return compileTrees(e), nil
}
