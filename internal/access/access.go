// Package access keeps who may do what, and who did what: tokens, of which only
// the hash is stored, and the audit, an append-only chain of hashes.
//
// It decides nothing: package api says which route needs which role, and package
// control authorises and writes the audit. A token's text exists in the answer
// that made it and nowhere else.
//
// Start reading at Store, then at Guard, which answers for each request.
package access

import (
	"context"
	"embed"
	"io/fs"

	"gorm.io/gorm"
)

// Component names these tables' version table for db.Migrate.
const Component = "access"

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations holds the tables' history for db.Migrate.
var Migrations fs.FS = migrations

// Store reads and writes tokens and audit. It is safe for concurrent use by any
// number of goroutines and processes. Its errors are *perennial.Error with the
// codes that each method names, and unavailable, deadline or internal for the
// database's own troubles.
type Store struct {
	db      *gorm.DB
	changed func(ctx context.Context) // a token was made or revoked through this store; nil: nobody asks
}

// NewStore gives a store on a database that db.Migrate has prepared.
func NewStore(g *gorm.DB) *Store { return &Store{db: g} }

func (s *Store) tell(ctx context.Context) {
	if s.changed != nil {
		s.changed(ctx)
	}
}
