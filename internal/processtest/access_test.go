package processtest_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	temporalclient "go.temporal.io/sdk/client"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/workflows"
)

// TestTokens runs the program open to other machines, with tokens: who may do
// what, who it was, and that no token is left lying about.
func TestTokens(t *testing.T) {
	t.Parallel()
	dir := demo(t)
	p := prepare(t, dir, "--no-bootstrap")
	everywhere := "0.0.0.0:" + p.url[strings.LastIndex(p.url, ":")+1:]
	p.args = append(p.args, "--listen", everywhere)
	out, code := run(t, p.args...)
	require.Equal(t, 2, code, out)
	require.Contains(t, out, everywhere+" asks for authentication by tokens, and there is no token yet")
	require.Contains(t, out, "openssl rand -hex 32")

	const adminToken = "of-the-test-0123456789abcdef"
	file := filepath.Join(t.TempDir(), "admin.token")
	require.NoError(t, os.WriteFile(file, []byte(adminToken+"\n"), 0o600))
	p.env = []string{"PERENNIAL_ADMIN_TOKEN_FILE=" + file, "PERENNIAL_LOG_LEVEL=debug"}
	p.start()
	ctx := t.Context()
	as := func(token string) *client.Client {
		c := client.New(p.url, token)
		t.Cleanup(c.Close)
		return c
	}
	admin, tokens, made := as(adminToken), map[perennial.AccessRole]string{}, map[perennial.AccessRole]string{}
	for _, role := range perennial.AccessRoles() {
		m, err := admin.CreateToken(ctx, client.TokenRequest{Name: "bot-" + string(role), Role: role})
		require.NoError(t, err)
		tokens[role], made[role] = m.Token, m.TokenID
		_, err = as(m.Token).Models(ctx)
		require.NoError(t, err, "it works at once")
	}
	for _, wrong := range []string{"", "prn_wrong", tokens[perennial.AccessAdmin] + "x"} {
		_, err := as(wrong).Models(ctx)
		require.Equal(t, perennial.CodeUnauthorized, perennial.CodeOf(err))
	}
	reader, trainer, operator := as(tokens[perennial.AccessReader]), as(tokens[perennial.AccessTrainer]), as(tokens[perennial.AccessOperator])
	_, err := admin.RevokeToken(ctx, tokens[perennial.AccessReader], "the token in place of its id")
	require.Equal(t, perennial.CodeNotFound, perennial.CodeOf(err))
	_, err = reader.Retrain(ctx, client.RetrainRequest{Pipeline: "iris"})
	require.Equal(t, perennial.CodeForbidden, perennial.CodeOf(err))

	p.Client = trainer
	for _, version := range []string{"1", "2"} {
		view := p.train("iris", client.TrainRequest{Budget: perennial.BudgetBootstrap, Reason: version})
		require.Equal(t, version, view.Result.Version)
	}
	_, err = trainer.StartRollout(ctx, "iris", client.RolloutRequest{Version: "2"})
	require.Equal(t, perennial.CodeForbidden, perennial.CodeOf(err))
	_, err = operator.StartRollout(ctx, "iris", client.RolloutRequest{Version: "2", Reason: "try"})
	require.NoError(t, err)
	err = p.raw("promote", workflows.Command{Reason: "past the roles", Actor: "boss"})
	require.ErrorContains(t, err, "came past Perennial", "who only reaches Temporal changes no traffic")
	p.promoted(operator)
	p.promoted(operator) // ends the watch
	ended, err := operator.FollowWorkflow(ctx, workflows.RolloutID("iris"), "", nil)
	require.NoError(t, err)
	require.Equal(t, perennial.OutcomePromoted, ended.Result.Outcome)
	p.recordRollout("rollout-forbidden", ended)
	back, err := operator.Rollback(ctx, "iris", client.RollbackRequest{Reason: "complaints"})
	require.NoError(t, err)
	require.Equal(t, "1", back.Champion)
	require.Equal(t, "rolled_back", back.Phase)

	_, err = admin.RevokeToken(ctx, made[perennial.AccessReader], "left the team")
	require.NoError(t, err)
	_, err = reader.Models(ctx)
	require.Equal(t, perennial.CodeUnauthorized, perennial.CodeOf(err), "at once")
	p.stop()
	secrets := []string{adminToken}
	for _, token := range tokens {
		secrets = append(secrets, token)
	}
	require.Contains(t, string(p.read("perennial.log")), "status=401", "requests are in the log")
	p.nowhere(secrets)

	p.env = []string{"PERENNIAL_LOG_LEVEL=debug"} // a token of the role admin is left to let one in
	p.start()
	last := as(tokens[perennial.AccessAdmin])
	_, err = last.RevokeToken(ctx, made[perennial.AccessAdmin], "oops")
	require.Equal(t, perennial.CodePrecondition, perennial.CodeOf(err), "nobody could let anybody in any more")
	audit, err := last.Audit(ctx, client.Page{Limit: 100})
	require.NoError(t, err)
	did := map[string]string{} // the latest of each
	for _, e := range audit.Items {
		if did[e.Action] == "" {
			did[e.Action] = e.Actor
		}
	}
	require.Equal(t, map[string]string{
		"token.create": "admin", "train.start": "bot-trainer", "rollout.start": "bot-operator", "rollout.promote": "bot-operator", "rollback": "bot-operator", "token.revoke": "admin",
	}, did)
	report, err := last.VerifyAudit(ctx)
	require.NoError(t, err)
	require.True(t, report.Whole)
	p.stop()
	p.nowhere(secrets)
}

// raw sends iris' rollout an update as anyone does who reaches Temporal.
func (p *process) raw(name string, input any) error {
	c := p.dial()
	handle, err := c.UpdateWorkflow(p.t.Context(), temporalclient.UpdateWorkflowOptions{
		WorkflowID: workflows.RolloutID("iris"), UpdateName: name, Args: []any{input}, WaitForStage: temporalclient.WorkflowUpdateStageCompleted,
	})
	require.NoError(p.t, err)
	return handle.Get(p.t.Context(), nil)
}

// recordRollout keeps an ended rollout's history as a golden one.
func (p *process) recordRollout(name string, ended client.WorkflowView) {
	p.t.Helper()
	c := p.dial()
	recorder{t: p.t, c: c}.record(name, ended.WorkflowID, ended.WorkflowRunID)
}

// promoted promotes what is rolled out of iris as soon as it may be.
func (p *process) promoted(as *client.Client) {
	p.t.Helper()
	var err error
	require.Eventually(p.t, func() bool { // not before it is loaded
		_, err = as.CommandRollout(p.t.Context(), "iris", workflows.UpdatePromote, client.RolloutCommand{Reason: "looks good"})
		return perennial.CodeOf(err) != perennial.CodePrecondition
	}, slow*time.Minute, 50*time.Millisecond)
	require.NoError(p.t, err)
}

// read gives a file of the home directory.
func (p *process) read(name string) []byte {
	p.t.Helper()
	b, err := os.ReadFile(filepath.Join(p.home, name))
	require.NoError(p.t, err)
	return b
}

// nowhere looks for texts in what the program printed and in every file of its
// home directory: log and databases.
func (p *process) nowhere(secrets []string) {
	p.t.Helper()
	files := map[string][]byte{"the output": []byte(p.out.String())}
	require.NoError(p.t, filepath.WalkDir(p.home, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files[path], err = os.ReadFile(path) //nolint:gosec // nobody else writes there
		}
		return err
	}))
	require.Greater(p.t, len(files), 4)
	for name, content := range files {
		for _, secret := range secrets {
			require.False(p.t, bytes.Contains(content, []byte(secret)), "a token is in %s", name)
		}
	}
}
