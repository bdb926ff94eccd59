package control_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/activities"
	"github.com/perennial-ml/perennial/internal/access"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/internal/control"
	"github.com/perennial-ml/perennial/internal/datastore"
	"github.com/perennial-ml/perennial/internal/ledger"
	"github.com/perennial-ml/perennial/internal/mlflow"
	"github.com/perennial-ml/perennial/internal/pipeline"
	"github.com/perennial-ml/perennial/internal/predlog"
	"github.com/perennial-ml/perennial/internal/serve"
)

type lossyPipelines struct {
	*pipeline.Store

	l *lossy
}

func (s lossyPipelines) Get(ctx context.Context, name string) (*pipeline.Spec, error) {
	spec, err := s.Store.Get(ctx, name)
	return spec, s.l.reply(err)
}

func (s lossyPipelines) Apply(ctx context.Context, spec *pipeline.Spec, now int64) (bool, error) {
	changed, err := s.Store.Apply(ctx, spec, now)
	if err = s.l.reply(err); err != nil {
		return false, err
	}
	return changed, nil
}

func (s lossyPipelines) Delete(ctx context.Context, name string) error {
	return s.l.reply(s.Store.Delete(ctx, name))
}

type lossyLedger struct {
	*ledger.Store

	l *lossy
}

func (s lossyLedger) Workflow(ctx context.Context, id, runID string) (ledger.Workflow, error) {
	row, err := s.Store.Workflow(ctx, id, runID)
	return row, s.l.reply(err)
}

func (s lossyLedger) ClaimKey(ctx context.Context, k ledger.Key) (ledger.Key, error) {
	known, err := s.Store.ClaimKey(ctx, k)
	return known, s.l.reply(err)
}

func (s lossyLedger) KeepKeyRun(ctx context.Context, key, runID string) error {
	return s.l.reply(s.Store.KeepKeyRun(ctx, key, runID))
}

func (s lossyLedger) Schedule(ctx context.Context, name string) (ledger.Schedule, bool, error) {
	row, ok, err := s.Store.Schedule(ctx, name)
	return row, ok, s.l.reply(err)
}

func (s lossyLedger) SaveSchedule(ctx context.Context, row ledger.Schedule) error {
	return s.l.reply(s.Store.SaveSchedule(ctx, row))
}

type lossyDatasets struct {
	*datastore.Store

	l *lossy
}

func (s lossyDatasets) Get(ctx context.Context, path string) (datastore.Dataset, error) {
	d, err := s.Store.Get(ctx, path)
	return d, s.l.reply(err)
}

func (s lossyDatasets) Register(ctx context.Context, d datastore.Dataset) (datastore.Dataset, bool, error) {
	stored, changed, err := s.Store.Register(ctx, d)
	if err = s.l.reply(err); err != nil {
		return datastore.Dataset{}, false, err
	}
	return stored, changed, nil
}

type lossyAccess struct {
	*access.Store

	l *lossy
}

func (s lossyAccess) CreateToken(ctx context.Context, t access.Token) (access.Token, string, error) {
	made, secret, err := s.Store.CreateToken(ctx, t)
	if err = s.l.reply(err); err != nil {
		return access.Token{}, "", err
	}
	return made, secret, nil
}

func (s lossyAccess) RevokeToken(ctx context.Context, id string, now int64, keepAdmin bool) (access.Token, bool, error) {
	ended, changed, err := s.Store.RevokeToken(ctx, id, now, keepAdmin)
	if err = s.l.reply(err); err != nil {
		return access.Token{}, false, err
	}
	return ended, changed, nil
}

func (s lossyAccess) SaveOrder(ctx context.Context, o access.Order) error {
	return s.l.reply(s.Store.SaveOrder(ctx, o))
}

func (s lossyAccess) Append(ctx context.Context, e perennial.AuditEntry) (perennial.AuditEntry, error) {
	stored, err := s.Store.Append(ctx, e)
	return stored, s.l.reply(err)
}

// lossyRollouts answers what only a running rollout has.
type lossyRollouts struct{ l *lossy }

func (s lossyRollouts) LoadRollout(_ context.Context, in activities.LoadInput) (activities.Rollout, error) {
	return activities.Rollout{Model: in.Model, Mode: perennial.ModeCanary, Challenger: "2", Safe: "1"}, s.l.reply(nil)
}

func (s lossyRollouts) Refused(context.Context, activities.Offer, string) (perennial.Outcome, string, error) {
	return "", "", s.l.reply(nil)
}

func (s lossyRollouts) Evidence(context.Context, string, int64) (map[perennial.Variant]predlog.Counts, error) {
	return nil, s.l.reply(nil)
}

// remote is a Control on real tables, with a Temporal of its own, where one reply
// is lost.
type remote struct {
	*control.Control
	*lossy

	options  control.Options
	versions *mlflow.Tracker
	db       *gorm.DB
	temporal *cluster
	tokens   *access.Store
	tokenID  string // of a token in force
	secret   string // that was given out last
}

// at gives a remote where iris is applied and version 1 answers, beside version 2
// in the mode given. onAlias is its rollout.on_alias_change.
func at(t *testing.T, nth int, mode perennial.Mode, onAlias string) *remote {
	t.Helper()
	ctx, g := t.Context(), stores(t)
	versions, traffic, specs, tokens := tracker(t, g), serve.NewTrafficStore(g), pipeline.NewStore(g), access.NewStore(g)
	register(t, versions, "1", "2")
	rows := []perennial.Traffic{{Mode: perennial.ModeServing, Champion: "1"}}
	if mode == perennial.ModeCanary {
		rows = append(rows, perennial.Traffic{Mode: mode, Champion: "1", Challenger: "2", WeightBP: 500})
	}
	for epoch, row := range rows {
		row.Model, row.OpID, row.RolloutID, row.ChangedAt = "iris", fmt.Sprint("op-", epoch), "r", 1
		_, err := traffic.Set(ctx, row, int64(epoch))
		require.NoError(t, err)
	}
	files := irisFiles(t)
	if onAlias != "" {
		files.Files[files.File] += "\nrollout: {on_alias_change: " + onAlias + "}\n"
	}
	spec, err := pipeline.LoadFiles(files.Files, files.File)
	require.NoError(t, err)
	_, err = specs.Apply(ctx, spec, 1)
	require.NoError(t, err)
	require.NoError(t, traffic.SetFreeze(ctx, serve.Freeze{Model: "churn", Until: now.Add(time.Hour).UnixMilli()}))
	token, _, err := tokens.CreateToken(ctx, access.Token{Name: "old", Role: perennial.AccessReader, CreatedAt: 1, CreatedBy: "ann"})
	require.NoError(t, err)
	l := &lossy{Traffic: traffic, Registry: versions, nth: nth}
	w := &remote{lossy: l, versions: versions, db: g, temporal: &cluster{l: l, traffic: traffic, runs: map[string]string{"train:churn": ""}}, tokens: tokens, tokenID: token.ID}
	w.options = control.Options{
		Temporal: w.temporal, Pipelines: lossyPipelines{specs, l}, Applied: lossyPipelines{specs, l}, Ledger: lossyLedger{ledger.NewStore(g), l},
		Datasets: lossyDatasets{datastore.NewStore(g), l}, Traffic: l, Registry: l, Blobs: &lossyBlobs{l}, Rollouts: lossyRollouts{l}, Evidence: lossyRollouts{l},
		Audit: lossyAccess{tokens, l}, Tokens: lossyAccess{tokens, l}, Orders: lossyAccess{tokens, l}, KeepAdmin: true,
		Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return now },
	}
	w.Control = control.New(w.options)
	return w
}

// chosen are the ids and salts that differ from one time to the next.
var chosen = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}|[A-Z2-7]{26}`)

// state tells all that a change may have touched, in the tables and in Temporal.
func (w *remote) state(t *testing.T) string {
	t.Helper()
	var out strings.Builder
	for _, table := range []string{
		"traffic_history", "registered_model_aliases", "traffic_aliases", "freezes", "rejected_files", "orders", "tokens", "audit", "schedules", "idempotency_keys", "pipelines", "pipeline_revisions", "datasets",
	} {
		var rows []map[string]any
		require.NoError(t, w.db.Table(table).Find(&rows).Error)
		for _, row := range rows {
			for _, column := range []string{"hash", "sha256"} { // of what was chosen
				delete(row, column)
			}
			if strings.HasPrefix(table, "pipeline") {
				delete(row, "spec") // of which the hash is the revision
				delete(row, "source")
			}
			b, err := json.Marshal(row)
			require.NoError(t, err)
			fmt.Fprintln(&out, table, chosen.ReplaceAllString(string(b), "?"))
		}
	}
	b, err := json.Marshal(w.temporal.schedule)
	require.NoError(t, err)
	fmt.Fprintln(&out, w.temporal.started, string(b))
	return out.String()
}

// TestEveryChangeIsOneChangeWhateverReplyIsLost asks for each change over and
// over, each time losing the reply of another call of a store, of the registry or
// of Temporal; whoever gets an error asks again. All is as after one request then,
// with one row in the audit.
func TestEveryChangeIsOneChangeWhateverReplyIsLost(t *testing.T) {
	t.Parallel()
	paused, changed := true, irisFiles(t)
	changed.Files[changed.File] = strings.Replace(changed.Files[changed.File], "trials: 9", "trials: 8", 1)
	retrain := func(key string) client.RetrainOrder {
		order := client.RetrainOrder{Trigger: perennial.TriggerManual}
		order.Pipeline, order.Reason, order.IdempotencyKey = "iris", "new prices", key
		return order
	}
	for name, c := range map[string]struct {
		mode  perennial.Mode
		alias string // rollout.on_alias_change; "": what the file says
		ask   func(ctx context.Context, w *remote) error
		step  bool // of a workflow, of which the start is audited
	}{
		"train": {ask: func(ctx context.Context, w *remote) error {
			_, err := w.Train(ctx, client.TrainOrder{Pipeline: "iris", Reason: "new prices"})
			return err
		}},
		"retrain": {ask: func(ctx context.Context, w *remote) error {
			_, err := w.Retrain(ctx, retrain("prices"))
			return err
		}},
		"retrain without a key": {ask: func(ctx context.Context, w *remote) error {
			_, err := w.Retrain(ctx, retrain(""))
			return err
		}},
		"cancel": {ask: func(ctx context.Context, w *remote) error { return w.Cancel(ctx, "train:churn", "wrong data") }},
		"start a rollout": {ask: func(ctx context.Context, w *remote) error {
			_, err := w.StartRollout(ctx, "iris", client.RolloutRequest{Version: "2", Reason: "better"})
			return err
		}},
		"offer": {step: true, ask: func(ctx context.Context, w *remote) error {
			_, err := w.Offer(ctx, activities.Offer{Model: "iris", Version: "2", OpID: "run:offer", Actor: "ann"})
			return err
		}},
		"pause": {mode: perennial.ModeCanary, ask: func(ctx context.Context, w *remote) error {
			_, err := w.CommandRollout(ctx, "iris", "pause", client.RolloutCommand{Reason: "odd"})
			return err
		}},
		"promote": {mode: perennial.ModeCanary, ask: func(ctx context.Context, w *remote) error {
			_, err := w.CommandRollout(ctx, "iris", "promote", client.RolloutCommand{Reason: "good"})
			return err
		}},
		"abort": {mode: perennial.ModeCanary, ask: func(ctx context.Context, w *remote) error {
			_, err := w.CommandRollout(ctx, "iris", "abort", client.RolloutCommand{Reason: "bad"})
			return err
		}},
		"roll back": {mode: perennial.ModeCanary, ask: func(ctx context.Context, w *remote) error {
			_, err := w.Rollback(ctx, "iris", client.RollbackRequest{Reason: "bad", Freeze: "1h"})
			return err
		}},
		"move the alias": {ask: func(ctx context.Context, w *remote) error {
			return w.AliasMoved(ctx, "ann", "iris", perennial.AliasChampion, "2")
		}},
		"move the alias, promoting": {alias: "promote", ask: func(ctx context.Context, w *remote) error {
			return w.AliasMoved(ctx, "ann", "iris", perennial.AliasChampion, "2")
		}},
		"delete a version": {ask: func(ctx context.Context, w *remote) error {
			return w.Control.DeleteVersion(ctx, "iris", "2", "old")
		}},
		"freeze": {ask: func(ctx context.Context, w *remote) error {
			_, err := w.Freeze(ctx, client.FreezeRequest{Model: "iris", For: "1h"})
			return err
		}},
		"unfreeze": {ask: func(ctx context.Context, w *remote) error {
			_, err := w.Control.Unfreeze(ctx, "churn", "over")
			return err
		}},
		"set a schedule": {ask: func(ctx context.Context, w *remote) error {
			_, err := w.SetSchedule(ctx, "iris", client.ScheduleRequest{Cron: "0 4 * * *", Paused: &paused, Reason: "later"})
			return err
		}},
		"pause a schedule": {ask: func(ctx context.Context, w *remote) error {
			_, err := w.SetSchedule(ctx, "iris", client.ScheduleRequest{Paused: &paused})
			return err
		}},
		"reset a schedule": {ask: func(ctx context.Context, w *remote) error {
			_, err := w.SetSchedule(ctx, "iris", client.ScheduleRequest{Reset: true})
			return err
		}},
		"remove a schedule": {ask: func(ctx context.Context, w *remote) error {
			_, err := w.RemoveSchedule(ctx, "iris", "never")
			return err
		}},
		"apply a pipeline": {ask: func(ctx context.Context, w *remote) error {
			_, err := w.Apply(ctx, "iris", changed)
			return err
		}},
		"delete a pipeline": {ask: func(ctx context.Context, w *remote) error { return w.Delete(ctx, "iris", "gone") }},
		"register data": {ask: func(ctx context.Context, w *remote) error {
			_, err := w.RegisterDataset(ctx, "data/x.csv", client.RegisterDatasetRequest{MD5: "0cc175b9c0f1b6a831c399e269772661", Size: 3})
			return err
		}},
		"create a token": {ask: func(ctx context.Context, w *remote) error {
			made, err := w.CreateToken(ctx, client.TokenRequest{Name: "ci", Role: perennial.AccessTrainer})
			w.secret = made.Token
			return err
		}},
		"revoke a token": {ask: func(ctx context.Context, w *remote) error {
			_, err := w.RevokeToken(ctx, w.tokenID, "leaked")
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := ""
			for nth := 0; ; nth++ {
				w := at(t, nth, c.mode, c.alias)
				w.temporal.plan(t, w)
				before := w.state(t)
				for _, id := range []string{"req-1", "req-2"} {
					ctx := perennial.WithActor(t.Context(), perennial.Actor{Name: "ann", Role: perennial.AccessAdmin, RequestID: id})
					err := c.ask(ctx, w)
					if err == nil {
						break
					}
					require.Equal(t, perennial.CodeUnavailable, perennial.CodeOf(err), "losing reply %d: %v", nth, err)
					require.Equal(t, "req-1", id, "asking again is enough")
				}
				got := strings.ReplaceAll(w.state(t), "req-2", "req-1")
				if nth == 0 {
					want = got
					require.NotEqual(t, before, got)
				}
				require.Equal(t, want, got, "losing reply %d", nth)
				if c.step {
					require.NotContains(t, got, "\naudit ")
				} else {
					require.Equal(t, 1, strings.Count(got, "\naudit "), "one row in the audit")
				}
				if w.secret != "" {
					w.knows(t)
				}
				if w.calls < nth {
					require.Greater(t, nth, 2)
					return
				}
			}
		})
	}
}

// knows asks whether the token that was given out lets somebody in.
func (w *remote) knows(t *testing.T) {
	t.Helper()
	guard := access.NewGuard(access.GuardOptions{Store: w.tokens, Poll: time.Hour, Now: func() time.Time { return now }, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, guard.Start(t.Context()))
	_, err := guard.Authenticate(w.secret)
	require.NoError(t, err)
	require.NoError(t, guard.Stop(t.Context()))
}
