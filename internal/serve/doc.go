// Package serve answers prediction requests. It follows the traffic rows, loads
// the model versions they name, assigns each request to a version, validates
// it field by field, predicts, and hands what happened to the prediction log.
//
// TrafficStore keeps the rows (tables traffic and traffic_history): one row a
// model, written by compare-and-swap only. Engine polls them, keeps the last
// good state when the database fails or a version can't be loaded, and
// publishes each new state as an immutable snapshot, so that a request reads
// one pointer and takes no lock. It needs neither Temporal nor MLflow: model
// files come from the content-addressed store.
//
// The request path scans JSON by hand and appends its answer to a pooled
// buffer: with encoding/json either way it costs about a third of the
// throughput. It never waits for the prediction log.
//
// Start reading at Engine.Predict, then engine.go for how a state comes about.
package serve
