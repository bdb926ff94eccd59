package api

import (
	"bytes"
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2/utils"
	"github.com/valyala/fasthttp"
	"golang.org/x/sync/semaphore"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
)

// A model file may be larger than any other request, and takes longer to read.
const (
	importBody    = 128 << 20         // bytes of the request, in which the file is base64: 96 MiB of file
	importTimeout = 100 * time.Second // less than what the answer may take to be written
)

func (s *Server) importRoutes() {
	register(s, huma.Operation{
		OperationID: "importVersion", Method: http.MethodPost, Path: "/models/{model}/versions", Tags: []string{"models"},
		Summary: "Make a version of a model that LightGBM or XGBoost trained",
		Description: "The file comes base64-encoded, 96 MiB at most. Its version answers as the library does; POST /models/{model}/rollout puts it into service. " +
			"A pickle is refused, with advice how to save the model instead. The same file with the same schema again is the same version (200, created false).",
		DefaultStatus: http.StatusCreated, MaxBodyBytes: int64(max(importBody, s.o.MaxBody)),
	}, s.importVersion)
	documented := s.huma.OpenAPI().Paths["/models/{model}/versions"].Post.Responses
	documented["200"] = &huma.Response{Description: "It was imported before", Content: documented["201"].Content}
}

type importInput struct {
	Model string `path:"model" doc:"name of the model; it needs no pipeline"`
	Body  client.ImportRequest
}

type importOutput struct {
	Status int
	Body   client.ImportResponse
}

func (s *Server) importVersion(ctx context.Context, in *importInput) (*importOutput, error) {
	made, err := s.o.Control.Import(ctx, in.Model, in.Body)
	if err != nil {
		return nil, perennial.Wrap("api.importVersion", err)
	}
	out := &importOutput{Status: http.StatusCreated, Body: made}
	if !made.Created {
		out.Status = http.StatusOK
	}
	return out, nil
}

var modelsPath, versionsPath = []byte("/models/"), []byte("/versions")

// isImport reports whether a request brings a model file.
func isImport(ctx *fasthttp.RequestCtx) bool {
	return ctx.IsPost() && bytes.HasPrefix(ctx.Path(), modelsPath) && bytes.HasSuffix(ctx.Path(), versionsPath)
}

// limits gives how large a request's body may be, and what bounds the memory of
// all such bodies at once: of model files, one of the greatest size.
func (s *Server) limits(ctx *fasthttp.RequestCtx) (most int, memory *semaphore.Weighted) {
	if isImport(ctx) && s.o.MaxBody < importBody {
		return importBody, s.imports
	}
	return s.o.MaxBody, s.bodies
}

// timeout gives how long a request may be at work.
func (s *Server) timeout(ctx *fasthttp.RequestCtx) time.Duration {
	if isImport(ctx) {
		return max(importTimeout, s.o.RequestTimeout)
	}
	if s.streams(ctx) {
		return streamTimeout
	}
	if s.ofGuest(utils.UnsafeString(ctx.Path())) {
		return max(guestTimeout, s.o.RequestTimeout)
	}
	return s.o.RequestTimeout
}
