package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
)

func irisToken() client.TokenView {
	return client.TokenView{TokenID: "t1", Name: "ci", Role: perennial.AccessTrainer, CreatedAt: at, CreatedBy: "admin", ExpiresAt: &at}
}

func TestTokenCreatePrintsTheTokenAlone(t *testing.T) {
	t.Parallel()
	f := newFake(t, answers())
	r := perennialCLI(t, "", "token", "create", "ci", "--role", "trainer", "--expires", "1h", "--reason", "builds", "--api", f.url)
	require.Equal(t, 0, r.code, r.err)
	require.Equal(t, "prn_once\n", r.out, "fit for a file")
	require.Contains(t, r.err, "not shown again")
	require.NotContains(t, r.err, "prn_once")
	require.Equal(t, []string{`POST /tokens {"name":"ci","role":"trainer","expires":"1h","reason":"builds"}`}, f.requests())

	r = perennialCLI(t, "", "token", "create", "ci", "--role", "trainer", "--api", f.url, "--json")
	var made client.NewTokenView
	require.NoError(t, json.Unmarshal([]byte(r.out), &made))
	require.Equal(t, "prn_once", made.Token)
	require.Equal(t, 2, perennialCLI(t, "", "token", "create", "ci", "--api", f.url).code, "without a role")
}

func TestATokenIsRevokedByNameOrID(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"ci", "t1"} {
		f := newFake(t, answers())
		r := perennialCLI(t, "", "token", "revoke", what, "--api", f.url)
		require.Equal(t, 0, r.code, r.err)
		require.Contains(t, f.requests()[1], "DELETE /tokens/t1 ")
	}
}

func TestATokenIsNoName(t *testing.T) {
	t.Parallel()
	f := newFake(t, answers())
	r := perennialCLI(t, "", "token", "revoke", "prn_c2VjcmV0", "--api", f.url)
	require.Equal(t, 2, r.code)
	require.NotContains(t, r.out+r.err, "prn_c2VjcmV0")
	require.Empty(t, f.requests(), "it isn't sent where it could be logged")
}

func TestABrokenAuditFails(t *testing.T) {
	t.Parallel()
	f := newFake(t, map[string]any{"GET /audit/verify": client.AuditReport{Entries: 3, Hash: "bb", Broken: 4, Reason: "it is missing: the next row is 5"}})
	r := perennialCLI(t, "", "audit", "verify", "--api", f.url)
	require.Equal(t, 1, r.code)
	require.Contains(t, r.out, "3 rows are whole")
	require.Contains(t, r.err, "row 4 of the audit")
	require.Contains(t, r.err, "the next row is 5")
}

func TestTheTokenComesFromItsFile(t *testing.T) {
	t.Parallel()
	var asked string
	f := newFake(t, map[string]any{"GET /models": list[client.ModelView]()})
	f.header = func(h string) { asked = h }
	file := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(file, []byte("prn_from-a-file\n"), 0o600))
	require.Equal(t, 0, perennialCLI(t, "", "models", "--api", f.url, "--token-file", file).code)
	require.Equal(t, "Bearer prn_from-a-file", asked)
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.Contains(t, perennialCLI(t, "", "models", "--api", f.url, "--token-file", file).err, "is empty")
}

func TestAuditedStatesAreShort(t *testing.T) {
	t.Parallel()
	before, after := changed(map[string]any{"epoch": 3, "model": "iris", "paused": false}, map[string]any{"epoch": 4, "model": "iris", "paused": true})
	require.Equal(t, `{"epoch":3,"paused":false}`, before)
	require.Equal(t, `{"epoch":4,"paused":true}`, after)
	before, after = changed(nil, map[string]any{"reason": strings.Repeat("ü", 200)})
	require.Equal(t, "-", before)
	require.Len(t, []rune(after), stateWidth+1)
}
