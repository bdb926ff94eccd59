package mlflow

// Version is the version of MLflow whose REST API and MLmodel files these are.
const Version = "3.17.2"

// MLflow's limits. Lengths are in characters.
const (
	MaxBatchMetrics = 1000 // and of metrics, params and tags together
	MaxBatchTags    = 100  // and params
	MaxParam        = 6000 // more of a value is cut off
	MaxTag          = 8000 // of a run: more is cut off; of a logged model: more is refused
	MaxRegistryTag  = 100_000
	MaxInputTag     = 500
)

// Truncate keeps the first characters of a text.
func Truncate(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	n := 0
	for i := range text {
		if n++; n > limit {
			return text[:i]
		}
	}
	return text
}
