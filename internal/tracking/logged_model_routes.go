package tracking

import (
	"context"
	"net/http"

	"gorm.io/gorm"

	"github.com/perennial-ml/perennial/internal/db"
	"github.com/perennial-ml/perennial/internal/mlflow"
)

func (s *Server) loggedModelRoutes() {
	handle(s, http.MethodPost, "logged-models", s.createLoggedModel)
	handle(s, http.MethodPost, "logged-models/search", s.searchLoggedModels)
	handle(s, http.MethodGet, "logged-models/:model_id", s.getLoggedModel)
	handle(s, http.MethodPatch, "logged-models/:model_id", s.finalizeLoggedModel)
	handle(s, http.MethodDelete, "logged-models/:model_id", s.deleteLoggedModel)
	handle(s, http.MethodPatch, "logged-models/:model_id/tags", s.setLoggedModelTags)
	handle(s, http.MethodDelete, "logged-models/:model_id/tags/:tag_key", s.deleteLoggedModelTag)
	handle(s, http.MethodPost, "logged-models/:model_id/params", s.logLoggedModelParams)
}

func loggedAnswer(m mlflow.LoggedModel, err error) (*mlflow.LoggedModelAnswer, error) {
	return &mlflow.LoggedModelAnswer{Model: m}, err
}

func (s *Server) createLoggedModel(ctx context.Context, in *mlflow.CreateLoggedModel) (*mlflow.LoggedModelAnswer, error) {
	if err := checkOwn(ctx, keysOf(in.Tags)...); err != nil {
		return nil, err
	}
	return loggedAnswer(s.store.createLoggedModel(ctx, in, s.millis()))
}

func (s *Server) getLoggedModel(ctx context.Context, in *mlflow.GetLoggedModel) (*mlflow.LoggedModelAnswer, error) {
	return loggedAnswer(s.store.getLoggedModel(ctx, in.ModelID, in.AllowDeleted))
}

func (s *Server) finalizeLoggedModel(ctx context.Context, in *mlflow.FinalizeLoggedModel) (*mlflow.LoggedModelAnswer, error) {
	if err := s.store.changeLoggedModel(ctx, in.ModelID, func(tx *gorm.DB) error {
		switch in.Status {
		case mlflow.LoggedModelPending, mlflow.LoggedModelReady, mlflow.LoggedModelFailed:
			return setLoggedModel(tx, in.ModelID, "status", in.Status, s.millis())
		}
		return mlflow.Invalid("Invalid model status: '%s'. It is one of %s, %s, %s.", clip(in.Status), mlflow.LoggedModelPending, mlflow.LoggedModelReady, mlflow.LoggedModelFailed)
	}); err != nil {
		return nil, err
	}
	return loggedAnswer(s.store.getLoggedModel(ctx, in.ModelID, true))
}

// deleteLoggedModel hides a model from searches, unless a version that is in
// service was made of it. Its files stay.
func (s *Server) deleteLoggedModel(ctx context.Context, in *mlflow.GetLoggedModel) (*mlflow.Void, error) {
	if _, err := findLoggedModel(s.store.db.WithContext(ctx), in.ModelID); err != nil {
		return nil, db.Fault("tracking.deleteLoggedModel", err)
	}
	if err := s.ownerFree(ctx, in.ModelID); err != nil {
		return nil, err
	}
	return nil, s.store.changeLoggedModel(ctx, in.ModelID, func(tx *gorm.DB) error {
		return setLoggedModel(tx, in.ModelID, "lifecycle_stage", stageDeleted, s.millis())
	})
}

func (s *Server) setLoggedModelTags(ctx context.Context, in *mlflow.LoggedModelTags) (*mlflow.Void, error) {
	if err := checkOwn(ctx, keysOf(in.Tags)...); err != nil {
		return nil, err
	}
	return nil, s.store.changeLoggedModel(ctx, in.ModelID, func(tx *gorm.DB) error {
		return putLoggedTags(tx, in.ModelID, in.Tags)
	})
}

// loggedModelTag is DELETE logged-models/{model_id}/tags/{tag_key}.
type loggedModelTag struct {
	ModelID string `json:"model_id"`
	Key     string `json:"tag_key"`
}

func (s *Server) deleteLoggedModelTag(ctx context.Context, in *loggedModelTag) (*mlflow.Void, error) {
	if err := checkOwn(ctx, in.Key); err != nil {
		return nil, err
	}
	return nil, s.store.changeLoggedModel(ctx, in.ModelID, func(tx *gorm.DB) error {
		gone := tx.Where("model_id = ? AND key = ?", in.ModelID, in.Key).Delete(&loggedTagRow{})
		if gone.Error == nil && gone.RowsAffected == 0 {
			return mlflow.Missing("No tag with key '%s' on logged model '%s'.", clip(in.Key), in.ModelID)
		}
		return gone.Error
	})
}

func (s *Server) logLoggedModelParams(ctx context.Context, in *mlflow.LoggedModelParams) (*mlflow.Void, error) {
	return nil, s.store.changeLoggedModel(ctx, in.ModelID, func(tx *gorm.DB) error {
		return putLoggedParams(tx, in.ModelID, in.Params)
	})
}
