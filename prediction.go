package perennial

import "encoding/json"

// Prediction is what is remembered of one answered or failed attempt: one row
// of the prediction log.
type Prediction struct {
	ID            string             // UUIDv7
	Replica       string             // the process that answered
	At            int64              // µs since 1970
	Model         string             //
	Version       string             //
	Variant       Variant            // who answered
	Epoch         int64              // of the traffic row
	Bucket        int                // 0..9999; -1 where nothing was assigned
	UnitID        string             // "" where the request named none
	Key           string             // the caller's business key
	Kind          PredictionKind     //
	Attempt       int                // 0, or 1 for the champion's answer after a challenger's failure
	Status        string             // ok | error
	LatencyNS     int64              //
	Features      json.RawMessage    // as they came, less what the schema says not to log
	Redacted      []string           // the features left out or hashed
	Answer        string             // the predicted class; "" for regression
	Value         float64            // the predicted number; NaN for classification
	Probabilities map[string]float64 // classification
	DecisionID    string             // behind the traffic row
}

// PredictionKind says where a prediction came from. Only live ones count in
// rollouts and drift.
type PredictionKind string

// The kinds of prediction.
const (
	KindLive    PredictionKind = "live"
	KindShadow  PredictionKind = "shadow"
	KindPinned  PredictionKind = "pinned"
	KindBatch   PredictionKind = "batch"
	KindConsole PredictionKind = "console"
)
