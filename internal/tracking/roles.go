package tracking

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/mlflow"
)

// owned are the beginnings of MLflow's paths.
var owned = []string{"/api/2.0/mlflow", "/api/3.0/mlflow", "/ajax-api/", "/get-artifact", "/model-versions/get-artifact"}

// Owns reports whether a path is one of MLflow's, whether there is a route or not.
func (s *Server) Owns(path string) bool {
	return path == "/health" || path == "/version" || slices.ContainsFunc(owned, func(prefix string) bool { return strings.HasPrefix(path, prefix) })
}

// Role gives what a route needs: nothing (""), reader, trainer or operator. Whoever
// may write may take a tag away again; aliases, and what takes away whole runs,
// versions or files, are the operator's.
func (s *Server) Role(method, path string) perennial.AccessRole {
	_, name, _ := strings.Cut(path, "/mlflow/")
	switch {
	case path == "/health", path == "/version":
		return ""
	case method == http.MethodGet, method == http.MethodHead, slices.Contains(readingPosts, name):
		return perennial.AccessReader
	case strings.HasSuffix(name, "/delete-tag"), strings.Contains(name, "/tags/"):
		return perennial.AccessTrainer
	case method == http.MethodDelete, strings.HasSuffix(name, "/delete"), strings.HasSuffix(name, "/alias"):
		return perennial.AccessOperator
	default:
		return perennial.AccessTrainer
	}
}

// readingPosts are the RPCs that change nothing and are sent with POST.
var readingPosts = []string{
	"experiments/search", "experiments/search-datasets", "runs/search", "logged-models/search", "registered-models/get-latest-versions",
}

// guarded lets only those in who hold a role, and marks them as from outside.
func guarded(needed perennial.AccessRole, handler fiber.Handler) fiber.Handler {
	return func(c *fiber.Ctx) error {
		if actor := perennial.ActorOf(c.UserContext()); needed != "" && !actor.Role.Holds(needed) {
			return mlflow.Errorf(mlflow.CodeDenied, "Permission denied: this needs a token of the role %s or a higher one.", needed)
		}
		c.SetUserContext(fromOutside(c.UserContext()))
		return handler(c)
	}
}
