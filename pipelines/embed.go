// Package pipelines embeds the pipelines of the demo project with their schemas
// and splits. It does nothing with them; internal/project writes them out.
package pipelines

import "embed"

// FS holds the files as they lie in this directory.
//
//go:embed *.yaml *.csv
var FS embed.FS
