package serve

import (
	"context"

	"gorm.io/gorm/clause"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/db"
)

// Alias is what is known of an alias in the registry that follows a model's
// traffic. A version of "" is none.
type Alias struct {
	Model     string `gorm:"primaryKey"`
	Alias     string `gorm:"primaryKey"`
	Seen      string // the version at which Perennial last put or saw it
	Wanted    string // the version to which it is being moved; Seen where that is done
	BusyUntil int64  // ms: until then one process is at work on a move by somebody else

	// The last move by somebody else that couldn't be carried out.
	Asked       string
	AskedBy     string
	AskedReason string // why not
	AskedAt     int64  // ms
	AskedEpoch  int64  // of the traffic row at that time; 0 where there was no such move
}

// TableName names the table.
func (Alias) TableName() string { return "traffic_aliases" }

// Ours reports whether an alias at a version is where Perennial put it.
func (a Alias) Ours(version string) bool { return version == a.Seen || version == a.Wanted }

// Aliases gives what is known of a model's aliases, by name.
func (s *TrafficStore) Aliases(ctx context.Context, model string) (map[string]Alias, error) {
	var rows []Alias
	err := s.db.WithContext(ctx).Where("model = ?", model).Find(&rows).Error
	out := make(map[string]Alias, len(rows))
	for _, r := range rows {
		out[r.Alias] = r
	}
	return out, db.Fault("serve.TrafficStore.Aliases", err)
}

// Asked lists the aliases of models for which somebody else has asked for a move that
// couldn't be carried out.
func (s *TrafficStore) Asked(ctx context.Context, models ...string) ([]Alias, error) {
	var rows []Alias
	err := s.db.WithContext(ctx).Where("asked_at > 0 AND model IN ?", models).Order("model, alias").Find(&rows).Error
	return rows, db.Fault("serve.TrafficStore.Asked", err)
}

// AliasWanted notes to which version an alias is about to be moved: written before
// the move, it tells the move from one by somebody else even where the process
// ends in between.
func (s *TrafficStore) AliasWanted(ctx context.Context, model, alias, version string) error {
	return s.noteAlias(ctx, "serve.TrafficStore.AliasWanted", Alias{Model: model, Alias: alias, Wanted: version}, "wanted")
}

// AliasSeen notes at which version an alias stands now.
func (s *TrafficStore) AliasSeen(ctx context.Context, model, alias, version string) error {
	return s.noteAlias(ctx, "serve.TrafficStore.AliasSeen", Alias{Model: model, Alias: alias, Seen: version, Wanted: version}, "seen", "wanted")
}

// AliasAsked keeps a move by somebody else that couldn't be carried out, in place
// of the one before.
func (s *TrafficStore) AliasAsked(ctx context.Context, a Alias) error {
	return s.noteAlias(ctx, "serve.TrafficStore.AliasAsked", a, "asked", "asked_by", "asked_reason", "asked_at", "asked_epoch")
}

func (s *TrafficStore) noteAlias(ctx context.Context, op string, a Alias, columns ...string) error {
	err := s.db.WithContext(ctx).Clauses(clause.OnConflict{
		Columns: []clause.Column{{Name: "model"}, {Name: "alias"}}, DoUpdates: clause.AssignmentColumns(columns),
	}).Create(&a).Error
	return db.Fault(op, err)
}

// ClaimAlias takes the work on a move by somebody else until a time; now and until
// are in ms. false: another process is at work on it. ReleaseAlias gives it back.
func (s *TrafficStore) ClaimAlias(ctx context.Context, model, alias string, now, until int64) (bool, error) {
	result := s.db.WithContext(ctx).Model(&Alias{}).Where("model = ? AND alias = ? AND busy_until <= ?", model, alias, now).Update("busy_until", until)
	return result.RowsAffected == 1, db.Fault("serve.TrafficStore.ClaimAlias", result.Error)
}

// ReleaseAlias ends the work that ClaimAlias took until a time, unless another
// process has taken it since.
func (s *TrafficStore) ReleaseAlias(ctx context.Context, model, alias string, until int64) error {
	err := s.db.WithContext(ctx).Model(&Alias{}).Where("model = ? AND alias = ? AND busy_until = ?", model, alias, until).Update("busy_until", 0).Error
	return db.Fault("serve.TrafficStore.ReleaseAlias", err)
}

// Champions lists the versions that were a model's champion, the last first, at
// most so many.
func (s *TrafficStore) Champions(ctx context.Context, model string, most int) ([]string, error) {
	var versions []string
	err := s.db.WithContext(ctx).Model(&historyRow{}).Where("model = ? AND champion <> '' AND mode <> ?", model, perennial.ModeNone).
		Group("champion").Order("MAX(epoch) DESC").Limit(most).Pluck("champion", &versions).Error
	return versions, db.Fault("serve.TrafficStore.Champions", err)
}
