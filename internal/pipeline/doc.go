// Package pipeline reads what a user writes: pipeline and schema files. It
// decodes YAML strictly, with every fault at once and its line, fills in
// defaults, checks pipeline against schema, algorithms and metrics, and keeps
// the applied pipelines with their revisions in the database.
//
// It opens no data file and starts no work. Start reading at Load; decode.go has
// the decoder, defaults.go the defaults, validate.go what a pipeline file must
// meet by itself and check.go what it must meet together with its schema.
package pipeline
