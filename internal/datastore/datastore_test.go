package datastore_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/blob"
	"github.com/perennial-ml/perennial/internal/datastore"
	"github.com/perennial-ml/perennial/internal/db"
	"github.com/perennial-ml/perennial/internal/db/dbtest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		g := open()
		require.NoError(t, db.Migrate(t.Context(), g, datastore.Component, datastore.Migrations))
		s := datastore.NewStore(g)
		_, err := s.Get(t.Context(), "data/x.csv")
		require.Equal(t, perennial.CodeNotFound, perennial.CodeOf(err))

		first := datastore.Dataset{Path: "data/x.csv", MD5: strings.Repeat("a", 32), Size: 7, RegisteredAt: 1}
		stored, changed, err := s.Register(t.Context(), first)
		require.NoError(t, err)
		require.True(t, changed)
		require.Equal(t, first, stored)

		again := first
		again.RegisteredAt = 2
		stored, changed, err = s.Register(t.Context(), again)
		require.NoError(t, err)
		require.False(t, changed)
		require.Equal(t, first, stored, "the same content keeps its row")

		next := datastore.Dataset{Path: "data/x.csv", MD5: strings.Repeat("b", 32), Size: 8, RegisteredAt: 3}
		_, changed, err = s.Register(t.Context(), next)
		require.NoError(t, err)
		require.True(t, changed)
		rows, err := datastore.NewStore(open()).List(t.Context())
		require.NoError(t, err)
		require.Equal(t, []datastore.Dataset{next}, rows)

		for name, bad := range map[string]datastore.Dataset{
			"absolute": {Path: "/etc/x", MD5: next.MD5}, "outside": {Path: "../x", MD5: next.MD5}, "not clean": {Path: "a//b", MD5: next.MD5},
			"empty": {MD5: next.MD5}, "no md5": {Path: "x", MD5: "B"},
		} {
			_, _, err := s.Register(t.Context(), bad)
			require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err), name)
		}
	})
}

func TestReaderTakesTheFirstStoreThatHasIt(t *testing.T) {
	t.Parallel()
	g, err := db.Open(t.Context(), db.Options{URL: "sqlite:" + t.TempDir() + "/x.db"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close(g)) })
	require.NoError(t, db.Migrate(t.Context(), g, datastore.Component, datastore.Migrations))
	s := datastore.NewStore(g)
	near, err := blob.Open(t.TempDir())
	require.NoError(t, err)
	far, err := blob.Open(t.TempDir())
	require.NoError(t, err)
	key, size, err := far.PutMD5(t.Context(), strings.NewReader("a\n1\n"))
	require.NoError(t, err)
	_, _, err = s.Register(t.Context(), datastore.Dataset{Path: "x.csv", MD5: strings.TrimPrefix(key, blob.MD5), Size: size})
	require.NoError(t, err)

	b, err := datastore.NewReader(s, near, far).Read(t.Context(), "x.csv")
	require.NoError(t, err)
	require.Equal(t, "a\n1\n", string(b))
	_, err = datastore.NewReader(s, near).Read(t.Context(), "x.csv")
	require.Equal(t, perennial.CodeNotFound, perennial.CodeOf(err))
	_, err = datastore.NewReader(s, near, far).Read(t.Context(), "y.csv")
	require.Equal(t, perennial.CodeNotFound, perennial.CodeOf(err))
}
