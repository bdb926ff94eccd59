package mlflow

import (
	"context"
	"net/http"

	"github.com/perennial-ml/perennial"
)

// DeleteVersion deletes a version; its number is never used again. not_found where
// there is none.
func (t *Tracker) DeleteVersion(ctx context.Context, model, version string) error {
	_, err := send[Void](ctx, t.c, http.MethodDelete, "model-versions/delete", VersionName{Name: model, Version: version})
	return perennial.Wrap("mlflow.DeleteVersion", err)
}
