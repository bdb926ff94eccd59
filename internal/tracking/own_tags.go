package tracking

import (
	"context"
	"slices"
	"strings"

	"gorm.io/gorm"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/db"
	"github.com/perennial-ml/perennial/internal/mlflow"
)

type outsideKey struct{}

// fromOutside marks the context of a request that came through a router. Perennial's
// own calls come through RoundTrip and have no mark.
func fromOutside(ctx context.Context) context.Context {
	return context.WithValue(ctx, outsideKey{}, true)
}

func isOutside(ctx context.Context) bool { return ctx.Value(outsideKey{}) != nil }

// checkOwn refuses a request from outside that sets or deletes one of Perennial's own
// tags: the lineage of predictions is read from them.
func checkOwn(ctx context.Context, keys ...string) error {
	if i := slices.IndexFunc(keys, func(key string) bool { return strings.HasPrefix(key, perennial.TagPrefix) }); i >= 0 && isOutside(ctx) {
		return mlflow.Invalid("The tag '%s' is one of Perennial's own (%s…), which say where a run or version comes from: it can't be set, changed or deleted here. Take a key of your own.", clip(keys[i]), perennial.TagPrefix)
	}
	return nil
}

// checkOwnOfRun is checkOwn for the tags of a run, where what isn't a run of
// Perennial's may have any.
func checkOwnOfRun(ctx context.Context, tx *gorm.DB, runID string, keys ...string) error {
	refusal := checkOwn(ctx, keys...)
	if refusal == nil {
		return nil
	}
	_, ours, err := db.Take[tagRow](tx.Where("run_id = ? AND key = ?", runID, perennial.TagKind))
	if err == nil && ours {
		err = refusal
	}
	return err
}

// checkOwnOfVersion is checkOwn for the tags that a new version comes with: a copy
// may have those of the version that it is made from, its "" where there is none.
func checkOwnOfVersion(ctx context.Context, tx *gorm.DB, tags []mlflow.Tag, from versionRow) error {
	for _, t := range tags {
		refusal := checkOwn(ctx, t.Key)
		if refusal == nil {
			continue
		}
		there, found, err := db.Take[versionTagRow](tx.Where("name = ? AND version = ? AND key = ?", from.Name, from.Version, t.Key))
		switch {
		case err != nil:
			return err
		case !found || there.Value != t.Value:
			return refusal
		}
	}
	return nil
}

// keysOf lists the keys of tags.
func keysOf(tags []mlflow.Tag) []string {
	keys := make([]string, len(tags))
	for i, t := range tags {
		keys[i] = t.Key
	}
	return keys
}
