// Package data embeds the data side of the demo project: the pointer files, the
// objects of the DVC remote they point at, and the data cards. It does nothing
// with them; internal/project writes them out.
package data

import "embed"

// FS holds the files as they lie in this directory.
//
//go:embed .gitattributes *.md raw/.gitignore raw/*.dvc remote
var FS embed.FS
