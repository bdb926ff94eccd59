// Package archtest guards the architecture: its tests read the import order in
// imports.txt and check every Go file of the repository against it, and that
// the depguard rules of .golangci.yml are written from the same file.
//
// It has no code of its own and nothing imports it. Start reading at
// imports.txt.
package archtest
