package tracking

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/db"
	"github.com/perennial-ml/perennial/internal/mlflow"
)

func (s *Server) registryRoutes() {
	handle(s, http.MethodPost, "registered-models/create", s.createModel)
	handle(s, http.MethodGet, "registered-models/get", s.getModel)
	handle(s, http.MethodPatch, "registered-models/update", s.updateModel)
	handle(s, http.MethodPost, "registered-models/rename", s.renameModel)
	handle(s, http.MethodDelete, "registered-models/delete", s.deleteModel)
	handle(s, http.MethodGet, "registered-models/search", s.searchModels)
	handle(s, http.MethodPost, "registered-models/get-latest-versions", s.getLatestVersions)
	handle(s, http.MethodGet, "registered-models/get-latest-versions", s.getLatestVersions)
	handle(s, http.MethodPost, "registered-models/set-tag", s.setModelTag)
	handle(s, http.MethodDelete, "registered-models/delete-tag", s.deleteModelTag)
	handle(s, http.MethodPost, "registered-models/alias", s.setAlias)
	handle(s, http.MethodGet, "registered-models/alias", s.getByAlias)
	handle(s, http.MethodDelete, "registered-models/alias", s.deleteAlias)
	handle(s, http.MethodPost, "model-versions/create", s.createVersion)
	handle(s, http.MethodGet, "model-versions/get", s.getVersion)
	handle(s, http.MethodPatch, "model-versions/update", s.updateVersion)
	handle(s, http.MethodDelete, "model-versions/delete", s.deleteVersion)
	handle(s, http.MethodGet, "model-versions/search", s.searchVersions)
	handle(s, http.MethodGet, "model-versions/get-download-uri", s.getDownloadURI)
	handle(s, http.MethodPost, "model-versions/set-tag", s.setVersionTag)
	handle(s, http.MethodDelete, "model-versions/delete-tag", s.deleteVersionTag)
	handle(s, http.MethodPost, "model-versions/transition-stage", s.transition)
}

func modelAnswer(m mlflow.RegisteredModel, err error) (*mlflow.RegisteredModelAnswer, error) {
	return &mlflow.RegisteredModelAnswer{RegisteredModel: m}, err
}

func versionAnswer(v mlflow.ModelVersion, err error) (*mlflow.ModelVersionAnswer, error) {
	return &mlflow.ModelVersionAnswer{ModelVersion: v}, err
}

// refused turns a hook's refusal into MLflow's error: what is in service is no
// fault of the server's, whatever code the refusal has.
func refused(err error) error {
	switch perennial.CodeOf(err) {
	case "", perennial.CodeInternal, perennial.CodeUnavailable, perennial.CodeDeadline, perennial.CodeForbidden, perennial.CodeNotFound:
		return err
	default:
		if ready, ok := errors.AsType[*mlflow.Error](err); ok {
			return ready
		}
		message, hint, _ := perennial.Explain(err)
		if hint != "" {
			message = strings.TrimSuffix(message, ".") + ". " + hint
		}
		return mlflow.Invalid("%s", message)
	}
}

// free refuses what would take a version away from whoever answers with it; version
// "" is any of the model's.
func (s *Server) free(ctx context.Context, model, version string) error {
	return refused(s.hooks.Held(ctx, model, version))
}

func (s *Server) createModel(ctx context.Context, in *mlflow.CreateRegisteredModel) (*mlflow.RegisteredModelAnswer, error) {
	return modelAnswer(s.store.createModel(ctx, in, s.millis()))
}

func (s *Server) getModel(ctx context.Context, in *mlflow.ModelName) (*mlflow.RegisteredModelAnswer, error) {
	return modelAnswer(s.store.getModel(ctx, in.Name))
}

func (s *Server) updateModel(ctx context.Context, in *mlflow.UpdateRegisteredModel) (*mlflow.RegisteredModelAnswer, error) {
	if err := s.store.changeModel(ctx, in.Name, func(tx *gorm.DB) error {
		if err := checkDescription(in.Description); err != nil {
			return err
		}
		return tx.Model(&modelRow{}).Where("name = ?", in.Name).Updates(map[string]any{"description": in.Description, "last_updated_time": s.millis()}).Error
	}); err != nil {
		return nil, err
	}
	return modelAnswer(s.store.getModel(ctx, in.Name))
}

func (s *Server) renameModel(ctx context.Context, in *mlflow.RenameRegisteredModel) (*mlflow.RegisteredModelAnswer, error) {
	if err := s.store.hasModel(ctx, in.Name); err != nil {
		return nil, err
	}
	if err := s.free(ctx, in.Name, ""); err != nil {
		return nil, err
	}
	if err := s.store.renameModel(ctx, in.Name, in.NewName, s.millis()); err != nil {
		return nil, err
	}
	return modelAnswer(s.store.getModel(ctx, in.NewName))
}

func (s *Server) deleteModel(ctx context.Context, in *mlflow.ModelName) (*mlflow.Void, error) {
	if err := s.store.hasModel(ctx, in.Name); err != nil {
		return nil, err
	}
	if err := s.free(ctx, in.Name, ""); err != nil {
		return nil, err
	}
	return nil, s.store.deleteModel(ctx, in.Name)
}

func (s *Server) getLatestVersions(ctx context.Context, in *mlflow.GetLatestVersions) (*mlflow.ModelVersions, error) {
	versions, err := s.store.getLatestVersions(ctx, in)
	return &mlflow.ModelVersions{ModelVersions: versions}, err
}

func (s *Server) setModelTag(ctx context.Context, in *mlflow.ModelTag) (*mlflow.Void, error) {
	return nil, s.store.changeModel(ctx, in.Name, func(tx *gorm.DB) error {
		return putModelTags(tx, in.Name, []mlflow.Tag{{Key: in.Key, Value: in.Value}})
	})
}

func (s *Server) deleteModelTag(ctx context.Context, in *mlflow.ModelTag) (*mlflow.Void, error) {
	return nil, s.store.changeModel(ctx, in.Name, func(tx *gorm.DB) error {
		if err := checkKey("tag", in.Key); err != nil {
			return err
		}
		return tx.Where("name = ? AND key = ?", in.Name, in.Key).Delete(&modelTagRow{}).Error
	})
}

// steering are the aliases that say who answers, in whatever case: the hook knows
// what to do about Champion.
func steering(alias string) bool {
	return strings.EqualFold(alias, perennial.AliasChampion) || strings.EqualFold(alias, perennial.AliasChallenger)
}

func (s *Server) setAlias(ctx context.Context, in *mlflow.ModelAlias) (*mlflow.Void, error) {
	if err := checkAlias(in.Alias); err != nil {
		return nil, err
	}
	g := s.store.db.WithContext(ctx)
	v, err := findVersion(g, in.Name, in.Version)
	if err != nil {
		return nil, db.Fault("tracking.setAlias", err)
	}
	if steering(in.Alias) && s.hooks.MoveAlias != nil && !mlflow.IsDecided(ctx) {
		return nil, refused(s.hooks.MoveAlias(ctx, perennial.ActorOf(ctx).Name, in.Name, in.Alias, in.Version))
	}
	err = g.Clauses(clause.OnConflict{UpdateAll: true}).Create(&aliasRow{Name: v.Name, Alias: in.Alias, Version: v.Version}).Error
	return nil, db.Fault("tracking.setAlias", err)
}

func (s *Server) getByAlias(ctx context.Context, in *mlflow.ModelAlias) (*mlflow.ModelVersionAnswer, error) {
	if err := s.store.hasModel(ctx, in.Name); err != nil {
		return nil, err
	}
	return versionAnswer(s.store.byAlias(ctx, in.Name, in.Alias))
}

func (s *Server) deleteAlias(ctx context.Context, in *mlflow.ModelAlias) (*mlflow.Void, error) {
	if err := checkAliasName(in.Alias); err != nil {
		return nil, err
	}
	if err := s.store.hasModel(ctx, in.Name); err != nil {
		return nil, err
	}
	if steering(in.Alias) && s.hooks.MoveAlias != nil && !mlflow.IsDecided(ctx) {
		return nil, refused(s.hooks.MoveAlias(ctx, perennial.ActorOf(ctx).Name, in.Name, in.Alias, ""))
	}
	return nil, s.store.deleteAlias(ctx, in.Name, in.Alias)
}

func (s *Server) createVersion(ctx context.Context, in *mlflow.CreateModelVersion) (*mlflow.ModelVersionAnswer, error) {
	return versionAnswer(s.store.createVersion(ctx, in, s.millis()))
}

func (s *Server) getVersion(ctx context.Context, in *mlflow.VersionName) (*mlflow.ModelVersionAnswer, error) {
	return versionAnswer(s.store.getVersion(ctx, in.Name, in.Version))
}

func (s *Server) updateVersion(ctx context.Context, in *mlflow.UpdateModelVersion) (*mlflow.ModelVersionAnswer, error) {
	if err := s.store.changeVersion(ctx, in.Name, in.Version, func(tx *gorm.DB, v versionRow) error {
		if err := checkDescription(in.Description); err != nil {
			return err
		}
		return setVersions(tx.Where("name = ? AND version = ?", v.Name, v.Version), "description", in.Description, s.millis())
	}); err != nil {
		return nil, err
	}
	return versionAnswer(s.store.getVersion(ctx, in.Name, in.Version))
}

func (s *Server) deleteVersion(ctx context.Context, in *mlflow.VersionName) (*mlflow.Void, error) {
	if _, err := findVersion(s.store.db.WithContext(ctx), in.Name, in.Version); err != nil {
		return nil, db.Fault("tracking.deleteVersion", err)
	}
	if err := s.free(ctx, in.Name, in.Version); err != nil {
		return nil, err
	}
	return nil, s.store.deleteVersion(ctx, in.Name, in.Version, s.millis())
}

func (s *Server) getDownloadURI(ctx context.Context, in *mlflow.VersionName) (*mlflow.DownloadURI, error) {
	uri, err := s.store.downloadURI(ctx, in.Name, in.Version)
	return &mlflow.DownloadURI{ArtifactURI: uri}, err
}

func (s *Server) setVersionTag(ctx context.Context, in *mlflow.VersionTag) (*mlflow.Void, error) {
	return nil, s.store.changeVersion(ctx, in.Name, in.Version, func(tx *gorm.DB, v versionRow) error {
		if err := checkOwn(ctx, in.Key); err != nil {
			return err
		}
		return putVersionTags(tx, v, []mlflow.Tag{{Key: in.Key, Value: in.Value}})
	})
}

func (s *Server) deleteVersionTag(ctx context.Context, in *mlflow.VersionTag) (*mlflow.Void, error) {
	return nil, s.store.changeVersion(ctx, in.Name, in.Version, func(tx *gorm.DB, v versionRow) error {
		if err := cmp.Or(checkKey("tag", in.Key), checkOwn(ctx, in.Key)); err != nil {
			return err
		}
		return tx.Where("name = ? AND version = ? AND key = ?", v.Name, v.Version, in.Key).Delete(&versionTagRow{}).Error
	})
}

func (s *Server) transition(ctx context.Context, in *mlflow.TransitionStage) (*mlflow.ModelVersionAnswer, error) {
	if err := s.store.transition(ctx, in, s.millis()); err != nil {
		return nil, err
	}
	return versionAnswer(s.store.getVersion(ctx, in.Name, in.Version))
}
