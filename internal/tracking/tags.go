package tracking

import (
	"gorm.io/gorm"

	"github.com/perennial-ml/perennial/internal/mlflow"
)

// tagsOf is a table of tags or params: keys with values of what the columns of owner
// name.
type tagsOf struct {
	table string
	owner string
	join  string // joins its rows x to their owner in a search
}

var (
	runParams      = tagsOf{table: "params", owner: "run_id"}
	runTags        = tagsOf{table: "tags", owner: "run_id"}
	experimentTags = tagsOf{table: "experiment_tags", owner: "experiment_id", join: "x.experiment_id = experiments.experiment_id"}
	modelTags      = tagsOf{table: "registered_model_tags", owner: "name", join: "x.name = registered_models.name"}
	versionTags    = tagsOf{table: "model_version_tags", owner: "name, version", join: "x.name = model_versions.name AND x.version = model_versions.version"}
	loggedTags     = tagsOf{table: "logged_model_tags", owner: "model_id", join: "x.model_id = logged_models.model_id"}
	loggedParams   = tagsOf{table: "logged_model_params", owner: "model_id", join: "x.model_id = logged_models.model_id"}
)

// put sets tags; of a key that comes twice the last value counts.
func (t tagsOf) put(tx *gorm.DB, tags []mlflow.Tag, owner ...any) error {
	_, err := t.insert(tx, " ON CONFLICT ("+t.owner+", key) DO UPDATE SET value = excluded.value", lastOfEach(tags), owner)
	return err
}

// once stores params and gives those that are there already with another value, as
// they are there.
func (t tagsOf) once(tx *gorm.DB, params []mlflow.Tag, owner any) (changed []mlflow.Tag, err error) {
	stored, err := t.insert(tx, " ON CONFLICT DO NOTHING", params, []any{owner})
	if err != nil || stored == len(params) {
		return nil, err
	}
	var present []mlflow.Tag
	if err := tx.Table(t.table).Select("key, value").Where(t.owner+" = ? AND key IN ?", owner, keysOf(params)).Scan(&present).Error; err != nil {
		return nil, err
	}
	values := make(map[string]string, len(present))
	for _, p := range present {
		values[p.Key] = p.Value
	}
	for _, p := range params {
		if there := values[p.Key]; there != p.Value {
			changed = append(changed, mlflow.Tag{Key: p.Key, Value: there})
		}
	}
	return changed, nil
}

func (t tagsOf) insert(tx *gorm.DB, tail string, tags []mlflow.Tag, owner []any) (stored int, err error) {
	rows := make([][]any, len(tags))
	for i, tag := range tags {
		rows[i] = append(append(make([]any, 0, len(owner)+2), owner...), tag.Key, tag.Value)
	}
	return insert(tx, "INSERT INTO "+t.table+" ("+t.owner+", key, value) VALUES ", tail, rows)
}

// lastOfEach keeps the last value of every key: one statement can't write a row
// twice.
func lastOfEach(tags []mlflow.Tag) []mlflow.Tag {
	at := make(map[string]int, len(tags))
	var kept []mlflow.Tag
	for _, t := range tags {
		if i, seen := at[t.Key]; seen {
			kept[i] = t
			continue
		}
		at[t.Key] = len(kept)
		kept = append(kept, t)
	}
	return kept
}
